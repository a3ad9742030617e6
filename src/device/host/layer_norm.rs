//! Layer normalisation on the processor: one pass over the numbers each way. Ba et al. 2016,
//! arXiv:1607.06450.
//!
//! A row is summed in as many sums as there are lanes, gradients over a few rows in single precision
//! and over all of them in double and in their order: neither processor nor threads change a bit.

use std::mem::MaybeUninit;

use super::lanes::{LANES, Lanes, Loop, Processor};
use super::number::Number;
use super::threads::Threads;

/// Rows that one task takes, whose gradients are summed in single precision.
const ROWS: usize = 128;

/// Rows that are normalised one by one, then scaled and shifted.
#[derive(Clone, Copy)]
pub struct LayerNorm<'n> {
    /// As many numbers as a row has.
    pub scale: &'n [f32],
    pub epsilon: f32,
    pub processor: Processor,
    pub threads: Threads,
}

impl LayerNorm<'_> {
    fn width(&self) -> usize {
        self.scale.len()
    }

    /// Every number of `out` is written.
    pub fn forward<N: Number>(&self, x: &[N], shift: &[f32], out: &mut [MaybeUninit<N>]) {
        let (own, share) = (*self, ROWS * self.width());
        self.threads.run(x.chunks(share).zip(out.chunks_mut(share)), |_, (x, out)| {
            own.processor.run(Forward { own, x, shift, out });
        });
    }

    /// The gradients by scale and by shift, and the one by `x` in `out`, where every number is
    /// written.
    pub fn backward<N: Number>(
        &self,
        gradient: &[N],
        x: &[N],
        out: &mut [MaybeUninit<N>],
    ) -> [Vec<f32>; 2] {
        let (own, share) = (*self, ROWS * self.width());
        let given = x.chunks(share).zip(gradient.chunks(share)).zip(out.chunks_mut(share));
        let mut sums: Vec<[Vec<f32>; 2]> =
            x.chunks(share).map(|_| [(); 2].map(|()| vec![0.0; own.width()])).collect();
        self.threads.run(given.zip(&mut sums), |_, (((x, gradient), out), sums)| {
            let [by_scale, by_shift] = sums;
            own.processor.run(Backward { own, x, gradient, out, sums: [by_scale, by_shift] });
        });
        let mut total = [(); 2].map(|()| vec![0.0; own.width()]);
        for sums in &sums {
            for (total, sums) in total.iter_mut().zip(sums) {
                total.iter_mut().zip(sums).for_each(|(total, own)| *total += f64::from(*own));
            }
        }
        total.map(|own| own.into_iter().map(|own| own as f32).collect())
    }

    /// The mean of a row, and one over the square root of its biased variance and epsilon.
    #[inline(always)]
    fn measure<N: Number>(&self, x: &[N]) -> [f32; 2] {
        let share = 1.0 / x.len() as f32;
        let (blocks, rest) = x.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for block in blocks {
            sums.iter_mut().zip(block).for_each(|(sum, x)| *sum += x.wide());
        }
        sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += x.wide());
        let mean = total(sums) * share;
        let mut sums = [0.0; LANES];
        let add = |sum: &mut f32, x: &N| {
            let from = x.wide() - mean;
            *sum += from * from;
        };
        for block in blocks {
            sums.iter_mut().zip(block).for_each(|(sum, x)| add(sum, x));
        }
        sums.iter_mut().zip(rest).for_each(|(sum, x)| add(sum, x));
        [mean, 1.0 / (total(sums) * share + self.epsilon).sqrt()]
    }
}

/// The sum of the lanes, always in the same order.
#[inline(always)]
fn total(mut sums: [f32; LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}

struct Forward<'f, N> {
    own: LayerNorm<'f>,
    x: &'f [N],
    shift: &'f [f32],
    out: &'f mut [MaybeUninit<N>],
}

impl<N: Number> Loop for Forward<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let width = self.own.width();
        for (x, out) in self.x.chunks_exact(width).zip(self.out.chunks_exact_mut(width)) {
            let [mean, deviation] = self.own.measure(x);
            let parts = self.own.scale.iter().zip(self.shift);
            for ((x, out), (scale, shift)) in x.iter().zip(out).zip(parts) {
                out.write(N::narrow((x.wide() - mean) * deviation * scale + shift));
            }
        }
    }
}

struct Backward<'b, N> {
    own: LayerNorm<'b>,
    x: &'b [N],
    gradient: &'b [N],
    out: &'b mut [MaybeUninit<N>],
    sums: [&'b mut [f32]; 2],
}

impl<N: Number> Loop for Backward<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let (width, [by_scale, by_shift]) = (self.own.width(), self.sums);
        let share = 1.0 / width as f32;
        let rows = self.x.chunks_exact(width).zip(self.gradient.chunks_exact(width));
        for ((x, gradient), out) in rows.zip(self.out.chunks_exact_mut(width)) {
            let [mean, deviation] = self.own.measure(x);
            let [constant, slope] =
                slopes(x, gradient, self.own.scale, [mean, deviation]).map(|own| own * share);
            let sums = by_scale.iter_mut().zip(by_shift.iter_mut());
            let parts = self.own.scale.iter().zip(sums);
            let given = x.iter().zip(gradient).zip(out);
            for (((x, gradient), out), (scale, (by_scale, by_shift))) in given.zip(parts) {
                let (from, gradient) = ((x.wide() - mean) * deviation, gradient.wide());
                *by_scale += gradient * from;
                *by_shift += gradient;
                out.write(N::narrow((gradient * scale - constant - from * slope) * deviation));
            }
        }
    }
}

/// Of a row the sums of the gradient by what is normalised, and of its products with that.
#[inline(always)]
fn slopes<N: Number>(
    x: &[N],
    gradient: &[N],
    scale: &[f32],
    [mean, deviation]: [f32; 2],
) -> [f32; 2] {
    let (mut sums, mut products) = ([0.0; LANES], [0.0; LANES]);
    let add = |(sum, product): (&mut f32, &mut f32), ((x, gradient), scale): ((&N, &N), &f32)| {
        let gradient = gradient.wide() * scale;
        *sum += gradient;
        *product += gradient * ((x.wide() - mean) * deviation);
    };
    let ((xs, x_rest), (gradients, gradient_rest), (scales, scale_rest)) =
        (x.as_chunks::<LANES>(), gradient.as_chunks::<LANES>(), scale.as_chunks::<LANES>());
    for ((x, gradient), scale) in xs.iter().zip(gradients).zip(scales) {
        let lanes = sums.iter_mut().zip(&mut products);
        lanes.zip(x.iter().zip(gradient).zip(scale)).for_each(|(sums, given)| add(sums, given));
    }
    let lanes = sums.iter_mut().zip(&mut products);
    let rest = x_rest.iter().zip(gradient_rest).zip(scale_rest);
    lanes.zip(rest).for_each(|(sums, given)| add(sums, given));
    [total(sums), total(products)]
}
