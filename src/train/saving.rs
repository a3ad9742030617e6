//! A checkpoint on its way to the disk, while the training goes on.

use std::panic::resume_unwind;
use std::thread::{self, JoinHandle};

use crate::store::checkpoint::{Checkpoint, Saver};
use crate::store::error::RunError;

/// Whoever drops it waits for its end.
pub struct Saving {
    step: u64,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl Saving {
    pub fn start(saver: Saver, checkpoint: Checkpoint) -> Self {
        let step = checkpoint.step;
        let thread = thread::spawn(move || saver.save(&checkpoint));
        Saving { step, thread: Some(thread) }
    }

    /// Whether nothing has to be waited for.
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the end of it. Gives the step after which the state was so.
    pub fn end(mut self) -> Result<u64, RunError> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => resume_unwind(panic),
            Some(Ok(Err(error))) => Err(error),
            Some(Ok(Ok(()))) | None => Ok(self.step),
        }
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        // Only where the training has failed of something else, which is told.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
