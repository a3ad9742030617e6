//! Stochastic gradient descent.

use super::Optimizer;
use super::rule::{Moved, PerParameter, Rule};
use crate::device::{Array, Descent, Kernels};
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

    /// As [`Kernels::descend_many`] has it, in one call for all whose weight decay is the same and
    /// that take their first step together.
    fn update_all(&self, kernels: &dyn Kernels, mut moved: Vec<Moved<'_>>) {
        let kind = |own: &Moved<'_>| (own.step.weight_decay.to_bits(), own.moments.is_empty());
        moved.sort_by_key(kind);
        for group in moved.chunk_by_mut(|one, other| kind(one) == kind(other)) {
            let [mut values, mut gradients, mut buffers] = [const { Vec::new() }; 3];
            for own in group.iter_mut() {
                // Moved out of its place, it is held once and written there.
                values.push(own.value.take());
                gradients.push(own.gradient.take());
                buffers.append(own.moments);
            }
            let Moved { step, .. } = &group[0];
            let descent = Descent {
                lr: step.lr,
                weight_decay: step.weight_decay,
                momentum: self.momentum,
                nesterov: self.nesterov,
            };
            kernels.descend_many(&mut values, gradients, &mut buffers, descent);
            let mut buffers: std::vec::IntoIter<Array> = buffers.into_iter();
            for (own, value) in group.iter_mut().zip(values) {
                *own.value = value;
                own.moments.extend(buffers.next());
            }
        }
    }
}
