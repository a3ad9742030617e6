//! Losses that read labels.

use burn::tensor::{Int, Tensor};

use super::Operation;
use super::contrast::{pair_logits, same_position};
use super::similarity::log_sum_exp;

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("sup_con", |x| {
        sup_con(x.matrix(0), x.matrix(1), x.array(2).whole(), x.number("temperature")).into()
    }),
    ("cross_entropy", |x| cross_entropy(x.matrix(0), x.array(1).whole()).into()),
];

/// `a, b: [n, d]`, `labels: [n]`.
pub fn sup_con(a: Tensor<2>, b: Tensor<2>, labels: Tensor<1, Int>, temperature: f64) -> Tensor<1> {
    let logits = pair_logits(a, b, temperature);
    let views = logits.dims()[0];
    let itself = same_position(views, &logits);
    let labels = Tensor::cat(vec![labels.clone(), labels], 0);
    let positive = labels.clone().reshape([views, 1]).equal(labels.reshape([1, views]));
    let positive = positive.bool_and(itself.clone().bool_not()).float();

    let denominator = log_sum_exp(logits.clone());
    // The logits at -inf are no positives, and must not turn 0 * -inf into NaN.
    let log_probability = logits.mask_fill(itself, 0.0) - denominator;
    // The other view of the same example is always a positive, so that no count is zero.
    let count = positive.clone().sum_dim(1);
    ((log_probability * positive).sum_dim(1) / count).mean().neg()
}

/// `logits: [n, c]`, `labels: [n]`, each below `c`.
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let rows = logits.dims()[0];
    let correct = logits.clone().gather(1, labels.reshape([rows, 1]));
    (log_sum_exp(logits) - correct).mean()
}
