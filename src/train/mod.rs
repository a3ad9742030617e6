//! Training: optimizers, schedules, and the loop of the stages that train.

#[cfg(feature = "run")]
mod finetune;
mod optimizer;
#[cfg(feature = "run")]
mod pretrain;
mod schedule;
#[cfg(feature = "run")]
mod session;

#[cfg(feature = "run")]
pub use finetune::{Classifier, HEAD, Tuned};
pub use optimizer::OptimizerEntry;
#[cfg(feature = "run")]
pub use optimizer::{Optimizer, StateError};
#[cfg(feature = "run")]
pub use pretrain::Pretraining;
pub use schedule::{Progress, ScheduleEntry, value as schedule_value};
#[cfg(feature = "run")]
pub use session::{NotFinite, Session, Task, TrainError, Trained, kept_name};

use crate::registry::Entry;

/// Optimizers and schedules; all are in scope everywhere.
pub static ENTRIES: &[Entry] = &[
    optimizer::SGD,
    optimizer::ADAM,
    optimizer::ADAMW,
    schedule::COSINE,
    schedule::STEP,
    schedule::CONSTANT,
];

/// The optimizer that a checked term names.
#[cfg(feature = "run")]
pub fn build_optimizer(term: &crate::term::Term) -> Box<dyn Optimizer> {
    use crate::registry::{Implementation, find};
    use crate::term::Term;

    if let Term::Call(call) = term
        && let Some(Implementation::Optimizer(entry)) =
            find(&call.name).map(|entry| &entry.implementation)
    {
        return (entry.build)(&call.args);
    }
    panic!("{term} passed the checker as an optimizer and is none")
}
