//! What the networks of a training are given, to be looked at.

use super::Locations;
use super::estimate::check_dataset;
use super::failure::Failure;
use super::fields::Fields;
use super::inputs::Datasets;
use super::stages::{loader, no_step};
use crate::augment::{Augmentation, Normalization};
use crate::evaluate::Shown;
use crate::graph::Stage;
use crate::random::Key;
use crate::train::steps;
use crate::watch::Watch;

/// An image, `[3, height, width]` in RGB planes, each value in 0..=1.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub pixels: Vec<f32>,
    /// Height and width.
    pub size: [usize; 2],
}

/// An example and what is made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its position in the part of the dataset.
    pub index: u32,
    /// As the dataset has it.
    pub image: View,
    /// The views of each epoch, the first epoch first.
    pub epochs: Vec<Vec<View>>,
}

/// The first examples that a training sees, so many at most, with their views in so many epochs,
/// where it has as many: those that a run from that seed trains on, before they are normalised.
///
/// # Panics
///
/// If the stage is no training.
pub fn seen(
    stage: &Stage,
    seed: u64,
    [examples, epochs]: [usize; 2],
    locations: &Locations,
    watch: Watch<'_>,
) -> Result<Vec<Seen>, Failure> {
    let fields = Fields(stage);
    let key = Key::root(seed);
    check_dataset(&fields.split("data").dataset, locations, watch)?;
    let found = Datasets::new(locations).split(fields.split("data"), key, watch);
    let mut found = found.map_err(|error| Failure::of(stage, error.into()))?;
    found.normalization = Normalization { mean: [0.0; 3], std: [1.0; 3] };
    let views = fields.objective().views;
    let loader = loader(&fields, found, views, key);
    let per_epoch = loader.batches();
    let steps = steps(fields.args().duration("length"), per_epoch as u64);
    if per_epoch == 0 || steps == 0 {
        let cause = no_step(stage, loader.examples.len(), loader.batch);
        return Err(Failure::of(stage, cause));
    }
    let epochs = steps.div_ceil(per_epoch as u64).min(epochs as u64);
    let mut order = loader.order(0);
    order.truncate(examples.min(per_epoch * loader.batch));
    let images = &loader.images;
    let size = [images.height, images.width];
    let cut = |pixels: &[f32], row: usize, size: [usize; 2]| {
        let volume = 3 * size[0] * size[1];
        View { pixels: pixels[row * volume..][..volume].to_vec(), size }
    };
    let (recipe, normalization) = (&Augmentation::none(), &loader.normalization);
    let as_they_are = Shown { images, recipe, view: 0, normalization }.pixels(&order);
    let mut all: Vec<Seen> = (0..)
        .zip(&order)
        .map(|(row, &index)| Seen { index, image: cut(&as_they_are, row, size), epochs: vec![] })
        .collect();
    for epoch in 0..epochs {
        watch.check()?;
        let batch = loader.of(epoch, &order);
        for (row, seen) in all.iter_mut().enumerate() {
            let views = batch.views.iter().zip(&batch.sizes);
            seen.epochs.push(views.map(|(view, &size)| cut(view, row, size)).collect());
        }
    }
    Ok(all)
}
