//! Convolutions by 3 by 3 weights in tiles of 2 by 2 outputs, which are read from 4 by 4 numbers.
//!
//! Numbers and weights are transformed so that at each of 16 points a tile is a product of matrices:
//! 16 multiplications where the definition has 36. F(2 x 2, 3 x 3) of Lavin and Gray 2015,
//! arXiv:1509.09308, section 4.1. All coefficients are 0, 1 and a half, so that little is lost to
//! rounding.

use std::mem::MaybeUninit;

use super::lanes::{LANES, Lanes, Loop};
use super::number::Number;

/// The points of a tile.
pub const POINTS: usize = 16;

/// A number of so many channels.
pub type Block = [f32; LANES];

#[inline(always)]
fn halved<L: Lanes>(a: L) -> L {
    a.multiply_add(L::splat(0.5), L::splat(0.0))
}

/// A line of numbers as the points read it.
#[inline(always)]
fn read<L: Lanes>([a, b, c, d]: [L; 4]) -> [L; 4] {
    [a.minus(c), b.plus(c), c.minus(b), b.minus(d)]
}

/// Two outputs of a line of points.
#[inline(always)]
fn made<L: Lanes>([a, b, c, d]: [L; 4]) -> [L; 2] {
    [a.plus(b).plus(c), b.minus(c).minus(d)]
}

/// Gradients by a line of points, of those by two outputs.
#[inline(always)]
fn spread<L: Lanes>([a, b]: [L; 2]) -> [L; 4] {
    [a, a.plus(b), a.minus(b), L::splat(0.0).minus(b)]
}

/// A line of weights as the points multiply by it.
#[inline(always)]
fn weighed<L: Lanes>([a, b, c]: [L; 3]) -> [L; 4] {
    let ends = a.plus(c);
    [a, halved(ends.plus(b)), halved(ends.minus(b)), c]
}

/// Gradients by a line of weights, of those by a line of points.
#[inline(always)]
fn gathered<L: Lanes>([a, b, c, d]: [L; 4]) -> [L; 3] {
    let middle = halved(b.plus(c));
    [a.plus(middle), halved(b.minus(c)), middle.plus(d)]
}

/// What a function makes of the lines of a square along both of its axes.
#[inline(always)]
fn both<L: Lanes, const N: usize, const M: usize>(
    square: [[L; N]; N],
    function: impl Fn([L; N]) -> [L; M],
) -> [[L; M]; M] {
    let mut once = [[L::splat(0.0); N]; M];
    for y in 0..N {
        let line = function(square[y]);
        for x in 0..M {
            once[x][y] = line[x];
        }
    }
    let mut twice = [[L::splat(0.0); M]; M];
    for x in 0..M {
        let line = function(once[x]);
        for y in 0..M {
            twice[y][x] = line[y];
        }
    }
    twice
}

/// Weights of 3 by 3 at all points.
pub struct Weigh<'w> {
    pub taps: &'w [Block; 9],
    pub points: &'w mut [Block; POINTS],
}

impl Loop for Weigh<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let mut square = [[L::splat(0.0); 3]; 3];
        for (own, tap) in square.as_flattened_mut().iter_mut().zip(self.taps) {
            *own = L::load(tap);
        }
        let made = both(square, weighed);
        for (point, made) in self.points.iter_mut().zip(made.as_flattened()) {
            made.store_over(point);
        }
    }
}

/// Gradients by weights of 3 by 3, of those at all points.
pub struct Gather<'g> {
    pub points: &'g [Block; POINTS],
    pub taps: &'g mut [Block; 9],
}

impl Loop for Gather<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let mut square = [[L::splat(0.0); 4]; 4];
        for (own, point) in square.as_flattened_mut().iter_mut().zip(self.points) {
            *own = L::load(point);
        }
        let made = both(square, gathered);
        for (tap, made) in self.taps.iter_mut().zip(made.as_flattened()) {
            made.store_over(tap);
        }
    }
}

/// Where a tile lies.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// Its first number, in an image with a border.
    pub from: usize,
    /// Its first output.
    pub to: usize,
    /// How many of its rows and columns are outputs: one or two.
    pub sides: [usize; 2],
}

/// How far the numbers of points are apart where each has so many: not a power of two, where all
/// would have the same few places in the cache.
pub const fn apart(numbers: usize) -> usize {
    numbers + LANES
}

/// Transforms the numbers of tiles: `[point][tile][channel]`, points [`apart`].
pub struct Read<'r, N> {
    pub framed: &'r [N],
    pub channels: usize,
    /// Numbers of a row of the framed image.
    pub row: usize,
    pub tiles: &'r [Tile],
    pub points: &'r mut [N],
}

impl<N: Number> Loop for Read<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let Read { framed, channels, row, tiles, points } = self;
        let apart = apart(tiles.len() * channels);
        for (index, tile) in tiles.iter().enumerate() {
            for first in (0..channels).step_by(LANES) {
                let mut square = [[L::splat(0.0); 4]; 4];
                for (y, line) in square.iter_mut().enumerate() {
                    for (x, own) in line.iter_mut().enumerate() {
                        *own = block::<N, L>(framed, tile.from + y * row + x * channels + first);
                    }
                }
                let made = both(square, read);
                for (point, made) in made.as_flattened().iter().enumerate() {
                    let to = &mut points[point * apart + index * channels + first..];
                    N::store_over(*made, to.first_chunk_mut().expect("room for each lane"));
                }
            }
        }
    }
}

/// Transforms gradients by the outputs of tiles, of a block of channels: `[point][factor of tiles]`,
/// points so far apart.
pub struct Spread<'s, N: Number> {
    pub gradient: &'s [N],
    pub channels: usize,
    /// Numbers of a row of the maps.
    pub row: usize,
    /// The first of the block.
    pub first: usize,
    pub tiles: &'s [Tile],
    pub apart: usize,
    pub points: &'s mut [[N::Factor; LANES]],
}

impl<N: Number> Loop for Spread<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let Spread { gradient, channels, row, first, tiles, apart, points } = self;
        for (index, tile) in tiles.iter().enumerate() {
            let [tall, wide] = tile.sides;
            let mut square = [[L::splat(0.0); 2]; 2];
            for (y, line) in square.iter_mut().enumerate().take(tall) {
                for (x, own) in line.iter_mut().enumerate().take(wide) {
                    *own = block::<N, L>(gradient, tile.to + y * row + x * channels + first);
                }
            }
            let made = both(square, spread);
            for (point, made) in made.as_flattened().iter().enumerate() {
                let to = &mut points[point * apart + index / N::EACH];
                if N::EACH == 1 {
                    let to = N::flat(to).first_chunk_mut().expect("a number for each lane");
                    N::store_over(*made, to);
                    continue;
                }
                let mut numbers = [0.0; LANES];
                made.store_over(&mut numbers);
                let places = N::flat(to)[index % N::EACH..].iter_mut().step_by(N::EACH);
                places.zip(numbers).for_each(|(place, own)| *place = N::narrow(own));
            }
        }
    }
}

/// Makes the outputs of tiles of what the points have: `[point][tile][channel]`, points [`apart`].
pub struct Make<'m, N> {
    pub points: &'m [f32],
    pub channels: usize,
    pub tiles: &'m [Tile],
    /// Numbers of a row of the maps.
    pub row: usize,
    pub out: &'m mut [MaybeUninit<N>],
}

impl<N: Number> Loop for Make<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let Make { points, channels, tiles, row, out } = self;
        let apart = apart(tiles.len() * channels);
        for (index, tile) in tiles.iter().enumerate() {
            for first in (0..channels).step_by(LANES) {
                let mut square = [[L::splat(0.0); 4]; 4];
                for (point, own) in square.as_flattened_mut().iter_mut().enumerate() {
                    *own = block::<f32, L>(points, point * apart + index * channels + first);
                }
                let outputs = both(square, made);
                for y in 0..2 {
                    for x in 0..2 {
                        if y < tile.sides[0] && x < tile.sides[1] {
                            let to = &mut out[tile.to + y * row + x * channels + first..];
                            let to = to.first_chunk_mut().expect("room for each lane");
                            N::store(outputs[y][x], to);
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn block<N: Number, L: Lanes>(values: &[N], at: usize) -> L {
    N::load(values[at..].first_chunk().expect("a number for each lane"))
}
