//! What brings the batches of a training to the device.

use std::collections::HashMap;

use burn::tensor::Device;

use crate::data::loader::{Batch, Loader};
use crate::device::Array;
use crate::objective::{Inputs, Phase, Phases};

/// Gives a training its batches, as they lie on the device. Their content hangs on the seed, the
/// epoch and the examples alone.
pub trait Feed {
    /// Which examples it gives, in which batches and views.
    fn loader(&self) -> &Loader;

    /// The examples of the split, of which every epoch has each at most once.
    fn examples(&self) -> usize {
        self.loader().examples.len()
    }

    /// Batches in an epoch, all of them full.
    fn batches(&self) -> usize {
        self.loader().batches()
    }

    /// Examples that this process has of a batch.
    fn rows(&self) -> usize {
        self.loader().rows()
    }

    /// The batches of an epoch from `first` on, which is how an interrupted epoch goes on. `phases`
    /// are told where one is brought to the device.
    fn epoch<'f>(
        &'f self,
        epoch: u64,
        first: usize,
        phases: Option<&'f Phases>,
    ) -> Box<dyn Iterator<Item = Inputs> + 'f>;
}

/// Views that the processor makes, ahead of the step.
pub struct HostFeed {
    loader: Loader,
    device: Device,
    places: Places,
}

/// Where each example stands in the split.
pub(super) struct Places(HashMap<u32, i64>);

impl Places {
    pub fn of(loader: &Loader) -> Self {
        Places(loader.examples.iter().copied().zip(0..).collect())
    }

    /// Of examples that a loader gives: of its own list alone.
    pub fn of_all<'p>(&'p self, examples: &'p [u32]) -> impl Iterator<Item = i64> + 'p {
        examples.iter().map(|own| self.0[own])
    }
}

impl HostFeed {
    pub fn new(loader: Loader, device: Device) -> Self {
        let places = Places::of(&loader);
        HostFeed { loader, device, places }
    }

    /// Views are handed over whole: a processor computes with them where they lie, and to another
    /// device they are copied once.
    fn inputs(&self, batch: Batch) -> Inputs {
        let Batch { indices, labels, views, sizes } = batch;
        let n = indices.len();
        let view = |(values, [height, width]): (Vec<f32>, [usize; 2])| {
            Array::from_vec(values, &[n, 3, height, width], &self.device)
        };
        Inputs {
            views: views.into_iter().zip(sizes).map(view).collect(),
            labels: Array::from_whole(labels.into_iter().map(i64::from), &self.device),
            index: Array::from_whole(self.places.of_all(&indices), &self.device),
        }
    }
}

impl Feed for HostFeed {
    fn loader(&self) -> &Loader {
        &self.loader
    }

    fn epoch<'f>(
        &'f self,
        epoch: u64,
        first: usize,
        phases: Option<&'f Phases>,
    ) -> Box<dyn Iterator<Item = Inputs> + 'f> {
        let brought = move |batch| {
            if let Some(phases) = phases {
                phases.enter(Phase::Copy);
            }
            self.inputs(batch)
        };
        Box::new(self.loader.epoch(epoch, first).map(brought))
    }
}
