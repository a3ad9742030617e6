//! A training that is begun to see how fast it is.

use std::time::{Duration, Instant};

use crate::data::ahead::batches_held;
use crate::device::Array;
use crate::interrupt::Interrupt;
use crate::objective::{Context, Inputs};
use crate::train::{Measurements, Task};

/// How long steps are looked at.
pub(super) const TRIAL: Duration = Duration::from_secs(5);
/// Of how many steps, at least, a mean is taken.
const FEWEST: usize = 3;

/// A task that notes when each step begins, and asks to stop once it has seen enough.
pub(super) struct Timed<'t> {
    task: &'t mut dyn Task,
    stop: &'t Interrupt,
    /// Where the user asks to stop.
    asked: &'t Interrupt,
    starts: Vec<Instant>,
    /// The steps at the beginning that are not as those that follow: buffers are made, and batches
    /// are there that were made beforehand.
    skipped: usize,
}

impl<'t> Timed<'t> {
    pub fn new(task: &'t mut dyn Task, stop: &'t Interrupt, asked: &'t Interrupt) -> Self {
        Timed { task, stop, asked, starts: Vec::new(), skipped: 0 }
    }

    /// How long `steps` steps would take, in seconds, where the training was begun and ended at
    /// these times.
    pub fn seconds(&self, begun: Instant, ended: Instant, steps: u64, per_epoch: u64) -> f64 {
        let starts: Vec<f64> =
            self.starts.iter().map(|start| (*start - begun).as_secs_f64()).collect();
        seconds(&starts, (ended - begun).as_secs_f64(), self.skipped, steps, per_epoch)
    }
}

/// The same, of the seconds at which steps were begun and all was ended.
fn seconds(starts: &[f64], ended: f64, skipped: usize, steps: u64, per_epoch: u64) -> f64 {
    let (Some(first), Some(last)) = (starts.first(), starts.last()) else { return ended };
    if starts.len() as u64 >= steps {
        return ended;
    }
    let mut within = Vec::new();
    let mut between = Vec::new();
    for (index, pair) in starts.windows(2).enumerate() {
        let gap = pair[1] - pair[0];
        match (index as u64 + 1).is_multiple_of(per_epoch) {
            true => between.push(gap),
            false if index >= skipped => within.push(gap),
            false => {}
        }
    }
    let mean = |gaps: &[f64]| gaps.iter().sum::<f64>() / gaps.len() as f64;
    // With one step in an epoch, all gaps lie between epochs.
    let step = if within.is_empty() { ended - last } else { mean(&within) };
    // Where no epoch has ended in it, the trial's own beginning and end are as those of one.
    let epoch = match between.is_empty() {
        true => first + (ended - last - step).max(0.0),
        false => (mean(&between) - step).max(0.0),
    };
    steps as f64 * step + steps.div_ceil(per_epoch) as f64 * epoch
}

impl Task for Timed<'_> {
    fn step(&mut self, batch: &Inputs, lr: f64, context: Context<'_>) -> Measurements {
        let now = Instant::now();
        self.starts.push(now);
        let measurements = self.task.step(batch, lr, context);
        let count = self.starts.len();
        let since = |index: usize| self.starts.get(index).map(|start| now - *start);
        if self.skipped == 0 {
            let is_long = since(0).is_some_and(|time| time >= TRIAL);
            if count > batches_held() || count > 1 && is_long {
                self.skipped = count - 1;
            }
        } else if count >= self.skipped + FEWEST
            && since(self.skipped).is_some_and(|time| time >= TRIAL)
        {
            self.stop.request();
        }
        if self.asked.requested() {
            self.stop.request();
        }
        measurements
    }

    fn lr(&self) -> f64 {
        self.task.lr()
    }

    fn state(&self) -> Vec<(String, Array)> {
        self.task.state()
    }

    fn load_state(&mut self, state: Vec<(String, Array)>) -> Result<(), String> {
        self.task.load_state(state)
    }

    fn snapshot(&self) -> Vec<u8> {
        self.task.snapshot()
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_whole_training_is_its_trial_prolonged() {
        // Two seconds until the first step, which takes three; then one a step, and half a second
        // until all is saved.
        let starts = [2.0, 5.0, 6.0, 7.0, 8.0];
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}");
        close(seconds(&starts, 9.5, 1, 100, 50), 100.0 + 2.0 * 2.5);
        // A gap of four seconds between epochs of three steps.
        let starts = [2.0, 3.0, 4.0, 8.0, 9.0, 10.0];
        close(seconds(&starts, 11.5, 1, 30, 3), 30.0 + 10.0 * 3.0);
    }

    #[test]
    fn a_short_training_is_measured_whole() {
        assert_eq!(seconds(&[0.5, 1.0], 2.0, 0, 2, 10), 2.0);
        assert_eq!(seconds(&[], 0.25, 0, 5, 10), 0.25);
        // One step an epoch.
        assert_eq!(seconds(&[0.0, 2.0, 4.0], 5.0, 1, 10, 1), 10.0 + 10.0);
    }
}
