//! What objectives are made of: tensor operations, state, averages of networks, and the step that
//! interprets an objective's graph.
//!
//! An operation is declared in `std.prelude`, which also says through which of its arguments a
//! gradient flows; here stands its implementation. What is declared as an average of a network, the
//! step keeps itself.

mod clusters;
#[cfg(test)]
pub(crate) mod golden;
mod learner;
mod operands;
mod operations;
mod parts;
mod phases;
mod slot;
mod state;
mod step;

pub use learner::{Learner, ObjectiveError, encoder_key};
pub use operands::{Context, Operands};
pub use operations::{Operation, operation, operations};
pub use phases::{PHASES, Phase, Phases};
pub use slot::{KEEPING, Keeping};
pub use step::{Effects, Inputs, StepOutput};
