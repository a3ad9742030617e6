//! Adam, with coupled and decoupled weight decay.

use burn::tensor::Tensor;

use super::Optimizer;
use super::rule::{PerParameter, Rule, Step};
use crate::term::Args;

pub(super) fn adam(args: &Args) -> Box<dyn Optimizer> {
    Box::new(PerParameter::new(Adam::from_args(args, false), args))
}

pub(super) fn adamw(args: &Args) -> Box<dyn Optimizer> {
    Box::new(PerParameter::new(Adam::from_args(args, true), args))
}

struct Adam {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    /// Whether the weight decay shrinks the parameter, or adds to its gradient.
    decoupled: bool,
}

impl Adam {
    fn from_args(args: &Args, decoupled: bool) -> Self {
        Adam {
            beta1: args.float("beta1"),
            beta2: args.float("beta2"),
            epsilon: args.float("epsilon"),
            decoupled,
        }
    }
}

impl Rule for Adam {
    const MOMENTS: &'static [&'static str] = &["exp_avg", "exp_avg_sq"];

    /// `m = beta1 * m + (1 - beta1) * g`, `v = beta2 * v + (1 - beta2) * g * g`, both from zero;
    /// `p - lr * m' / (sqrt(v') + epsilon)` with `m' = m / (1 - beta1^t)` and
    /// `v' = v / (1 - beta2^t)`.
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
        let squared = gradient.clone() * gradient.clone() * (1.0 - self.beta2);
        let scaled = gradient * (1.0 - self.beta1);
        let (first, second) = match (moments.pop(), moments.pop()) {
            (Some(second), Some(first)) => {
                (first * self.beta1 + scaled, second * self.beta2 + squared)
            }
            _ => (scaled, squared),
        };
        *moments = vec![first.clone(), second.clone()];

        let correction1 = 1.0 - libm::pow(self.beta1, f64::from(step.number));
        let correction2 = 1.0 - libm::pow(self.beta2, f64::from(step.number));
        let deviation = second.sqrt() / libm::sqrt(correction2) + self.epsilon;
        value - first / deviation * (step.lr / correction1)
    }
}
