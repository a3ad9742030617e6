//! What is told of a training on its way: means over an epoch, and how fast it goes.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::store::events::Measured;

/// Seconds between two events that tell of single steps.
const TELL_EVERY: f64 = 0.25;

/// Running means over an epoch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Mean {
    count: u64,
    pub measured: Measured,
}

impl Mean {
    pub fn add(&mut self, new: &Measured) {
        self.count += 1;
        let share = 1.0 / self.count as f64;
        let mix = |mean: f64, value: f64| mean + (value - mean) * share;
        let before = std::mem::take(&mut self.measured);
        let metrics = new.metrics.iter().map(|(name, value)| {
            (name.clone(), mix(before.metrics.get(name).copied().unwrap_or(0.0), *value))
        });
        self.measured = Measured {
            step: new.step,
            epoch: new.epoch,
            loss: mix(before.loss, new.loss),
            lr: new.lr,
            metrics: metrics.collect(),
        };
    }
}

/// Images a second, over the epoch so far.
pub(super) struct Clock {
    started: Instant,
    told: Instant,
    images: usize,
}

impl Clock {
    pub fn start() -> Self {
        let now = Instant::now();
        Clock { started: now, told: now, images: 0 }
    }

    pub fn images(&mut self, count: usize) {
        self.images += count;
    }

    pub fn rate(&self) -> f64 {
        self.images as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }

    /// Whether it is time for another event.
    pub fn tells(&mut self) -> bool {
        let due = self.told.elapsed().as_secs_f64() >= TELL_EVERY;
        if due {
            self.told = Instant::now();
        }
        due
    }
}
