//! `x * P(X <= x)` of a standard normal `X`, one pass each way. Hendrycks and Gimpel 2016,
//! arXiv:1606.08415.

use std::mem::MaybeUninit;

use super::elementary::normal;
use super::lanes::{Lanes, Loop, Processor};
use super::number::Number;
use super::threads::Threads;

/// Numbers that one task takes.
const SHARE: usize = 16 << 10;

/// Every number of `out` is written.
pub fn forward<N: Number>(
    x: &[N],
    out: &mut [MaybeUninit<N>],
    (processor, threads): (Processor, Threads),
) {
    threads.run(x.chunks(SHARE).zip(out.chunks_mut(SHARE)), |_, (x, out)| {
        processor.run(Forward { x, out });
    });
}

/// The gradient by `x`: every number of `out` is written.
pub fn backward<N: Number>(
    gradient: &[N],
    x: &[N],
    out: &mut [MaybeUninit<N>],
    (processor, threads): (Processor, Threads),
) {
    let given = x.chunks(SHARE).zip(gradient.chunks(SHARE));
    threads.run(given.zip(out.chunks_mut(SHARE)), |_, ((x, gradient), out)| {
        processor.run(Backward { x, gradient, out });
    });
}

struct Forward<'g, N> {
    x: &'g [N],
    out: &'g mut [MaybeUninit<N>],
}

impl<N: Number> Loop for Forward<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        for (x, out) in self.x.iter().zip(self.out) {
            let x = x.wide();
            let [_, chance] = normal(x);
            out.write(N::narrow(x * chance));
        }
    }
}

struct Backward<'d, N> {
    x: &'d [N],
    gradient: &'d [N],
    out: &'d mut [MaybeUninit<N>],
}

impl<N: Number> Loop for Backward<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        for ((x, gradient), out) in self.x.iter().zip(self.gradient).zip(self.out) {
            let x = x.wide();
            let [density, chance] = normal(x);
            out.write(N::narrow(gradient.wide() * (chance + x * density)));
        }
    }
}
