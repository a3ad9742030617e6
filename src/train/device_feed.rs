//! Batches whose views are made where the step is computed.

use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::feed::{Feed, Places};
use crate::augment::{Augmentation, Plan};
use crate::data::ahead::Ahead;
use crate::data::loader::Loader;
use crate::device::Array;
use crate::objective::{Inputs, Phases};
use crate::random::Key;

/// The bytes of all images lie on the device, and whole batches of views are made there from the
/// lots that the processor's views are made from: both are the same within rounding.
pub struct DeviceFeed {
    loader: Loader,
    device: Device,
    places: Arc<Places>,
    /// `[examples, 3 * height * width]`, of the split alone.
    images: Tensor<2, Int>,
}

/// All of a batch that the processor has to do with.
struct Planned {
    /// Where its examples stand in the split.
    index: Vec<i64>,
    labels: Vec<i64>,
    /// Of each view.
    views: Vec<Plan>,
}

impl DeviceFeed {
    /// Brings the images of the split to the device.
    pub fn new(loader: Loader, device: Device) -> Self {
        let images = &loader.images;
        let volume = 3 * images.height * images.width;
        let mut bytes: Vec<u8> = Vec::with_capacity(loader.examples.len() * volume);
        loader.examples.iter().for_each(|own| bytes.extend_from_slice(images.image(*own as usize)));
        let data = TensorData::new(bytes, [loader.examples.len(), volume]);
        let images = Tensor::from_data(data, (&device, DType::U8));
        let places = Arc::new(Places::of(&loader));
        DeviceFeed { loader, device, places, images }
    }

    /// The bytes that its images take on the device.
    pub fn size(loader: &Loader) -> u64 {
        (loader.examples.len() * 3 * loader.images.height * loader.images.width) as u64
    }

    fn inputs(&self, planned: Planned) -> Inputs {
        let Loader { images, normalization, .. } = &self.loader;
        let (n, size) = (planned.index.len(), [images.height, images.width]);
        let index = Array::from_whole(planned.index, &self.device);
        let own = self.images.clone().select(0, index.whole::<1>());
        let own = own.reshape([n, 3, size[0], size[1]]).float() / 255.0;
        let made = planned.views.into_iter();
        let made = made.map(|plan| plan.carry_out(own.clone(), normalization).into());
        let views: Vec<Array> = made.collect();
        Inputs { views, labels: Array::from_whole(planned.labels, &self.device), index }
    }
}

/// What is done to make those examples' views of an epoch.
fn planned(loader: &Loader, places: &Places, epoch: u64, examples: &[u32]) -> Planned {
    let Loader { images, views, .. } = loader;
    let plan = |(view, recipe): (usize, &Arc<Augmentation>)| {
        let key = |example: &u32| loader.view_key(epoch, *example, view);
        let keys: Vec<Key> = examples.iter().map(key).collect();
        recipe.plan([images.height, images.width], &keys)
    };
    Planned {
        index: places.of_all(examples).collect(),
        labels: examples.iter().map(|own| i64::from(images.labels[*own as usize])).collect(),
        views: views.iter().enumerate().map(plan).collect(),
    }
}

impl Feed for DeviceFeed {
    fn loader(&self) -> &Loader {
        &self.loader
    }

    fn epoch<'f>(
        &'f self,
        epoch: u64,
        first: usize,
        // Nothing but views is made, which is the phase that a step begins with.
        _: Option<&'f Phases>,
    ) -> Box<dyn Iterator<Item = Inputs> + 'f> {
        let order = Arc::new(self.loader.order(epoch));
        let plans = Ahead::new(first..self.batches(), self.loader.threads, || {
            let (loader, places) = (self.loader.clone(), Arc::clone(&self.places));
            let order = Arc::clone(&order);
            move |turn, _| Some(planned(&loader, &places, epoch, &order[loader.part_of(turn)]))
        });
        Box::new(plans.map(|planned| self.inputs(planned)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::augment::{Augmentation, Normalization};
    use crate::data::Images;
    use crate::device::Processes;
    use crate::device::testing::backends;
    use crate::term::{Args, Call, Term};
    use crate::train::HostFeed;

    /// Two recipes, of two sizes, of a part of some images.
    fn loader() -> Loader {
        let pixels: Vec<u8> = (0..40 * 3 * 64).map(|at| (at * at / 7 + at) as u8).collect();
        let labels = (0..40).map(|index| 1000 + index % 10).collect();
        let recipe = |size| {
            let args = [("size", Term::Int(size)), ("padding", Term::Int(1))];
            let args = args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let crop = Term::Call(Call { name: "random_crop".into(), args: Args(args) });
            Arc::new(Augmentation::from_term(&crop))
        };
        Loader {
            images: Arc::new(Images::new(pixels, labels, [8, 8])),
            examples: Arc::new((3..40).collect()),
            views: vec![recipe(6), recipe(6), recipe(4)],
            normalization: Normalization { mean: [0.5; 3], std: [0.25; 3] },
            batch: 8,
            processes: Processes::ONE,
            key: Key::root(1),
            threads: 1,
        }
    }

    #[test]
    fn batches_are_those_that_the_processor_makes() {
        for backend in backends() {
            let host = HostFeed::new(loader(), backend.device.clone());
            let feed = DeviceFeed::new(loader(), backend.device.clone());
            assert_eq!(DeviceFeed::size(&loader()), 37 * 3 * 64);
            assert_eq!([feed.examples(), feed.batches(), feed.rows()], [37, 4, 8]);
            for (epoch, first) in [(0, 0), (1, 2), (1, 4)] {
                let both = host.epoch(epoch, first, None).zip(feed.epoch(epoch, first, None));
                assert_eq!(feed.epoch(epoch, first, None).count(), 4 - first);
                for (host, own) in both {
                    let whole = |array: &Array| array.whole::<1>().into_data();
                    assert_eq!(whole(&own.labels), whole(&host.labels));
                    assert_eq!(whole(&own.index), whole(&host.index));
                    for (own, host) in own.views.iter().zip(&host.views) {
                        assert_eq!(own.shape(), host.shape());
                        let near = own.to_vec().into_iter().zip(host.to_vec());
                        assert!(near.into_iter().all(|(a, b)| (a - b).abs() < 1e-5));
                    }
                }
            }
        }
    }
}
