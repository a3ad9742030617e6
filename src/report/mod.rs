//! What people see of a run.

mod line;
pub mod plan;
pub mod results;
mod table;
pub mod terminal;
