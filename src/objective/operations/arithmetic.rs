//! The four operators on tensors.

use burn::tensor::Tensor;

use crate::device::{Array, by_rank};
use crate::term::objective::Op;

/// `left op right` of two tensors of one shape, or of a single number and any tensor.
///
/// # Panics
///
/// If `op` is no operator.
pub fn arithmetic(op: &Op, left: &Array, right: &Array) -> Array {
    let rank = left.rank().max(right.rank());
    by_rank!(rank, D => {
        let [left, right] = [left, right].map(widened::<D>);
        match op {
            Op::Add => left + right,
            Op::Subtract => left - right,
            Op::Multiply => left * right,
            Op::Divide => left / right,
            _ => panic!("{op:?} is no operator"),
        }
        .into()
    })
}

/// A tensor of rank `D`, or a single number as one that is combined with every element.
fn widened<const D: usize>(array: &Array) -> Tensor<D> {
    match array.rank() == D {
        true => array.tensor(),
        false => array.tensor::<1>().reshape([1; D]),
    }
}
