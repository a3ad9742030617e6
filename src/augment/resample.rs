//! Bilinear resizing, antialiased: when an axis shrinks, the tent filter widens with it.
//!
//! The filter of Pillow's `Image.resize` and of `torch.nn.functional.interpolate(mode="bilinear",
//! antialias=True)`, taken along one axis after the other.

use super::canvas::Canvas;
use super::vector::{mix, vectorized};

/// Part of an image, in pixels. It lies within the image and is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

/// For each output position along an axis: the input positions that it mixes, and their weights.
#[derive(Default)]
pub(super) struct Taps {
    /// How many input positions each output mixes, at least 1.
    count: usize,
    /// The first of them, by output position. `first + count` stays within the input.
    first: Vec<usize>,
    /// `[out, count]`; each row sums to 1.
    weights: Vec<f32>,
}

impl Taps {
    /// Fits the filter to `length` inputs and `out` outputs, both positive.
    pub(super) fn fit(&mut self, length: usize, out: usize) {
        let scale = length as f64 / out as f64;
        let support = scale.max(1.0);
        let center = |index: usize| (index as f64 + 0.5) * scale;
        // Input pixel `x` is centred at `x + 0.5`: these are the first with a weight above zero,
        // and the first without one after them.
        let start = |center: f64| (center - support + 0.5).floor().max(0.0) as usize;
        let end = |center: f64| ((center + support - 0.5).ceil() as usize).min(length);

        let taps = (0..out).map(center).map(|center| end(center).saturating_sub(start(center)));
        self.count = taps.max().unwrap_or(1).max(1);
        self.first.clear();
        self.weights.clear();
        for center in (0..out).map(center) {
            // Near the end all windows keep their length: the positions before have no weight.
            let first = start(center).min(length - self.count);
            let weight = |tap: usize| {
                let distance = (first + tap) as f64 + 0.5 - center;
                (1.0 - distance.abs() / support).max(0.0)
            };
            let total: f64 = (0..self.count).map(weight).sum();
            self.first.push(first);
            self.weights.extend((0..self.count).map(|tap| (weight(tap) / total) as f32));
        }
    }
}

impl Taps {
    /// For each output position: the first input position, and the weights from there on.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.first.iter().copied().zip(self.weights.chunks_exact(self.count))
    }
}

impl Canvas {
    /// Replaces the image by `window`, resized.
    pub(super) fn resample(&mut self, window: Window, height: usize, width: usize) {
        let Canvas { pixels, spare, rows, columns, .. } = self;
        rows.fit(window.height, height);
        columns.fit(window.width, width);
        let from = [self.height, self.width];
        spare.resize(3 * height * window.width, 0.0);
        mix_rows(pixels, from, window, rows, height, spare);
        pixels.resize(3 * height * width, 0.0);
        mix_columns(spare, window.width, columns, pixels);
        self.height = height;
        self.width = width;
    }
}

vectorized! {
    /// Mixes rows of planes of size `from` into `height` rows of the window's width.
    fn mix_rows(
        planes: &[f32],
        from: [usize; 2],
        window: Window,
        taps: &Taps,
        height: usize,
        to: &mut [f32],
    ) {
        let planes = planes.chunks_exact(from[0] * from[1]);
        for (plane, to) in planes.zip(to.chunks_exact_mut(height * window.width)) {
            let plane = &plane[window.top * from[1] + window.left..];
            let weights = taps.weights.chunks_exact(taps.count);
            let rows = to.chunks_exact_mut(window.width);
            for ((to, &first), weights) in rows.zip(&taps.first).zip(weights) {
                mix(to, weights, |tap| &plane[(first + tap) * from[1]..][..window.width]);
            }
        }
    }

    /// Mixes the pixels of each row of so many.
    fn mix_columns(from: &[f32], width: usize, taps: &Taps, to: &mut [f32]) {
        for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(taps.first.len())) {
            match taps.count {
                1 => mix_pixels::<1>(from, taps, to),
                2 => mix_pixels::<2>(from, taps, to),
                3 => mix_pixels::<3>(from, taps, to),
                _ => mix_many_pixels(from, taps, to),
            }
        }
    }
}

/// Mixes the pixels of one row, `N` for each output.
#[inline(always)]
fn mix_pixels<const N: usize>(from: &[f32], taps: &Taps, to: &mut [f32]) {
    let (weights, _) = taps.weights.as_chunks::<N>();
    for ((to, &first), weights) in to.iter_mut().zip(&taps.first).zip(weights) {
        let values = &from[first..first + N];
        let mut sum = weights[0] * values[0];
        for tap in 1..N {
            sum += weights[tap] * values[tap];
        }
        *to = sum;
    }
}

#[inline(always)]
fn mix_many_pixels(from: &[f32], taps: &Taps, to: &mut [f32]) {
    let weights = taps.weights.chunks_exact(taps.count);
    for ((to, &first), weights) in to.iter_mut().zip(&taps.first).zip(weights) {
        let values = &from[first..first + weights.len()];
        *to = weights.iter().zip(values).map(|(weight, value)| weight * value).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_near, assert_reference, image, plain, tiny};
    use super::*;

    fn resized(mut canvas: Canvas, height: usize, width: usize) -> Canvas {
        let [from_height, from_width] = canvas.size();
        let whole = Window { top: 0, left: 0, height: from_height, width: from_width };
        canvas.resample(whole, height, width);
        canvas
    }

    #[test]
    fn agrees_with_pillow() {
        assert_reference(
            &resized(tiny(), 3, 3),
            &[
                (0, 0, 0.3489804),
                (0, 5, 0.4431373),
                (1, 3, 0.7452941),
                (1, 1, 0.5954902),
                (2, 6, 0.562353),
                (2, 8, 0.267451),
            ],
        );
        assert_reference(
            &resized(tiny(), 7, 7),
            &[
                (0, 0, 0.0509804),
                (0, 5, 0.3915966),
                (1, 3, 0.572549),
                (1, 10, 0.59986),
                (2, 6, 0.5450981),
                (2, 48, 0.027451),
            ],
        );
        assert_reference(
            &resized(image(11, 13), 4, 4),
            &[
                (0, 0, 0.4793745),
                (0, 5, 0.6145518),
                (1, 3, 0.4965791),
                (1, 10, 0.4519126),
                (2, 6, 0.5057532),
                (2, 15, 0.3868177),
            ],
        );
    }

    /// Nothing of what lies outside the window shows, as Pillow's `resize` after `crop`.
    #[test]
    fn a_window_agrees_with_pillow() {
        let mut canvas = tiny();
        canvas.resample(Window { top: 1, left: 0, height: 3, width: 2 }, 3, 3);
        assert_reference(
            &canvas,
            &[
                (0, 0, 0.7882353),
                (0, 5, 0.9607843),
                (1, 3, 0.8352941),
                (1, 1, 0.7235294),
                (2, 6, 0.5058824),
                (2, 8, 0.7254902),
            ],
        );
    }

    #[test]
    fn the_same_size_keeps_every_bit() {
        for (height, width) in [(4, 4), (11, 13), (1, 1)] {
            let before = image(height, width).pixels().to_vec();
            assert_eq!(resized(image(height, width), height, width).pixels(), before);
        }
    }

    #[test]
    fn one_colour_stays_that_colour() {
        for from in [1, 2, 5, 32] {
            for to in [1, 3, 32, 45] {
                let resized = resized(plain(from, from + 1, [10, 130, 255]), to, to + 2);
                assert_eq!(resized.size(), [to, to + 2]);
                assert_near(resized.pixels(), plain(to, to + 2, [10, 130, 255]).pixels());
            }
        }
    }
}
