//! Lengths and distances of representations.

use burn::tensor::Tensor;

use super::Operation;

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("normalize", |x| normalize(x.matrix(0)).into()),
    ("cosine_distance", |x| cosine_distance(x.matrix(0), x.matrix(1)).into()),
    ("mean_squared", |x| (x.matrix(0) - x.matrix(1)).square().mean().into()),
];

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
