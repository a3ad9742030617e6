//! Training: optimizers, schedules, and the loop of the stages that train.

mod device_feed;
mod error;
mod feed;
mod optimizer;
mod progress;
mod saving;
mod session;
mod state;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod tests;
mod training;

pub use device_feed::DeviceFeed;
pub use error::{NotFinite, TrainError};
pub use feed::{Feed, HostFeed};
pub use optimizer::{OPTIMIZERS, Optimizer, ParamSet, StateError, build as build_optimizer};
pub use session::{Measurements, Observer, Session, Task, Trained, kept_name, steps};
pub use training::Training;
