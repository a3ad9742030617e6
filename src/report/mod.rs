//! What people see of a run.

pub mod grid;
mod line;
pub mod plan;
pub mod results;
mod table;
pub mod terminal;
