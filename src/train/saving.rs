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
        Saving { step, thread: Some(thread::spawn(move || saver.save(&checkpoint))) }
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

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::store::Store;

    #[test]
    fn what_is_written_meanwhile_is_there_at_its_end_or_why_it_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        let stage = store.stage("ab");
        let mut partial = stage.begin(stage.lock("me").expect("a lock")).expect("a stage");
        partial.log(&json!({ "step": 1 })).expect("room");
        let checkpoint = |step| Checkpoint { step, ..Checkpoint::default() };
        let saving = Saving::start(partial.saver().expect("a log"), checkpoint(1));
        assert_eq!(saving.end().expect("room"), 1);
        let loaded = Checkpoint::load(&mut partial).expect("it is whole").expect("it is there");
        assert_eq!(loaded.checkpoint, checkpoint(1));
        // Whoever waits is told; whoever does not, waits all the same.
        let saver = partial.saver().expect("a log");
        fs::remove_dir_all(partial.folder()).expect("a folder of this test");
        let saving = Saving::start(saver, checkpoint(2));
        assert_eq!(
            saving.end().expect_err("there is no folder").finding().name,
            "store-unwritable"
        );
        drop(Saving::start(partial.saver().expect("a log"), checkpoint(3)));
    }
}
