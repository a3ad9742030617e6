//! Sums, means and the like, over all elements or over one size.

use burn::tensor::Tensor;

use super::{Operands, Operation};
use crate::device::{Array, by_rank};

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("sum", |x| reduce(x, |x| x.sum_dim(1))),
    ("mean", |x| reduce(x, |x| x.mean_dim(1))),
    ("max", |x| reduce(x, |x| x.max_dim(1))),
    ("log_sum_exp", |x| reduce(x, log_sum_exp)),
];

/// Applies what reduces the middle size of `[before, over, after]` to one.
fn reduce(operands: &Operands<'_>, to_one: fn(Tensor<3>) -> Tensor<3>) -> Array {
    let x = operands.array(0);
    let shape = x.shape();
    let (over, left) = match operands.args.symbol("over") {
        "first" => ([1, shape[0], shape[1..].iter().product()], &shape[1..]),
        "last" => {
            let last = shape.len() - 1;
            ([shape[..last].iter().product(), shape[last], 1], &shape[..last])
        }
        _ => ([1, x.len(), 1], &[][..]),
    };
    let reduced = by_rank!(x.rank(), D => to_one(x.tensor::<D>().reshape(over)));
    // A single number has one place.
    let left = if left.is_empty() { &[1] } else { left };
    Array::from(reduced).reshape(left)
}

/// Safe for any finite numbers; some may be `-inf`, if not all are.
fn log_sum_exp(x: Tensor<3>) -> Tensor<3> {
    let max = x.clone().inner().max_dim(1);
    (x - max.clone()).exp().sum_dim(1).log() + max
}
