//! What the passes of a step add up to.

use super::estimate::Room;
use super::work::{NUMBER, Work};
use crate::nn::Cost;

/// What the networks of a step compute and hold, in numbers.
#[derive(Default)]
pub(super) struct Passes {
    operations: u128,
    /// Kept until the gradient is there.
    pub kept: u128,
    /// The most that a pass without a gradient has at once.
    live: u128,
    /// The most that a gradient on its way has at once beyond what its pass keeps.
    beyond: u128,
    /// The most that is there at once of a part whose pass is made again for its gradient, when
    /// everything else has had its own.
    again: u128,
    /// Of a number that flows between layers.
    pub bytes: u128,
    /// Batches that are made, wait, or are on the device.
    pub batches: u128,
}

/// Of which of its inputs a module has a gradient.
#[derive(Clone, Copy)]
pub(super) struct Gradient {
    pub of_parameters: bool,
    pub of_input: bool,
}

impl Gradient {
    /// Those of one example's.
    fn operations(self, cost: Cost) -> u128 {
        let of = |wanted: bool, operations: u128| if wanted { operations } else { 0 };
        of(self.of_parameters, cost.by_parameters)
            + cost.by_layers
            + of(self.of_input, cost.by_input)
    }
}

impl Passes {
    /// One module applied to so many examples.
    pub fn add(&mut self, cost: Cost, rows: u128, gradient: Option<Gradient>) {
        self.operations += rows * cost.forward;
        let Some(gradient) = gradient else {
            self.live = self.live.max(rows * cost.live);
            return;
        };
        self.operations += rows * gradient.operations(cost);
        self.kept += rows * cost.kept;
        self.beyond = self.beyond.max(rows * cost.backward.saturating_sub(cost.kept));
    }

    /// One module applied to so many examples, in parts that keep nothing: for a gradient, each part
    /// passes again.
    pub fn add_in_parts(
        &mut self,
        cost: Cost,
        rows: u128,
        parts: u128,
        gradient: Option<Gradient>,
    ) {
        let part = rows.div_ceil(parts);
        self.operations += rows * cost.forward;
        self.live = self.live.max(part * cost.live);
        let Some(gradient) = gradient else { return };
        self.operations += rows * (cost.forward + gradient.operations(cost));
        self.again = self.again.max(part * cost.kept.max(cost.backward));
    }

    /// What a training takes with so many weights, of which it moves some, with so many moments of
    /// each, and with so many numbers besides that it goes on from.
    pub fn training(&self, room: Room, moments: u128, queued: u128) -> Work {
        let state = room.parameters + room.trained * moments + queued;
        let whole = self.kept + self.live.max(self.beyond);
        let flowing = whole.max(self.again) * self.bytes;
        let step = (state + room.trained + self.batches) * NUMBER + flowing;
        // A checkpoint is there as numbers and as the bytes of its file.
        let saving = 3 * state + room.trained;
        Work { operations: self.operations, memory: step.max(NUMBER * saving) }
    }
}
