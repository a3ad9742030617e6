//! Contrastive losses without labels.

use burn::tensor::{Bool, Tensor};

use super::Operation;
use super::similarity::log_sum_exp;

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("info_nce", |x| {
        info_nce(x.matrix(0), x.matrix(1), x.matrix(2), x.number("temperature")).into()
    }),
    ("nt_xent", |x| nt_xent(x.matrix(0), x.matrix(1), x.number("temperature")).into()),
];

/// `query, key: [n, d]`, `negatives: [k, d]`.
///
/// The negatives are read in place, and the positive logit is never joined to the `[n, k]`
/// matrix of the others, which would copy it forward and backward.
pub fn info_nce(
    query: Tensor<2>,
    key: Tensor<2>,
    negatives: Tensor<2>,
    temperature: f64,
) -> Tensor<1> {
    let query = query / temperature;
    let positive = (query.clone() * key).sum_dim(1);
    let negative = query.matmul(negatives.transpose());
    let max = negative.clone().inner().max_dim(1).max_pair(positive.clone().inner());
    let sum = (negative - max.clone()).exp().sum_dim(1);
    let sum = sum + (positive.clone() - max.clone()).exp();
    (sum.log() + max - positive).mean()
}

/// `a, b: [n, d]`.
pub fn nt_xent(a: Tensor<2>, b: Tensor<2>, temperature: f64) -> Tensor<1> {
    let positive = (a.clone() * b.clone()).sum_dim(1) / temperature;
    let others = log_sum_exp(pair_logits(a, b, temperature));
    // The two views of an example share their positive logit.
    others.mean() - positive.mean()
}

/// Similarities of all views with all others, `[2n, 2n]`, with `-inf` for each with itself.
pub fn pair_logits(a: Tensor<2>, b: Tensor<2>, temperature: f64) -> Tensor<2> {
    let views = Tensor::cat(vec![a, b], 0);
    let logits = (views.clone() / temperature).matmul(views.transpose());
    let itself = same_position(logits.dims()[0], &logits);
    logits.mask_fill(itself, f32::NEG_INFINITY)
}

/// True on the diagonal of `[n, n]`.
pub fn same_position(n: usize, like: &Tensor<2>) -> Tensor<2, Bool> {
    // burn's mask marks what a triangle operation would overwrite: all but the diagonal.
    Tensor::<2, Bool>::diag_mask([n, n], 0, &like.device()).bool_not()
}
