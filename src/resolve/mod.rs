//! Files to modules: every `use` followed, every imported name bound.

mod library;
mod modules;

pub use library::embedded;
pub use modules::{Item, Module, ModuleId, Program, load};

use std::path::{Path, PathBuf};

/// Where user files are read from. The front half itself touches no disk.
pub trait Files {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>>;
}

/// Files in memory, for tests and editors.
impl Files for std::collections::BTreeMap<PathBuf, Vec<u8>> {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        self.get(path).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}
