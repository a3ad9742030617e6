//! Adam, with coupled and decoupled weight decay.

use super::Optimizer;
use super::rule::{Group, PerParameter, Rule, Step};
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

    /// As [`Kernels::adam_many`] has it.
    fn update(&self, kernels: &dyn Kernels, group: &mut Group) {
        let Step { lr, weight_decay, number, .. } = group.step;
        let Coupled { averages, decoupled } = *self;
        let how = Adam { averages, lr, weight_decay, decoupled, number };
        let gradients = std::mem::take(&mut group.gradients);
        kernels.adam_many(&mut group.values, gradients, &mut group.moments, how);
    }
}
