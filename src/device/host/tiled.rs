//! Convolutions that are computed in tiles: of f32, by 3 by 3 weights, of whole blocks of channels.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::slice;

use super::lanes::{LANES, Processor};
use super::maps::{Frame, Maps, Order};
use super::number::Number;
use super::products::Strip;
use super::threads::Threads;
use super::tiles::{Block, Make, POINTS, Read, Spread, Tile, Weigh, apart};
use super::windows::Sums;

/// The numbers of a point that stay in the cache of a core, input and output.
const CACHED: usize = 8 << 10;
/// Tiles that are worth the reading of all weights: at best, and where there are many threads.
const TILES: usize = 96;
const LEAST_TILES: usize = 48;
/// With fewer channels the multiplications that are saved are less than what transforming takes.
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

/// What a task needs besides, one after another's.
#[derive(Default)]
struct Scratch {
    framed: Vec<f32>,
    read: Vec<f32>,
    made: Vec<f32>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// Weights `[outer, inner, 3, 3]` at all points, in blocks of what is outer: `[block][point][inner]`.
/// `apart` is how far those of each are, outer and inner.
pub fn points(
    weight: &[f32],
    [outer, inner]: [usize; 2],
    apart: [usize; 2],
    is_turned: bool,
    (processor, threads): (Processor, Threads),
) -> Vec<Block> {
    let mut points = vec![[0.0; LANES]; outer / LANES * POINTS * inner];
    threads.run(points.chunks_mut(POINTS * inner), |block, points| {
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
                points[point * inner + own] = *made;
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
        (CACHED / (self.channels[0] + self.channels[1])).max(TILES)
    }

    /// Images that a task takes at once.
    fn together(&self, images: usize) -> usize {
        let tiles: usize = self.sides.iter().map(|side| side.div_ceil(2)).product();
        let shared = images.div_ceil(2 * (self.threads.count)());
        let most = self.at_once().div_ceil(tiles);
        most.min(shared).max(LEAST_TILES.div_ceil(tiles)).min(images.max(1))
    }

    /// Those of so many images.
    fn tiles(&self, images: usize) -> Vec<Tile> {
        let ([h, w], [inputs, outputs], frame) = (self.sides, self.channels, self.frame());
        let of = |image: usize| {
            let at = (0..h).step_by(2).flat_map(|y| (0..w).step_by(2).map(move |x| (y, x)));
            at.map(move |(y, x)| Tile {
                from: image * frame.len(inputs) + (y * frame.sides[1] + x) * inputs,
                to: ((image * h + y) * w + x) * outputs,
                sides: [(h - y).min(2), (w - x).min(2)],
            })
        };
        (0..images).flat_map(of).collect()
    }

    /// Copies images into their frames.
    fn fill(&self, x: Maps<'_, f32>, images: Range<usize>, framed: &mut Vec<f32>) {
        let (frame, channels) = (self.frame(), self.channels[0]);
        let len = frame.len(channels);
        framed.resize(len * images.len(), 0.0);
        for (image, framed) in images.zip(framed.chunks_exact_mut(len)) {
            frame.fill(x.image(image), channels, framed);
        }
    }

    /// The numbers of tiles at all points, each with a block of others behind them.
    fn read(&self, framed: &[f32], tiles: &[Tile], read: &mut Vec<f32>) {
        let [channels, _] = self.channels;
        read.resize(POINTS * apart(tiles.len() * channels), 0.0);
        let row = self.frame().sides[1] * channels;
        self.processor.run(Read { framed, channels, row, tiles, points: read });
    }

    /// The output, channels last, by weights at all points: every number of `out` is written.
    pub fn forward<N: Number>(
        &self,
        x: Maps<'_, f32>,
        weight: &[Block],
        out: &mut [MaybeUninit<N>],
    ) {
        if self.images == 0 || out.is_empty() {
            return;
        }
        let [inputs, outputs] = self.channels;
        let (size, together) = (out.len() / self.images, self.together(self.images));
        let (tiles, row) = (self.tiles(together), self.sides[1] * outputs);
        let places: Vec<_> = (0..self.at_once()).map(|own| (own * inputs, own * outputs)).collect();
        self.threads.run(out.chunks_mut(size * together), |task, out| {
            let images = task * together..task * together + out.len() / size;
            let tiles = &tiles[..tiles.len() / together * images.len()];
            let mut scratch = SCRATCH.take();
            let Scratch { framed, read, made } = &mut scratch;
            self.fill(x, images, framed);
            for tiles in tiles.chunks(places.len()) {
                self.read(framed, tiles, read);
                let apart = [inputs, outputs].map(|channels| apart(tiles.len() * channels));
                made.resize(POINTS * apart[1], 0.0);
                let points = read.chunks_exact(apart[0]);
                for (point, (framed, made)) in
                    points.zip(made.chunks_exact_mut(apart[1])).enumerate()
                {
                    for (block, weight) in weight.chunks_exact(POINTS * inputs).enumerate() {
                        self.processor.run(Sums::<f32> {
                            framed,
                            places: &places[..tiles.len()],
                            rows: &[0],
                            weight: &weight[point * inputs..][..inputs],
                            channels: [block * LANES, (block + 1) * LANES],
                            out: written(made),
                        });
                    }
                }
                let points = made.as_slice();
                self.processor.run(Make { points, channels: outputs, tiles, row, out: &mut *out });
            }
            SCRATCH.set(scratch);
        });
    }

    /// Of some images, the gradients by the weights of some blocks of outputs at all points:
    /// `[block][point][input]`. `gradient` lies channels last.
    pub fn by_points(
        &self,
        x: Maps<'_, f32>,
        gradient: &[f32],
        images: Range<usize>,
        blocks: Range<usize>,
    ) -> Vec<Block> {
        let [inputs, outputs] = self.channels;
        let (size, together) =
            (self.sides[0] * self.sides[1] * outputs, self.together(images.len()));
        let (tiles, row) = (self.tiles(together), self.sides[1] * outputs);
        let mut sums = vec![[0.0; LANES]; blocks.len() * POINTS * inputs];
        let places: Vec<usize> = (0..self.at_once()).map(|own| own * inputs).collect();
        let mut points = vec![[0.0; LANES]; POINTS * (places.len() + 1)];
        let mut scratch = SCRATCH.take();
        let Scratch { framed, read, .. } = &mut scratch;
        for first in images.clone().step_by(together) {
            let images = first..images.end.min(first + together);
            let tiles = &tiles[..tiles.len() / together * images.len()];
            let gradient = &gradient[images.start * size..images.end * size];
            self.fill(x, images, framed);
            for tiles in tiles.chunks(places.len()) {
                self.read(framed, tiles, read);
                let points = &mut points[..POINTS * (tiles.len() + 1)];
                for (block, sums) in blocks.clone().zip(sums.chunks_exact_mut(POINTS * inputs)) {
                    let (channels, first) = (outputs, block * LANES);
                    let points = &mut *points;
                    self.processor.run(Spread { gradient, channels, row, first, tiles, points });
                    let gradients = points.chunks_exact(tiles.len() + 1);
                    for ((point, gradients), sums) in
                        gradients.enumerate().zip(sums.chunks_exact_mut(inputs))
                    {
                        self.processor.run(Strip::<f32> {
                            rows: &[0],
                            len: inputs,
                            framed: &read[point * apart(tiles.len() * inputs)..],
                            places: &places[..tiles.len()],
                            gradients,
                            sums,
                        });
                    }
                }
            }
        }
        SCRATCH.set(scratch);
        sums
    }

    /// Whether maps of so many channels are computed in tiles by such a kernel, stride and padding.
    pub fn takes<N: Number>(channels: [usize; 2], how: [usize; 3]) -> bool {
        let is_worth_it = |own: &usize| *own >= LEAST_CHANNELS && own.is_multiple_of(LANES);
        how == [3, 1, 1] && N::EACH == 1 && channels.iter().all(is_worth_it)
    }
}

/// Numbers as a place for others.
fn written(values: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    // SAFETY: sums write numbers, and nothing else.
    unsafe { slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}

/// The numbers of maps channels last, in `made` where they lie in another order.
pub fn channels_last<'m>(
    maps: Maps<'m, f32>,
    images: usize,
    made: &'m mut Vec<f32>,
    threads: Threads,
) -> &'m [f32] {
    if maps.order == Order::ChannelsLast {
        return maps.values;
    }
    made.resize(maps.values.len(), 0.0);
    maps.channels_last(images, written(made), threads);
    made
}
