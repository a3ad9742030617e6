//! Lengths and distances of representations.

use super::stateless;
use crate::registry::Entry;

#[cfg(feature = "run")]
pub use math::*;

#[cfg(feature = "run")]
use super::Value;

pub const NORMALIZE: Entry = stateless!(
    "normalize",
    gradient: &["x"],
    "/// Each row divided by its Euclidean length: `x / max(|x|, 1e-12)`.
normalize(x: Tensor[n, d]) -> Tensor[n, d]",
    |_, x| Value::Matrix(normalize(x[0].matrix())),
);

pub const COSINE_DISTANCE: Entry = stateless!(
    "cosine_distance",
    gradient: &["a", "b"],
    "/// Mean over the rows of `2 - 2 cos(a, b)`: the squared distance of the rows once normalised,
/// from 0 (same direction) to 4 (opposite). It normalises its inputs itself.
///
/// The loss of BYOL, Grill et al. 2020, arXiv:2006.07733, eq. 2.
cosine_distance(a: Tensor[n, d], b: Tensor[n, d]) -> Tensor[]",
    |_, x| Value::Scalar(cosine_distance(x[0].matrix(), x[1].matrix())),
);

pub const MEAN_SQUARED: Entry = stateless!(
    "mean_squared",
    gradient: &["a", "b"],
    "/// Mean of `(a - b)^2` over all elements.
mean_squared(a: Tensor[n, d], b: Tensor[n, d]) -> Tensor[]",
    |_, x| Value::Scalar((x[0].matrix() - x[1].matrix()).square().mean()),
);

#[cfg(feature = "run")]
mod math {
    use burn::tensor::Tensor;

    /// Rows of length one, `[n, d]`; rows shorter than 1e-12 are divided by that.
    pub fn normalize(x: Tensor<2>) -> Tensor<2> {
        // The bound is put on the square: the root's slope is infinite at zero, and a row of
        // zeros would have the gradient 0 * inf.
        let length = x.clone().square().sum_dim(1).clamp_min(1e-24).sqrt();
        x / length
    }

    pub fn cosine_distance(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
        let cosine = (normalize(a) * normalize(b)).sum_dim(1);
        cosine.mean() * -2.0 + 2.0
    }

    /// `log(sum(exp(x)))` of each row, `[n, k] -> [n, 1]`, safe for any finite logits. Entries may
    /// be `-inf`, if not a whole row is.
    pub fn log_sum_exp(x: Tensor<2>) -> Tensor<2> {
        let max = x.clone().inner().max_dim(1);
        (x - max.clone()).exp().sum_dim(1).log() + max
    }
}
