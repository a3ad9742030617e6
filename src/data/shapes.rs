//! Figures drawn on the fly: a data set that needs no download and no disk.
//!
//! An image shows two or three figures of one kind, and the kind, an outline and its pattern, is the
//! class. All else is by lot, and for each figure anew: place, size, turn and colours, which of them
//! is the brighter, before a background with clutter, in changing light and noise. So two views of
//! an image have its class in common, and besides it little that colour jitter leaves; plain pixels
//! and a random network tell little of it.

mod figure;

use std::f32::consts::TAU;

use rayon::prelude::*;

use self::figure::{Figure, Point, length, to_segment};
use super::Images;
use crate::interrupt::Interrupted;
use crate::random::{Key, Rng};
use crate::watch::{Counted, Watch};

/// Height and width in pixels.
const SIDE: usize = 32;

/// Figures in an image.
const FEWEST: u32 = 2;
const MOST: u32 = 3;

/// Radius of a figure, in halves of the image.
const SMALLEST: f32 = 0.45;
const LARGEST: f32 = 0.65;

/// A colour in linear 0..=1, RGB.
type Colour = [f32; 3];

/// Draws image `0..count` of a part. Image `index` depends on the part and the index alone.
pub fn draw(part: &str, count: usize, watch: Watch<'_>) -> Result<Images, Interrupted> {
    let key = Key::root(0).named("std.datasets.shapes").named(part);
    let image_size = 3 * SIDE * SIDE;
    let task =
        watch.start(format!("drawing shapes.{part}"), 0, Some(count as u64), Counted::Images);
    let mut pixels = vec![0; count * image_size];
    let images = pixels.par_chunks_exact_mut(image_size).enumerate();
    images.try_for_each(|(index, image)| {
        Scene::new(label(index), key.fold(index as u64)).paint(image);
        task.advance(1)
    })?;
    let labels = (0..count).map(label).collect();
    Ok(Images::new(pixels, labels, [SIDE, SIDE]))
}

fn label(index: usize) -> u32 {
    (index % Figure::ALL.len()) as u32
}

/// Everything that was drawn by lot for one image.
struct Scene {
    background: Background,
    clutter: Vec<Stroke>,
    figures: Vec<Placed>,
    light: Light,
    noise: Rng,
}

impl Scene {
    fn new(label: u32, key: Key) -> Self {
        let rng = &mut key.stream();
        let background = Background::new(rng);
        let clutter = (0..2 + rng.below(4)).map(|_| Stroke::new(&background, rng)).collect();
        let mut figures: Vec<Placed> = Vec::new();
        for _ in 0..FEWEST + rng.below(MOST - FEWEST + 1) {
            let figure = Figure::ALL[label as usize];
            let place = Place::apart_from(&figures, rng);
            figures.push(Placed::new(figure, place, &background, rng));
        }
        Scene {
            background,
            clutter,
            figures,
            light: Light::new(rng),
            noise: key.named("noise").stream(),
        }
    }

    /// Fills `[3, SIDE, SIDE]` bytes.
    fn paint(mut self, image: &mut [u8]) {
        let half = SIDE as f32 / 2.0;
        for index in 0..SIDE * SIDE {
            let x = ((index % SIDE) as f32 + 0.5) / half - 1.0;
            let y = ((index / SIDE) as f32 + 0.5) / half - 1.0;
            let colour = self.light.on(self.colour([x, y]));
            for (channel, value) in colour.into_iter().enumerate() {
                let value = value + self.light.noise * self.noise.normal();
                image[channel * SIDE * SIDE + index] =
                    (value.clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
    }

    fn colour(&self, p: Point) -> Colour {
        let mut colour = self.background.at(p);
        for stroke in &self.clutter {
            let distance = to_segment(p, stroke.from, stroke.to) - stroke.radius;
            colour = mix(colour, stroke.colour, cover(distance));
        }
        for placed in &self.figures {
            let (distance, own) = placed.at(p);
            colour = mix(colour, own, cover(distance));
        }
        colour
    }
}

/// How much of a pixel lies inside of an outline at that distance. Distances are in halves of the
/// image; an edge is one pixel wide.
fn cover(distance: f32) -> f32 {
    (0.5 - distance * SIDE as f32 / 2.0).clamp(0.0, 1.0)
}

/// Two colours that pass into each other across the image, in waves.
struct Background {
    colours: [Colour; 2],
    luma: f32,
    /// Wave vector, in radians a half image.
    wave: Point,
    phase: f32,
}

impl Background {
    fn new(rng: &mut Rng) -> Self {
        let luma = rng.uniform_in(0.3, 0.7);
        let turn = rng.uniform_in(0.0, TAU);
        let length = rng.uniform_in(1.0, 4.0);
        let shade = |rng: &mut Rng| {
            let luma = luma + rng.uniform_in(-0.1, 0.1);
            tint(rng, luma)
        };
        Background {
            colours: [shade(rng), shade(rng)],
            luma,
            wave: [length * libm::cosf(turn), length * libm::sinf(turn)],
            phase: rng.uniform_in(0.0, TAU),
        }
    }

    fn at(&self, p: Point) -> Colour {
        let wave = libm::sinf(self.wave[0] * p[0] + self.wave[1] * p[1] + self.phase);
        mix(self.colours[0], self.colours[1], 0.5 + 0.5 * wave)
    }

    /// A colour that stands out from this background by about `contrast`, brighter or darker.
    fn contrasting(&self, rng: &mut Rng, contrast: f32) -> Colour {
        let brighter = rng.chance(0.5);
        let luma = self.luma + if brighter { contrast } else { -contrast };
        tint(rng, luma)
    }
}

/// A short stroke behind the figures.
struct Stroke {
    from: Point,
    to: Point,
    radius: f32,
    colour: Colour,
}

impl Stroke {
    fn new(background: &Background, rng: &mut Rng) -> Self {
        let from = [rng.uniform_in(-1.0, 1.0), rng.uniform_in(-1.0, 1.0)];
        let to = [from[0] + rng.uniform_in(-0.5, 0.5), from[1] + rng.uniform_in(-0.5, 0.5)];
        let radius = rng.uniform_in(0.03, 0.08);
        let contrast = rng.uniform_in(0.05, 0.2);
        Stroke { from, to, radius, colour: background.contrasting(rng, contrast) }
    }
}

/// A figure where it stands, as it stands there.
struct Placed {
    figure: Figure,
    place: Place,
    cos: f32,
    sin: f32,
    colours: [Colour; 2],
}

impl Placed {
    fn new(figure: Figure, place: Place, background: &Background, rng: &mut Rng) -> Self {
        let turn = rng.uniform_in(-0.5, 0.5);
        // On either side of the background, whichever is the brighter.
        let sign = if rng.chance(0.5) { 1.0 } else { -1.0 };
        let mut beside = |least, most| {
            let luma = background.luma + sign * rng.uniform_in(least, most);
            tint(rng, luma)
        };
        let colours = [beside(0.25, 0.4), beside(-0.3, -0.15)];
        let (cos, sin) = (libm::cosf(turn), libm::sinf(turn));
        Placed { figure, place, cos, sin, colours }
    }

    /// The distance of `p` from the outline, negative inside, and the colour of the inside.
    fn at(&self, p: Point) -> (f32, Colour) {
        let Place { centre, radius } = self.place;
        let (dx, dy) = (p[0] - centre[0], p[1] - centre[1]);
        let local =
            [(self.cos * dx + self.sin * dy) / radius, (self.cos * dy - self.sin * dx) / radius];
        let colour = mix(self.colours[0], self.colours[1], self.figure.shade(local));
        (self.figure.distance(local) * radius, colour)
    }
}

/// A disc of the image that a figure about fills.
#[derive(Clone, Copy)]
struct Place {
    centre: Point,
    radius: f32,
}

impl Place {
    /// By lot, and clear of the figures that stand already where a few tries find such a place.
    fn apart_from(others: &[Placed], rng: &mut Rng) -> Self {
        let mut draw = || Place {
            radius: rng.uniform_in(SMALLEST, LARGEST),
            centre: [rng.uniform_in(-0.65, 0.65), rng.uniform_in(-0.65, 0.65)],
        };
        let clear = |place: &Place| {
            others.iter().map(|other| other.place).all(|other| {
                let between =
                    [place.centre[0] - other.centre[0], place.centre[1] - other.centre[1]];
                length(between) > place.radius + other.radius
            })
        };
        let mut place = draw();
        for _ in 0..20 {
            if clear(&place) {
                break;
            }
            place = draw();
        }
        place
    }
}

/// The light that a scene is seen in.
struct Light {
    brightness: f32,
    contrast: f32,
    noise: f32,
}

impl Light {
    fn new(rng: &mut Rng) -> Self {
        Light {
            brightness: rng.uniform_in(-0.1, 0.1),
            contrast: rng.uniform_in(0.75, 1.1),
            noise: rng.uniform_in(0.0, 0.05),
        }
    }

    fn on(&self, colour: Colour) -> Colour {
        colour.map(|channel| 0.5 + self.brightness + self.contrast * (channel - 0.5))
    }
}

/// A colour of that luma, of a hue and a saturation by lot.
fn tint(rng: &mut Rng, luma: f32) -> Colour {
    let hue = rng.uniform_in(0.0, TAU);
    let saturation = rng.uniform_in(0.0, 0.2);
    // YIQ to RGB.
    let (i, q) = (saturation * libm::cosf(hue), saturation * libm::sinf(hue));
    [luma + 0.956 * i + 0.619 * q, luma - 0.272 * i - 0.647 * q, luma - 1.106 * i + 1.703 * q]
}

fn mix(a: Colour, b: Colour, share: f32) -> Colour {
    std::array::from_fn(|i| a[i] + share * (b[i] - a[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::Interrupt;
    use crate::watch::testing::unwatched;

    fn draw(part: &str, count: usize) -> Images {
        super::draw(part, count, unwatched()).expect("nobody asked to stop")
    }

    #[test]
    fn a_request_to_stop_is_heeded() {
        let interrupt = Interrupt::default();
        interrupt.request();
        let drawn = super::draw("train", 100, Watch::new(&interrupt, &|_| {}));
        assert_eq!(drawn, Err(Interrupted));
    }

    /// The class is nothing that pixels at their places would tell.
    #[test]
    fn plain_pixels_do_not_tell_the_class() {
        let (known, asked) = (draw("train", 2000), draw("test", 200));
        let distance = |a: &[u8], b: &[u8]| -> u64 {
            a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
        };
        let right = (0..asked.len()).filter(|&index| {
            let image = asked.image(index);
            let nearest = (0..known.len()).min_by_key(|&other| distance(image, known.image(other)));
            nearest.is_some_and(|nearest| known.labels[nearest] == asked.labels[index])
        });
        let right = right.count();
        assert!(right < asked.len() / 4, "{right} of {}", asked.len());
    }

    /// The set is the same for everybody: a change to these bytes changes results.
    #[test]
    fn the_bytes_are_these() {
        let images = draw("train", 40);
        let hash = blake3::hash(&images.all().collect::<Vec<_>>().concat()).to_hex();
        assert_eq!(
            hash.as_str(),
            "b67af49a27598ba1ad0db7fda709e5ca7d8f56235ef4234d3a6e3416201edff0"
        );
    }

    #[test]
    fn a_larger_set_begins_with_a_smaller_one() {
        let (small, large) = (draw("train", 30), draw("train", 50));
        assert!(small.all().eq(large.all().take(small.len())));
        assert!(small.all().ne(draw("test", 30).all()));
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
