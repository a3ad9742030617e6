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
    ("neighbours", |x| neighbours(x.matrix(0), x.matrix(1), x.args.size("count"))),
    ("choose", |x| {
        let (rows, by) = (x.tensor::<3>(0), x.tensor::<3>(1).inner());
        let [n, k, m] = by.dims();
        let places = by.argmax(2).reshape([n, k, 1]);
        at_places(places, m).matmul(rows).into()
    }),
    ("take_rows", |x| first_of(x.matrix(1), x.args.size("count")).matmul(x.tensor(0)).into()),
    ("put_rows", |x| {
        let rows: Tensor<3> = x.tensor(0);
        let [_, count, _] = rows.dims();
        first_of(x.matrix(1), count).swap_dims(1, 2).matmul(rows).into()
    }),
    ("left_out", |x| {
        let last = x.args.size("count") as f64 - 0.5;
        x.matrix(0).inner().greater_elem(last).float().into()
    }),
    ("scale_rows", |x| {
        let (rows, by) = (x.array(0), x.array(1));
        let by = by.reshape(&[&by.shape()[..], &[1]].concat());
        by_rank!(rows.rank(), D => (rows.tensor::<D>() * by.tensor::<D>()).into())
    }),
    ("scale_examples", |x| {
        let (examples, by) = (x.array(0), x.array(1));
        let ones = vec![1; examples.rank() - 1];
        let by = by.reshape(&[&by.shape()[..], &ones].concat());
        by_rank!(examples.rank(), D => (examples.tensor::<D>() * by.tensor::<D>()).into())
    }),
    ("same_example", same),
    ("pick", |x| chosen(x.matrix(0), x.array(1).whole()).into()),
];

/// The places of the `count` largest dot products of each row of `x`, largest first: `[n * count]`.
fn neighbours(x: Tensor<2>, among: Tensor<2>, count: usize) -> Array {
    let mut scores = x.inner().matmul(among.inner().transpose());
    let [n, m] = scores.dims();
    let all = Tensor::<1, Int>::arange(0..m as i64, &scores.device()).reshape([1, m]);
    // Few are asked for, and sorting takes longer.
    let places = (0..count).map(|_| {
        let place = scores.clone().argmax(1);
        let taken = all.clone().equal(place.clone());
        scores = scores.clone().mask_fill(taken, f32::NEG_INFINITY);
        place
    });
    Tensor::cat(places.collect(), 1).reshape([n * count]).into()
}

/// For each place among `m` a row of `m` numbers, one there and zero elsewhere: `[n, k, 1]` to
/// `[n, k, m]`.
///
/// Multiplied by it, rows are chosen exactly, and gradients come back in the same order whatever the
/// device: a scatter is not so.
fn at_places(places: Tensor<3, Int>, m: usize) -> Tensor<3> {
    let all = Tensor::<1, Int>::arange(0..m as i64, &places.device());
    places.equal(all.reshape([1, 1, m])).float()
}

/// The choice of the first `count` rows of an order `[n, p]`: `[n, count, p]`.
fn first_of(order: Tensor<2>, count: usize) -> Tensor<3> {
    let order = order.inner();
    let ([n, p], device) = (order.dims(), order.device());
    let first = Tensor::<1, Int>::arange(0..count as i64, &device).float();
    order.reshape([n, 1, p]).equal(first.reshape([1, count, 1])).float()
}

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
