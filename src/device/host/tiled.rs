//! Convolutions that are computed in tiles: by 3 by 3 weights, of whole blocks of channels. What the
//! points multiply is of the maps' numbers, and summed and transformed back in single precision.

use std::iter::StepBy;
use std::mem::MaybeUninit;
use std::ops::{Range, RangeFrom};
use std::slice;

use super::lanes::{LANES, Processor};
use super::maps::{Frame, Maps, Order};
use super::number::{Number, Scratch};
use super::products::{Join, Strip};
use super::threads::Threads;
use super::tiles::{Block, Make, POINTS, Read, Spread, Tile, Weigh, apart};
use super::windows::Sums;

/// The numbers of a point that stay in the cache of a core, input and output.
const CACHED: usize = 8 << 10;
/// Tiles that are worth the reading of all weights: at best, and where there are many threads.
const TILES: usize = 96;
const LEAST_TILES: usize = 48;
/// With fewer channels the multiplications that are saved are less than what transforming takes:
/// as often, as many a lane has at once.
const LEAST_CHANNELS: usize = 32;

/// A convolution of `[n, channels[0], h, w]` by `[channels[1], channels[0], 3, 3]`, padded by one, step
/// by step. Channels are in whole blocks.
#[derive(Clone, Copy, Debug)]
pub struct Tiled {
    pub images: usize,
    pub channels: [usize; 2],
    pub sides: [usize; 2],
    pub processor: Processor,
    pub threads: Threads,
}

/// Weights `[outer, inner, 3, 3]` at all points, in blocks of what is outer: `[block][point][inner]`.
/// `apart` is how far those of each are, outer and inner.
pub fn points<N: Number>(
    weight: &[f32],
    [outer, inner]: [usize; 2],
    apart: [usize; 2],
    is_turned: bool,
    (processor, threads): (Processor, Threads),
) -> Vec<[N::Factor; LANES]> {
    let factors = inner / N::EACH;
    let mut points = vec![[N::Factor::default(); LANES]; outer / LANES * POINTS * factors];
    threads.run(points.chunks_mut(POINTS * factors), |block, points| {
        let weight = &weight[block * LANES * apart[0]..];
        let (mut taps, mut made) = ([[0.0; LANES]; 9], [[0.0; LANES]; POINTS]);
        for own in 0..inner {
            for (at, tap) in taps.iter_mut().enumerate() {
                let at = own * apart[1] + if is_turned { 8 - at } else { at };
                let weight = weight[at..].iter().step_by(apart[0]);
                tap.iter_mut().zip(weight).for_each(|(tap, weight)| *tap = *weight);
            }
            processor.run(Weigh { taps: &taps, points: &mut made });
            for (point, made) in made.iter().enumerate() {
                let to = N::flat(&mut points[point * factors + own / N::EACH]);
                let to = to[own % N::EACH..].iter_mut().step_by(N::EACH);
                to.zip(made).for_each(|(to, made)| *to = N::narrow(*made));
            }
        }
    });
    points
}

impl Tiled {
    fn frame(&self) -> Frame {
        let sides = self.sides.map(|side| 2 * side.div_ceil(2) + 2);
        Frame { before: [1; 2], sides, step: 1 }
    }

    /// Tiles that are transformed at once.
    fn at_once(&self) -> usize {
        (CACHED / (self.channels[0] + self.channels[1])).max(TILES).next_multiple_of(2)
    }

    /// Images that a task takes at once.
    fn together(&self, images: usize) -> usize {
        let tiles: usize = self.sides.iter().map(|side| side.div_ceil(2)).product();
        let shared = images.div_ceil(2 * (self.threads.count)());
        let most = self.at_once().div_ceil(tiles);
        most.min(shared).max(LEAST_TILES.div_ceil(tiles)).min(images.max(1))
    }

    /// Those of so many images: of each as many as whole factors have, the last of which may have no
    /// outputs. So the same two share a factor, however many tiles are taken at once.
    fn tiles<N: Number>(&self, images: usize) -> Vec<Tile> {
        let ([h, w], [inputs, outputs], frame) = (self.sides, self.channels, self.frame());
        let of = |image: usize| {
            let at = (0..h).step_by(2).flat_map(|y| (0..w).step_by(2).map(move |x| (y, x)));
            at.map(move |(y, x)| Tile {
                from: image * frame.len(inputs) + (y * frame.sides[1] + x) * inputs,
                to: ((image * h + y) * w + x) * outputs,
                sides: [(h - y).min(2), (w - x).min(2)],
            })
        };
        let whole = |image: usize| {
            let mut tiles: Vec<Tile> = of(image).collect();
            let last = tiles.last().map(|last| Tile { sides: [0; 2], ..*last });
            let missing = tiles.len().next_multiple_of(N::EACH) - tiles.len();
            tiles.extend(last.into_iter().cycle().take(missing));
            tiles
        };
        (0..images).flat_map(whole).collect()
    }

    /// Copies images into their frames.
    fn fill<N: Number>(&self, x: Maps<'_, N>, images: Range<usize>, framed: &mut Vec<N::Factor>) {
        let (frame, channels) = (self.frame(), self.channels[0]);
        let len = frame.len(channels / N::EACH);
        framed.resize(len * images.len(), N::Factor::default());
        for (image, framed) in images.zip(framed.chunks_exact_mut(len)) {
            frame.fill(x.image(image), channels, N::flat(framed));
        }
    }

    /// The numbers of tiles at all points, each with a block of others behind them.
    fn read<N: Number>(&self, framed: &mut [N::Factor], tiles: &[Tile], read: &mut Vec<N::Factor>) {
        let [channels, _] = self.channels;
        read.resize(POINTS * apart(tiles.len() * channels) / N::EACH, N::Factor::default());
        let row = self.frame().sides[1] * channels;
        let (framed, points) = (&*N::flat(framed), N::flat(read));
        self.processor.run(Read { framed, channels, row, tiles, points });
    }

    /// The output, channels last, by weights at all points: every number of `out` is written.
    pub fn forward<N: Number>(
        &self,
        x: Maps<'_, N>,
        weight: &[[N::Factor; LANES]],
        out: &mut [MaybeUninit<N>],
    ) {
        if self.images == 0 || out.is_empty() {
            return;
        }
        let [inputs, outputs] = self.channels;
        let (size, together) = (out.len() / self.images, self.together(self.images));
        let (tiles, row) = (self.tiles::<N>(together), self.sides[1] * outputs);
        let factors = inputs / N::EACH;
        let places: Vec<_> =
            (0..self.at_once()).map(|own| (own * factors, own * outputs)).collect();
        self.threads.run(out.chunks_mut(size * together), |task, out| {
            let images = task * together..task * together + out.len() / size;
            let tiles = &tiles[..tiles.len() / together * images.len()];
            N::with_scratch(|Scratch { framed, read, made, .. }| {
                self.fill(x, images, framed);
                for tiles in tiles.chunks(places.len()) {
                    self.read::<N>(framed, tiles, read);
                    let apart = [inputs, outputs].map(|channels| apart(tiles.len() * channels));
                    made.resize(POINTS * apart[1], 0.0);
                    let points = read.chunks_exact(apart[0] / N::EACH);
                    let points = points.zip(made.chunks_exact_mut(apart[1]));
                    for (point, (framed, made)) in points.enumerate() {
                        for (block, weight) in weight.chunks_exact(POINTS * factors).enumerate() {
                            self.processor.run(Sums::<N, f32> {
                                framed,
                                places: &places[..tiles.len()],
                                rows: &[0],
                                weight: &weight[point * factors..][..factors],
                                channels: [block * LANES, (block + 1) * LANES],
                                out: written(made),
                            });
                        }
                    }
                    let (points, channels, out) = (made.as_slice(), outputs, &mut *out);
                    self.processor.run(Make { points, channels, tiles, row, out });
                }
            });
        });
    }

    /// Of some images, the gradients by the weights of some blocks of outputs at all points:
    /// `[block][point][input]`. `gradient` lies channels last.
    pub fn by_points<N: Number>(
        &self,
        x: Maps<'_, N>,
        gradient: &[N],
        images: Range<usize>,
        blocks: Range<usize>,
    ) -> Vec<Block> {
        let [inputs, outputs] = self.channels;
        let size = self.sides[0] * self.sides[1] * outputs;
        let together = self.together(images.len());
        let (tiles, row) = (self.tiles::<N>(together), self.sides[1] * outputs);
        let mut sums = vec![[0.0; LANES]; blocks.len() * POINTS * inputs];
        let places: Vec<usize> = (0..self.at_once()).map(|own| own * inputs).collect();
        // One more, so that points are no power of two apart.
        let most = places.len() / N::EACH + 1;
        let mut points = vec![[N::Factor::default(); LANES]; POINTS * most];
        N::with_scratch(|Scratch { framed, read, joined, .. }| {
            for first in images.clone().step_by(together) {
                let images = first..images.end.min(first + together);
                let tiles = &tiles[..tiles.len() / together * images.len()];
                let gradient = &gradient[images.start * size..images.end * size];
                self.fill(x, images, framed);
                for tiles in tiles.chunks(places.len()) {
                    self.read::<N>(framed, tiles, read);
                    let framed = self.joined::<N>(read, tiles.len(), joined);
                    let factors = tiles.len() / N::EACH;
                    for (block, sums) in blocks.clone().zip(sums.chunks_exact_mut(POINTS * inputs))
                    {
                        let (channels, first, apart) = (outputs, block * LANES, factors + 1);
                        let points = points.as_mut_slice();
                        let spread =
                            Spread::<N> { gradient, channels, row, first, tiles, apart, points };
                        self.processor.run(spread);
                        let gradients = points.chunks_exact(apart).zip(framed.1.clone());
                        for ((gradients, from), sums) in
                            gradients.zip(sums.chunks_exact_mut(inputs))
                        {
                            self.processor.run(Strip::<N> {
                                rows: &[0],
                                len: inputs,
                                framed: &framed.0[from..],
                                places: &places[..factors],
                                gradients,
                                sums,
                            });
                        }
                    }
                }
            }
        });
        sums
    }

    /// What tiles read, in factors of tiles, and where each point begins: `[point][factor][channel]`.
    fn joined<'j, N: Number>(
        &self,
        read: &'j mut [N::Factor],
        tiles: usize,
        joined: &'j mut Vec<N::Factor>,
    ) -> (&'j [N::Factor], StepBy<RangeFrom<usize>>) {
        let [channels, _] = self.channels;
        let from = apart(tiles * channels);
        if N::EACH == 1 {
            return (read, (0..).step_by(from));
        }
        let to = apart(tiles / N::EACH * channels);
        joined.resize(POINTS * to, N::Factor::default());
        let numbers = N::flat(read);
        for (numbers, joined) in numbers.chunks_exact(from).zip(joined.chunks_exact_mut(to)) {
            let rows = numbers[..tiles * channels].chunks(N::EACH * channels);
            for (numbers, joined) in rows.zip(joined.chunks_exact_mut(channels)) {
                self.processor.run(Join::<N> { numbers, apart: channels, to: joined });
            }
        }
        (joined, (0..).step_by(to))
    }

    /// Whether maps of so many channels are computed in tiles by such a kernel, stride and padding.
    pub fn takes<N: Number>(channels: [usize; 2], how: [usize; 3]) -> bool {
        let least = LEAST_CHANNELS * N::EACH;
        let is_worth_it = |own: &usize| *own >= least && own.is_multiple_of(LANES);
        how == [3, 1, 1] && channels.iter().all(is_worth_it)
    }
}

/// Numbers as a place for others.
fn written<N: Number>(values: &mut [N]) -> &mut [MaybeUninit<N>] {
    // SAFETY: sums write numbers, and nothing else.
    unsafe { slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}

/// The numbers of maps channels last, in `made` where they lie in another order.
pub fn channels_last<'m, N: Number>(
    maps: Maps<'m, N>,
    images: usize,
    made: &'m mut Vec<N>,
    threads: Threads,
) -> &'m [N] {
    if maps.order == Order::ChannelsLast {
        return maps.values;
    }
    made.resize(maps.values.len(), N::default());
    maps.channels_last(images, written(made), threads);
    made
}
