//! What people see of a run.

pub mod bench;
pub mod grid;
mod line;
pub mod plan;
pub mod results;
pub mod terminal;
