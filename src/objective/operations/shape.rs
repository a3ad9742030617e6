//! Tensors joined, taken apart and given another shape.

use burn::tensor::Tensor;

use super::{Operands, Operation};
use crate::device::{Array, by_rank};

pub const OPERATIONS: &[(&str, Operation)] = &[
    (
        "concat",
        |x| by_rank!(x.array(0).rank(), D => Tensor::cat(vec![x.tensor::<D>(0), x.tensor(1)], 0).into()),
    ),
    ("concat_columns", |x| Tensor::cat(vec![x.matrix(0), x.matrix(1)], 1).into()),
    ("stack", stack),
    ("split", split),
    ("chunk", |x| {
        let (shape, parts) = (x.array(0).shape(), x.args.size("parts"));
        x.array(0).reshape(&[&[parts, shape[0] / parts], &shape[1..]].concat())
    }),
    ("part_labels", |x| {
        let (rows, parts) = (x.array(0).rows(), x.args.size("parts"));
        let labels = (0..rows).map(|row| (row * parts / rows) as i64);
        Array::from_whole(labels, &x.array(0).constant().device())
    }),
    ("repeat", |x| {
        by_rank!(x.array(0).rank(), D => {
            Tensor::cat(vec![x.tensor::<D>(0); x.args.size("times")], 0).into()
        })
    }),
    ("last_rows", |x| {
        let (rows, count) = (x.array(0).rows(), x.args.size("count"));
        by_rank!(x.array(0).rank(), D => x.tensor::<D>(0).narrow(0, rows - count, count).into())
    }),
    ("but_last_rows", |x| {
        let (rows, count) = (x.array(0).rows(), x.args.size("count"));
        by_rank!(x.array(0).rank(), D => x.tensor::<D>(0).narrow(0, 0, rows - count).into())
    }),
    ("following_rows", following_rows),
    ("swap", |x| by_rank!(x.array(0).rank(), D => x.tensor::<D>(0).swap_dims(0, 1).into())),
    ("group", |x| {
        let (shape, size) = (x.array(0).shape(), x.args.size("size"));
        x.array(0).reshape(&[&[shape[0] / size, size], &shape[1..]].concat())
    }),
    ("column", |x| x.array(0).reshape(&[&x.array(0).shape()[..], &[1]].concat())),
    ("flatten", |x| {
        let shape = x.array(0).shape();
        x.array(0).reshape(&[&[shape[0] * shape[1]], &shape[2..]].concat())
    }),
];

fn stack(x: &Operands<'_>) -> Array {
    let shape = x.array(0).shape();
    let joined = by_rank!(shape.len(), D => {
        Array::from(Tensor::cat(vec![x.tensor::<D>(0), x.tensor(1)], 0))
    });
    joined.reshape(&[&[2], &shape[..]].concat())
}

fn following_rows(x: &Operands<'_>) -> Array {
    let (shape, count) = (x.array(0).shape(), x.args.size("count"));
    let rest = shape[0] - count;
    let joined = by_rank!(shape.len(), D => {
        let rows = x.tensor::<D>(0);
        let after = (1..=count).map(|ahead| rows.clone().narrow(0, ahead, rest)).collect();
        Array::from(Tensor::cat(after, 0))
    });
    joined.reshape(&[&[count, rest * shape[1]], &shape[2..]].concat())
}

fn split(x: &Operands<'_>) -> Array {
    let (parts, take) = (x.args.size("parts"), x.args.size("take"));
    let rows = x.array(0).rows() / parts;
    by_rank!(x.array(0).rank(), D => {
        x.tensor::<D>(0).narrow(0, take * rows, rows).into()
    })
}
