//! Transforms of colour, each in place.

use super::augmentation::Transform;
use super::change::Change;
use super::vector::vectorized;
use crate::random::Rng;

/// The share of red, green and blue in the luma (ITU-R BT.601, with torchvision's digits).
pub(super) const LUMA: [f32; 3] = [0.2989, 0.587, 0.114];

/// `RandomApply([ColorJitter(…)], p)` of `torchvision.transforms`.
pub(super) struct ColorJitter {
    pub brightness: f32,
    pub contrast: f32,
    pub saturation: f32,
    /// As a share of the full circle, at most a half.
    pub hue: f32,
    pub probability: f32,
}

/// One change of colour and how far it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tone {
    Brightness(f32),
    Contrast(f32),
    Saturation(f32),
    Hue(f32),
}

impl ColorJitter {
    /// The four changes, in the order in which they are made.
    fn tones(&self, rng: &mut Rng) -> [Tone; 4] {
        let factor = |rng: &mut Rng, strength: f32| {
            rng.uniform_in((1.0 - strength).max(0.0), 1.0 + strength)
        };
        let mut changes = [
            Tone::Brightness(factor(rng, self.brightness)),
            Tone::Contrast(factor(rng, self.contrast)),
            Tone::Saturation(factor(rng, self.saturation)),
            Tone::Hue(rng.uniform_in(-self.hue, self.hue)),
        ];
        rng.shuffle(&mut changes);
        changes
    }
}

impl Transform for ColorJitter {
    fn draw(&self, _: [usize; 2], rng: &mut Rng) -> Change {
        if rng.chance(self.probability) { Change::Tones(self.tones(rng)) } else { Change::Nothing }
    }
}

/// Makes one change of colour.
pub(super) fn tone(channels: [&mut [f32]; 3], tone: Tone) {
    match tone {
        // A strength of zero leaves the image as it is, to the bit.
        Tone::Brightness(1.0) | Tone::Contrast(1.0) | Tone::Saturation(1.0) | Tone::Hue(0.0) => {}
        Tone::Brightness(factor) => brightness(channels, factor),
        Tone::Contrast(factor) => contrast(channels, factor),
        Tone::Saturation(factor) => saturation(channels, factor),
        Tone::Hue(turn) => hue(channels, turn),
    }
}

/// `RandomGrayscale` of `torchvision.transforms`; the image keeps its three channels.
pub(super) struct RandomGrayscale {
    pub probability: f32,
}

impl Transform for RandomGrayscale {
    fn draw(&self, _: [usize; 2], rng: &mut Rng) -> Change {
        if rng.chance(self.probability) { Change::Grayscale } else { Change::Nothing }
    }
}

/// `RandomSolarize` of `torchvision.transforms`.
pub(super) struct Solarize {
    pub threshold: f32,
    pub probability: f32,
}

impl Transform for Solarize {
    fn draw(&self, _: [usize; 2], rng: &mut Rng) -> Change {
        match rng.chance(self.probability) {
            true => Change::Solarize(self.threshold),
            false => Change::Nothing,
        }
    }
}

vectorized! {
    /// Between black (`factor` 0) and the image (1), or beyond it.
    fn brightness(channels: [&mut [f32]; 3], factor: f32) {
        for channel in channels {
            for value in channel {
                *value = (factor * *value).clamp(0.0, 1.0);
            }
        }
    }

    /// Between the image's mean luma (`factor` 0) and the image (1), or beyond it.
    fn contrast(channels: [&mut [f32]; 3], factor: f32) {
        let base = (1.0 - factor) * mean_luma(&channels);
        for channel in channels {
            for value in channel {
                *value = (factor * *value + base).clamp(0.0, 1.0);
            }
        }
    }

    /// Between each pixel's luma (`factor` 0) and the image (1), or beyond it.
    fn saturation(channels: [&mut [f32]; 3], factor: f32) {
        for_each_pixel(channels, |[r, g, b]| {
            let base = (1.0 - factor) * luma(r, g, b);
            [r, g, b].map(|value| (factor * value + base).clamp(0.0, 1.0))
        });
    }

    /// Turns the hue by a share of the full circle, -1..=1, keeping the value and saturation of HSV.
    fn hue(channels: [&mut [f32]; 3], turn: f32) {
        for_each_pixel(channels, |pixel| turned(pixel, 6.0 * turn));
    }

    pub(super) fn grayscale(channels: [&mut [f32]; 3]) {
        for_each_pixel(channels, |[r, g, b]| [luma(r, g, b); 3]);
    }

    /// Inverts what is at or above the threshold.
    pub(super) fn solarize(values: &mut [f32], threshold: f32) {
        for value in values {
            *value = if *value >= threshold { 1.0 - *value } else { *value };
        }
    }
}

/// A pixel with its hue turned by so many sixths of the circle, -6..=6.
#[inline(always)]
fn turned([r, g, b]: [f32; 3], turn: f32) -> [f32; 3] {
    let value = r.max(g).max(b);
    let chroma = value - r.min(g).min(b);
    // The hue in sixths of the circle, in -1..=5. A grey pixel has none; any will do.
    let scale = 1.0 / if chroma > 0.0 { chroma } else { 1.0 };
    let hue = if value == r {
        (g - b) * scale
    } else if value == g {
        2.0 + (b - r) * scale
    } else {
        4.0 + (r - g) * scale
    };
    let hue = hue + turn;
    let hue = if hue < 0.0 { hue + 6.0 } else { hue };
    let hue = if hue >= 6.0 { hue - 6.0 } else { hue };
    // The usual six cases in one: each channel falls from `value` by a trapezoid of the hue, the
    // same for all three but for where it starts.
    [5.0, 3.0, 1.0].map(|start| {
        let position = start + hue;
        let position = if position >= 6.0 { position - 6.0 } else { position };
        value - chroma * position.min(4.0 - position).clamp(0.0, 1.0)
    })
}

#[inline(always)]
fn luma(r: f32, g: f32, b: f32) -> f32 {
    LUMA[0] * r + LUMA[1] * g + LUMA[2] * b
}

/// The mean over all pixels.
#[inline(always)]
fn mean_luma([red, green, blue]: &[&mut [f32]; 3]) -> f32 {
    const LANES: usize = 8;
    let (reds, red_rest) = red.as_chunks::<LANES>();
    let (greens, green_rest) = green.as_chunks::<LANES>();
    let (blues, blue_rest) = blue.as_chunks::<LANES>();
    // Partial sums side by side: the compiler may not reorder a single one into vectors.
    let mut sums = [0.0; LANES];
    for ((r, g), b) in reds.iter().zip(greens).zip(blues) {
        for lane in 0..LANES {
            sums[lane] += luma(r[lane], g[lane], b[lane]);
        }
    }
    let rest = red_rest.iter().zip(green_rest).zip(blue_rest).map(|((&r, &g), &b)| luma(r, g, b));
    (sums.iter().sum::<f32>() + rest.sum::<f32>()) / red.len() as f32
}

/// Replaces every pixel by a function of its three channels.
#[inline(always)]
pub(super) fn for_each_pixel(
    [red, green, blue]: [&mut [f32]; 3],
    f: impl Fn([f32; 3]) -> [f32; 3],
) {
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        [*r, *g, *b] = f([*r, *g, *b]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::mem::discriminant;

    use super::super::canvas::Canvas;
    use super::super::testing::{assert_near, assert_reference, tiny};
    use super::*;
    use crate::random::Key;

    const JITTER: ColorJitter =
        ColorJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, probability: 1.0 };

    fn changed(change: impl FnOnce([&mut [f32]; 3])) -> Canvas {
        let mut canvas = tiny();
        change(canvas.channels());
        canvas
    }

    fn rng() -> Rng {
        Key::root(3).stream()
    }

    #[test]
    fn brightness_agrees_with_torchvision() {
        assert_reference(
            &changed(|channels| brightness(channels, 1.3)),
            &[
                (0, 0, 0.0662745),
                (0, 5, 0.6117647),
                (1, 3, 1.0),
                (1, 10, 1.0),
                (2, 6, 0.3415686),
                (2, 15, 0.0356863),
            ],
        );
        assert_eq!(changed(|channels| brightness(channels, 0.0)).pixels(), [0.0; 48]);
    }

    #[test]
    fn contrast_agrees_with_torchvision() {
        assert_reference(
            &changed(|channels| contrast(channels, 0.6)),
            &[
                (0, 0, 0.2618663),
                (0, 5, 0.513631),
                (1, 3, 0.8218663),
                (1, 10, 0.8312781),
                (2, 6, 0.3889251),
                (2, 15, 0.2477486),
            ],
        );
        assert_reference(
            &changed(|channels| contrast(channels, 1.4)),
            &[(0, 0, 0.0), (0, 5, 0.4275455), (1, 3, 1.0), (2, 6, 0.1365651), (2, 15, 0.0)],
        );
    }

    /// Also where the number of pixels is no multiple of the lanes.
    #[test]
    fn mean_luma_is_the_mean() {
        for area in [1, 7, 8, 9, 31] {
            let mut planes: Vec<f32> = (0..3 * area).map(|i| i as f32 / 100.0).collect();
            let (r, rest) = planes.split_at_mut(area);
            let (g, b) = rest.split_at_mut(area);
            let sum: f32 = (0..area).map(|i| luma(r[i], g[i], b[i])).sum();
            let mean = mean_luma(&[r, g, b]);
            assert!((mean - sum / area as f32).abs() < 1e-6, "{area}: {mean}");
        }
    }

    #[test]
    fn saturation_agrees_with_torchvision() {
        assert_reference(
            &changed(|channels| saturation(channels, 0.3)),
            &[
                (0, 0, 0.3646207),
                (0, 5, 0.4705553),
                (1, 3, 0.8310421),
                (1, 10, 0.7980006),
                (2, 6, 0.5210207),
                (2, 15, 0.5979727),
            ],
        );
        assert_reference(
            &changed(|channels| saturation(channels, 1.4)),
            &[(0, 0, 0.0), (0, 5, 0.470607), (1, 3, 1.0), (2, 6, 0.1151591), (2, 15, 0.0)],
        );
    }

    #[test]
    fn hue_agrees_with_torchvision() {
        assert_reference(
            &changed(|channels| hue(channels, 0.1)),
            &[
                (0, 0, 0.0509804),
                (0, 5, 0.4705882),
                (1, 3, 0.9843137),
                (1, 10, 0.4980392),
                (2, 6, 0.4760786),
                (2, 15, 0.027451),
            ],
        );
        assert_reference(
            &changed(|channels| hue(channels, -0.4)),
            &[
                (0, 0, 0.7411765),
                (0, 5, 0.4705882),
                (1, 3, 0.4196079),
                (1, 10, 0.5607841),
                (2, 6, 0.6141175),
                (2, 15, 0.9686275),
            ],
        );
    }

    #[test]
    fn a_third_of_the_circle_rotates_the_channels() {
        let before = tiny();
        let after = changed(|channels| hue(channels, 1.0 / 3.0));
        let (before, after) = (before.pixels(), after.pixels());
        assert_near(&after[..16], &before[32..]);
        assert_near(&after[16..], &before[..32]);
    }

    #[test]
    fn a_full_turn_of_the_hue_changes_nothing() {
        for turn in [-1.0, 0.0, 1.0] {
            assert_near(changed(|channels| hue(channels, turn)).pixels(), tiny().pixels());
        }
    }

    #[test]
    fn grayscale_agrees_with_torchvision_in_every_channel() {
        let mut canvas = tiny();
        RandomGrayscale { probability: 1.0 }.apply(&mut canvas, &mut rng());
        let expected = [(0, 0.4990381), (5, 0.4705412), (10, 0.7114294), (15, 0.842482)];
        for channel in 0..3 {
            let expected = expected.map(|(position, value)| (channel, position, value));
            assert_reference(&canvas, &expected);
        }
        assert_near(canvas.pixels(), changed(|channels| saturation(channels, 0.0)).pixels());
    }

    #[test]
    fn solarize_inverts_from_the_threshold_on() {
        let mut canvas = tiny();
        let threshold = canvas.pixels()[1];
        Solarize { threshold, probability: 1.0 }.apply(&mut canvas, &mut rng());
        for (&after, &before) in canvas.pixels().iter().zip(tiny().pixels()) {
            assert_eq!(after, if before >= threshold { 1.0 - before } else { before });
        }
        assert_ne!(canvas.pixels()[1], threshold);
    }

    #[test]
    fn jitter_makes_its_changes_in_every_order() {
        let mut rng = rng();
        let mut orders: HashMap<_, u32> = HashMap::new();
        for _ in 0..2400 {
            *orders
                .entry(JITTER.tones(&mut rng).map(|change| discriminant(&change)))
                .or_default() += 1;
        }
        assert_eq!(orders.len(), 24);
        // 100 are expected of each, with a standard deviation of 10.
        assert!(orders.values().all(|&count| (50..150).contains(&count)), "{orders:?}");
    }

    #[test]
    fn the_order_of_changes_matters() {
        let one = changed(|mut channels| {
            brightness(channels.each_mut().map(|channel| &mut **channel), 1.4);
            contrast(channels, 0.6);
        });
        let other = changed(|mut channels| {
            contrast(channels.each_mut().map(|channel| &mut **channel), 0.6);
            brightness(channels, 1.4);
        });
        assert_ne!(one.pixels(), other.pixels());
    }

    #[test]
    fn factors_fill_their_ranges() {
        let jitter = ColorJitter { brightness: 1.5, ..JITTER };
        let mut rng = rng();
        let mut ranges = [(f32::MAX, f32::MIN); 3];
        let mut extend = |index: usize, value: f32| {
            let (low, high): &mut (f32, f32) = &mut ranges[index];
            (*low, *high) = (low.min(value), high.max(value));
        };
        for _ in 0..2000 {
            for change in jitter.tones(&mut rng) {
                match change {
                    Tone::Brightness(factor) => extend(0, factor),
                    Tone::Contrast(factor) | Tone::Saturation(factor) => extend(1, factor),
                    Tone::Hue(turn) => extend(2, turn),
                }
            }
        }
        let bounds = [(0.0, 2.5), (0.6, 1.4), (-0.1, 0.1)];
        for ((low, high), (lower, upper)) in ranges.into_iter().zip(bounds) {
            let margin = (upper - lower) * 0.01;
            assert!(low >= lower && low < lower + margin, "{low} from {lower}");
            assert!(high <= upper && high > upper - margin, "{high} to {upper}");
        }
    }

    #[test]
    fn no_strength_or_no_chance_changes_no_bit() {
        let still =
            ColorJitter { brightness: 0.0, contrast: 0.0, saturation: 0.0, hue: 0.0, ..JITTER };
        let never = ColorJitter { probability: 0.0, ..JITTER };
        for jitter in [still, never] {
            let mut canvas = tiny();
            jitter.apply(&mut canvas, &mut rng());
            assert_eq!(canvas.pixels(), tiny().pixels());
        }
    }

    #[test]
    fn jittered_values_stay_in_range() {
        let strong =
            ColorJitter { brightness: 3.0, contrast: 3.0, saturation: 3.0, hue: 0.5, ..JITTER };
        let mut rng = rng();
        for _ in 0..500 {
            let mut canvas = tiny();
            strong.apply(&mut canvas, &mut rng);
            assert!(canvas.pixels().iter().all(|value| (0.0..=1.0).contains(value)));
        }
    }
}
