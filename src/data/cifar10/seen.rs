//! Batches that were found to be whole before.
//!
//! A folder's files are hashed once. While they are the same they are mapped as they lie there, and
//! their labels are those that were noted then.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::{Advice, Mmap};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{BATCHES, CLASSES, Form, Release, SIDE};
use crate::data::images::{Bytes, Images};
use crate::data::stamp::Identity;

/// A folder of batches in the binary form.
pub struct Folder<'a> {
    release: &'a Release,
    path: &'a Path,
    /// What is known of it.
    note: PathBuf,
}

/// The files of a folder when they were read, and the labels in them.
#[derive(Serialize, Deserialize)]
struct Note {
    files: Vec<Identity>,
    /// `[batches * count]`, each a byte in a record.
    labels: Vec<u8>,
}

impl<'a> Folder<'a> {
    pub fn new(release: &'a Release, path: &'a Path, cache: &Path) -> Self {
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut hasher = blake3::Hasher::new();
        hasher.update(place.as_os_str().as_encoded_bytes());
        for batch in release.blake3 {
            hasher.update(batch.as_bytes());
        }
        let hash = &hasher.finalize().to_hex()[..16];
        Folder { release, path, note: cache.join("seen").join(format!("cifar10-{hash}.json")) }
    }

    /// What its files are now, where all are there.
    pub fn files(&self) -> Option<Vec<Identity>> {
        let files = Form::Binary.files();
        files.iter().map(|file| Identity::of(&self.path.join(file)).ok()).collect()
    }

    /// The training and the test images, where these files were found to be whole before.
    pub fn recall(&self, files: &[Identity]) -> Option<(Images, Images)> {
        let note = fs::read(&self.note).ok()?;
        let note: Note = serde_json::from_slice(&note).ok()?;
        let count = self.release.count;
        let are_labels = note.labels.iter().all(|label| *label < CLASSES);
        if note.files != files || note.labels.len() != BATCHES.len() * count || !are_labels {
            return None;
        }
        let batches: Option<Vec<Bytes>> =
            Form::Binary.files().iter().map(|file| self.map(&self.path.join(file))).collect();
        let (mut train, test) = (batches?, BATCHES.len() - 1);
        // What was put in their place before they were mapped is another copy.
        if self.files()? != files {
            return None;
        }
        let (of_train, of_test) = note.labels.split_at(test * count);
        let last = train.split_off(test);
        let images = |batches, labels: &[u8]| {
            let labels = labels.iter().map(|label| u32::from(*label)).collect();
            Images::of_records(batches, 1, labels, [SIDE, SIDE])
        };
        Some((images(train, of_train), images(last, of_test)))
    }

    fn map(&self, path: &Path) -> Option<Bytes> {
        let file = File::open(path).ok()?;
        // SAFETY: the bytes of a file that is written to while it is mapped change, and those of one
        // that is cut short end the process. A copy of a published dataset is taken for one that
        // stays as it is; what replaces it under its name is another file.
        let pixels = unsafe { Mmap::map(&file) }.ok()?;
        // All of it is going to be read, in no order. A system that cannot be told reads it as well.
        let _ = pixels.advise(Advice::WillNeed);
        let is_whole = pixels.len() as u64 == self.release.limit(Form::Binary);
        is_whole.then(|| Bytes::Mapped(Arc::new(pixels)))
    }

    /// Notes that these files were found to be whole. Where that cannot be written, they are looked
    /// at again.
    pub fn note(&self, files: Vec<Identity>, (train, test): &(Images, Images)) {
        // Each was read from a byte.
        let labels = train.labels.iter().chain(&test.labels).map(|label| *label as u8).collect();
        let Some(folder) = self.note.parent() else { return };
        let written = fs::create_dir_all(folder).and_then(|()| {
            let mut file = NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec(&Note { files, labels })?)?;
            file.persist(&self.note).map_err(|error| error.error)
        });
        drop(written);
    }
}
