//! Stochastic gradient descent.

use burn::tensor::Tensor;

use super::Optimizer;
use super::rule::{PerParameter, Rule, Step};
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

    /// `d = g + decay * p`; `b = momentum * b + d`, in the first step `b = d`;
    /// `p - lr * b`, with Nesterov's momentum `p - lr * (d + momentum * b)`.
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
        if self.momentum != 0.0 {
            let buffer = match moments.pop() {
                Some(buffer) => buffer * self.momentum + direction.clone(),
                None => direction.clone(),
            };
            moments.push(buffer.clone());
            direction = if self.nesterov { direction + buffer * self.momentum } else { buffer };
        }
        value - direction * step.lr
    }
}
