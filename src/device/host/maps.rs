//! Maps of a batch in memory, and copies of single ones with a border.

use std::mem::MaybeUninit;

use super::lanes::LANES;
use super::number::Number;
use super::threads::Threads;

/// The order of `[n, c, h, w]` in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the shape says: map by map.
    Plain,
    /// `[n, h, w, c]`: the channels of a position side by side.
    ChannelsLast,
}

/// Maps `[n, channels, h, w]` without gaps.
#[derive(Clone, Copy)]
pub struct Maps<'m, N> {
    pub values: &'m [N],
    pub order: Order,
    pub channels: usize,
    pub sides: [usize; 2],
}

impl<'m, N: Number> Maps<'m, N> {
    pub fn image(&self, index: usize) -> Maps<'m, N> {
        let size = self.channels * self.sides[0] * self.sides[1];
        Maps { values: &self.values[index * size..][..size], ..*self }
    }
}

/// Where an image lies in a larger one: behind so many rows and columns of zeros, before as many as
/// are left.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub before: [usize; 2],
    pub sides: [usize; 2],
    /// Of so many rows and columns of the image one is taken: with nothing before it.
    pub step: usize,
}

impl Frame {
    /// The numbers of an image of so many channels.
    pub fn len(&self, channels: usize) -> usize {
        self.sides[0] * self.sides[1] * channels
    }

    /// Copies one image into its frame, channels last, `channels` of them: zeros, where the image
    /// has fewer. What lies outside of the frame is left out.
    pub fn fill<N: Number>(&self, image: Maps<'_, N>, channels: usize, framed: &mut [N]) {
        let [h, w] = image.sides.map(|side| side.div_ceil(self.step));
        let [above, left] = self.before;
        let right = (left + w).min(self.sides[1]).max(left);
        for (y, row) in framed.chunks_exact_mut(self.sides[1] * channels).enumerate() {
            let Some(from) = y.checked_sub(above).filter(|from| *from < h) else {
                row.fill(N::default());
                continue;
            };
            row[..(left * channels).min(self.sides[1] * channels)].fill(N::default());
            row[right.min(self.sides[1]) * channels..].fill(N::default());
            if left >= self.sides[1] {
                continue;
            }
            let row = &mut row[left * channels..right * channels];
            image.row(from * self.step, self.step, channels, row);
        }
    }
}

impl<N: Number> Maps<'_, N> {
    /// All of so many images, channels last: every number of `out` is written.
    pub fn channels_last(&self, images: usize, out: &mut [MaybeUninit<N>], threads: Threads) {
        let size = (out.len() / images.max(1)).max(1);
        threads.run(out.chunks_mut(size), |index, out| {
            let image = self.image(index);
            match self.order {
                Order::ChannelsLast => {
                    out.iter_mut().zip(image.values).for_each(|(out, own)| _ = out.write(*own));
                }
                Order::Plain => {
                    for (position, out) in out.chunks_exact_mut(self.channels).enumerate() {
                        let from = image.values[position..].iter();
                        let from = from.step_by(self.sides[0] * self.sides[1]);
                        out.iter_mut().zip(from).for_each(|(out, own)| _ = out.write(*own));
                    }
                }
            }
        });
    }

    /// Copies a block of the channels of a single image, zeros where there are no more. The numbers
    /// of a factor are those of positions side by side in a row.
    pub fn block(&self, block: usize, to: &mut [[N::Factor; LANES]]) {
        let channels = block * LANES..self.channels.min(block * LANES + LANES);
        let [h, w] = self.sides;
        let factors = w.div_ceil(N::EACH);
        for (y, to) in to.chunks_exact_mut(factors.max(1)).take(h).enumerate() {
            for (factor, to) in to.iter_mut().enumerate() {
                let x = factor * N::EACH;
                let is_whole = channels.len() == LANES && x + N::EACH <= w;
                if self.order == Order::ChannelsLast && is_whole {
                    let from = &self.values[(y * w + x) * self.channels + channels.start..];
                    *to = N::joined(from, self.channels);
                    continue;
                }
                *to = [N::Factor::default(); LANES];
                for (lane, channel) in channels.clone().enumerate() {
                    let places = N::flat(&mut to[lane..=lane]).iter_mut();
                    for (place, x) in places.zip(x..w) {
                        *place = self.values[match self.order {
                            Order::ChannelsLast => (y * w + x) * self.channels + channel,
                            Order::Plain => (channel * h + y) * w + x,
                        }];
                    }
                }
            }
        }
    }

    /// As many positions of a row of a single image as there is room for, each so far behind the one
    /// before it, channels last.
    fn row(&self, y: usize, step: usize, channels: usize, to: &mut [N]) {
        let [h, w] = self.sides;
        match self.order {
            Order::ChannelsLast if channels == self.channels && step == 1 => {
                to.copy_from_slice(&self.values[y * w * channels..][..to.len()]);
            }
            Order::ChannelsLast => {
                let from = self.values[y * w * self.channels..].chunks_exact(self.channels);
                for (to, from) in to.chunks_exact_mut(channels).zip(from.step_by(step)) {
                    let (own, rest) = to.split_at_mut(self.channels);
                    own.copy_from_slice(from);
                    rest.fill(N::default());
                }
            }
            Order::Plain => {
                for channel in 0..channels {
                    let to = to[channel..].iter_mut().step_by(channels);
                    match channel < self.channels {
                        true => {
                            let from = self.values[(channel * h + y) * w..].iter().step_by(step);
                            to.zip(from).for_each(|(to, from)| *to = *from);
                        }
                        false => to.for_each(|to| *to = N::default()),
                    }
                }
            }
        }
    }
}
