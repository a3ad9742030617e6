//! Files to modules: every `use` followed, every imported name bound.

pub mod catalog;
mod elsewhere;
mod facts;
pub mod imports;
mod library;
mod modules;

pub use elsewhere::here;
pub use facts::{architecture, examples, is_encoder, learned, loaded};
pub use library::{Declaration, constructor, declaration, declarations, path_of};
pub use modules::{Item, Module, ModuleId, Program, load, read};

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::syntax::parse::LARGEST;

/// Where user files are read from. The front half itself touches no disk.
pub trait Files {
    /// The bytes of a file. Of one that is larger than a program may be, any number of bytes that
    /// is too many.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Whether nothing is there to be read.
    fn is_missing(&self, path: &Path) -> bool;
}

/// Files in memory, for tests and editors.
impl Files for std::collections::BTreeMap<PathBuf, Vec<u8>> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn is_missing(&self, path: &Path) -> bool {
        !self.contains_key(path)
    }
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // Before it is opened: to open a pipe that nobody writes to is to wait for ever.
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        if is_channel(&metadata.file_type()) {
            let message = "it is a pipe or a socket, and no file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let mut bytes = Vec::new();
        // Devices such as /dev/zero have no end, and files may grow.
        std::fs::File::open(path)?.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn is_missing(&self, path: &Path) -> bool {
        // What may not be looked at is there, as far as can be told: reading it says what is wrong.
        let found = std::fs::metadata(path).map_err(|error| error.kind());
        matches!(found, Err(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
    }
}

/// Whether bytes arrive there from somebody else, who may never send any.
#[cfg(unix)]
fn is_channel(kind: &std::fs::FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    kind.is_fifo() || kind.is_socket()
}

#[cfg(not(unix))]
fn is_channel(_: &std::fs::FileType) -> bool {
    false
}
