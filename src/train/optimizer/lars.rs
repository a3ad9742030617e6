//! Layer-wise adaptive rate scaling.

use super::Optimizer;
use super::norm::adapt;
use super::rule::{Group, PerParameter, Rule, Step};
use super::sgd::descend;
use crate::device::{Descent, Kernels};
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

    /// `d = g + decay * p`; `d = d * trust * |p| / |d|`, where neither norm is 0;
    /// `mu = momentum * mu + d`, from zero; `p - lr * mu`. What is spared is not scaled. Bounded,
    /// `d = d * min(trust * |p| / |d| / lr, 1)`.
    ///
    /// This is the form of the published code of Barlow Twins and of BYOL. That of SimCLR has the
    /// rate inside of the momentum, as the paper has: the same where the rate is constant. The
    /// paper (section 4.1), and apex, which SwAV trains with, divide by `|g| + decay * |p|`, which
    /// bounds `|d|`: next to the same for a decay of 1e-6.
    fn update(&self, kernels: &dyn Kernels, group: &mut Group) {
        let Step { lr, weight_decay, is_spared, .. } = group.step;
        if weight_decay != 0.0 {
            kernels.add_many(&mut group.gradients, &group.values, weight_decay);
        }
        if !is_spared {
            let bound = self.is_bounded.then_some(lr);
            adapt(kernels, &group.values, &mut group.gradients, (self.trust, bound));
        }
        let momentum = self.momentum;
        descend(kernels, group, Descent { lr, weight_decay: 0.0, momentum, nesterov: false });
    }
}
