//! Where the time of a training goes.

use std::cell::Cell;
use std::time::{Duration, Instant};

use burn::tensor::Device;

/// What a training is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits for views that are not made yet.
    Views,
    /// It brings a batch to the device.
    Copy,
    /// Networks through which a gradient goes.
    Forward,
    /// Networks through which none goes: averages of others, and what is reported alone.
    Constant,
    /// The operations of the objective.
    Objective,
    Backward,
    Optimizer,
    /// Averages of weights, running statistics, queues and other memories.
    State,
    /// It reads what the step has measured, and notes it.
    Metrics,
    /// It looks whether all numbers of the state are finite, and stores them.
    Checkpoint,
}

/// All of them, in the order of a step.
pub const PHASES: [Phase; 10] = [
    Phase::Views,
    Phase::Copy,
    Phase::Forward,
    Phase::Constant,
    Phase::Objective,
    Phase::Backward,
    Phase::Optimizer,
    Phase::State,
    Phase::Metrics,
    Phase::Checkpoint,
];

/// A clock that is told of every change of phase. Each moment belongs to one of them.
pub struct Phases {
    /// Waited for at every change, so that what a phase has asked for is counted as its own.
    device: Device,
    is_silent: Cell<bool>,
    running: Cell<Option<(Phase, Instant)>>,
    spent: [Cell<Duration>; PHASES.len()],
}

impl Phases {
    pub fn new(device: &Device) -> Self {
        let spent = std::array::from_fn(|_| Cell::new(Duration::ZERO));
        Phases {
            device: device.clone(),
            is_silent: Cell::new(false),
            running: Cell::new(None),
            spent,
        }
    }

    /// From now on time counts for that phase.
    pub fn enter(&self, phase: Phase) {
        if self.is_silent.get() {
            return;
        }
        if self.running.get().is_none_or(|(running, _)| running != phase) {
            let now = self.settle();
            self.running.set(Some((phase, now)));
        }
    }

    /// Lets changes pass unheeded, or heeds them again. What was counted before is forgotten.
    pub fn silence(&self, is_silent: bool) {
        self.take();
        self.running.set(None);
        self.is_silent.set(is_silent);
    }

    /// What every phase has taken so far, in the order of [`PHASES`]; all begin anew.
    pub fn take(&self) -> [Duration; PHASES.len()] {
        let now = self.settle();
        self.running.set(self.running.get().map(|(phase, _)| (phase, now)));
        std::array::from_fn(|at| self.spent[at].take())
    }

    /// Adds what has passed to the running phase. Gives the time at which it did.
    fn settle(&self) -> Instant {
        // A device that has failed says so at the next thing that it is asked for.
        let _ = self.device.sync();
        let now = Instant::now();
        if let Some((phase, since)) = self.running.get() {
            let spent = &self.spent[phase as usize];
            spent.set(spent.get() + (now - since));
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::device;

    #[test]
    fn phases_stand_at_their_places() {
        assert!(PHASES.iter().enumerate().all(|(at, phase)| *phase as usize == at));
    }

    #[test]
    fn every_moment_belongs_to_one_phase() {
        let phases = Phases::new(&device());
        let pause = || std::thread::sleep(Duration::from_millis(2));
        let begun = Instant::now();
        phases.enter(Phase::Views);
        let mut all = Duration::ZERO;
        for _ in 0..3 {
            pause();
            phases.enter(Phase::Forward);
            pause();
            // The same once more is no change.
            phases.enter(Phase::Forward);
            phases.enter(Phase::Views);
            all += phases.take().iter().sum::<Duration>();
        }
        pause();
        let spent = phases.take();
        all += spent.iter().sum::<Duration>();
        let passed = begun.elapsed();
        assert!(spent[Phase::Views as usize] >= Duration::from_millis(2));
        assert_eq!(spent[Phase::Forward as usize], Duration::ZERO);
        assert!(all >= Duration::from_millis(14) && all <= passed, "{all:?} of {passed:?}");
        assert_eq!(phases.take()[Phase::Optimizer as usize], Duration::ZERO);
    }
}
