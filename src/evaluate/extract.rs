//! Images through a network.

use std::sync::mpsc::sync_channel;
use std::thread;

use rayon::prelude::*;

use super::Features;
use crate::augment::{Augmentation, Canvas, Normalization};
use crate::data::Images;
use crate::device::{Array, Selected};
use crate::interrupt::Interrupted;
use crate::nn::{Architecture, Params, Pass, Updates};
use crate::random::Key;
use crate::term::Part;
use crate::watch::{Counted, Watch};

/// Images of so many pixels in a pass: enough to fill a device, few enough for its memory.
pub fn batch(pixels: usize) -> usize {
    const SMALL: usize = 128 * 128;
    (500 * SMALL / pixels.max(SMALL)).max(8)
}

/// Modules applied one after the other, with their weights.
pub struct Extractor {
    pub parts: Vec<(Box<dyn Architecture>, Params)>,
}

/// Images as an evaluation looks at them.
pub struct Shown<'a> {
    pub images: &'a Images,
    /// What is made of each before it is normalised. What it draws depends on the image's place and
    /// on `view` alone.
    pub recipe: &'a Augmentation,
    /// Which of several views of an image this is.
    pub view: u64,
    pub normalization: &'a Normalization,
}

impl Shown<'_> {
    /// Their height and width.
    pub fn size(&self) -> [usize; 2] {
        self.recipe.output_size(self.images.height, self.images.width)
    }

    /// Those at some places, below [`Images::len`]: `[n, 3, height, width]`.
    pub fn pixels(&self, indices: &[u32]) -> Vec<f32> {
        let Shown { images, recipe, view, normalization } = self;
        let [height, width] = self.size();
        let volume = 3 * height * width;
        let mut pixels = vec![0.0; indices.len() * volume];
        let places = pixels.par_chunks_exact_mut(volume).zip(indices);
        places.for_each_init(Canvas::new, |canvas, (out, &index)| {
            let key = Key::root(0).fold(u64::from(index)).fold(*view);
            recipe.render(images.at(index as usize), key, normalization, canvas, out);
        });
        pixels
    }

    /// Those at some places, in parts of as many as are read in a pass.
    fn passes<'i>(&self, indices: &'i [u32]) -> impl Iterator<Item = &'i [u32]> {
        let [height, width] = self.size();
        indices.chunks(batch(height * width))
    }

    fn array(&self, pixels: Vec<f32>, device: &Selected) -> Array {
        let [height, width] = self.size();
        let shape = [pixels.len() / (3 * height * width), 3, height, width];
        Array::from_vec(pixels, &shape, &device.device)
    }
}

/// What `network` makes of the images at `indices`, with running statistics in the place of the
/// batch's.
pub fn extract(
    network: &Extractor,
    shown: &Shown<'_>,
    indices: &[u32],
    part: Part,
    device: &Selected,
    watch: Watch<'_>,
) -> Result<Features, Interrupted> {
    let name = match part {
        Part::Train => "train",
        Part::Test => "test",
    };
    let what = format!("reading features of {name}");
    let task = watch.start(what, 0, Some(indices.len() as u64), Counted::Images);
    let (mut values, mut dim) = (Vec::new(), 0);
    let mut read = |chunk: &[u32], pixels: Vec<f32>| {
        let features = forward(network, shown.array(pixels, device), device);
        dim = features.len() / chunk.len();
        values.extend(features.to_vec());
        task.advance(chunk.len() as u64)
    };
    // A processor is busy either way.
    match device.is_host() {
        true => in_turn(shown, indices, &mut read)?,
        false => ahead(shown, indices, &mut read)?,
    }
    let labels = indices.iter().map(|index| shown.images.labels[*index as usize]).collect();
    Ok(Features { values, dim, labels, part })
}

/// What is done with the pixels of some images.
type Read<'r> = &'r mut dyn FnMut(&[u32], Vec<f32>) -> Result<(), Interrupted>;

fn in_turn(shown: &Shown<'_>, indices: &[u32], read: Read<'_>) -> Result<(), Interrupted> {
    shown.passes(indices).try_for_each(|chunk| read(chunk, shown.pixels(chunk)))
}

/// The pixels of the next pass are made while those of one are read.
fn ahead(shown: &Shown<'_>, indices: &[u32], read: Read<'_>) -> Result<(), Interrupted> {
    thread::scope(|scope| {
        let (made, passes) = sync_channel(1);
        scope.spawn(move || {
            for chunk in shown.passes(indices) {
                // Nobody waits for it any more.
                if made.send((chunk, shown.pixels(chunk))).is_err() {
                    return;
                }
            }
        });
        passes.into_iter().try_for_each(|(chunk, pixels)| read(chunk, pixels))
    })
}

fn forward(network: &Extractor, images: Array, device: &Selected) -> Array {
    let mut x = images;
    for (module, params) in &network.parts {
        // Nothing is updated outside of training.
        let mut updates = Updates::new();
        let (kernels, updates) = (device.kernels, &mut updates);
        let mut pass = Pass { kernels, params, training: false, chance: None, groups: 1, updates };
        x = module.forward(&mut pass, x);
    }
    device.kernels.finish(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Precision;
    use crate::device::testing::backends;
    use crate::interrupt::Interrupt;
    use crate::nn;
    use crate::term::{Args, Call, Term};

    /// Whether or not pixels are made ahead, and whoever stops is not waited for.
    #[test]
    fn images_are_read_in_their_order() {
        let pixels: Vec<u8> = (0..1200 * 3 * 4).map(|i| (i * i / 7 + i) as u8).collect();
        let images = &Images::new(pixels, vec![0; 1200], [2, 2]);
        let normalization = &Normalization { mean: [0.5; 3], std: [0.25; 3] };
        let shown = Shown { images, recipe: &Augmentation::none(), view: 0, normalization };
        let indices: Vec<u32> = (0..1200).rev().collect();
        let whole = shown.pixels(&indices);
        for each in [in_turn, ahead] {
            let (mut seen, mut found) = (Vec::new(), Vec::new());
            let mut read = |chunk: &[u32], pixels: Vec<f32>| {
                seen.extend_from_slice(chunk);
                found.extend(pixels);
                Ok(())
            };
            assert_eq!(each(&shown, &indices, &mut read), Ok(()));
            assert!(seen == indices && found == whole);
            let mut passes = 0;
            let mut stopped = |_: &[u32], _: Vec<f32>| {
                passes += 1;
                Err(Interrupted)
            };
            assert_eq!(each(&shown, &indices, &mut stopped), Err(Interrupted));
            assert_eq!(passes, 1);
        }
        assert_eq!([32 * 32, 224 * 224, 1 << 30].map(batch), [500, 163, 8]);
    }

    #[test]
    fn features_of_a_network_in_bf16_are_rounded_numbers_of_f32() {
        let args = [("stem", Term::Symbol("small".into())), ("width", Term::Int(8))];
        let args = Args(args.map(|(name, value)| (name.to_owned(), value)).into());
        let term = Term::Call(Call { name: "resnet18".into(), args });
        let pixels: Vec<u8> = (0..6 * 3 * 256).map(|i| (i * i / 7 + i) as u8).collect();
        let images = &Images::new(pixels, vec![0; 6], [16, 16]);
        let normalization = &Normalization { mean: [0.5; 3], std: [0.25; 3] };
        for on in backends() {
            let Ok(rounded) = on.in_precision(Precision::Bf16) else { continue };
            let features = |on: &Selected| {
                let module = nn::build(&term, None);
                let params = module.init(Key::root(0), &on.device);
                let network = Extractor { parts: vec![(module, params)] };
                let shown = Shown { images, recipe: &Augmentation::none(), view: 0, normalization };
                let interrupt = Interrupt::default();
                let watch = Watch::new(&interrupt, &|_| {});
                let read = extract(&network, &shown, &[0, 1, 2, 3, 4, 5], Part::Test, on, watch);
                read.expect("nobody stops it").values
            };
            let (exact, rounded) = (features(&on), features(&rounded));
            let length =
                |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
            let apart: Vec<f32> = exact.iter().zip(&rounded).map(|(a, b)| a - b).collect();
            let share = length(&apart) / length(&exact);
            assert!(share > 1e-4 && share < 0.03, "{}: {share}", on.kind);
        }
    }

    #[test]
    fn images_are_shown_as_they_are_or_by_their_recipe() {
        let pixels: Vec<u8> = (0..4 * 3 * 36).map(|i| (i * i / 7 + i) as u8).collect();
        let images = Images::new(pixels, vec![0; 4], [6, 6]);
        let normalization = &Normalization { mean: [0.5; 3], std: [0.25; 3] };
        for on in backends() {
            let at = |recipe: &Augmentation, indices: &[u32]| {
                let shown = Shown { images: &images, recipe, view: 0, normalization };
                shown.array(shown.pixels(indices), &on)
            };
            let plain = at(&Augmentation::none(), &[2, 0]);
            assert_eq!(plain.shape(), [2, 3, 6, 6]);
            let expected = images.image(2).iter().chain(images.image(0));
            for (value, &byte) in plain.to_vec().iter().zip(expected) {
                assert_eq!(*value, (f32::from(byte) / 255.0 - 0.5) * 4.0);
            }
            let args = Args([("size".to_owned(), Term::Int(2))].into());
            let crop = Term::Call(Call { name: "center_crop".into(), args });
            let middle = at(&Augmentation::from_term(&crop), &[2]);
            assert_eq!(middle.shape(), [1, 3, 2, 2]);
            // Rows and columns two and three.
            let own = |channel: usize, row: usize| {
                plain.to_vec()[channel * 36 + row * 6 + 2..][..2].to_vec()
            };
            let expected = (0..3).flat_map(|channel| [own(channel, 2), own(channel, 3)].concat());
            assert_eq!(middle.to_vec(), expected.collect::<Vec<f32>>());
        }
    }
}
