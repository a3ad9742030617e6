//! Gaussian blur.

use super::augmentation::Transform;
use super::canvas::Canvas;
use super::change::Change;
use super::vector::{mix, vectorized};
use crate::random::Rng;

/// `RandomApply([GaussianBlur(kernel, sigma)], p)` of `torchvision.transforms`, with a kernel that
/// follows the drawn sigma: `2 * ceil(3 * sigma) + 1` pixels.
pub(super) struct GaussianBlur {
    /// Standard deviation in pixels; nothing is blurred at zero and below.
    pub sigma: (f64, f64),
    pub probability: f32,
}

impl Transform for GaussianBlur {
    fn draw(&self, _: [usize; 2], rng: &mut Rng) -> Change {
        if !rng.chance(self.probability) {
            return Change::Nothing;
        }
        let sigma = rng.uniform_in(self.sigma.0 as f32, self.sigma.1 as f32);
        if sigma > 0.0 { Change::Blur(sigma) } else { Change::Nothing }
    }
}

/// Blurs along one axis after the other; a Gaussian of both is their product.
pub(super) fn blur(image: &mut Canvas, sigma: f32) {
    let Canvas { pixels, spare, kernel, line, height, width, .. } = image;
    spare.resize(pixels.len(), 0.0);
    gaussian(kernel, sigma, *height);
    blur_columns(pixels, kernel, [*height, *width], spare);
    gaussian(kernel, sigma, *width);
    blur_rows(spare, kernel, *width, line, pixels);
}

vectorized! {
    /// Mixes the rows of each plane.
    fn blur_columns(
        from: &[f32],
        kernel: &[f32],
        size: [usize; 2],
        to: &mut [f32],
    ) {
        let [height, width] = size;
        let radius = kernel.len() / 2;
        let planes = from.chunks_exact(height * width);
        for (from, to) in planes.zip(to.chunks_exact_mut(height * width)) {
            for (y, to) in to.chunks_exact_mut(width).enumerate() {
                mix(to, kernel, |tap| &from[mirror(y + tap, radius, height) * width..][..width]);
            }
        }
    }

    /// Mixes the pixels of each row, in `line` with its mirrored borders.
    fn blur_rows(
        from: &[f32],
        kernel: &[f32],
        width: usize,
        line: &mut Vec<f32>,
        to: &mut [f32],
    ) {
        let radius = kernel.len() / 2;
        line.resize(width + 2 * radius, 0.0);
        for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(width)) {
            line[radius..][..width].copy_from_slice(from);
            for x in (0..radius).chain(radius + width..width + 2 * radius) {
                line[x] = from[mirror(x, radius, width)];
            }
            mix(to, kernel, |tap| &line[tap..][..width]);
        }
    }
}

/// Fills `kernel` with the weights of a Gaussian at whole pixels, which sum to 1. It is cut off at
/// three standard deviations, and before the mirrored border of an axis of `length` would end.
pub(super) fn gaussian(kernel: &mut Vec<f32>, sigma: f32, length: usize) {
    let radius = ((3.0 * sigma).ceil() as usize).min(length - 1);
    kernel.clear();
    kernel.extend((0..=2 * radius).map(|tap| {
        let distance = (tap as f32 - radius as f32) / sigma;
        libm::expf(-0.5 * distance * distance)
    }));
    let total: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|weight| *weight /= total);
}

/// The position within `0..length` of `index - radius`, mirrored at the first and the last pixel
/// without repeating them. `radius` is below `length`.
#[inline(always)]
pub(super) fn mirror(index: usize, radius: usize, length: usize) -> usize {
    let position = index.abs_diff(radius);
    if position < length { position } else { 2 * (length - 1) - position }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_near, assert_reference, image, plain, tiny};
    use super::*;
    use crate::random::Key;

    /// Kernels of 5 and 7 pixels, the largest that torchvision allows at this size.
    #[test]
    fn agrees_with_torchvision() {
        let mut canvas = tiny();
        blur(&mut canvas, 0.6);
        assert_reference(
            &canvas,
            &[
                (0, 0, 0.3727208),
                (0, 5, 0.523858),
                (1, 3, 0.7419248),
                (1, 10, 0.740808),
                (2, 6, 0.4313464),
                (2, 15, 0.2988176),
            ],
        );
        let mut canvas = tiny();
        blur(&mut canvas, 1.0);
        assert_reference(
            &canvas,
            &[
                (0, 0, 0.4755269),
                (0, 5, 0.4716471),
                (1, 3, 0.6702537),
                (1, 10, 0.6735985),
                (2, 6, 0.4681052),
                (2, 15, 0.5006171),
            ],
        );
    }

    #[test]
    fn one_colour_stays_that_colour_at_any_size_and_sigma() {
        for (height, width) in [(1, 1), (1, 5), (2, 3), (32, 32)] {
            for sigma in [0.1, 1.0, 2.0, 1e9] {
                let mut canvas = plain(height, width, [7, 100, 255]);
                blur(&mut canvas, sigma);
                assert_near(canvas.pixels(), plain(height, width, [7, 100, 255]).pixels());
            }
        }
    }

    #[test]
    fn a_larger_sigma_leaves_less_variance() {
        let variance = |sigma: f32| {
            let mut canvas = image(32, 32);
            blur(&mut canvas, sigma);
            let red = &canvas.pixels()[..1024];
            let mean = red.iter().sum::<f32>() / 1024.0;
            red.iter().map(|value| (value - mean).powi(2)).sum::<f32>()
        };
        assert!(variance(0.5) > variance(1.0) && variance(1.0) > variance(2.0));
    }

    #[test]
    fn mirrors_without_repeating_the_edge() {
        let positions: Vec<usize> = (0..10).map(|index| mirror(index, 3, 4)).collect();
        assert_eq!(positions, [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]);
    }

    #[test]
    fn without_sigma_or_chance_nothing_changes() {
        for (sigma, probability) in [((0.0, 0.0), 1.0), ((-2.0, -1.0), 1.0), ((1.0, 2.0), 0.0)] {
            let mut canvas = tiny();
            GaussianBlur { sigma, probability }.apply(&mut canvas, &mut Key::root(0).stream());
            assert_eq!(canvas.pixels(), tiny().pixels());
        }
    }
}
