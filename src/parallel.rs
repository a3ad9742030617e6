//! Work on all cores in the front half, which has nothing of the tensor library.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// As much as the first thread of a process has on most systems.
const STACK: usize = 8 << 20;

/// What `work` makes of each of the items, in their order.
pub fn map<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    // To ask for the number of cores opens several files.
    if let [only] = items {
        return vec![work(only)];
    }
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let mut done = thread::scope(|scope| {
        // A thread that cannot be had leaves its part to the others.
        let helper = || thread::Builder::new().stack_size(STACK).spawn_scoped(scope, some).ok();
        let helpers: Vec<_> = (1..cores).filter_map(|_| helper()).collect();
        let mut done = some();
        for helper in helpers {
            done.extend(helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        let doubled = super::map(&items, |item| item * 2);
        assert!(doubled.iter().enumerate().all(|(index, own)| *own == index * 2));
        assert!(super::map(&[] as &[usize], |item| *item).is_empty());
    }
}
