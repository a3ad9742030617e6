//! Stages in progress.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::checkpoint::Saver;
use super::error::RunError;
use super::finished::{FAILURE, FORMAT, Finished, LOG, Lock, MANIFEST, StageStore};
use super::manifest::{Contents, Digest, Lineage, Manifest};
use super::{checkpoint, files};

/// A stage in progress, and the right to write it: nobody else has one for the same stage.
///
/// Dropped unfinished, it stays on the disk for the next [`StageStore::begin`].
#[derive(Debug)]
pub struct Partial {
    place: StageStore,
    folder: PathBuf,
    files: BTreeMap<String, Digest>,
    /// Open once this handle has logged or restored.
    log: Option<File>,
    /// The bytes of the log that count; what lies behind them came after the last checkpoint.
    log_len: u64,
    lineage: Option<Lineage>,
    _lock: Lock,
}

impl Partial {
    pub(super) fn new(place: StageStore, folder: PathBuf, lock: Lock) -> Self {
        let files = BTreeMap::new();
        Partial { place, folder, files, log: None, log_len: 0, lineage: None, _lock: lock }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps with the finished stage what it was made from.
    pub fn set_lineage(&mut self, lineage: Lineage) {
        self.lineage = Some(lineage);
    }

    /// Writes an output, replacing one of the same name: there whole or not at all.
    ///
    /// The outputs of a stage are what one handle has written: a stage that is taken up again
    /// writes all of them. Panics where the name is no plain file name or has another use.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let reserved = [MANIFEST, LOG, FAILURE, checkpoint::CURRENT, checkpoint::PREVIOUS];
        let is_free = files::is_plain(name) && !reserved.contains(&name);
        assert!(is_free, "`{name}` cannot name an output");
        let written = files::write_atomic(&self.folder, name, bytes);
        written.map_err(RunError::store_write(&self.folder.join(name)))?;
        self.files.insert(name.to_owned(), Digest::of(bytes));
        Ok(())
    }

    /// Appends one line of JSON to the stage's `metrics.jsonl`.
    ///
    /// The log is part of the result: nothing in a line may depend on the clock or on how often
    /// the stage was interrupted.
    pub fn log(&mut self, line: &impl Serialize) -> Result<(), RunError> {
        let path = self.folder.join(LOG);
        let mut text = serde_json::to_vec(line).map_err(|error| RunError::LogDamaged {
            path: path.clone(),
            what: error.to_string(),
        })?;
        text.push(b'\n');
        let log = self.open_log()?;
        log.write_all(&text).map_err(RunError::store_write(&path))?;
        self.log_len += text.len() as u64;
        Ok(())
    }

    /// How long the log is, in bytes: what a checkpoint keeps to have the log resume with it.
    pub fn log_len(&self) -> u64 {
        self.log_len
    }

    /// Takes up the log where a checkpoint left it, forgetting the lines that came after. A log
    /// that is not restored starts empty.
    pub(super) fn restore_log(&mut self, len: u64) -> Result<(), RunError> {
        let path = self.folder.join(LOG);
        let there = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(cause) => return Err(RunError::StoreUnreadable { path, cause }),
        };
        if there < len {
            let what = format!("{there} bytes are left of the {len} that the checkpoint knows");
            return Err(RunError::LogDamaged { path, what });
        }
        self.log = None;
        self.log_len = len;
        self.open_log().map(|_| ())
    }

    /// What writes a checkpoint of this stage.
    pub fn saver(&mut self) -> Result<Saver, RunError> {
        let path = self.folder.join(LOG);
        let log = self.open_log()?.try_clone().map_err(RunError::store_write(&path))?;
        Ok(Saver { folder: self.folder.clone(), log })
    }

    fn sync_log(&mut self) -> Result<(), RunError> {
        let path = self.folder.join(LOG);
        self.open_log()?.sync_all().map_err(RunError::store_write(&path))
    }

    fn open_log(&mut self) -> Result<&mut File, RunError> {
        let file = match self.log.take() {
            Some(file) => file,
            None => {
                let path = self.folder.join(LOG);
                let open = || -> io::Result<File> {
                    let file = File::options().create(true).append(true).open(&path)?;
                    file.set_len(self.log_len)?;
                    Ok(file)
                };
                open().map_err(RunError::store_write(&path))?
            }
        };
        Ok(self.log.insert(file))
    }

    /// Makes the stage a finished one, all at once.
    ///
    /// Checkpoints, and whatever else of an earlier attempt is not an output of this one, go.
    pub fn finish(mut self, result: Value) -> Result<Finished, RunError> {
        let target = self.place.folder();
        // Computed by somebody else between this run's look into the store and its start.
        if let Some(finished) = self.place.finished()? {
            self.log = None;
            let removed = fs::remove_dir_all(&self.folder);
            removed.map_err(RunError::store_write(&self.folder))?;
            return Ok(finished);
        }
        if self.log_len > 0 {
            self.sync_log()?;
            let path = self.folder.join(LOG);
            let bytes = fs::read(&path).map_err(RunError::store_read(&path))?;
            self.files.insert(LOG.into(), Digest::of(&bytes));
        }
        // An open file would keep some systems from renaming its folder.
        self.log = None;

        let key = self.place.key.clone();
        let (files, lineage) = (self.files, self.lineage.map(Box::new));
        let contents = Contents { format: FORMAT, key, files, result, lineage };
        let manifest = Manifest { blake3: contents.digest(), stage: contents };
        let text = serde_json::to_vec_pretty(&manifest).expect("JSON values and texts");
        let publish = || -> io::Result<()> {
            files::write_atomic(&self.folder, MANIFEST, &text)?;
            let damaged = self.place.root.join(format!("{}.damaged", self.place.key));
            if target.exists() {
                remove_folder_if_there(&damaged)?;
                fs::rename(&target, &damaged)?;
            }
            fs::rename(&self.folder, &target)?;
            files::sync_folder(&self.place.root)?;
            remove_folder_if_there(&damaged)
        };
        publish().map_err(RunError::store_write(&target))?;
        let finished = Finished { folder: target, contents: manifest.stage };
        finished.remove_leftovers();
        Ok(finished)
    }
}

fn remove_folder_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
