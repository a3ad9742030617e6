//! Representations brought to one length, one centre or one scale.

use burn::tensor::{Tensor, activation};

use super::whiten::{iterated, whiten};
use super::{Operands, Operation};
use crate::device::{Array, by_rank};

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("normalize", |x| by_rank!(x.array(0).rank(), D => normalize(x.tensor::<D>(0)).into())),
    ("layer_norm", |x| {
        let (rows, epsilon) = (x.array(0), x.number("epsilon"));
        by_rank!(rows.rank(), D => {
            let rows = rows.tensor::<D>();
            let centered = rows.clone() - rows.mean_dim(D - 1);
            let variance = centered.clone().square().mean_dim(D - 1);
            (centered / (variance + epsilon).sqrt()).into()
        })
    }),
    ("standardize", |x| {
        let (centered, variance) = deviations(x.matrix(0), false);
        (centered / (variance + x.number("epsilon")).sqrt()).into()
    }),
    ("variance", |x| {
        let (_, variance) = deviations(x.matrix(0), x.args.bool("unbiased"));
        let [_, d] = variance.dims();
        variance.reshape([d]).into()
    }),
    ("cross_covariance", cross_covariance),
    ("whiten", |x| whiten(x.matrix(0), x.args.size("groups"), x.number("epsilon")).into()),
    ("iter_norm", |x| {
        let [groups, iterations] = ["groups", "iterations"].map(|name| x.args.size(name));
        iterated(x.matrix(0), groups, iterations, x.number("epsilon")).into()
    }),
    ("softmax", |x| tempered(x, false)),
    ("log_softmax", |x| tempered(x, true)),
    ("sinkhorn", |x| {
        sinkhorn(x.matrix(0).inner(), x.number("epsilon"), x.args.size("iterations")).into()
    }),
];

/// Rows of length one; rows shorter than 1e-12 are divided by that.
fn normalize<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    // The bound is put on the square: the root's slope is infinite at zero, and a row of
    // zeros would have the gradient 0 * inf.
    let length = x.clone().square().sum_dim(D - 1).clamp_min(1e-24).sqrt();
    x / length
}

/// The rows less their mean, and their variance, `[1, d]`.
fn deviations(x: Tensor<2>, unbiased: bool) -> (Tensor<2>, Tensor<2>) {
    let [n, _] = x.dims();
    let centered = x.clone() - x.mean_dim(0);
    let variance = centered.clone().square().sum_dim(0) / count(n, unbiased);
    (centered, variance)
}

/// By what a sum of squares is divided. One row has no unbiased variance; the biased one, zero,
/// stands in.
fn count(n: usize, unbiased: bool) -> f64 {
    n.saturating_sub(usize::from(unbiased)).max(1) as f64
}

fn cross_covariance(x: &Operands<'_>) -> Array {
    let centered = |position| {
        let x = x.matrix(position);
        x.clone() - x.mean_dim(0)
    };
    let (a, b) = (centered(0), centered(1));
    let n = count(a.dims()[0], x.args.bool("unbiased"));
    (a.transpose().matmul(b) / n).into()
}

fn tempered(x: &Operands<'_>, is_log: bool) -> Array {
    let temperature = x.number("temperature");
    by_rank!(x.array(0).rank(), D => {
        let scaled = x.tensor::<D>(0) / temperature;
        match is_log {
            true => activation::log_softmax(scaled, D - 1).into(),
            false => activation::softmax(scaled, D - 1).into(),
        }
    })
}

/// `x: [n, k]`. The first division of columns and of rows is one of logarithms, as where `epsilon` is
/// small the exponentials of whole rows are zero. After it no sum is below one by the number of rows or
/// of columns.
fn sinkhorn(x: Tensor<2>, epsilon: f64, iterations: usize) -> Tensor<2> {
    let columns = activation::log_softmax(x / epsilon, 0);
    let mut assigned = activation::softmax(columns, 1);
    for _ in 1..iterations {
        let columns = assigned.clone().sum_dim(0);
        assigned = assigned / columns;
        let rows = assigned.clone().sum_dim(1);
        assigned = assigned / rows;
    }
    assigned
}
