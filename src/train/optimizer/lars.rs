//! Layer-wise adaptive rate scaling.

use burn::tensor::Tensor;

use super::Optimizer;
use super::norm::trust_ratio;
use super::rule::{Moved, PerParameter, Rule, Step, Update, one_by_one};
use crate::device::Kernels;
use crate::term::Args;

pub(super) fn lars(args: &Args) -> Box<dyn Optimizer> {
    let rule = Lars {
        momentum: args.float("momentum"),
        trust: args.float("trust"),
        is_bounded: args.bool("bounded"),
    };
    Box::new(PerParameter::new(rule, args))
}

struct Lars {
    momentum: f64,
    trust: f64,
    is_bounded: bool,
}

impl Rule for Lars {
    /// The name that the published code of Barlow Twins gives it.
    const MOMENTS: &'static [&'static str] = &["mu"];

    fn moments(&self) -> usize {
        usize::from(self.momentum != 0.0)
    }

    fn update_all(&self, _: &dyn Kernels, moved: Vec<Moved<'_>>) {
        one_by_one(self, moved);
    }
}

impl Update for Lars {
    /// `d = g + decay * p`; `d = d * trust * |p| / |d|`, where neither norm is 0;
    /// `mu = momentum * mu + d`, from zero; `p - lr * mu`. What is spared is not scaled. Bounded,
    /// `d = d * min(trust * |p| / |d| / lr, 1)`.
    ///
    /// This is the form of the published code of Barlow Twins and of BYOL. That of SimCLR has the
    /// rate inside of the momentum, as the paper has: the same where the rate is constant. The
    /// paper (section 4.1), and apex, which SwAV trains with, divide by `|g| + decay * |p|`, which
    /// bounds `|d|`: next to the same for a decay of 1e-6.
    fn update<const D: usize>(
        &self,
        value: Tensor<D>,
        gradient: Tensor<D>,
        moments: &mut Vec<Tensor<D>>,
        step: Step,
    ) -> Tensor<D> {
        let mut direction = gradient;
        if step.weight_decay != 0.0 {
            direction = direction + value.clone() * step.weight_decay;
        }
        if !step.is_spared {
            let bound = self.is_bounded.then_some(step.lr);
            let ratio = trust_ratio(value.clone(), direction.clone(), self.trust, bound);
            direction = direction * ratio.reshape([1; D]);
        }
        if self.momentum != 0.0 {
            if let Some(mu) = moments.pop() {
                direction = mu * self.momentum + direction;
            }
            moments.push(direction.clone());
        }
        value - direction * step.lr
    }
}
