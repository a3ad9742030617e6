//! Images turned and cut to pieces.

use burn::tensor::{Int, Tensor};

use super::{Operands, Operation};
use crate::device::Array;
use crate::nn::patches;

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("quarter_turns", |x| quarter_turns(x.tensor(0)).into()),
    ("pieces", |x| pieces(x.tensor(0), x.args.size("grid")).into()),
    ("windows", |x| windows(x.tensor(0), x.args.size("grid"), x.args.size("side")).into()),
    ("patches", |x| patches(x.tensor(0), x.args.size("side")).into()),
    ("arrange", arrange),
];

/// `[n, c, s, s]` to `[4 n, c, s, s]`. Every recipe of views makes squares.
fn quarter_turns(x: Tensor<4>) -> Tensor<4> {
    let left = x.clone().swap_dims(2, 3).flip([2]);
    let half = x.clone().flip([2, 3]);
    let right = x.clone().swap_dims(2, 3).flip([3]);
    Tensor::cat(vec![x, left, half, right], 0)
}

/// `[n, c, h, w]` to `[grid² n, c, h / grid, w / grid]`.
fn pieces(x: Tensor<4>, grid: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let (height, width) = (height / grid, width / grid);
    let places = (0..grid * grid).map(|place| (place / grid, place % grid));
    let cut =
        |(row, column)| x.clone().narrow(2, row * height, height).narrow(3, column * width, width);
    Tensor::cat(places.map(cut).collect(), 0)
}

/// `[n, c, h, w]` to `[grid² n, c, side, side]`.
fn windows(x: Tensor<4>, grid: usize, side: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let at = |place: usize, length: usize| place * (length - side) / (grid - 1);
    let places = (0..grid * grid).map(|place| (place / grid, place % grid));
    let cut = |(row, column)| {
        let x = x.clone().narrow(2, at(row, height), side);
        x.narrow(3, at(column, width), side)
    };
    Tensor::cat(places.map(cut).collect(), 0)
}

/// `[k, n, d]` to `[n, k d]`, without a look at the labels on the host.
fn arrange(x: &Operands<'_>) -> Array {
    let (parts, count) = (x.tensor::<3>(0), x.args.size("count"));
    let [k, n, d] = parts.dims();
    let device = x.array(0).constant().device();
    let whole = |numbers: Vec<i64>, shape: [usize; 2]| -> Tensor<2, Int> {
        Array::from_whole(numbers, &device).whole::<1>().reshape(shape)
    };
    let permutations = (0..count).flat_map(|place| permutation(k, place, count));
    let permutations = whole(permutations.map(|part| (part * n) as i64).collect(), [count, k]);
    // No label leads out of the table.
    let order: Tensor<1, Int> = x.array(1).whole().remainder_scalar(count as i64);
    let rows = permutations.select(0, order);
    let rows = rows + whole((0..n as i64).collect(), [n, 1]);
    parts.reshape([k * n, d]).select(0, rows.reshape([n * k])).reshape([n, k * d]).into()
}

/// The permutation of `k` that stands at `place / count` of all of them in lexicographic order.
fn permutation(k: usize, place: usize, count: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..k).collect();
    let mut rest = place;
    let mut order = Vec::with_capacity(k);
    for size in (1..=k).rev() {
        // What is left of the fraction, in parts of `1 / size`.
        rest *= size;
        order.push(left.remove(rest / count));
        rest %= count;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::permutation;
    use std::collections::BTreeSet;

    #[test]
    fn permutations_are_all_there_are_and_far_apart_where_fewer_are_asked_for() {
        let all: Vec<_> = (0..24).map(|place| permutation(4, place, 24)).collect();
        assert_eq!(all[..2], [vec![0, 1, 2, 3], vec![0, 1, 3, 2]]);
        assert_eq!(all[23], [3, 2, 1, 0]);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 24);
        let few: BTreeSet<_> = (0..1000).map(|place| permutation(9, place, 1000)).collect();
        assert_eq!(few.len(), 1000);
        let first = few.iter().filter(|order| order[0] == 8).count();
        assert!((110..113).contains(&first), "{first}");
    }
}
