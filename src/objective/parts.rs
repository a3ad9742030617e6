//! Encoders in parts: a batch that would not fit is taken a part at a time, by the same mathematics.
//!
//! What an encoder keeps for its gradient is nearly all of what a step holds. In parts, nothing is
//! kept: every part passes, the rest of the objective sees the features of the whole batch, and its
//! gradient by them is the start of a second pass, part by part, that is differentiated. So a loss
//! that compares all examples with each other stays what it is, as gradient caching does it: Gao et
//! al. 2021, arXiv:2101.06983. A step computes each trained encoder's pass twice.
//!
//! Batch norms see a part, as if they saw the batch in as many groups: the parts are the rows
//! `part`, `part + parts`, …, as groups are, and running statistics move once, to the means over
//! the parts.

use burn::tensor::{Gradients, Tensor};

use super::Learner;
use super::learner::ObjectiveError;
use super::operands::Context;
use super::step::{Applied, taken};
use crate::device::{Array, by_rank};
use crate::nn::{Params, Pass, Updates};
use crate::random::Key;

/// A pass of a trained encoder that has kept nothing: its gradient is still to be computed.
pub struct Encoded {
    of: Applied,
    /// In which batch norms see each part.
    groups: usize,
    /// What is dropped by chance follows from it, and from the part.
    chance: Option<Key>,
    input: Array,
    /// The features, by which the rest of the step is differentiated.
    output: Array,
}

/// For each module and its parameters, the gradient of the loss, if one has reached it.
pub type ModuleGradients = Vec<Option<Vec<Option<Array>>>>;

impl Learner {
    /// The same, with each batch passing the encoders in so many parts.
    ///
    /// # Errors
    ///
    /// Where a batch does not divide into as many, or a part not into its groups.
    pub fn in_parts(mut self, parts: usize) -> Result<Self, ObjectiveError> {
        self.parts = parts;
        self.divides(self.sizes[0])?;
        Ok(self)
    }

    /// In how many groups batch norms see each part, where they see the batch in `groups`.
    pub(super) fn groups_of_part(&self, groups: usize) -> usize {
        groups.div_ceil(self.parts.max(1))
    }

    /// Applies an encoder part by part, by constant parameters. The features are constants, or,
    /// where the encoder `is_trained`, the start of a history that [`Learner::gradients`] completes.
    pub(super) fn encode(
        &self,
        of: Applied,
        pass: &mut Pass<'_>,
        x: Array,
        is_trained: bool,
        encoded: &mut Vec<Encoded>,
    ) -> Array {
        let groups = self.groups_of_part(pass.groups);
        let before = pass.updates.clone();
        let mut left = Vec::with_capacity(self.parts);
        let features = (0..self.parts).map(|part| {
            let mut updates = before.clone();
            let chance = of_part(pass.chance, part);
            let mut own = Pass { chance, groups, updates: &mut updates, ..*pass };
            let features = self.pass(of, &mut own, self.part(&x, part));
            left.push(updates);
            pass.kernels.finish(features)
        });
        let features = self.joined(features.collect());
        if pass.training {
            *pass.updates = means(left);
        }
        if !is_trained {
            return features;
        }
        let output = features.leaf();
        let chance = pass.chance;
        encoded.push(Encoded { of, groups, chance, input: x, output: output.clone() });
        output
    }

    /// The gradients of a step's loss by the parameters of its `leaves`.
    ///
    /// The leaves are gone afterwards, so that each value is held once when the optimizer moves it.
    pub fn gradients(
        &self,
        loss: &Array,
        leaves: Vec<Option<Params>>,
        encoded: Vec<Encoded>,
        context: &Context<'_>,
    ) -> ModuleGradients {
        let mut whole = loss.backward();
        let mut take = |leaves: Params| leaves.take_gradients(&mut whole);
        let mut gradients: ModuleGradients =
            leaves.into_iter().map(|leaves| leaves.map(&mut take)).collect();
        for own in encoded {
            // A pass that the loss does not depend on.
            let Some(by_output) = own.output.take_gradient(&mut whole) else { continue };
            for part in 0..self.parts {
                let by_part = self.part(&by_output, part);
                let new = self.gradients_of_part(&own, part, &by_part, context);
                let sums = &mut gradients[own.of.module];
                *sums = Some(match sums.take() {
                    Some(sums) => sums.into_iter().zip(new).map(sum).collect(),
                    None => new,
                });
            }
        }
        gradients
    }

    /// The gradients by an encoder's parameters, of one part of a pass, from that by its output.
    fn gradients_of_part(
        &self,
        own: &Encoded,
        part: usize,
        by_output: &Array,
        context: &Context<'_>,
    ) -> Vec<Option<Array>> {
        let leaves = self.params[own.of.module].leaves();
        let (kernels, updates) = (context.kernels, &mut Updates::new());
        let (training, groups, chance) = (true, own.groups, of_part(own.chance, part));
        let mut pass = Pass { kernels, params: &leaves, training, chance, groups, updates };
        let output = self.pass(own.of, &mut pass, self.part(&own.input, part));
        let output = kernels.finish(output);
        let mut gradients: Gradients = by_rank!(output.rank(), D => {
            let product: Tensor<D> = output.tensor::<D>() * by_output.tensor::<D>().autodiff();
            product.sum().backward()
        });
        leaves.take_gradients(&mut gradients)
    }

    /// Rows `part`, `part + parts`, … of an array.
    fn part(&self, x: &Array, part: usize) -> Array {
        let places: Vec<i64> = (part as i64..x.rows() as i64).step_by(self.parts).collect();
        taken(x, &places)
    }

    /// The rows of the parts, in their own order.
    fn joined(&self, parts: Vec<Array>) -> Array {
        let rows: usize = parts.iter().map(Array::rows).sum();
        let all: Array = by_rank!(parts[0].rank(), D => {
            Tensor::cat(parts.iter().map(Array::tensor::<D>).collect(), 0).into()
        });
        let each = rows / self.parts;
        let places: Vec<i64> =
            (0..rows).map(|row| (row % self.parts * each + row / self.parts) as i64).collect();
        taken(&all, &places)
    }
}

/// No two parts drop the same, and each what it dropped before.
fn of_part(chance: Option<Key>, part: usize) -> Option<Key> {
    chance.map(|key| key.fold(part as u64))
}

/// The means of what several passes would leave.
fn means(left: Vec<Updates>) -> Updates {
    let share = 1.0 / left.len() as f64;
    let mut sums = Updates::new();
    for (slot, value) in left.into_iter().flatten() {
        let sum = match sums.remove(&slot) {
            Some(sum) => added(&sum, &value),
            None => value,
        };
        sums.insert(slot, sum);
    }
    let scaled = |value: Array| by_rank!(value.rank(), D => (value.tensor::<D>() * share).into());
    sums.into_iter().map(|(slot, sum)| (slot, scaled(sum))).collect()
}

fn sum(both: (Option<Array>, Option<Array>)) -> Option<Array> {
    match both {
        (Some(one), Some(other)) => Some(added(&one, &other)),
        (one, other) => one.or(other),
    }
}

fn added(one: &Array, other: &Array) -> Array {
    by_rank!(one.rank(), D => (one.tensor::<D>() + other.tensor::<D>()).into())
}
