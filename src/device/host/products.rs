//! Products of windows with gradients, summed over positions in registers.

use std::ops::Range;

use super::lanes::{LANES, Lanes, Loop, Processor};
use super::maps::{Frame, Maps};
use super::number::Number;

/// Positions that the sums of all weights pass over before the next are read.
pub const STRIP: usize = 128;

/// Products of windows with gradients, summed over positions: those of a factor are outputs side by
/// side, so that what it is multiplied with is a number of the one's window beside that of the
/// other's.
pub struct Products {
    pub frame: Frame,
    /// How far positions are apart in the frame: at least as many numbers as there are channels.
    pub apart: usize,
    /// How far windows side by side are apart.
    pub next: usize,
    /// Where the rows of a window begin, from its first number on, and the numbers in each.
    pub rows: Vec<usize>,
    pub len: usize,
    /// The numbers in a window.
    pub size: usize,
    /// Where the first window of each factor of outputs of an image begins.
    pub places: Vec<usize>,
    /// The images that are copied at once.
    pub together: usize,
}

impl Products {
    /// `[block][row * len]`, over these images.
    pub fn sums<N: Number>(
        &self,
        x: Maps<'_, N>,
        gradient: Maps<'_, N>,
        images: Range<usize>,
        blocks: Range<usize>,
        processor: Processor,
    ) -> Vec<[f32; LANES]> {
        let mut sums = vec![[0.0; LANES]; blocks.len() * self.size];
        let framed_len = self.frame.len(self.apart);
        // Windows are read in whole blocks, the last beyond its end.
        let mut framed = vec![N::Factor::default(); framed_len * self.together + LANES];
        let mut numbers = vec![N::default(); if N::EACH == 1 { 0 } else { framed_len }];
        let places: Vec<usize> = (0..self.together)
            .flat_map(|image| self.places.iter().map(move |own| own + image * framed_len))
            .collect();
        let mut gradients = vec![[N::Factor::default(); LANES]; places.len()];
        for first in images.clone().step_by(self.together) {
            let images = first..images.end.min(first + self.together);
            for (image, framed) in images.clone().zip(framed.chunks_exact_mut(framed_len)) {
                if N::EACH == 1 {
                    self.frame.fill(x.image(image), self.apart, N::flat(framed));
                } else {
                    self.frame.fill(x.image(image), self.apart, &mut numbers);
                    processor.run(Join { numbers: &numbers, apart: self.next, to: framed });
                }
            }
            let places = &places[..images.len() * self.places.len()];
            for (block, sums) in blocks.clone().zip(sums.chunks_exact_mut(self.size)) {
                let copies = gradients.chunks_exact_mut(self.places.len());
                for (image, copy) in images.clone().zip(copies) {
                    gradient.image(image).block(block, copy);
                }
                let strip = STRIP / N::EACH;
                for (places, gradients) in places.chunks(strip).zip(gradients.chunks(strip)) {
                    let (rows, len) = (self.rows.as_slice(), self.len);
                    let framed = &framed;
                    processor.run(Strip::<N> { rows, len, framed, places, gradients, sums });
                }
            }
        }
        sums
    }
}

/// See [`Number::join`].
pub struct Join<'j, N: Number> {
    pub numbers: &'j [N],
    pub apart: usize,
    pub to: &'j mut [N::Factor],
}

impl<N: Number> Loop for Join<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        N::join(self.numbers, self.apart, self.to);
    }
}

/// The products of some positions with a block of output channels.
pub struct Strip<'s, N: Number> {
    /// Where the rows of a window begin, and the numbers in each.
    pub rows: &'s [usize],
    pub len: usize,
    /// Read in whole blocks, beyond the end of the last window.
    pub framed: &'s [N::Factor],
    pub places: &'s [usize],
    pub gradients: &'s [[N::Factor; LANES]],
    pub sums: &'s mut [[f32; LANES]],
}

impl<N: Number> Loop for Strip<'_, N> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        self.blocks::<L, ROW>();
    }
}

impl<N: Number> Strip<'_, N> {
    #[inline(always)]
    fn blocks<L: Lanes, const P: usize>(self) {
        for (row, sums) in self.rows.iter().zip(self.sums.chunks_exact_mut(self.len)) {
            for (block, sums) in sums.chunks_mut(P).enumerate() {
                let mut own = [L::splat(0.0); P];
                for (own, sums) in own.iter_mut().zip(sums.iter()) {
                    *own = L::load(sums);
                }
                let framed = &self.framed[row + block * P..];
                for (from, gradient) in self.places.iter().zip(self.gradients) {
                    let x: &[N::Factor; P] =
                        framed[*from..].first_chunk().expect("room behind the images");
                    let gradient = N::hold::<L>(gradient);
                    for place in 0..P {
                        own[place] = N::multiply_add(&x[place], gradient, own[place]);
                    }
                }
                for (own, sums) in own.iter().zip(sums) {
                    own.store_over(sums);
                }
            }
        }
    }
}
