//! What outlives a process: finished stages, checkpoints of those in progress, and the events of a
//! run.

pub mod checkpoint;
pub mod error;
pub mod events;
pub(crate) mod files;
mod finished;
mod manifest;
mod partial;

pub use finished::{FORMAT, Finished, Left, Lineages, Lock, Lookup, Made, StageStore, Store};
pub use manifest::Lineage;
pub use partial::Partial;
