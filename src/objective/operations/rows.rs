//! Rows found by their place, and places found by similarity.

use burn::tensor::{Int, Tensor, activation};

use super::{Operands, Operation};
use crate::device::{Array, by_rank};

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("gather", |x| {
        by_rank!(x.array(0).rank(), D => {
            x.tensor::<D>(0).select(0, x.array(1).whole()).into()
        })
    }),
    ("nearest", |x| {
        let (x, among) = (x.matrix(0).inner(), x.matrix(1).inner());
        let [n, _] = x.dims();
        x.matmul(among.transpose()).argmax(1).reshape([n]).into()
    }),
    ("same_example", same),
    ("pick", |x| chosen(x.matrix(0), x.array(1).whole()).into()),
];

/// One where whole numbers `[n]` and `[m]` are equal: `[n, m]`.
pub fn same(x: &Operands<'_>) -> Array {
    let (a, b): (Tensor<1, Int>, Tensor<1, Int>) = (x.array(0).whole(), x.array(1).whole());
    let ([n], [m]) = (a.dims(), b.dims());
    a.reshape([n, 1]).equal(b.reshape([1, m])).float().into()
}

/// Mean over the rows of `-log(softmax(logits))` at a column: `logits: [n, c]`, `columns: [n]`.
pub fn chosen(logits: Tensor<2>, columns: Tensor<1, Int>) -> Tensor<1> {
    let [rows, _] = logits.dims();
    let log_probability = activation::log_softmax(logits, 1);
    log_probability.gather(1, columns.reshape([rows, 1])).mean().neg()
}
