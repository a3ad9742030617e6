//! Pieces of work made ahead of who takes them, in order.
//!
//! Plain threads make whole pieces in turn, thread `t` of `n` every `n`-th from `t`, each with a
//! channel of its own, which is read in the same turn. Nothing else is shared, so that there is no
//! pool to compete with the one in which a processor backend runs its kernels, and a machine of two
//! cores gives exactly one of them to this.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

/// Half of the processor's cores, for the step needs the other half where it runs on the same
/// processor, and at most eight, which keep up with a large GPU.
pub fn default_threads() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get() / 2).clamp(1, 8)
}

/// How many pieces each of so many threads has ahead of the one that it makes: two or three in all
/// are enough.
fn spare(threads: usize) -> usize {
    [2, 1].get(threads - 1).copied().unwrap_or(0)
}

/// Batches that are there at once: made, in the making, and the one on the device.
pub fn batches_held() -> usize {
    let threads = default_threads();
    threads * (1 + spare(threads)) + 2
}

/// The pieces of some turns, in order. The work ends when it is dropped.
pub struct Ahead<T> {
    workers: Vec<Worker<T>>,
    stop: Arc<AtomicBool>,
    /// Pieces taken so far.
    taken: usize,
    remaining: usize,
}

struct Worker<T> {
    pieces: Receiver<T>,
    thread: JoinHandle<()>,
}

impl<T: Send + 'static> Ahead<T> {
    /// Begins to make a piece for each of `turns` on so many threads, at least one. `worker` gives
    /// what a thread makes them by: it may give none once it sees that it is told to stop.
    pub fn new<W>(turns: Range<usize>, threads: usize, mut worker: impl FnMut() -> W) -> Self
    where
        W: FnMut(usize, &AtomicBool) -> Option<T> + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let remaining = turns.len();
        let threads = threads.clamp(1, remaining.max(1));
        let workers = (0..threads).map(|turn| {
            let (made, pieces) = sync_channel(spare(threads));
            let own = (turns.start + turn..turns.end).step_by(threads);
            let (mut make, stop) = (worker(), Arc::clone(&stop));
            let work = move || {
                for turn in own {
                    // The other side is gone when all was dropped.
                    let Some(piece) = make(turn, &stop) else { return };
                    if made.send(piece).is_err() {
                        return;
                    }
                }
            };
            Worker { pieces, thread: thread::spawn(work) }
        });
        Ahead { workers: workers.collect(), stop, taken: 0, remaining }
    }
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.remaining = self.remaining.checked_sub(1)?;
        let turn = self.taken % self.workers.len();
        self.taken += 1;
        if let Ok(piece) = self.workers[turn].pieces.recv() {
            return Some(piece);
        }
        // A worker that still owes pieces ends early only by a panic, which goes on here.
        self.remaining = 0;
        match self.workers.swap_remove(turn).thread.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => unreachable!("a worker has ended before its last piece"),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl<T> ExactSizeIterator for Ahead<T> {}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for Worker { pieces, thread } in self.workers.drain(..) {
            // A worker that waits for room in its channel is woken by the end of it.
            drop(pieces);
            // Its panic, if any, has been met in `next` or concerns a piece nobody asked for.
            let _ = thread.join();
        }
    }
}
