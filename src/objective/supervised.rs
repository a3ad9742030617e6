//! Losses that read labels.

use super::stateless;
use crate::registry::Entry;

#[cfg(feature = "run")]
pub use math::*;

#[cfg(feature = "run")]
use super::Value;

pub const SUP_CON: Entry = stateless!(
    "sup_con",
    gradient: &["a", "b"],
    "/// Contrastive loss whose positives are all other views of the same class. For view i of the
/// `2n`, with `P(i)` its positives and all views but i in the denominator:
///
/// ```text
/// mean_i  mean_{p in P(i)}  -log( exp(z_i·z_p / t) / sum_{j != i} exp(z_i·z_j / t) )
/// ```
///
/// Rows of `a` and `b` are the two views of the examples that `labels` names. Similarity is the dot
/// product: normalise the inputs for cosine similarity.
///
/// Khosla et al. 2020, arXiv:2004.11362, eq. 2 (the sum outside the logarithm).
sup_con(a: Tensor[n, d], b: Tensor[n, d], labels: Labels[n], temperature: Float > 0 = 0.1) -> Tensor[]",
    |args, x| {
        let temperature = args.float("temperature");
        Value::Scalar(sup_con(x[0].matrix(), x[1].matrix(), x[2].labels(), temperature))
    },
);

pub const CROSS_ENTROPY: Entry = stateless!(
    "cross_entropy",
    gradient: &["logits"],
    "/// Mean over the rows of `-log(softmax(logits))` at the label.
cross_entropy(logits: Tensor[n, c], labels: Labels[n]) -> Tensor[]",
    |_, x| Value::Scalar(cross_entropy(x[0].matrix(), x[1].labels())),
);

#[cfg(feature = "run")]
mod math {
    use burn::tensor::{Int, Tensor};

    use crate::objective::contrastive::{pair_logits, same_position};
    use crate::objective::similarity::log_sum_exp;

    /// `a, b: [n, d]`, `labels: [n]`.
    pub fn sup_con(
        a: Tensor<2>,
        b: Tensor<2>,
        labels: Tensor<1, Int>,
        temperature: f64,
    ) -> Tensor<1> {
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
}
