//! Stochastic gradient descent.

use super::Optimizer;
use super::rule::{Group, PerParameter, Rule, Step};
use crate::device::{Descent, Kernels};
use crate::term::Args;

pub(super) fn sgd(args: &Args) -> Box<dyn Optimizer> {
    let rule = Sgd { momentum: args.float("momentum"), nesterov: args.bool("nesterov") };
    Box::new(PerParameter::new(rule, args))
}

struct Sgd {
    momentum: f64,
    nesterov: bool,
}

impl Rule for Sgd {
    const MOMENTS: &'static [&'static str] = &["momentum_buffer"];

    fn moments(&self) -> usize {
        usize::from(self.momentum != 0.0)
    }

    /// As [`Kernels::descend_many`] has it.
    fn update(&self, kernels: &dyn Kernels, group: &mut Group) {
        let Step { lr, weight_decay, .. } = group.step;
        let Sgd { momentum, nesterov } = *self;
        descend(kernels, group, Descent { lr, weight_decay, momentum, nesterov });
    }
}

/// One step of a group, with its momentum where its only moments are.
pub(super) fn descend(kernels: &dyn Kernels, group: &mut Group, how: Descent) {
    let mut buffers = group.moments.iter_mut().flat_map(|own| own.drain(..)).collect();
    let gradients = std::mem::take(&mut group.gradients);
    kernels.descend_many(&mut group.values, gradients, &mut buffers, how);
    for (own, buffer) in group.moments.iter_mut().zip(buffers) {
        own.push(buffer);
    }
}
