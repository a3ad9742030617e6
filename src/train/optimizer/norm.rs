//! Norms of parameters and gradients, on their device: nothing here waits for it.

use burn::tensor::Tensor;

use crate::device::{Array, by_rank};

/// What keeps a division by a norm from one by zero, as in `torch.nn.utils.clip_grad_norm_`.
const EPSILON: f64 = 1e-6;

/// What to multiply all gradients of a step by, so that the norm over all of them together is at
/// most `most`: `most / (norm + 1e-6)`, no more than 1, `[1]`. `None` where there are no gradients.
///
/// Pascanu et al. 2013, arXiv:1211.5063, algorithm 1, as `torch.nn.utils.clip_grad_norm_` does it.
pub(super) fn clipping<'g>(
    gradients: impl Iterator<Item = &'g Array>,
    most: f64,
) -> Option<Tensor<1>> {
    let squares: Vec<Tensor<1>> = gradients
        .map(|gradient| by_rank!(gradient.rank(), D => squared_norm(gradient.tensor::<D>())))
        .collect();
    if squares.is_empty() {
        return None;
    }
    let norm = Tensor::cat(squares, 0).sum().sqrt();
    Some(((norm + EPSILON).recip() * most).clamp_max(1.0))
}

/// The layer-wise trust ratio, `trust * |value| / |update|`, and 1 where either norm is 0; `[1]`. With
/// a bound it is `min(trust * |value| / |update| / bound, 1)`.
pub(super) fn trust_ratio<const D: usize>(
    value: Tensor<D>,
    update: Tensor<D>,
    trust: f64,
    bound: Option<f64>,
) -> Tensor<1> {
    let value = squared_norm(value).sqrt();
    let update = squared_norm(update).sqrt();
    let is_zero = value.clone().equal_elem(0.0).bool_or(update.clone().equal_elem(0.0));
    let ratio = value / update * trust;
    let ratio = match bound {
        Some(bound) => (ratio / bound).clamp_max(1.0),
        None => ratio,
    };
    ratio.mask_fill(is_zero, 1.0)
}

fn squared_norm<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    (x.clone() * x).sum()
}
