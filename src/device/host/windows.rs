//! Sums over the windows of maps, in registers.

use std::cell::Cell;
use std::mem::MaybeUninit;

use super::lanes::{LANES, Lanes, Loop, Processor};
use super::maps::{Frame, Maps};
use super::threads::Threads;

/// The numbers that one task copies at once are to stay in the cache of its core, but blocks of
/// weights, which are larger where maps are small, are to be read for so many positions.
const CACHED: usize = 32 << 10;
const LEAST_POSITIONS: usize = 96;

/// Where a window begins in the framed image, and where its sums go.
pub type Place = (usize, usize);

/// The sums over the windows of an image: the same weights for every position.
pub struct Pass {
    pub frame: Frame,
    /// Channels of what it reads and of what it writes.
    pub channels: [usize; 2],
    /// Where the rows of a window begin, from its first number on.
    pub rows: Vec<usize>,
    /// The numbers in a row.
    pub len: usize,
    /// `[block of channels][row * len]`.
    pub weight: Vec<[f32; LANES]>,
    pub places: Vec<Place>,
}

/// How weights lie: how many there are along an axis, and how far apart.
#[derive(Clone, Copy)]
pub struct Axis {
    pub count: usize,
    pub apart: usize,
}

/// Weights `[channels, inner, tap]` in blocks of channels, zeros where there are no more, as a pass
/// reads them: for each of these taps all that is inside.
pub fn packed(
    weight: &[f32],
    [channels, inner]: [Axis; 2],
    taps: &[usize],
    threads: Threads,
) -> Vec<[f32; LANES]> {
    let size = taps.len() * inner.count;
    let mut packed = vec![[0.0; LANES]; channels.count.div_ceil(LANES) * size];
    threads.run(packed.chunks_mut(size), |block, packed| {
        let first = block * LANES;
        for channel in first..channels.count.min(first + LANES) {
            for (tap, packed) in taps.iter().zip(packed.chunks_exact_mut(inner.count)) {
                let weight = weight[channel * channels.apart + tap..].iter().step_by(inner.apart);
                for (packed, weight) in packed.iter_mut().zip(weight) {
                    packed[channel - first] = *weight;
                }
            }
        }
    });
    packed
}

/// Runs passes over so many images, which together write every number of `out`.
pub fn run(
    passes: &[Pass],
    from: Maps<'_>,
    images: usize,
    out: &mut [MaybeUninit<f32>],
    (processor, threads): (Processor, Threads),
) {
    if images == 0 || out.is_empty() {
        return;
    }
    let size = out.len() / images;
    let framed = passes.iter().map(|pass| pass.frame.len(pass.channels[0])).max().unwrap_or(0);
    let positions = passes.iter().map(|pass| pass.places.len()).min().unwrap_or(0).max(1);
    let cached = (CACHED / framed.max(1)).max(LEAST_POSITIONS.div_ceil(positions));
    let together = cached.min(images.div_ceil(4 * (threads.count)()));
    let places: Vec<Vec<Place>> =
        passes.iter().map(|pass| pass.places_of(together, size)).collect();
    threads.run(out.chunks_mut(size * together), |task, out| {
        let images = task * together..task * together + out.len() / size;
        // What was left there is overwritten.
        let mut scratch = SCRATCH.take();
        for (pass, places) in passes.iter().zip(&places) {
            let len = pass.frame.len(pass.channels[0]);
            scratch.resize(len * images.len(), 0.0);
            for (image, framed) in images.clone().zip(scratch.chunks_exact_mut(len)) {
                pass.frame.fill(from.image(image), pass.channels[0], framed);
            }
            let places = &places[..images.len() * pass.places.len()];
            pass.sum(&scratch, places, out, processor);
        }
        SCRATCH.set(scratch);
    });
}

thread_local! {
    /// Framed images, one task's after another's.
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

impl Pass {
    /// The places of so many images, whose outputs have `size` numbers each.
    fn places_of(&self, images: usize, size: usize) -> Vec<Place> {
        let len = self.frame.len(self.channels[0]);
        let of = |image| {
            self.places.iter().map(move |(from, to)| (from + image * len, to + image * size))
        };
        (0..images).flat_map(of).collect()
    }

    fn sum(
        &self,
        framed: &[f32],
        places: &[Place],
        out: &mut [MaybeUninit<f32>],
        processor: Processor,
    ) {
        let blocks = self.weight.chunks_exact(self.rows.len() * self.len);
        for (block, weight) in blocks.enumerate() {
            let channels = [block * LANES, self.channels[1].min((block + 1) * LANES)];
            let rows = &self.rows;
            processor.run(Sums { framed, places, rows, weight, channels, out: &mut *out });
        }
    }
}

/// A block of output channels at many places.
struct Sums<'s> {
    framed: &'s [f32],
    places: &'s [Place],
    rows: &'s [usize],
    weight: &'s [[f32; LANES]],
    /// The first, and the first behind them.
    channels: [usize; 2],
    out: &'s mut [MaybeUninit<f32>],
}

impl Loop for Sums<'_> {
    #[inline(always)]
    fn run<L: Lanes, const BLOCKS: usize>(self) {
        self.blocks::<L, BLOCKS>();
    }
}

impl Sums<'_> {
    #[inline(always)]
    fn blocks<L: Lanes, const P: usize>(mut self) {
        let places = self.places;
        let (blocks, rest) = places.as_chunks::<P>();
        for block in blocks {
            self.block::<L, P>(block);
        }
        // The last is made several times.
        if let Some(last) = rest.last() {
            let block = std::array::from_fn(|own| *rest.get(own).unwrap_or(last));
            self.block::<L, P>(&block);
        }
    }

    #[inline(always)]
    fn block<L: Lanes, const P: usize>(&mut self, places: &[Place; P]) {
        let mut sums = [L::splat(0.0); P];
        let len = self.weight.len() / self.rows.len();
        for (row, weight) in self.rows.iter().zip(self.weight.chunks_exact(len)) {
            let weight = &weight[..len];
            // All of one length that is known here, so that the inner loop checks nothing.
            let mut x = [&[][..]; P];
            for place in 0..P {
                x[place] = &self.framed[places[place].0 + row..][..len];
            }
            for (own, weight) in weight.iter().enumerate() {
                let weight = L::load(weight);
                for place in 0..P {
                    sums[place] = L::splat(x[place][own]).multiply_add(weight, sums[place]);
                }
            }
        }
        let [first, end] = self.channels;
        for place in 0..P {
            let out = &mut self.out[places[place].1 + first..places[place].1 + end];
            match out.first_chunk_mut() {
                Some(out) => sums[place].store(out),
                None => {
                    let mut whole = [MaybeUninit::new(0.0); LANES];
                    sums[place].store(&mut whole);
                    out.copy_from_slice(&whole[..end - first]);
                }
            }
        }
    }
}
