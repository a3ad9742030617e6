//! Adam with layer-wise adaptation.

use super::Optimizer;
use super::adam::{AVERAGES, averages};
use super::norm::adapt;
use super::rule::{Group, PerParameter, Rule, Step};
use crate::device::{Adam, Array, Averages, Kernels};
use crate::term::Args;

pub(super) fn lamb(args: &Args) -> Box<dyn Optimizer> {
    Box::new(PerParameter::new(Lamb { averages: averages(args) }, args))
}

struct Lamb {
    averages: Averages,
}

impl Rule for Lamb {
    const MOMENTS: &'static [&'static str] = AVERAGES;

    /// `r = m' / (sqrt(v') + epsilon) + decay * p`, with Adam's averages `m'` and `v'`;
    /// `p - lr * r * |p| / |r|`, where neither norm is 0. What is spared is not scaled.
    ///
    /// Algorithm 2 of the paper, with the identity as the function of `|p|`.
    fn update(&self, kernels: &dyn Kernels, group: &mut Group) {
        let Step { lr, weight_decay, is_spared, number } = group.step;
        // A step of Adam from zero, by minus one, is its direction.
        let averages = self.averages;
        let how = Adam { averages, lr: -1.0, weight_decay: 0.0, decoupled: true, number };
        let mut updates: Vec<Array> = group.values.iter().map(Array::zeros_like).collect();
        let gradients = std::mem::take(&mut group.gradients);
        kernels.adam_many(&mut updates, gradients, &mut group.moments, how);
        if weight_decay != 0.0 {
            kernels.add_many(&mut updates, &group.values, weight_decay);
        }
        if !is_spared {
            adapt(kernels, &group.values, &mut updates, (1.0, None));
        }
        kernels.add_many(&mut group.values, &updates, -lr);
    }
}
