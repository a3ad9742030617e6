//! What people see of a run.

pub mod bench;
pub mod grid;
mod line;
pub mod plan;
pub mod results;
mod table;
pub mod terminal;
