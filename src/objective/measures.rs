//! What is worth watching while an objective is minimized.

use super::stateless;
use crate::registry::Entry;

#[cfg(feature = "run")]
use super::Value;
#[cfg(feature = "run")]
use math::*;

pub const MEAN: Entry = stateless!(
    "mean",
    gradient: &["x"],
    "/// Mean over all elements.
mean(x: Tensor[n, d]) -> Tensor[]",
    |_, x| Value::Scalar(x[0].matrix().mean()),
);

pub const SPREAD: Entry = stateless!(
    "spread",
    gradient: &[],
    "/// How far the representations are from a collapse: the standard deviation over the rows of each
/// dimension of the normalised rows, averaged over the dimensions, times `sqrt(d)`.
///
/// About 1 when the directions are spread evenly, 0 when all rows have become one. A measure: no
/// gradient flows through it.
///
/// Chen and He 2020 (SimSiam), arXiv:2011.10566, section 4.1.
spread(x: Tensor[n, d]) -> Tensor[]",
    |_, x| Value::Scalar(spread(x[0].matrix())),
);

pub const CONTRAST_ACCURACY: Entry = stateless!(
    "contrast_accuracy",
    gradient: &[],
    "/// Share of the queries, 0 to 1, that are more similar (by dot product) to their key than to any
/// negative: the accuracy of the choice that `info_nce` trains. No gradient flows through it.
contrast_accuracy(query: Tensor[n, d], key: Tensor[n, d], negatives: Tensor[k, d]) -> Tensor[]",
    |_, x| Value::Scalar(contrast_accuracy(x[0].matrix(), x[1].matrix(), x[2].matrix())),
);

pub const PAIR_ACCURACY: Entry = stateless!(
    "pair_accuracy",
    gradient: &[],
    "/// Share of the `2n` views, 0 to 1, that are more similar (by dot product) to their other view
/// than to any view of another example: the accuracy of the choice that `nt_xent` trains. No
/// gradient flows through it.
pair_accuracy(a: Tensor[n, d], b: Tensor[n, d]) -> Tensor[]",
    |_, x| Value::Scalar(pair_accuracy(x[0].matrix(), x[1].matrix())),
);

#[cfg(feature = "run")]
mod math {
    use burn::tensor::Tensor;

    use crate::objective::contrastive::same_position;
    use crate::objective::similarity::normalize;

    pub fn spread(x: Tensor<2>) -> Tensor<1> {
        let [_, d] = x.dims();
        let x = normalize(x.inner());
        let centred = x.clone() - x.mean_dim(0);
        centred.square().mean_dim(0).sqrt().mean() * (d as f64).sqrt()
    }

    pub fn contrast_accuracy(query: Tensor<2>, key: Tensor<2>, negatives: Tensor<2>) -> Tensor<1> {
        let query = query.inner();
        let positive = (query.clone() * key.inner()).sum_dim(1);
        let negative = query.matmul(negatives.inner().transpose()).max_dim(1);
        positive.greater(negative).float().mean()
    }

    pub fn pair_accuracy(a: Tensor<2>, b: Tensor<2>) -> Tensor<1> {
        let (a, b) = (a.inner(), b.inner());
        let n = a.dims()[0];
        let positive = (a.clone() * b.clone()).sum_dim(1);
        let positive = Tensor::cat(vec![positive.clone(), positive], 0);
        let views = Tensor::cat(vec![a, b], 0);
        let logits = views.clone().matmul(views.transpose());
        let own = same_position(n, &logits).repeat(&[2, 2]);
        let others = logits.mask_fill(own, f32::NEG_INFINITY).max_dim(1);
        positive.greater(others).float().mean()
    }
}
