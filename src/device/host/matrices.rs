//! Products of matrices that lie in the cache of a core.

use super::lanes::{LANES, Lanes, Loop};

/// Rows of numbers, each so many behind the one before it.
#[derive(Clone, Copy)]
pub struct Matrix<'m> {
    pub values: &'m [f32],
    pub apart: usize,
}

/// `out := left * right`, or of the rows of `left` as its columns: `[rows, terms]` by
/// `[terms, columns]`.
pub struct Product<'p> {
    pub left: Matrix<'p>,
    /// Whether the terms of an output are above each other in `left`. Then `left` is read in whole
    /// blocks of rows, beyond its end by fewer than [`LANES`] numbers.
    pub turned: bool,
    pub right: Matrix<'p>,
    pub out: &'p mut [f32],
    pub rows: usize,
    pub terms: usize,
    /// Made in whole lanes: rows of `right` and `out` are at least as far apart.
    pub columns: usize,
}

impl Loop for Product<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(mut self) {
        let mut column = 0;
        while column < self.columns {
            if column + LANES < self.columns {
                self.columns::<L, PLACES, 2>(column);
                column += 2 * LANES;
            } else {
                self.columns::<L, PLACES, 1>(column);
                column += LANES;
            }
        }
    }
}

impl Product<'_> {
    /// As many columns of all rows.
    #[inline(always)]
    fn columns<L: Lanes, const PLACES: usize, const WIDE: usize>(&mut self, column: usize) {
        for first in (0..self.rows).step_by(PLACES / WIDE) {
            let sums = match self.turned {
                false => self.sums::<L, PLACES, WIDE>(first, column),
                true => self.sums_turned::<L, PLACES, WIDE>(first, column),
            };
            let rows = self.right.apart;
            let out = self.out[first * rows..].chunks_mut(rows).take(self.rows - first);
            for (sums, out) in sums.chunks_exact(WIDE).zip(out) {
                let places = out[column..].as_chunks_mut::<LANES>().0;
                for (sum, place) in sums.iter().zip(places) {
                    sum.store_over(place);
                }
            }
        }
    }

    /// So many rows from `first` on, where there are as many.
    #[inline(always)]
    fn sums<L: Lanes, const PLACES: usize, const WIDE: usize>(
        &self,
        first: usize,
        column: usize,
    ) -> [L; PLACES] {
        let rows: [&[f32]; PLACES] = std::array::from_fn(|row| {
            let row = (first + row).min(self.rows - 1);
            &self.left.values[row * self.left.apart..][..self.terms]
        });
        let mut sums = [L::splat(0.0); PLACES];
        for (term, right) in self.terms().enumerate() {
            let right = held::<L, WIDE>(&right[column..]);
            for row in 0..PLACES / WIDE {
                let left = L::splat(rows[row][term]);
                for (at, right) in right.iter().enumerate() {
                    let sum = &mut sums[row * WIDE + at];
                    *sum = left.multiply_add(*right, *sum);
                }
            }
        }
        sums
    }

    /// The same, of `left` turned.
    #[inline(always)]
    fn sums_turned<L: Lanes, const PLACES: usize, const WIDE: usize>(
        &self,
        first: usize,
        column: usize,
    ) -> [L; PLACES] {
        let mut sums = [L::splat(0.0); PLACES];
        for (term, right) in self.terms().enumerate() {
            let right = held::<L, WIDE>(&right[column..]);
            let left = &self.left.values[term * self.left.apart + first..][..PLACES / WIDE];
            for row in 0..PLACES / WIDE {
                let left = L::splat(left[row]);
                for (at, right) in right.iter().enumerate() {
                    let sum = &mut sums[row * WIDE + at];
                    *sum = left.multiply_add(*right, *sum);
                }
            }
        }
        sums
    }

    /// The rows of `right`.
    #[inline(always)]
    fn terms(&self) -> impl Iterator<Item = &[f32]> {
        self.right.values.chunks(self.right.apart).take(self.terms)
    }
}

#[inline(always)]
fn held<L: Lanes, const WIDE: usize>(row: &[f32]) -> [L; WIDE] {
    let row = &row[..WIDE * LANES];
    std::array::from_fn(|at| L::load(row[at * LANES..].first_chunk().expect("in whole lanes")))
}
