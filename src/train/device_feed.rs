//! Batches whose views are made where the step is computed.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::feed::{Feed, Places};
use crate::data::loader::Loader;
use crate::device::Array;
use crate::objective::{Inputs, Phases};
use crate::random::Key;

/// The bytes of all images lie on the device, and whole batches of views are made there from the
/// lots that the processor's views are made from: both are the same within rounding.
pub struct DeviceFeed {
    loader: Loader,
    device: Device,
    places: Places,
    /// `[examples, 3 * height * width]`, of the split alone.
    images: Tensor<2, Int>,
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
        let places = Places::of(&loader);
        DeviceFeed { loader, device, places, images }
    }

    /// The bytes that its images take on the device.
    pub fn size(loader: &Loader) -> u64 {
        (loader.examples.len() * 3 * loader.images.height * loader.images.width) as u64
    }

    fn inputs(&self, epoch: u64, examples: &[u32]) -> Inputs {
        let Loader { images, views, normalization, .. } = &self.loader;
        let (n, size) = (examples.len(), [images.height, images.width]);
        let index = Array::from_whole(self.places.of_all(examples), &self.device);
        let own = self.images.clone().select(0, index.whole::<1>());
        let own = own.reshape([n, 3, size[0], size[1]]).float() / 255.0;
        let made = views.iter().enumerate().map(|(view, recipe)| {
            let key = |example: &u32| self.loader.view_key(epoch, *example, view);
            let keys: Vec<Key> = examples.iter().map(key).collect();
            recipe.render_batch(own.clone(), &keys, normalization).into()
        });
        let made: Vec<Array> = made.collect();
        let labels = examples.iter().map(|own| i64::from(images.labels[*own as usize]));
        Inputs { views: made, labels: Array::from_whole(labels, &self.device), index }
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
        let order = self.loader.order(epoch);
        let inputs = move |turn| self.inputs(epoch, &order[self.loader.part_of(turn)]);
        Box::new((first..self.batches()).map(inputs))
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
