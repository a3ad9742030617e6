//! By what a file is known to be the same.

use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// A file's length, and when it was last written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub bytes: u64,
    /// In seconds and nanoseconds of Unix time.
    written: (u64, u32),
}

impl Stamp {
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let written = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let written = (written.as_secs(), written.subsec_nanos());
        Ok(Stamp { bytes: metadata.len(), written })
    }
}
