//! Products of windows with gradients, summed over positions in registers.

use std::ops::Range;

use super::lanes::{LANES, Lanes, Loop, Processor};
use super::maps::{Frame, Maps};

/// Positions that the sums of all weights pass over before the next are read.
pub const STRIP: usize = 128;

/// Products of windows with gradients, summed over positions.
pub struct Products {
    pub frame: Frame,
    /// How far positions are apart in the frame: at least as many numbers as there are channels.
    pub apart: usize,
    /// Where the rows of a window begin, from its first number on, and the numbers in each.
    pub rows: Vec<usize>,
    pub len: usize,
    /// The numbers in a window.
    pub size: usize,
    /// Where the window of each output of an image begins.
    pub places: Vec<usize>,
    /// The images that are copied at once.
    pub together: usize,
}

impl Products {
    /// `[block][row * len]`, over these images.
    pub fn sums(
        &self,
        x: Maps<'_>,
        gradient: Maps<'_>,
        images: Range<usize>,
        blocks: Range<usize>,
        processor: Processor,
    ) -> Vec<[f32; LANES]> {
        let mut sums = vec![[0.0; LANES]; blocks.len() * self.size];
        let framed_len = self.frame.len(self.apart);
        // Windows are read in whole blocks, the last beyond its end.
        let mut framed = vec![0.0; framed_len * self.together + LANES];
        let places: Vec<usize> = (0..self.together)
            .flat_map(|image| self.places.iter().map(move |own| own + image * framed_len))
            .collect();
        let mut gradients = vec![[0.0; LANES]; places.len()];
        for first in images.clone().step_by(self.together) {
            let images = first..images.end.min(first + self.together);
            for (image, framed) in images.clone().zip(framed.chunks_exact_mut(framed_len)) {
                self.frame.fill(x.image(image), self.apart, framed);
            }
            let places = &places[..images.len() * self.places.len()];
            for (block, sums) in blocks.clone().zip(sums.chunks_exact_mut(self.size)) {
                let copies = gradients.chunks_exact_mut(self.places.len());
                for (image, copy) in images.clone().zip(copies) {
                    gradient.image(image).block(block, copy);
                }
                for (places, gradients) in places.chunks(STRIP).zip(gradients.chunks(STRIP)) {
                    let strip = Strip { by: self, framed: &framed, places, gradients, sums };
                    processor.run(strip);
                }
            }
        }
        sums
    }
}

/// The products of some positions with a block of output channels.
struct Strip<'s> {
    by: &'s Products,
    framed: &'s [f32],
    places: &'s [usize],
    gradients: &'s [[f32; LANES]],
    sums: &'s mut [[f32; LANES]],
}

impl Loop for Strip<'_> {
    #[inline(always)]
    fn run<L: Lanes, const BLOCKS: usize>(self) {
        self.blocks::<L, BLOCKS>();
    }
}

impl Strip<'_> {
    #[inline(always)]
    fn blocks<L: Lanes, const P: usize>(self) {
        let Products { rows, len, .. } = self.by;
        for (row, sums) in rows.iter().zip(self.sums.chunks_exact_mut(*len)) {
            for (block, sums) in sums.chunks_mut(P).enumerate() {
                let mut own = [L::splat(0.0); P];
                for (own, sums) in own.iter_mut().zip(sums.iter()) {
                    *own = L::load(sums);
                }
                let framed = &self.framed[row + block * P..];
                for (from, gradient) in self.places.iter().zip(self.gradients) {
                    let x: &[f32; P] =
                        framed[*from..].first_chunk().expect("room behind the images");
                    let gradient = L::load(gradient);
                    for place in 0..P {
                        own[place] = L::splat(x[place]).multiply_add(gradient, own[place]);
                    }
                }
                for (own, sums) in own.iter().zip(sums) {
                    own.store_over(sums);
                }
            }
        }
    }
}
