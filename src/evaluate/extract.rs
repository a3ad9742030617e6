//! Plain images through a network.

use burn::tensor::{Device, Tensor, TensorData};
use indexmap::IndexMap;

use super::Features;
use super::features::to_vec;
use crate::augment::Normalization;
use crate::data::Images;
use crate::data::loader::plain;
use crate::interrupt::Interrupted;
use crate::nn::{Activation, Architecture, Params, Pass};
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
    device: &Device,
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
        let features = forward(network, Tensor::from_data(TensorData::new(pixels, shape), device));
        dim = features.dims()[1];
        values.extend(to_vec(features));
        task.advance(chunk.len() as u64)?;
    }
    let labels = indices.iter().map(|index| images.labels[*index as usize]).collect();
    Ok(Features { values, dim, labels, part })
}

fn forward(network: &Extractor, images: Tensor<4>) -> Tensor<2> {
    let mut x = Activation::Maps(images);
    for (module, params) in &network.parts {
        // Nothing is updated outside of training.
        let mut updates = IndexMap::new();
        x = module.forward(&mut Pass { params, training: false, updates: &mut updates }, x);
    }
    match x {
        Activation::Features(features) => features,
        Activation::Maps(_) => unreachable!("an encoder ends in features"),
    }
}
