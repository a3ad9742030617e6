//! Products and parts of matrices.

use burn::tensor::Tensor;

use super::Operation;

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("matmul", |x| x.matrix(0).matmul(x.matrix(1)).into()),
    ("transpose", |x| x.matrix(0).transpose().into()),
    ("diagonal", |x| diagonal(x.matrix(0)).into()),
    ("off_diagonal", |x| off_diagonal(x.matrix(0)).into()),
];

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
