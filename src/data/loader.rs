//! Batches of views, made ahead of the step that trains on them.
//!
//! Batches are pure functions of the loader and their place in the epoch: neither the number of
//! threads nor an interruption changes a bit of them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ahead::Ahead;
use super::images::Images;
use crate::augment::Normalization;
use crate::augment::{Augmentation, Canvas};
use crate::device::Processes;
use crate::random::Key;

/// Examples of a batch, each seen in one or more views.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// `[n]`, positions in the dataset.
    pub indices: Vec<u32>,
    /// `[n]`
    pub labels: Vec<u32>,
    /// For each view `[n, 3, height, width]`, normalised.
    pub views: Vec<Vec<f32>>,
    /// Height and width of each view.
    pub sizes: Vec<[usize; 2]>,
}

/// Makes the batches of every epoch.
#[derive(Clone)]
pub struct Loader {
    pub images: Arc<Images>,
    /// Which of the images are used, by position.
    pub examples: Arc<Vec<u32>>,
    /// The recipe of each view of an example.
    pub views: Vec<Arc<Augmentation>>,
    pub normalization: Normalization,
    /// Examples in a batch, at least 1: in that of all processes.
    pub batch: usize,
    /// Of each batch this process makes its own part.
    pub processes: Processes,
    /// All that is random follows from it.
    pub key: Key,
    /// Threads that make batches, at least 1; see [`super::ahead::default_threads`].
    pub threads: usize,
}

impl Loader {
    /// Batches in an epoch, all of them full.
    pub fn batches(&self) -> usize {
        crate::term::batches(self.examples.len(), self.batch)
    }

    /// The examples in the order of that epoch.
    pub fn order(&self, epoch: u64) -> Vec<u32> {
        let mut order = self.examples.to_vec();
        self.key.named("order").fold(epoch).stream().shuffle(&mut order);
        order
    }

    /// These examples with the views that the epoch has of them.
    pub fn of(&self, epoch: u64, examples: &[u32]) -> Batch {
        let mut batch = Batch::default();
        let never = AtomicBool::new(false);
        self.fill(self.views_key(epoch), examples, &mut Canvas::new(), &mut batch, &never);
        batch
    }

    /// Examples of a batch that this process has.
    pub fn rows(&self) -> usize {
        self.processes.part(self.batch).len()
    }

    /// Where they stand in the order of an epoch, for batch `turn`. Batches are full.
    pub fn part_of(&self, turn: usize) -> Range<usize> {
        let (start, part) = (turn * self.batch, self.processes.part(self.batch));
        start + part.start..start + part.end
    }

    /// From what a view of an example follows in an epoch.
    pub fn view_key(&self, epoch: u64, example: u32, view: usize) -> Key {
        of_view(self.views_key(epoch), example, view)
    }

    fn views_key(&self, epoch: u64) -> Key {
        self.key.named("views").fold(epoch)
    }

    /// The batches of an epoch from `first_batch` on, which is how an interrupted epoch goes on.
    ///
    /// Work starts at once and goes on in the background, a few batches ahead of the caller; it
    /// ends when the iterator is dropped.
    pub fn epoch(&self, epoch: u64, first_batch: usize) -> Ahead<Batch> {
        let order = Arc::new(self.order(epoch));
        let views_key = self.views_key(epoch);
        Ahead::new(first_batch..self.batches(), self.threads, || {
            let (loader, order, mut canvas) = (self.clone(), Arc::clone(&order), Canvas::new());
            move |turn, stop| {
                let examples = &order[loader.part_of(turn)];
                let mut batch = Batch::default();
                loader.fill(views_key, examples, &mut canvas, &mut batch, stop).then_some(batch)
            }
        })
    }

    /// Makes the views of `examples` into `batch`; false when told to stop halfway.
    fn fill(
        &self,
        views_key: Key,
        examples: &[u32],
        canvas: &mut Canvas,
        batch: &mut Batch,
        stop: &AtomicBool,
    ) -> bool {
        let Loader { images, normalization, views, .. } = self;
        let size = |recipe: &Arc<Augmentation>| recipe.output_size(images.height, images.width);
        batch.sizes.clear();
        batch.sizes.extend(views.iter().map(size));
        batch.indices.clear();
        batch.indices.extend_from_slice(examples);
        batch.labels.clear();
        batch.labels.extend(examples.iter().map(|&example| images.labels[example as usize]));
        batch.views.resize_with(views.len(), Vec::new);
        let volume = |[height, width]: [usize; 2]| 3 * height * width;
        for (view, size) in batch.views.iter_mut().zip(&batch.sizes) {
            view.resize(examples.len() * volume(*size), 0.0);
        }
        for (row, &example) in examples.iter().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            let image = images.at(example as usize);
            let parts = batch.views.iter_mut().zip(&batch.sizes).zip(views);
            for (view, ((out, size), recipe)) in parts.enumerate() {
                let out = &mut out[row * volume(*size)..][..volume(*size)];
                let key = of_view(views_key, example, view);
                recipe.render(image, key, normalization, canvas, out);
            }
        }
        true
    }
}

/// From what a view of an example follows, given what all views of an epoch follow from.
fn of_view(views_key: Key, example: u32, view: usize) -> Key {
    views_key.fold(u64::from(example)).fold(view as u64)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::augment::PER_VIEW;
    use crate::term::{Args, Call, Term};

    const NORMALIZATION: Normalization = Normalization { mean: [0.5; 3], std: [0.25; 3] };

    fn images(count: usize) -> Images {
        let pixels: Vec<u8> = (0..count * 3 * 36).map(|i| (i * i / 7 + i) as u8).collect();
        let labels = (0..count).map(|i| (i % 10) as u32).collect();
        Images::new(pixels, labels, [6, 6])
    }

    fn call(name: &str, args: &[(&str, Term)]) -> Term {
        let args = args.iter().map(|(name, value)| (name.to_string(), value.clone()));
        Term::Call(Call { name: name.into(), args: Args(args.collect()) })
    }

    fn crop(size: i64) -> Term {
        Term::Chain(vec![
            call("random_crop", &[("size", Term::Int(size)), ("padding", Term::Int(1))]),
            call("random_horizontal_flip", &[("probability", Term::Percent(50.0))]),
        ])
    }

    fn loader() -> Loader {
        Loader {
            images: Arc::new(images(50)),
            // Part of the images, so that a place in the list is no place in the dataset.
            examples: Arc::new((2..50).collect()),
            views: Augmentation::of_views(&crop(5), 2),
            normalization: NORMALIZATION,
            batch: 8,
            processes: Processes::ONE,
            key: Key::root(1),
            threads: 1,
        }
    }

    /// Each example of an epoch with its label and views.
    fn examples(loader: &Loader, epoch: u64) -> Vec<(u32, u32, Vec<Vec<f32>>)> {
        let volume = 3 * 5 * 5;
        let of = |batch: Batch| {
            (0..batch.indices.len()).map(move |row| {
                let views = batch.views.iter();
                let views = views.map(|view| view[row * volume..][..volume].to_vec()).collect();
                (batch.indices[row], batch.labels[row], views)
            })
        };
        loader.epoch(epoch, 0).flat_map(of).collect()
    }

    #[test]
    fn threads_and_batch_size_change_nothing_but_speed() {
        let expected = examples(&loader(), 4);
        assert_eq!(expected.len(), 48);
        for (threads, batch) in [(1, 48), (2, 8), (3, 6), (5, 1), (64, 16)] {
            let found = examples(&Loader { threads, batch, ..loader() }, 4);
            assert_eq!(found, expected, "{threads} threads, batches of {batch}");
        }
    }

    #[test]
    fn an_epoch_goes_on_where_it_was_interrupted() {
        for threads in [1, 2, 3] {
            let loader = Loader { threads, ..loader() };
            let whole: Vec<Batch> = loader.epoch(2, 0).collect();
            for first in 0..=whole.len() + 1 {
                let rest: Vec<Batch> = loader.epoch(2, first).collect();
                assert_eq!(rest, whole[first.min(whole.len())..]);
            }
        }
    }

    #[test]
    fn examples_alone_have_the_views_of_their_batch() {
        let loader = loader();
        let batch = loader.epoch(2, 1).next().expect("a second batch");
        assert_eq!(loader.of(2, &batch.indices), batch);
        assert_ne!(loader.of(1, &batch.indices).views, batch.views);
    }

    #[test]
    fn batches_hold_what_they_say() {
        let loader = loader();
        let batches: Vec<Batch> = loader.epoch(0, 0).collect();
        assert_eq!(batches.len(), loader.batches());
        assert_eq!(batches.last().map(|batch| batch.indices.len()), Some(8));
        for batch in &batches {
            assert_eq!(batch.sizes, [[5, 5]; 2]);
            assert_eq!(batch.views.len(), 2);
            assert_ne!(batch.views[0], batch.views[1]);
            for view in &batch.views {
                assert_eq!(view.len(), batch.indices.len() * 3 * 5 * 5);
            }
            for (&index, &label) in batch.indices.iter().zip(&batch.labels) {
                assert_eq!(label, loader.images.labels[index as usize]);
            }
        }
    }

    /// Multi-crop: the large views are as they are without small ones after them.
    #[test]
    fn each_view_has_its_own_recipe_and_size() {
        let args = [("first", crop(5)), ("others", crop(3)), ("count", Term::Int(2))];
        let views = Augmentation::of_views(&call(PER_VIEW, &args), 5);
        let with_small = Loader { views, ..loader() };
        for (both, large) in with_small.epoch(0, 0).zip(loader().epoch(0, 0)) {
            assert_eq!(both.sizes, [[5, 5], [5, 5], [3, 3], [3, 3], [3, 3]]);
            assert_eq!(both.views[..2], large.views);
            assert!(both.views[2..].iter().all(|view| view.len() == 8 * 3 * 3 * 3));
            assert_ne!(both.views[2], both.views[3]);
        }
    }

    #[test]
    fn every_epoch_takes_each_example_once_in_another_order() {
        let loader = loader();
        let orders = [0, 1].map(|epoch| loader.order(epoch));
        assert_ne!(orders[0], orders[1]);
        assert_ne!(orders[0], *loader.examples);
        for (epoch, order) in orders.into_iter().enumerate() {
            let taken = loader.epoch(epoch as u64, 0).flat_map(|batch| batch.indices);
            assert_eq!(taken.collect::<Vec<_>>(), order);
            let mut sorted = order;
            sorted.sort_unstable();
            assert_eq!(sorted, *loader.examples);
        }
    }

    #[test]
    fn views_differ_by_epoch_and_key_and_not_by_subset() {
        let sorted = |loader: &Loader, epoch| {
            let mut examples = examples(loader, epoch);
            examples.sort_by_key(|example| example.0);
            examples
        };
        let first = sorted(&loader(), 0);
        assert_ne!(first, sorted(&loader(), 1));
        assert_ne!(first, sorted(&Loader { key: Key::root(2), ..loader() }, 0));
        let few = Loader { examples: Arc::new(vec![2, 3, 4]), batch: 1, ..loader() };
        assert_eq!(first[..3], sorted(&few, 0));
    }

    #[test]
    fn an_incomplete_batch_is_left_out() {
        let loader = Loader { batch: 9, ..loader() };
        assert_eq!(loader.batches(), 5);
        assert!(loader.epoch(0, 0).all(|batch| batch.indices.len() == 9));
        let few = Loader { batch: 49, ..loader };
        assert_eq!((few.batches(), few.epoch(0, 0).count()), (0, 0));
    }

    #[test]
    fn processes_make_the_parts_of_one_batch() {
        let whole: Vec<Batch> = loader().epoch(3, 0).collect();
        let part = |rank| Loader { processes: Processes { rank, size: 3 }, ..loader() };
        let parts: Vec<Vec<Batch>> = (0..3).map(|rank| part(rank).epoch(3, 0).collect()).collect();
        for (index, batch) in whole.iter().enumerate() {
            let of = |rank: usize| &parts[rank][index];
            let indices: Vec<u32> = (0..3).flat_map(|rank| of(rank).indices.clone()).collect();
            assert_eq!(indices, batch.indices);
            let view: Vec<f32> = (0..3).flat_map(|rank| of(rank).views[1].clone()).collect();
            assert_eq!(view, batch.views[1]);
        }
    }

    #[test]
    fn dropping_the_iterator_ends_its_threads() {
        for threads in [1, 3] {
            let loader = Loader { threads, batch: 1, ..loader() };
            let mut batches = loader.epoch(0, 0);
            batches.next();
            assert!(Arc::strong_count(&loader.images) > 1);
            drop(batches);
            assert_eq!(Arc::strong_count(&loader.images), 1);
        }
    }

    #[test]
    fn a_fault_in_a_thread_reaches_the_caller() {
        let examples = Arc::new(vec![7, 1000]);
        let loader = Loader { examples, batch: 1, threads: 2, ..loader() };
        let count = AssertUnwindSafe(|| loader.epoch(0, 0).count());
        assert!(catch_unwind(count).is_err());
    }
}
