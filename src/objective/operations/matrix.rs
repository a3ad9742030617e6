//! Products and parts of matrices.

use burn::linalg::svd;
use burn::tensor::Tensor;

use super::Operation;
use super::factor::{cholesky, inverse};
use crate::device::{Array, by_rank};

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("matmul", |x| match x.array(0).rank() {
        2 => x.matrix(0).matmul(x.matrix(1)).into(),
        _ => shaped(matrices(x.array(0)).matmul(matrices(x.array(1))), x.array(0)),
    }),
    ("matmul_rows", |x| {
        let (rows, by) = (x.array(0), x.matrix(1));
        let (shape, [d, k]) = (rows.shape(), by.dims());
        let flat = by_rank!(rows.rank(), D => rows.tensor::<D>().reshape([rows.len() / d, d]));
        Array::from(flat.matmul(by)).reshape(&[&shape[..shape.len() - 1], &[k]].concat())
    }),
    ("transpose", |x| match x.array(0).rank() {
        2 => x.matrix(0).transpose().into(),
        _ => shaped(matrices(x.array(0)).swap_dims(1, 2), x.array(0)),
    }),
    ("diagonal", |x| diagonal(x.matrix(0)).into()),
    ("off_diagonal", |x| off_diagonal(x.matrix(0)).into()),
    ("log_det", |x| log_det(x.array(0), x.number("ridge"))),
    ("nuclear_norm", |x| nuclear_norm(x.matrix(0)).into()),
];

/// All matrices of an array, `[matrices, n, m]`.
pub fn matrices(x: &Array) -> Tensor<3> {
    let shape = x.shape();
    let [before @ .., n, m] = &shape[..] else { panic!("{shape:?} has no matrices") };
    by_rank!(x.rank(), D => {
        x.tensor::<D>().reshape([before.iter().product::<usize>(), *n, *m])
    })
}

/// Matrices in the order in which they lie in `like`.
fn shaped(matrices: Tensor<3>, like: &Array) -> Array {
    let (shape, [_, n, m]) = (like.shape(), matrices.dims());
    Array::from(matrices).reshape(&[&shape[..shape.len() - 2], &[n, m]].concat())
}

/// `[n, n]` to `[n]`: every `n + 1`-th element, row after row.
fn diagonal(x: Tensor<2>) -> Tensor<1> {
    let [n, _] = x.dims();
    if n == 1 {
        return x.reshape([1]);
    }
    // Without the last element, a row of `n + 1` begins with each of the others.
    let flat = x.reshape([n * n]);
    let last = flat.clone().narrow(0, n * n - 1, 1);
    let others = flat.narrow(0, 0, n * n - 1).reshape([n - 1, n + 1]);
    Tensor::cat(vec![others.slice([0..n - 1, 0..1]).reshape([n - 1]), last], 0)
}

/// `[n, n]` to `[n, n - 1]`: what lies between the elements of the diagonal, row after row.
fn off_diagonal(x: Tensor<2>) -> Tensor<2> {
    let [n, _] = x.dims();
    let between = x.reshape([n * n]).narrow(0, 0, n * n - 1).reshape([n - 1, n + 1]);
    between.slice([0..n - 1, 1..n + 1]).reshape([n, n - 1])
}

/// `log det(x + ridge * I)` of each matrix. Its differential is `tr(A^-1 dA)`.
fn log_det(x: &Array, ridge: f64) -> Array {
    let shape = x.shape();
    let x = matrices(x);
    let [count, d, _] = x.dims();
    let fixed = x.clone().inner();
    let identity = Tensor::<2>::eye(d, &fixed.device()).reshape([1, d, d]);
    let factor = cholesky(fixed + identity.clone() * ridge);
    let pivots = (factor.clone() * identity).sum_dim(2);
    let inverse = inverse(factor);
    let slope = inverse.clone().swap_dims(1, 2).matmul(inverse);
    let change = (x.clone() - x.inner()) * slope;
    let values = change.sum_dim(2).sum_dim(1) + pivots.log().sum_dim(1) * 2.0;
    let left = match &shape[..shape.len() - 2] {
        // A single number has one place.
        [] => &[1],
        left => left,
    };
    Array::from(values.reshape([count])).reshape(left)
}

/// The sum of the singular values of `x = U S V'`. Its differential is `tr(V U' dX)`.
fn nuclear_norm(x: Tensor<2>) -> Tensor<1> {
    let fixed = x.clone().inner();
    // No decomposition of it ends; the loss that it spoils is told of where losses are looked at.
    if !fixed.clone().abs().sum().into_scalar::<f32>().is_finite() {
        return x.sum() * f32::NAN;
    }
    let (u, values, v) = svd::<2, 1>(fixed, SWEEPS);
    let change = x.clone() - x.inner();
    (change * u.matmul(v)).sum() + values.sum()
}

/// Far more than the two or three that a singular value takes.
const SWEEPS: usize = 100;
