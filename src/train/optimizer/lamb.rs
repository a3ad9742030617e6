//! Adam with layer-wise adaptation.

use burn::tensor::Tensor;

use super::Optimizer;
use super::adam::{AVERAGES, averages};
use super::norm::trust_ratio;
use super::rule::{Moved, PerParameter, Rule, Step, Update, one_by_one};
use crate::device::{Averages, Kernels};
use crate::term::Args;

pub(super) fn lamb(args: &Args) -> Box<dyn Optimizer> {
    Box::new(PerParameter::new(Lamb { averages: averages(args) }, args))
}

struct Lamb {
    averages: Averages,
}

impl Rule for Lamb {
    const MOMENTS: &'static [&'static str] = AVERAGES;

    fn update_all(&self, _: &dyn Kernels, moved: Vec<Moved<'_>>) {
        one_by_one(self, moved);
    }
}

impl Update for Lamb {
    /// `r = m' / (sqrt(v') + epsilon) + decay * p`, with Adam's averages `m'` and `v'`;
    /// `p - lr * r * |p| / |r|`, where neither norm is 0. What is spared is not scaled.
    ///
    /// Algorithm 2 of the paper, with the identity as the function of `|p|`.
    fn update<const D: usize>(
        &self,
        value: Tensor<D>,
        gradient: Tensor<D>,
        moments: &mut Vec<Tensor<D>>,
        step: Step,
    ) -> Tensor<D> {
        let (direction, correction) = self.averages.direction(gradient, moments, step.number);
        let mut update = direction / correction;
        if step.weight_decay != 0.0 {
            update = update + value.clone() * step.weight_decay;
        }
        if !step.is_spared {
            let ratio = trust_ratio(value.clone(), update.clone(), 1.0, None);
            update = update * ratio.reshape([1; D]);
        }
        value - update * step.lr
    }
}
