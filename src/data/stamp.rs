//! By what a file is known to be the same.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// A file's length, when it was last written, and where the system says so which file it is: two of
/// one length and time may have changed their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub bytes: u64,
    /// In seconds and nanoseconds of Unix time.
    written: (u64, u32),
    /// The number of the file on its disk.
    number: Option<u64>,
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
        #[cfg(unix)]
        let number = Some(std::os::unix::fs::MetadataExt::ino(metadata));
        #[cfg(not(unix))]
        let number = None;
        Ok(Stamp { bytes: metadata.len(), written, number })
    }
}

/// A [`Stamp`], and where the system says so when anything of the file was last changed: one that was written to and given its old time again is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    stamp: Stamp,
    /// In seconds and nanoseconds.
    changed: Option<(i64, i64)>,
}

impl Identity {
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        #[cfg(unix)]
        let changed = {
            use std::os::unix::fs::MetadataExt as _;

            Some((metadata.ctime(), metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let changed = None;
        Ok(Identity { stamp: Stamp::from(&metadata)?, changed })
    }
}
