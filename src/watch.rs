//! Work that takes a while: whoever waits for it is told how far it is, and may ask it to stop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::interrupt::{Interrupt, Interrupted};

/// How far a piece of work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// In the form `reading cifar10`.
    pub what: String,
    pub done: u64,
    /// Where it is known.
    pub total: Option<u64>,
    pub unit: Counted,
}

/// What [`Work`] is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Bytes,
    Images,
    Files,
    Steps,
    /// That pass while nothing is done.
    Seconds,
}

/// Milliseconds between two tidings of one piece of work.
const EVERY: u64 = 100;

/// Whoever waits.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    interrupt: &'a Interrupt,
    /// Told how far the work is; `None` at its end.
    tell: &'a (dyn Fn(Option<Work>) + Sync),
}

impl<'a> Watch<'a> {
    pub fn new(interrupt: &'a Interrupt, tell: &'a (dyn Fn(Option<Work>) + Sync)) -> Self {
        Watch { interrupt, tell }
    }

    /// Whether to go on.
    pub fn check(&self) -> Result<(), Interrupted> {
        self.interrupt.check()
    }

    /// Begins a piece of work of which `done` is done already.
    pub fn start(&self, what: String, done: u64, total: Option<u64>, unit: Counted) -> Task<'a> {
        let begun = Work { what, done, total, unit };
        (self.tell)(Some(begun.clone()));
        let (done, told) = (AtomicU64::new(done), AtomicU64::new(0));
        Task { watch: *self, begun, done, told, started: Instant::now() }
    }
}

/// A piece of work under way, by any number of threads. It ends when it is dropped.
pub struct Task<'a> {
    watch: Watch<'a>,
    begun: Work,
    done: AtomicU64,
    /// When it was last told of, in milliseconds after the start.
    told: AtomicU64,
    started: Instant,
}

impl Task<'_> {
    /// So much more is done. Says whether to go on.
    pub fn advance(&self, more: u64) -> Result<(), Interrupted> {
        self.tell(self.done.fetch_add(more, Ordering::Relaxed) + more);
        self.watch.check()
    }

    /// So much is done in all: less than before where the work had to begin again.
    pub fn set(&self, done: u64) -> Result<(), Interrupted> {
        self.done.store(done, Ordering::Relaxed);
        self.tell(done);
        self.watch.check()
    }

    fn tell(&self, done: u64) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let told = self.told.load(Ordering::Relaxed);
        let due = now.saturating_sub(told) >= EVERY;
        // Of several threads one tells.
        let first = |told| {
            self.told.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        if due && first(told) {
            (self.watch.tell)(Some(Work { done, ..self.begun.clone() }));
        }
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        (self.watch.tell)(None);
    }
}

#[cfg(test)]
pub mod testing {
    use std::sync::LazyLock;

    use super::*;

    static NEVER: LazyLock<Interrupt> = LazyLock::new(Interrupt::default);

    /// A watch that lets every work go on and hears nothing.
    pub fn unwatched() -> Watch<'static> {
        Watch::new(&NEVER, &|_| {})
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn the_start_and_the_end_are_told_and_a_request_is_heeded() {
        let (interrupt, told) = (Interrupt::default(), Mutex::new(Vec::new()));
        let tell = |work: Option<Work>| told.lock().unwrap().push(work.map(|work| work.done));
        let watch = Watch::new(&interrupt, &tell);
        let task = watch.start("reading".to_owned(), 3, Some(10), Counted::Images);
        assert_eq!(task.advance(1), Ok(()));
        interrupt.request();
        assert_eq!(task.set(5), Err(Interrupted));
        drop(task);
        assert_eq!(*told.lock().unwrap(), [Some(3), None]);
    }
}
