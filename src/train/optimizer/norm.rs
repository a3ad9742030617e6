//! Norms of parameters and gradients, on their device: nothing here waits for it.

use burn::tensor::Tensor;

use crate::device::{Array, Kernels};

/// What keeps a division by a norm from one by zero, as in `torch.nn.utils.clip_grad_norm_`.
const EPSILON: f64 = 1e-6;

/// Multiplies all gradients of a step by `most / (norm + 1e-6)`, no more than 1, so that the norm over
/// all of them together is at most `most`.
///
/// Pascanu et al. 2013, arXiv:1211.5063, algorithm 1, as `torch.nn.utils.clip_grad_norm_` does it.
pub(super) fn clip(kernels: &dyn Kernels, mut places: Vec<&mut Array>, most: f64) {
    if places.is_empty() {
        return;
    }
    // Moved out and back in, so that each is held once and written in place.
    let mut gradients: Vec<Array> = places.iter_mut().map(|place| place.take()).collect();
    let norms: Tensor<1> = kernels.norms(&gradients).into_tensor();
    let norm = norms.square().sum().sqrt();
    let scale = ((norm + EPSILON).recip() * most).clamp_max(1.0);
    kernels.scale_many(&mut gradients, &scale.into());
    places.into_iter().zip(gradients).for_each(|(place, own)| *place = own);
}

/// Multiplies each update by its layer-wise trust ratio, `trust * |value| / |update|`, and by 1 where
/// either norm is 0. With a bound it is `min(trust * |value| / |update| / bound, 1)`.
pub(super) fn adapt(
    kernels: &dyn Kernels,
    values: &[Array],
    updates: &mut [Array],
    (trust, bound): (f64, Option<f64>),
) {
    let [value, update] = [values, &*updates].map(|own| kernels.norms(own).into_tensor::<1>());
    let is_zero = value.clone().equal_elem(0.0).bool_or(update.clone().equal_elem(0.0));
    let ratio = value / update * trust;
    let ratio = match bound {
        Some(bound) => (ratio / bound).clamp_max(1.0),
        None => ratio,
    };
    kernels.scale_many(updates, &ratio.mask_fill(is_zero, 1.0).into());
}
