//! Convolutions of each channel by itself, of maps with their channels side by side: a block of
//! positions times [`LANES`] channels is summed in registers.
//!
//! Each output is the sum of its products in one order, whatever the threads; the parts of a gradient
//! by weights are those of images, added in double precision and in their order.

use std::mem::MaybeUninit;

use super::lanes::{LANES, Lanes, Loop, Processor};
use super::maps::{Frame, Maps};
use super::number::Number;
use super::threads::Threads;

/// A convolution of `[n, channels, h, w]` by `[channels, 1, kernel, kernel]`, of which the kernel is
/// odd, padded by zeros so that the resolution stays.
#[derive(Clone, Copy, Debug)]
pub struct Depthwise {
    pub images: usize,
    pub channels: usize,
    pub sides: [usize; 2],
    pub kernel: usize,
    pub processor: Processor,
    pub threads: Threads,
}

impl Depthwise {
    /// How far positions are apart in copies.
    fn apart(&self) -> usize {
        self.channels.next_multiple_of(LANES)
    }

    fn volume(&self) -> usize {
        self.channels * self.sides[0] * self.sides[1]
    }

    /// With the border that windows reach into.
    fn frame(&self) -> Frame {
        let around = self.kernel / 2;
        Frame { before: [around; 2], sides: self.sides.map(|side| side + 2 * around), step: 1 }
    }

    /// Room for an image in a frame, and behind it for what is read with its last places.
    fn room<N: Number>(&self, frame: Frame) -> Vec<N> {
        vec![N::default(); frame.len(self.apart()) + LANES * self.apart()]
    }

    /// The output, channels last: every number of `out` is written.
    pub fn forward<N: Number>(
        &self,
        x: Maps<'_, N>,
        [weight, bias]: [&[f32]; 2],
        out: &mut [MaybeUninit<N>],
    ) {
        self.sums(x, &self.by_taps(weight, |tap| tap), bias, out);
    }

    /// The gradient by the input, channels last: every number of `out` is written.
    pub fn backward_input<N: Number>(
        &self,
        gradient: Maps<'_, N>,
        weight: &[f32],
        out: &mut [MaybeUninit<N>],
    ) {
        let last = self.kernel * self.kernel - 1;
        let turned = self.by_taps(weight, |tap| last - tap);
        self.sums(gradient, &turned, &vec![0.0; self.channels], out);
    }

    /// The gradients by weight, `[channels, 1, kernel, kernel]`, and by bias.
    pub fn backward_weight<N: Number>(
        &self,
        x: Maps<'_, N>,
        gradient: Maps<'_, N>,
    ) -> [Vec<f32>; 2] {
        let (apart, taps) = (self.apart(), self.kernel * self.kernel);
        let parts = self.threads.map(self.images, |image| {
            let (frame, plain) =
                (self.frame(), Frame { before: [0; 2], sides: self.sides, step: 1 });
            let (mut framed, mut gradients) = (self.room(frame), self.room(plain));
            let len = framed.len() - LANES * apart;
            frame.fill(x.image(image), apart, &mut framed[..len]);
            let len = gradients.len() - LANES * apart;
            plain.fill(gradient.image(image), apart, &mut gradients[..len]);
            let mut sums = vec![0.0; (taps + 1) * apart];
            let own = Slopes { how: *self, framed: &framed, gradient: &gradients, sums: &mut sums };
            self.processor.run(own);
            sums
        });
        let mut total = vec![0.0_f64; (taps + 1) * apart];
        for part in parts {
            total.iter_mut().zip(part).for_each(|(total, own)| *total += f64::from(own));
        }
        let at = |tap: usize, channel: usize| total[tap * apart + channel] as f32;
        let by_weight = (0..self.channels * taps).map(|own| at(own % taps, own / taps));
        [by_weight.collect(), (0..self.channels).map(|channel| at(taps, channel)).collect()]
    }

    /// The weights of each tap side by side, of all channels and zeros behind them.
    fn by_taps(&self, weight: &[f32], from: impl Fn(usize) -> usize) -> Vec<f32> {
        let (apart, taps) = (self.apart(), self.kernel * self.kernel);
        let mut packed = vec![0.0; taps * apart];
        for (tap, packed) in packed.chunks_exact_mut(apart).enumerate() {
            for (own, weight) in packed.iter_mut().zip(weight.chunks_exact(taps)) {
                *own = weight[from(tap)];
            }
        }
        packed
    }

    fn sums<N: Number>(
        &self,
        x: Maps<'_, N>,
        weight: &[f32],
        bias: &[f32],
        out: &mut [MaybeUninit<N>],
    ) {
        let mut first = bias.to_vec();
        first.resize(self.apart(), 0.0);
        self.threads.run(out.chunks_mut(self.volume()), |image, out| {
            let frame = self.frame();
            let mut framed = self.room(frame);
            let len = framed.len() - LANES * self.apart();
            frame.fill(x.image(image), self.apart(), &mut framed[..len]);
            self.processor.run(Sums { how: *self, framed: &framed, weight, bias: &first, out });
        });
    }
}

/// The output of one image.
struct Sums<'s, N> {
    how: Depthwise,
    framed: &'s [N],
    weight: &'s [f32],
    bias: &'s [f32],
    out: &'s mut [MaybeUninit<N>],
}

impl<N: Number> Loop for Sums<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let Depthwise { channels, sides: [_, w], kernel, .. } = self.how;
        let (apart, wide) = (self.how.apart(), w + kernel - 1);
        for (y, row) in self.out.chunks_exact_mut(w * channels).enumerate() {
            for first in (0..w).step_by(PLACES) {
                for block in (0..apart).step_by(LANES) {
                    let bias = L::load(self.bias[block..].first_chunk().expect("whole blocks"));
                    let mut sums = [bias; PLACES];
                    for tap in 0..kernel * kernel {
                        let weight = &self.weight[tap * apart + block..];
                        let weight = L::load(weight.first_chunk().expect("whole blocks"));
                        let place = (y + tap / kernel) * wide + first + tap % kernel;
                        let framed = &self.framed[place * apart + block..];
                        let framed = &framed[..(PLACES - 1) * apart + LANES];
                        for (place, sum) in sums.iter_mut().enumerate() {
                            let x = framed[place * apart..].first_chunk().expect("room behind");
                            *sum = N::load::<L>(x).multiply_add(weight, *sum);
                        }
                    }
                    let places = row[first * channels..].chunks_exact_mut(channels);
                    for (sum, place) in sums.iter().zip(places) {
                        let place = &mut place[block..];
                        match place.first_chunk_mut() {
                            Some(whole) => N::store(*sum, whole),
                            None => {
                                let mut all = [MaybeUninit::new(N::default()); LANES];
                                N::store(*sum, &mut all);
                                place.copy_from_slice(&all[..place.len()]);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The gradients by the weights of each tap, and behind them by bias, of one image.
struct Slopes<'s, N> {
    how: Depthwise,
    framed: &'s [N],
    gradient: &'s [N],
    sums: &'s mut [f32],
}

impl<N: Number> Loop for Slopes<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        // Of the seven taps in a row that ConvNeXt has, in one go or in two.
        if PLACES < 8 { self.taps::<L, 4>() } else { self.taps::<L, 8>() }
    }
}

impl<N: Number> Slopes<'_, N> {
    #[inline(always)]
    fn taps<L: Lanes, const TAPS: usize>(self) {
        let Depthwise { sides: [h, w], kernel, .. } = self.how;
        let (apart, wide) = (self.how.apart(), w + kernel - 1);
        for block in (0..apart).step_by(LANES) {
            for down in 0..kernel {
                for first in (0..kernel).step_by(TAPS) {
                    let mut sums = [L::splat(0.0); TAPS];
                    for y in 0..h {
                        let gradient = &self.gradient[y * w * apart + block..];
                        let framed = &self.framed[((y + down) * wide + first) * apart + block..];
                        for x in 0..w {
                            let own = gradient[x * apart..].first_chunk().expect("whole blocks");
                            let own = N::load::<L>(own);
                            let framed = &framed[x * apart..][..(TAPS - 1) * apart + LANES];
                            for (tap, sum) in sums.iter_mut().enumerate() {
                                let x = framed[tap * apart..].first_chunk().expect("room behind");
                                *sum = N::load::<L>(x).multiply_add(own, *sum);
                            }
                        }
                    }
                    for (tap, sum) in sums.iter().enumerate().take(kernel - first) {
                        let at = (down * kernel + first + tap) * apart + block;
                        sum.store_over(self.sums[at..].first_chunk_mut().expect("whole blocks"));
                    }
                }
            }
            let mut sum = L::splat(0.0);
            for place in 0..h * w {
                let own = self.gradient[place * apart + block..].first_chunk();
                sum = sum.plus(N::load::<L>(own.expect("whole blocks")));
            }
            let at = kernel * kernel * apart + block;
            sum.store_over(self.sums[at..].first_chunk_mut().expect("whole blocks"));
        }
    }
}
