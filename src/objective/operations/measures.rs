//! What is worth watching while an objective is minimized.

use burn::tensor::Tensor;

use super::Operation;
use super::contrast::same_position;
use super::similarity::normalize;

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("mean", |x| x.matrix(0).mean().into()),
    ("spread", |x| spread(x.matrix(0)).into()),
    ("contrast_accuracy", |x| contrast_accuracy(x.matrix(0), x.matrix(1), x.matrix(2)).into()),
    ("pair_accuracy", |x| pair_accuracy(x.matrix(0), x.matrix(1)).into()),
];

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
