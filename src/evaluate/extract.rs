//! Plain images through a network.

use super::Features;
use crate::augment::Normalization;
use crate::data::Images;
use crate::data::loader::plain;
use crate::device::{Array, Selected};
use crate::interrupt::Interrupted;
use crate::nn::{Architecture, Params, Pass, Updates};
use crate::term::Part;
use crate::watch::{Counted, Watch};

/// Images in a pass: large enough to fill a device, small enough for its memory.
pub const BATCH: usize = 500;

/// Modules applied one after the other, with their weights.
pub struct Extractor {
    pub parts: Vec<(Box<dyn Architecture>, Params)>,
}

/// What `network` makes of the images at `indices`, normalised and otherwise plain, with running
/// statistics in the place of the batch's.
pub fn extract(
    network: &Extractor,
    images: &Images,
    indices: &[u32],
    normalization: &Normalization,
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
    let mut values = Vec::new();
    let mut dim = 0;
    for chunk in indices.chunks(BATCH) {
        let pixels = plain(images, chunk, normalization);
        let shape = [chunk.len(), 3, images.height, images.width];
        let images = Array::from_vec(pixels, &shape, &device.device);
        let features = forward(network, images, device);
        dim = features.len() / chunk.len();
        values.extend(features.to_vec());
        task.advance(chunk.len() as u64)?;
    }
    let labels = indices.iter().map(|index| images.labels[*index as usize]).collect();
    Ok(Features { values, dim, labels, part })
}

fn forward(network: &Extractor, images: Array, device: &Selected) -> Array {
    let mut x = images;
    for (module, params) in &network.parts {
        // Nothing is updated outside of training.
        let mut updates = Updates::new();
        let (kernels, updates) = (device.kernels, &mut updates);
        let mut pass = Pass { kernels, params, training: false, groups: 1, updates };
        x = module.forward(&mut pass, x);
    }
    x
}
