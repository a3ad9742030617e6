//! By what a file is known to be the same.

use std::fs::{self, Metadata};
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
    /// Of what is a file: a pipe of its name would be waited for without end.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        match metadata.is_file() {
            true => Stamp::from(&metadata),
            false => Err(io::Error::other("it is no file")),
        }
    }

    fn from(metadata: &Metadata) -> io::Result<Self> {
        let written = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let written = (written.as_secs(), written.subsec_nanos());
        Ok(Stamp { bytes: metadata.len(), written })
    }
}

/// A [`Stamp`], and where the system says so which file it is and when anything of it was last
/// changed: one that was written to and given its old time again is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    stamp: Stamp,
    /// The number of the file on its disk, and the time in seconds and nanoseconds.
    own: Option<(u64, i64, i64)>,
}

impl Identity {
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        #[cfg(unix)]
        let own = {
            use std::os::unix::fs::MetadataExt as _;

            Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let own = None;
        Ok(Identity { stamp: Stamp::from(&metadata)?, own })
    }
}
