//! What people see of a run.

pub mod download;
pub mod table;
pub mod terminal;
