//! Adam, with coupled and decoupled weight decay.

use super::Optimizer;
use super::rule::{Moved, PerParameter, Rule};
use crate::device::{Adam, Averages, Kernels};
use crate::term::Args;

pub(super) fn adam(args: &Args) -> Box<dyn Optimizer> {
    let rule = Coupled { averages: averages(args), decoupled: false };
    Box::new(PerParameter::new(rule, args))
}

pub(super) fn adamw(args: &Args) -> Box<dyn Optimizer> {
    let rule = Coupled { averages: averages(args), decoupled: true };
    Box::new(PerParameter::new(rule, args))
}

/// The names of the averages that are kept.
pub(super) const AVERAGES: &[&str] = &["exp_avg", "exp_avg_sq"];

pub(super) fn averages(args: &Args) -> Averages {
    Averages {
        beta1: args.float("beta1"),
        beta2: args.float("beta2"),
        epsilon: args.float("epsilon"),
    }
}

struct Coupled {
    averages: Averages,
    /// Whether the weight decay shrinks the parameter, or adds to its gradient.
    decoupled: bool,
}

impl Rule for Coupled {
    const MOMENTS: &'static [&'static str] = AVERAGES;

    /// As [`Kernels::adam_many`] has it, in one call for all whose weight decay is the same and that
    /// have taken as many steps.
    fn update_all(&self, kernels: &dyn Kernels, mut moved: Vec<Moved<'_>>) {
        let kind = |own: &Moved<'_>| (own.step.weight_decay.to_bits(), own.step.number);
        moved.sort_by_key(kind);
        for group in moved.chunk_by_mut(|one, other| kind(one) == kind(other)) {
            let [mut values, mut gradients] = [const { Vec::new() }; 2];
            let mut moments = Vec::new();
            for own in group.iter_mut() {
                // Moved out of its place, it is held once and written there.
                values.push(own.value.take());
                gradients.push(own.gradient.take());
                moments.push(std::mem::take(own.moments));
            }
            let Moved { step, .. } = &group[0];
            let how = Adam {
                averages: self.averages,
                lr: step.lr,
                weight_decay: step.weight_decay,
                decoupled: self.decoupled,
                number: step.number,
            };
            kernels.adam_many(&mut values, gradients, &mut moments, how);
            for ((own, value), kept) in group.iter_mut().zip(values).zip(moments) {
                *own.value = value;
                *own.moments = kept;
            }
        }
    }
}
