//! The step of Adam.

use burn::tensor::Tensor;

use super::array::{Array, by_rank};

/// Moving averages of a gradient and of its square.
#[derive(Clone, Copy, Debug)]
pub struct Averages {
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
}

impl Averages {
    /// `1 - beta1^t` and `1 - beta2^t`: averages from zero are short of a mean by so much.
    pub fn corrections(&self, number: i32) -> [f64; 2] {
        [self.beta1, self.beta2].map(|beta| 1.0 - libm::pow(beta, f64::from(number)))
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

        let [correction1, correction2] = self.corrections(number);
        let deviation = second.sqrt() / libm::sqrt(correction2) + self.epsilon;
        (first / deviation, correction1)
    }
}

/// The numbers of [`Kernels::adam_many`](super::Kernels::adam_many).
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    pub averages: Averages,
    pub lr: f64,
    pub weight_decay: f64,
    /// Whether the weight decay shrinks the parameter, or adds to its gradient.
    pub decoupled: bool,
    /// Of the step, counted from one.
    pub number: i32,
}

impl Adam {
    /// One parameter after its step.
    pub(super) fn moved(&self, value: Array, gradient: Array, moments: &mut Vec<Array>) -> Array {
        by_rank!(value.rank(), D => {
            let (mut value, mut gradient) =
                (value.into_tensor::<D>(), gradient.into_tensor::<D>());
            if self.weight_decay != 0.0 {
                if self.decoupled {
                    value = value * (1.0 - self.lr * self.weight_decay);
                } else {
                    gradient = gradient + value.clone() * self.weight_decay;
                }
            }
            let mut own = moments.drain(..).map(Array::into_tensor).collect();
            let (direction, correction) =
                self.averages.direction::<D>(gradient, &mut own, self.number);
            moments.extend(own.into_iter().map(Array::from));
            (value - direction * (self.lr / correction)).into()
        })
    }
}
