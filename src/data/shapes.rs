//! Figures drawn on the fly: a data set that needs no download and no disk.
//!
//! The class of an image is the figure in it, outline and filling. Place, size, a slight rotation,
//! the background, clutter and noise are chance; the light varies little. It is an easy set: the
//! nearest neighbour in plain pixels is mostly of the same class.

mod figure;

use rayon::prelude::*;

use self::figure::{Figure, Point, to_segment};
use super::Images;
use crate::random::{Key, Rng};

/// Height and width in pixels.
const SIDE: usize = 32;

/// A colour in linear 0..=1, RGB.
type Colour = [f32; 3];

/// Draws image `0..count` of a part. Image `index` depends on the part and the index alone.
pub fn draw(part: &str, count: usize) -> Images {
    let key = Key::root(0).named("std.datasets.shapes").named(part);
    let image_size = 3 * SIDE * SIDE;
    let mut pixels = vec![0; count * image_size];
    pixels
        .par_chunks_exact_mut(image_size)
        .enumerate()
        .for_each(|(index, image)| Scene::new(label(index), key.fold(index as u64)).paint(image));
    let labels = (0..count).map(label).collect();
    Images { pixels, labels, height: SIDE, width: SIDE }
}

fn label(index: usize) -> u8 {
    (index % Figure::ALL.len()) as u8
}

/// Everything that was drawn by lot for one image.
struct Scene {
    figure: Figure,
    centre: Point,
    scale: f32,
    cos: f32,
    sin: f32,
    colours: [Colour; 2],
    background: Background,
    clutter: Vec<Clutter>,
    noise: Rng,
}

struct Background {
    colour: Colour,
    /// Change of brightness across the image, by direction.
    slope: Point,
    /// Wave vector, in radians a half image.
    wave: Point,
    phase: f32,
    depth: f32,
}

/// A short stroke behind the figure.
struct Clutter {
    from: Point,
    to: Point,
    radius: f32,
    colour: Colour,
}

impl Scene {
    fn new(label: u8, key: Key) -> Self {
        let rng = &mut key.stream();
        let angle = rng.uniform_in(-0.3, 0.3);
        let scale = rng.uniform_in(0.75, 1.1);
        let room = 1.25 - scale;
        let centre = [rng.uniform_in(-room, room), rng.uniform_in(-room, room)];
        let light = Light::new(rng);
        let colours = [light.tint(rng, 0.75, 0.0), light.tint(rng, 0.42, 0.1)];
        let background = Background {
            colour: light.tint(rng, 0.25, 0.5),
            slope: [rng.uniform_in(-0.08, 0.08), rng.uniform_in(-0.08, 0.08)],
            wave: [rng.uniform_in(-5.0, 5.0), rng.uniform_in(-5.0, 5.0)],
            phase: rng.uniform_in(0.0, std::f32::consts::TAU),
            depth: rng.uniform_in(0.0, 0.06),
        };
        let clutter = (0..2 + rng.below(3))
            .map(|_| {
                let from = [rng.uniform_in(-1.0, 1.0), rng.uniform_in(-1.0, 1.0)];
                let to = [from[0] + rng.uniform_in(-0.3, 0.3), from[1] + rng.uniform_in(-0.3, 0.3)];
                let radius = rng.uniform_in(0.04, 0.1);
                Clutter { from, to, radius, colour: light.tint(rng, 0.38, 0.35) }
            })
            .collect();
        Scene {
            figure: Figure::ALL[usize::from(label)],
            centre,
            scale,
            cos: libm::cosf(angle),
            sin: libm::sinf(angle),
            colours,
            background,
            clutter,
            noise: key.named("noise").stream(),
        }
    }

    /// Fills `[3, SIDE, SIDE]` bytes.
    fn paint(mut self, image: &mut [u8]) {
        let half = SIDE as f32 / 2.0;
        for index in 0..SIDE * SIDE {
            let x = ((index % SIDE) as f32 + 0.5) / half - 1.0;
            let y = ((index / SIDE) as f32 + 0.5) / half - 1.0;
            let colour = self.colour([x, y]);
            for (channel, value) in colour.into_iter().enumerate() {
                let value = value + 0.08 * self.noise.normal();
                image[channel * SIDE * SIDE + index] =
                    (value.clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
    }

    fn colour(&self, p: Point) -> Colour {
        // Distances below are in halves of the image; an edge is one pixel wide.
        let cover = |distance: f32| (0.5 - distance * SIDE as f32 / 2.0).clamp(0.0, 1.0);
        let mut colour = self.background.at(p);
        for stroke in &self.clutter {
            let distance = to_segment(p, stroke.from, stroke.to) - stroke.radius;
            colour = mix(colour, stroke.colour, cover(distance));
        }
        let (dx, dy) = (p[0] - self.centre[0], p[1] - self.centre[1]);
        let local = [
            (self.cos * dx + self.sin * dy) / self.scale,
            (self.cos * dy - self.sin * dx) / self.scale,
        ];
        let inside = cover(self.figure.distance(local) * self.scale);
        mix(colour, mix(self.colours[0], self.colours[1], self.figure.shade(local)), inside)
    }
}

impl Background {
    fn at(&self, p: Point) -> Colour {
        let wave = libm::sinf(self.wave[0] * p[0] + self.wave[1] * p[1] + self.phase);
        let light = self.slope[0] * p[0] + self.slope[1] * p[1] + self.depth * wave;
        self.colour.map(|channel| channel + light)
    }
}

/// The light that a scene is seen in.
struct Light {
    brightness: f32,
    contrast: f32,
    saturation: f32,
    /// In turns.
    hue: f32,
}

impl Light {
    fn new(rng: &mut Rng) -> Self {
        Light {
            brightness: rng.uniform_in(0.95, 1.05),
            contrast: rng.uniform_in(0.95, 1.05),
            saturation: rng.uniform_in(0.1, 0.12),
            hue: rng.uniform_in(-0.02, 0.02),
        }
    }

    /// About the colour of that luma and hue, in this light.
    fn tint(&self, rng: &mut Rng, luma: f32, hue: f32) -> Colour {
        let luma =
            self.brightness * (0.45 + self.contrast * (luma - 0.45)) + rng.uniform_in(-0.04, 0.04);
        let hue = std::f32::consts::TAU * (hue + self.hue + rng.uniform_in(-0.03, 0.03));
        let (i, q) = (self.saturation * libm::cosf(hue), self.saturation * libm::sinf(hue));
        [luma + 0.956 * i + 0.619 * q, luma - 0.272 * i - 0.647 * q, luma - 1.106 * i + 1.703 * q]
    }
}

fn mix(a: Colour, b: Colour, share: f32) -> Colour {
    std::array::from_fn(|i| a[i] + share * (b[i] - a[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The set is the same for everybody: a change to these bytes changes results.
    #[test]
    fn the_bytes_are_these() {
        let images = draw("train", 40);
        let hash = blake3::hash(&images.pixels).to_hex();
        assert_eq!(
            hash.as_str(),
            "58035f75a4e6ae909b1e9a200d0d4005b6b1dfe2a67b1c1abb629a140e2edcc4"
        );
    }

    #[test]
    fn a_larger_set_begins_with_a_smaller_one() {
        let (small, large) = (draw("train", 30), draw("train", 50));
        assert_eq!(small.pixels, large.pixels[..small.pixels.len()]);
        assert_ne!(small.pixels, draw("test", 30).pixels);
    }

    #[test]
    fn every_class_is_as_frequent_as_any_other() {
        let labels = draw("train", 100).labels;
        for class in 0..10 {
            assert_eq!(labels.iter().filter(|label| **label == class).count(), 10);
        }
    }

    #[test]
    fn threads_do_not_matter() {
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
        assert_eq!(one.install(|| draw("test", 20)), draw("test", 20));
    }
}
