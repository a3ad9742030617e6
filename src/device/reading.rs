//! Numbers on their way from a device.

use super::array::Array;

/// Numbers that a device was asked for. What computes them may still be under way, as may what it
/// was told to do after that.
pub struct Reading(Box<dyn FnOnce() -> Vec<f32>>);

impl Reading {
    /// What `wait` gives once they are there.
    pub fn new(wait: impl FnOnce() -> Vec<f32> + 'static) -> Self {
        Reading(Box::new(wait))
    }

    /// The numbers of an array, row-major, which are asked for when they are waited for: for devices
    /// that are done with one thing before they are told the next.
    pub fn of(numbers: Array) -> Self {
        Reading::new(move || numbers.to_vec())
    }

    pub fn wait(self) -> Vec<f32> {
        (self.0)()
    }
}
