//! Training: optimizers, schedules, and the loop of the stages that train.

mod finetune;
mod optimizer;
mod pretrain;
mod session;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod tests;

pub use finetune::{Classifier, HEAD, Tuned};
pub use optimizer::{OPTIMIZERS, Optimizer, ParamSet, StateError, build as build_optimizer};
pub use pretrain::Pretraining;
pub use session::{Measurements, NotFinite, Session, Task, TrainError, Trained, kept_name, steps};
