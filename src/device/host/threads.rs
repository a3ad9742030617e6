//! The threads that kernels of the processor run on.

use std::sync::{Mutex, PoisonError};

/// Those of the backend that holds the tensors: other threads would be in the way of its own, which
/// wait for work on their cores.
#[derive(Clone, Copy, Debug)]
pub struct Threads {
    pub count: fn() -> usize,
    /// Calls a function once with each number below the first, in any order, on several at once.
    pub each: fn(usize, &(dyn Fn(usize) + Sync)),
}

impl Threads {
    /// Those of this program.
    #[cfg(any(feature = "flex", test))]
    pub const OWN: Threads = Threads {
        count: rayon::current_num_threads,
        each: |count, work| {
            use rayon::prelude::*;
            (0..count).into_par_iter().for_each(work);
        },
    };

    /// Calls `work` with each of the items, and which it is.
    pub fn run<I: Send>(self, items: impl IntoIterator<Item = I>, work: impl Fn(usize, I) + Sync) {
        let items: Vec<Mutex<Option<I>>> =
            items.into_iter().map(|item| Mutex::new(Some(item))).collect();
        (self.each)(items.len(), &|index| {
            let item = items[index].lock().unwrap_or_else(PoisonError::into_inner).take();
            work(index, item.expect("each is taken once"));
        });
    }

    /// What `work` makes of each number below `count`, in their order.
    pub fn map<T: Send>(self, count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let mut made: Vec<Option<T>> = (0..count).map(|_| None).collect();
        self.run(made.iter_mut(), |index, place| *place = Some(work(index)));
        made.into_iter().map(|own| own.expect("each is made")).collect()
    }
}
