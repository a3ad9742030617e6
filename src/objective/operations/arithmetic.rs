//! The four operators on tensors.

use burn::tensor::Tensor;

use crate::device::{Array, by_rank};
use crate::term::objective::Op;

/// `left op right` of two tensors of one shape, of one and another that has its last sizes, or of a
/// single number and any tensor.
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

/// A tensor as one of rank `D`, with sizes of one before its own.
fn widened<const D: usize>(array: &Array) -> Tensor<D> {
    let shape = array.shape();
    let before = D - shape.len();
    if before == 0 {
        return array.tensor();
    }
    let ones = std::iter::repeat_n(1, before);
    array.reshape(&ones.chain(shape).collect::<Vec<_>>()).into_tensor()
}
