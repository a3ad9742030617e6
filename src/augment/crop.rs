//! Transforms of place and size.

use super::augmentation::Transform;
use super::canvas::Canvas;
use super::change::Change;
use super::resample::Window;
use crate::random::Rng;

/// `torchvision.transforms.RandomResizedCrop`.
pub(super) struct RandomResizedCrop {
    pub size: usize,
    /// Share of the image's area.
    pub scale: (f64, f64),
    /// Width over height.
    pub ratio: (f64, f64),
}

impl RandomResizedCrop {
    const TRIES: usize = 10;

    fn window(&self, height: usize, width: usize, rng: &mut Rng) -> Window {
        let area = (height * width) as f64;
        let log_ratio = (libm::log(self.ratio.0), libm::log(self.ratio.1));
        for _ in 0..Self::TRIES {
            let target = area * uniform_in(rng, self.scale);
            let ratio = libm::exp(uniform_in(rng, log_ratio));
            // A range that makes no sense gives NaN here, hence 0, and ends in the fallback.
            let crop_width = (target * ratio).sqrt().round_ties_even() as usize;
            let crop_height = (target / ratio).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&crop_width) && (1..=height).contains(&crop_height) {
                return Window {
                    top: offset(rng, height - crop_height),
                    left: offset(rng, width - crop_width),
                    height: crop_height,
                    width: crop_width,
                };
            }
        }
        self.central(height, width)
    }

    /// The largest central part whose ratio is allowed.
    fn central(&self, height: usize, width: usize) -> Window {
        let ratio = width as f64 / height as f64;
        let (low, high) = self.ratio;
        let fit = |length: f64, limit: usize| (length.round_ties_even() as usize).clamp(1, limit);
        let (crop_height, crop_width) = if ratio < low {
            (fit(width as f64 / low, height), width)
        } else if ratio > high {
            (height, fit(height as f64 * high, width))
        } else {
            (height, width)
        };
        Window {
            top: (height - crop_height) / 2,
            left: (width - crop_width) / 2,
            height: crop_height,
            width: crop_width,
        }
    }
}

impl Transform for RandomResizedCrop {
    fn draw(&self, [height, width]: [usize; 2], rng: &mut Rng) -> Change {
        let window = self.window(height, width, rng);
        Change::Resample { window, size: [self.size; 2] }
    }

    fn output_size(&self, _: [usize; 2]) -> [usize; 2] {
        [self.size; 2]
    }
}

/// `torchvision.transforms.RandomCrop(size, padding, pad_if_needed=True)`.
pub(super) struct RandomCrop {
    pub size: usize,
    /// Black pixels added on every side first.
    pub padding: usize,
}

impl RandomCrop {
    /// Where the window starts along an axis of `length`.
    fn start(&self, length: usize, rng: &mut Rng) -> i64 {
        // Far beyond any image, and small enough for the sums below.
        let padding = self.padding.min(1 << 30) as i64;
        let first = -padding;
        let last = length as i64 + padding - self.size as i64;
        // Where the window is larger than the padded axis, the axis lies within the window.
        let (low, high) = (first.min(last), first.max(last));
        low + offset(rng, (high - low) as usize) as i64
    }
}

impl Transform for RandomCrop {
    fn draw(&self, size: [usize; 2], rng: &mut Rng) -> Change {
        let start = size.map(|length| self.start(length, rng));
        Change::Window { start, size: [self.size; 2] }
    }

    fn output_size(&self, _: [usize; 2]) -> [usize; 2] {
        [self.size; 2]
    }
}

/// `torchvision.transforms.CenterCrop`.
pub(super) struct CenterCrop {
    pub size: usize,
}

impl CenterCrop {
    /// Where the window starts along an axis of `length`.
    fn start(&self, length: usize) -> i64 {
        if length < self.size {
            -(((self.size - length) / 2) as i64)
        } else {
            ((length - self.size) as f64 / 2.0).round_ties_even() as i64
        }
    }
}

impl Transform for CenterCrop {
    fn draw(&self, size: [usize; 2], _: &mut Rng) -> Change {
        Change::Window { start: size.map(|length| self.start(length)), size: [self.size; 2] }
    }

    fn output_size(&self, _: [usize; 2]) -> [usize; 2] {
        [self.size; 2]
    }
}

impl Canvas {
    /// Mirrors the image left to right.
    pub(super) fn mirror(&mut self) {
        for row in self.pixels.chunks_exact_mut(self.width) {
            row.reverse();
        }
    }

    /// Resizes the image so that its shorter side is `size`, and keeps the square in its middle:
    /// `torchvision.transforms.Resize(size)` and `CenterCrop(size)`.
    pub fn central_square(&mut self, size: usize) {
        let (height, width) = (self.height, self.width);
        let shorter = height.min(width);
        // Rounded towards zero, as there.
        let [to_height, to_width] = [height, width].map(|side| size * side / shorter);
        let whole = Window { top: 0, left: 0, height, width };
        if (to_height, to_width) != (height, width) {
            self.resample(whole, to_height, to_width);
        }
        let square = CenterCrop { size };
        let [top, left] = self.size().map(|length| square.start(length));
        self.window(top, left, size, size);
    }
}

/// `torchvision.transforms.Resize((size, size))`.
pub(super) struct Resize {
    pub size: usize,
}

impl Transform for Resize {
    fn draw(&self, [height, width]: [usize; 2], _: &mut Rng) -> Change {
        let window = Window { top: 0, left: 0, height, width };
        Change::Resample { window, size: [self.size; 2] }
    }

    fn output_size(&self, _: [usize; 2]) -> [usize; 2] {
        [self.size; 2]
    }
}

/// `torchvision.transforms.RandomHorizontalFlip`.
pub(super) struct RandomHorizontalFlip {
    pub probability: f32,
}

impl Transform for RandomHorizontalFlip {
    fn draw(&self, _: [usize; 2], rng: &mut Rng) -> Change {
        if rng.chance(self.probability) { Change::Mirror } else { Change::Nothing }
    }
}

/// Uniform in the interval.
fn uniform_in(rng: &mut Rng, (low, high): (f64, f64)) -> f64 {
    low + (high - low) * f64::from(rng.uniform())
}

/// Uniform in `0..=last`.
fn offset(rng: &mut Rng, last: usize) -> usize {
    // An image's side is far below `u32::MAX`.
    rng.below(last as u32 + 1) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::testing::{image, plain, tiny};
    use super::*;
    use crate::random::Key;

    const CROP: RandomResizedCrop =
        RandomResizedCrop { size: 32, scale: (0.08, 1.0), ratio: (3.0 / 4.0, 4.0 / 3.0) };

    fn rng() -> Rng {
        Key::root(5).stream()
    }

    /// Mean and standard deviation.
    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        (mean, (variance / values.len() as f64).sqrt())
    }

    /// The reference values are those of 400 000 draws by the same rule, written in NumPy.
    #[test]
    fn resized_crops_are_distributed_as_in_torchvision() {
        let cases = [
            (CROP, [32, 32], (0.4900, 0.2406), (0.0, 0.1612), (5.171, 5.171)),
            (CROP, [24, 48], (0.3126, 0.1430), (0.0322, 0.1659), (2.947, 14.536)),
            (
                RandomResizedCrop { scale: (0.2, 1.0), ..CROP },
                [32, 32],
                (0.5509, 0.2068),
                (0.0, 0.1596),
                (4.320, 4.320),
            ),
        ];
        for (crop, [height, width], area, log_ratio, corner) in cases {
            let mut rng = rng();
            let windows: Vec<Window> =
                (0..40_000).map(|_| crop.window(height, width, &mut rng)).collect();
            for window in &windows {
                assert!(window.height > 0 && window.top + window.height <= height, "{window:?}");
                assert!(window.width > 0 && window.left + window.width <= width, "{window:?}");
            }
            let near = |found: (f64, f64), expected: (f64, f64), tolerance: f64| {
                let [mean, deviation] = [found.0 - expected.0, found.1 - expected.1];
                assert!(mean.abs() < tolerance && deviation.abs() < tolerance, "{found:?}");
            };
            let of = |f: fn(&Window) -> f64| windows.iter().map(f).collect::<Vec<_>>();
            let areas = of(|window| (window.height * window.width) as f64);
            let whole = (height * width) as f64;
            let found = moments(&areas);
            near((found.0 / whole, found.1 / whole), area, 0.005);
            near(
                moments(&of(|window| (window.width as f64 / window.height as f64).ln())),
                log_ratio,
                0.005,
            );
            let top = moments(&of(|window| window.top as f64)).0;
            let left = moments(&of(|window| window.left as f64)).0;
            near((top, left), corner, 0.25);
        }
    }

    #[test]
    fn areas_and_ratios_keep_their_bounds() {
        let mut rng = rng();
        for _ in 0..5000 {
            let window = CROP.window(320, 320, &mut rng);
            let (height, width) = (window.height as f64, window.width as f64);
            // Each side is off by at most half a pixel for rounding.
            let area = (height + 0.5) * (width + 0.5) / (320.0 * 320.0);
            assert!(area >= 0.08, "{window:?}");
            assert!((width + 0.5) / (height - 0.5) >= 3.0 / 4.0, "{window:?}");
            assert!((width - 0.5) / (height + 0.5) <= 4.0 / 3.0, "{window:?}");
        }
    }

    #[test]
    fn what_never_fits_falls_back_to_the_centre() {
        let crop = RandomResizedCrop { scale: (9.0, 9.0), ..CROP };
        let window = |top, left, height, width| Window { top, left, height, width };
        assert_eq!(crop.window(30, 90, &mut rng()), window(0, 25, 30, 40));
        assert_eq!(crop.window(90, 30, &mut rng()), window(25, 0, 40, 30));
        assert_eq!(crop.window(30, 32, &mut rng()), window(0, 0, 30, 32));
    }

    #[test]
    fn ranges_without_sense_still_give_a_window() {
        let odd = [(0.0, 0.0), (-1.0, -0.5), (1.0, 0.1), (1e300, 1e300)];
        for scale in odd {
            for ratio in odd {
                let window = RandomResizedCrop { size: 8, scale, ratio }.window(8, 6, &mut rng());
                assert!((1..=8).contains(&window.height) && window.top + window.height <= 8);
                assert!((1..=6).contains(&window.width) && window.left + window.width <= 6);
            }
        }
    }

    #[test]
    fn a_whole_crop_at_the_same_size_keeps_every_bit() {
        let crop = RandomResizedCrop { size: 4, scale: (1.0, 1.0), ratio: (1.0, 1.0) };
        let mut canvas = tiny();
        crop.apply(&mut canvas, &mut rng());
        assert_eq!(canvas.pixels(), tiny().pixels());
    }

    #[test]
    fn random_crops_reach_every_place_of_the_padded_image() {
        let crop = RandomCrop { size: 4, padding: 2 };
        let mut rng = rng();
        let starts: HashSet<i64> = (0..200).map(|_| crop.start(5, &mut rng)).collect();
        assert_eq!(starts, (-2..=3).collect());
    }

    #[test]
    fn padding_beyond_reason_gives_black() {
        let mut canvas = plain(2, 2, [255, 255, 255]);
        RandomCrop { size: 2, padding: usize::MAX }.apply(&mut canvas, &mut rng());
        assert_eq!(canvas.pixels(), [0.0; 12]);
    }

    #[test]
    fn a_small_image_lies_within_the_crop() {
        let crop = RandomCrop { size: 6, padding: 1 };
        let mut rng = rng();
        for _ in 0..50 {
            let mut canvas = plain(2, 2, [255, 255, 255]);
            crop.apply(&mut canvas, &mut rng);
            assert_eq!(canvas.size(), [6, 6]);
            assert_eq!(canvas.pixels().iter().sum::<f32>(), 12.0);
        }
    }

    /// `int(round((length - size) / 2))`, with halves to the even number, as in torchvision.
    #[test]
    fn the_centre_is_torchvision_s() {
        let start = |size, length| CenterCrop { size }.start(length);
        assert_eq!([start(4, 4), start(4, 5), start(4, 6), start(4, 7)], [0, 0, 1, 2]);
        assert_eq!([start(5, 4), start(6, 4), start(7, 4)], [0, -1, -1]);
        let mut canvas = image(6, 8);
        let pixel = canvas.pixels()[8 + 2];
        CenterCrop { size: 4 }.apply(&mut canvas, &mut rng());
        assert_eq!((canvas.size(), canvas.pixels()[0]), ([4, 4], pixel));
    }

    #[test]
    fn a_flip_mirrors_the_columns_and_twice_is_none() {
        let flip = RandomHorizontalFlip { probability: 1.0 };
        let before = image(3, 5);
        let mut canvas = image(3, 5);
        flip.apply(&mut canvas, &mut rng());
        for (row, mirrored) in before.pixels().chunks(5).zip(canvas.pixels().chunks(5)) {
            assert!(row.iter().eq(mirrored.iter().rev()));
        }
        flip.apply(&mut canvas, &mut rng());
        assert_eq!(canvas.pixels(), before.pixels());
    }

    #[test]
    fn half_of_the_images_are_flipped() {
        let flip = RandomHorizontalFlip { probability: 0.5 };
        let mut rng = rng();
        let flipped = (0..2000).filter(|_| {
            let mut canvas = tiny();
            flip.apply(&mut canvas, &mut rng);
            canvas.pixels() != tiny().pixels()
        });
        assert!((900..1100).contains(&flipped.count()));
    }
}
