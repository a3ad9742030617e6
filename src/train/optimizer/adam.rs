//! Adam, with coupled and decoupled weight decay.

use burn::tensor::Tensor;

use super::Optimizer;
use super::rule::{Moved, PerParameter, Rule, Step, Update, one_by_one};
use crate::device::Kernels;
use crate::term::Args;

pub(super) fn adam(args: &Args) -> Box<dyn Optimizer> {
    let rule = Adam { averages: Averages::from_args(args), decoupled: false };
    Box::new(PerParameter::new(rule, args))
}

pub(super) fn adamw(args: &Args) -> Box<dyn Optimizer> {
    let rule = Adam { averages: Averages::from_args(args), decoupled: true };
    Box::new(PerParameter::new(rule, args))
}

/// Moving averages of a gradient and of its square.
pub(super) struct Averages {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
}

impl Averages {
    pub const NAMES: &'static [&'static str] = &["exp_avg", "exp_avg_sq"];

    pub fn from_args(args: &Args) -> Self {
        Averages {
            beta1: args.float("beta1"),
            beta2: args.float("beta2"),
            epsilon: args.float("epsilon"),
        }
    }

    /// `m = beta1 * m + (1 - beta1) * g`, `v = beta2 * v + (1 - beta2) * g * g`, both from zero;
    /// `m / (sqrt(v') + epsilon)` with `v' = v / (1 - beta2^t)`, and `1 - beta1^t`, which that is
    /// still to be divided by.
    pub fn direction<const D: usize>(
        &self,
        gradient: Tensor<D>,
        moments: &mut Vec<Tensor<D>>,
        number: i32,
    ) -> (Tensor<D>, f64) {
        let squared = gradient.clone() * gradient.clone() * (1.0 - self.beta2);
        let scaled = gradient * (1.0 - self.beta1);
        let (first, second) = match (moments.pop(), moments.pop()) {
            (Some(second), Some(first)) => {
                (first * self.beta1 + scaled, second * self.beta2 + squared)
            }
            _ => (scaled, squared),
        };
        *moments = vec![first.clone(), second.clone()];

        let correction1 = 1.0 - libm::pow(self.beta1, f64::from(number));
        let correction2 = 1.0 - libm::pow(self.beta2, f64::from(number));
        let deviation = second.sqrt() / libm::sqrt(correction2) + self.epsilon;
        (first / deviation, correction1)
    }
}

struct Adam {
    averages: Averages,
    /// Whether the weight decay shrinks the parameter, or adds to its gradient.
    decoupled: bool,
}

impl Rule for Adam {
    const MOMENTS: &'static [&'static str] = Averages::NAMES;

    fn update_all(&self, _: &dyn Kernels, moved: Vec<Moved<'_>>) {
        one_by_one(self, moved);
    }
}

impl Update for Adam {
    /// `p - lr * m' / (sqrt(v') + epsilon)`, with the averages `m'` and `v'`.
    fn update<const D: usize>(
        &self,
        mut value: Tensor<D>,
        mut gradient: Tensor<D>,
        moments: &mut Vec<Tensor<D>>,
        step: Step,
    ) -> Tensor<D> {
        if step.weight_decay != 0.0 {
            if self.decoupled {
                value = value * (1.0 - step.lr * step.weight_decay);
            } else {
                gradient = gradient + value.clone() * step.weight_decay;
            }
        }
        let (direction, correction) = self.averages.direction(gradient, moments, step.number);
        value - direction * (step.lr / correction)
    }
}
