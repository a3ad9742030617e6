//! Sums over the windows of maps, in registers.

use std::mem::MaybeUninit;

use super::lanes::{LANES, Lanes, Loop, Processor};
use super::maps::{Frame, Maps};
use super::number::{Number, Scratch};
use super::threads::Threads;

/// The numbers that one task copies at once are to stay in the cache of its core, but blocks of
/// weights, which are larger where maps are small, are to be read for so many positions.
const CACHED: usize = 32 << 10;
const LEAST_POSITIONS: usize = 48;

/// Where a window begins in the framed image, in factors, and where its sums go, in numbers.
pub type Place = (usize, usize);

/// The sums over the windows of an image: the same weights for every position.
pub struct Pass<N: Number> {
    pub frame: Frame,
    /// Factors of a position of what it reads, and channels of what it writes.
    pub channels: [usize; 2],
    /// Where the rows of a window begin, from its first factor on.
    pub rows: Vec<usize>,
    /// The factors in a row.
    pub len: usize,
    /// `[block of channels][row * len]`.
    pub weight: Vec<[N::Factor; LANES]>,
    pub places: Vec<Place>,
}

/// How weights lie: how many there are along an axis, and how far apart.
#[derive(Clone, Copy)]
pub struct Axis {
    pub count: usize,
    pub apart: usize,
}

/// Weights `[channels, inner, tap]` in blocks of channels, zeros where there are no more, as a pass
/// reads them: for each of these taps all that is inside, in whole factors.
pub fn packed<N: Number>(
    weight: &[f32],
    [channels, inner]: [Axis; 2],
    taps: &[usize],
    threads: Threads,
) -> Vec<[N::Factor; LANES]> {
    let factors = inner.count.div_ceil(N::EACH);
    let size = taps.len() * factors;
    let mut packed = vec![[N::Factor::default(); LANES]; channels.count.div_ceil(LANES) * size];
    threads.run(packed.chunks_mut(size), |block, packed| {
        let own = channels.count.min(block * LANES + LANES) - block * LANES;
        let weight = &weight[block * LANES * channels.apart..];
        for at in 0..inner.count {
            let (factor, place) = (at / N::EACH, at % N::EACH);
            for (row, tap) in taps.iter().enumerate() {
                let weight = weight[at * inner.apart + tap..].iter().step_by(channels.apart);
                let to = N::flat(&mut packed[row * factors + factor]);
                let to = to[place..].iter_mut().step_by(N::EACH);
                to.zip(weight.take(own)).for_each(|(to, weight)| *to = N::narrow(*weight));
            }
        }
    });
    packed
}

/// Runs passes over so many images, which together write every number of `out`.
pub fn run<N: Number>(
    passes: &[Pass<N>],
    from: Maps<'_, N>,
    images: usize,
    out: &mut [MaybeUninit<N>],
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
        N::with_scratch(|Scratch { framed: scratch, .. }| {
            for (pass, places) in passes.iter().zip(&places) {
                let len = pass.frame.len(pass.channels[0]);
                // What was left there is overwritten.
                scratch.resize(len * images.len(), N::Factor::default());
                for (image, framed) in images.clone().zip(scratch.chunks_exact_mut(len)) {
                    let channels = pass.channels[0] * N::EACH;
                    pass.frame.fill(from.image(image), channels, N::flat(framed));
                }
                let places = &places[..images.len() * pass.places.len()];
                pass.sum(scratch, places, out, processor);
            }
        });
    });
}

impl<N: Number> Pass<N> {
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
        framed: &[N::Factor],
        places: &[Place],
        out: &mut [MaybeUninit<N>],
        processor: Processor,
    ) {
        let blocks = self.weight.chunks_exact(self.rows.len() * self.len);
        for (block, weight) in blocks.enumerate() {
            let channels = [block * LANES, self.channels[1].min((block + 1) * LANES)];
            let rows = &self.rows;
            processor.run(Sums::<N, N> { framed, places, rows, weight, channels, out: &mut *out });
        }
    }
}

/// A block of output channels at many places.
pub struct Sums<'s, N: Number, O: Number> {
    pub framed: &'s [N::Factor],
    pub places: &'s [Place],
    /// Where the rows of a window begin.
    pub rows: &'s [usize],
    /// `[row * len]`.
    pub weight: &'s [[N::Factor; LANES]],
    /// The first, and the first behind them.
    pub channels: [usize; 2],
    pub out: &'s mut [MaybeUninit<O>],
}

impl<N: Number, O: Number> Loop for Sums<'_, N, O> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        self.blocks::<L, PLACES>();
    }
}

impl<N: Number, O: Number> Sums<'_, N, O> {
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
                let weight = N::hold::<L>(weight);
                for place in 0..P {
                    sums[place] = N::multiply_add(&x[place][own], weight, sums[place]);
                }
            }
        }
        let [first, end] = self.channels;
        for place in 0..P {
            let out = &mut self.out[places[place].1 + first..places[place].1 + end];
            match out.first_chunk_mut() {
                Some(out) => O::store(sums[place], out),
                None => {
                    let mut whole = [MaybeUninit::new(O::default()); LANES];
                    O::store(sums[place], &mut whole);
                    out.copy_from_slice(&whole[..end - first]);
                }
            }
        }
    }
}
