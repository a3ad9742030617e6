//! Images turned and cut to pieces.

use burn::tensor::{Int, Tensor};

use super::{Operands, Operation};
use crate::device::Array;
use crate::nn::patches;
use crate::random::Rng;

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("quarter_turns", |x| quarter_turns(x.tensor(0)).into()),
    ("pieces", |x| pieces(x.tensor(0), x.args.size("grid")).into()),
    ("windows", |x| windows(x.tensor(0), x.args.size("grid"), x.args.size("side")).into()),
    ("patches", |x| patches(x.tensor(0), x.args.size("side")).into()),
    ("random_blocks", random_blocks),
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

/// `[n, c, h, w]` to `[n, p]`.
fn random_blocks(x: &Operands<'_>) -> Array {
    let shape = x.array(0).shape();
    let [n, _, height, width] = shape[..] else { panic!("a tensor of {shape:?} are no images") };
    let side = x.args.size("side");
    let grid = [height / side, width / side];
    let mut rng = x.key().stream();
    let blocks = Blocks { scale: x.args.range("scale"), ratio: x.args.range("ratio") };
    let orders = (0..n).flat_map(|_| blocks.order(&mut rng, grid));
    let orders = orders.map(|place| place as f32).collect();
    Array::from_vec(orders, &[n, grid[0] * grid[1]], &x.array(0).constant().device())
}

/// Rectangles of a grid.
struct Blocks {
    /// Of the grid, the share that one covers.
    scale: (f64, f64),
    /// Its height over its width.
    ratio: (f64, f64),
}

impl Blocks {
    /// The places of a grid, the blocks' behind the others, the first block's last.
    fn order(&self, rng: &mut Rng, [rows, columns]: [usize; 2]) -> Vec<usize> {
        let all = rows * columns;
        let mut is_free = vec![true; all];
        let mut covered = Vec::with_capacity(all);
        // Together four times as large as the grid: so they cover next to all of it.
        let mean = (self.scale.0 + self.scale.1) / 2.0;
        let most = if mean > 0.0 { (4.0 / mean).ceil().min(all as f64) as usize } else { all };
        for _ in 0..most {
            let [height, width] = self.draw(rng, [rows, columns]);
            let top = rng.below((rows - height + 1) as u32) as usize;
            let left = rng.below((columns - width + 1) as u32) as usize;
            let places = (top..top + height)
                .flat_map(|row| (left..left + width).map(move |column| row * columns + column));
            covered.extend(places.filter(|place| std::mem::take(&mut is_free[*place])));
            if covered.len() == all {
                break;
            }
        }
        let mut order: Vec<usize> = (0..all).filter(|place| is_free[*place]).collect();
        rng.shuffle(&mut order);
        order.extend(covered.into_iter().rev());
        order
    }

    fn draw(&self, rng: &mut Rng, [rows, columns]: [usize; 2]) -> [usize; 2] {
        let between =
            |rng: &mut Rng, (low, high): (f64, f64)| low + (high - low) * f64::from(rng.uniform());
        let area = between(rng, self.scale) * (rows * columns) as f64;
        let (low, high) = self.ratio;
        let ratio = libm::exp(between(rng, (libm::log(low), libm::log(high))));
        let side = |length: f64, most: usize| (length.sqrt().round() as usize).clamp(1, most);
        [side(area * ratio, rows), side(area / ratio, columns)]
    }
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
    use super::{Blocks, permutation};
    use crate::random::Key;
    use std::collections::BTreeSet;

    #[test]
    fn blocks_are_rectangles_at_the_end_of_an_order_of_all() {
        let (rows, columns) = (8, 6);
        let blocks = Blocks { scale: (0.25, 0.25), ratio: (1.0 / 3.0, 3.0) };
        let mut rng = Key::root(7).stream();
        let mut shapes = BTreeSet::new();
        let mut hidden = [0; 48];
        for _ in 0..2000 {
            let order = blocks.order(&mut rng, [rows, columns]);
            assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 48);
            // The first block has about a quarter: the last nine at least are its own.
            let last: Vec<[usize; 2]> =
                order[39..].iter().map(|place| [place / columns, place % columns]).collect();
            let length = |axis: usize| {
                let all = || last.iter().map(|place| place[axis]);
                all().max().unwrap() - all().min().unwrap() + 1
            };
            assert!(length(0) * length(1) <= 16, "{last:?}");
            shapes.insert([length(0), length(1)]);
            order[32..].iter().for_each(|place| hidden[*place] += 1);
        }
        assert!(shapes.len() > 4, "{shapes:?}");
        // Every place is hidden at times.
        assert!(hidden.iter().all(|own| *own > 20), "{hidden:?}");
        let one = Blocks { scale: (1.0, 1.0), ratio: (1.0, 1.0) };
        assert_eq!(one.order(&mut rng, [2, 2]), [3, 2, 1, 0]);
        let none = Blocks { scale: (0.0, 0.0), ratio: (1.0, 1.0) };
        assert_eq!(none.order(&mut rng, [3, 1]).len(), 3);
        assert!(none.order(&mut rng, [0, 3]).is_empty());
    }

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
