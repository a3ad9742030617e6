//! Which files a folder holds.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::{Counts, FolderError};
use crate::data::error::DataError;
use crate::watch::Watch;

/// What the folders of the two parts may be called; the first that is there counts.
const TRAIN: &[&str] = &["train"];
const TEST: &[&str] = &["val", "test"];

/// How pictures end that are read, and pictures that are not. What ends otherwise is no picture.
const READ: &[&str] = &["jpg", "jpeg", "jpe", "jfif", "png"];
const NOT_READ: &[&str] = &[
    "avif", "bmp", "gif", "heic", "heif", "jp2", "jxl", "pbm", "pgm", "ppm", "tga", "tif", "tiff",
    "webp",
];

/// Deeper than this nobody lays pictures.
const DEEPEST: usize = 16;

/// The pictures of a folder, each part in the order of the classes and of their files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// In their order, by the byte.
    pub classes: Vec<String>,
    pub train: Vec<Entry>,
    pub test: Vec<Entry>,
}

/// A file of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// From the folder on.
    pub path: PathBuf,
    pub class: u32,
    /// Its length.
    pub bytes: u64,
    /// When it was last written, in seconds and nanoseconds of Unix time.
    pub written: (u64, u32),
}

impl Listing {
    /// Lists a folder, which is there. Its pictures are not opened.
    pub fn of(root: &Path, watch: Watch<'_>) -> Result<Self, DataError> {
        let train = part(root, TRAIN)?;
        let test = part(root, TEST)?;
        let mut classes = Vec::new();
        for class in sorted(&train)? {
            if class.is_dir() {
                classes.push(name(&class));
            } else if extension(&class).is_some() {
                return Err(FolderError::NoClass { picture: class }.into());
            }
        }
        let mut listing = Listing { classes, train: Vec::new(), test: Vec::new() };
        let mut not_read = Vec::new();
        for (label, class) in (0..).zip(&listing.classes) {
            watch.check()?;
            let at = Walk { root, class: label };
            let folder = train.join(class);
            at.walk(&folder, 0, &mut listing.train, &mut not_read)?;
            if listing.train.last().is_none_or(|last| last.class != label) && not_read.is_empty() {
                return Err(FolderError::EmptyClass { folder }.into());
            }
        }
        for folder in sorted(&test)? {
            watch.check()?;
            if !folder.is_dir() {
                match extension(&folder) {
                    Some(_) => return Err(FolderError::NoClass { picture: folder }.into()),
                    None => continue,
                }
            }
            let class = listing.classes.binary_search(&name(&folder));
            let Ok(class) = class else { return Err(FolderError::OtherClass { folder }.into()) };
            // There are fewer classes than files, of which there are fewer than `u32::MAX`.
            let at = Walk { root, class: class as u32 };
            at.walk(&folder, 0, &mut listing.test, &mut not_read)?;
        }
        let count = not_read.len();
        match not_read.into_iter().next() {
            Some(first) => Err(FolderError::Format { first, count }.into()),
            None => Ok(listing),
        }
    }

    pub fn counts(&self) -> Counts {
        let Listing { classes, train, test } = self;
        Counts { classes: classes.len(), train: train.len(), test: test.len() }
    }
}

/// A class that is listed.
struct Walk<'a> {
    root: &'a Path,
    class: u32,
}

impl Walk<'_> {
    /// Adds the pictures in a folder, and in the folders that lie in it.
    fn walk(
        &self,
        folder: &Path,
        depth: usize,
        found: &mut Vec<Entry>,
        not_read: &mut Vec<PathBuf>,
    ) -> Result<(), DataError> {
        if depth > DEEPEST {
            return Err(FolderError::TooDeep { folder: folder.to_owned() }.into());
        }
        for path in sorted(folder)? {
            match extension(&path) {
                // Only what may be a folder is asked whether it is one.
                None if path.is_dir() => self.walk(&path, depth + 1, found, not_read)?,
                None => {}
                Some(false) => not_read.push(path),
                Some(true) => found.push(self.entry(path)?),
            }
        }
        Ok(())
    }

    fn entry(&self, path: PathBuf) -> Result<Entry, DataError> {
        let (bytes, written) = stamp(&path).map_err(DataError::io("read", &path))?;
        // It was found in the root.
        let path = path.strip_prefix(self.root).unwrap_or(&path).to_owned();
        Ok(Entry { path, class: self.class, bytes, written })
    }
}

/// By what a file is known to be the same: its length, and when it was last written.
pub fn stamp(path: &Path) -> io::Result<(u64, (u64, u32))> {
    let metadata = fs::metadata(path)?;
    let written = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), (written.as_secs(), written.subsec_nanos())))
}

fn part(root: &Path, names: &'static [&'static str]) -> Result<PathBuf, DataError> {
    let found = names.iter().map(|name| root.join(name)).find(|folder| folder.is_dir());
    found.ok_or_else(|| FolderError::NoPart { folder: root.to_owned(), names }.into())
}

/// What lies in a folder, sorted by name, without what is hidden.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>);
    let entries = entries.map_err(DataError::io("read", folder))?;
    let shown = entries.iter().filter(|own| !own.file_name().as_encoded_bytes().starts_with(b"."));
    let mut paths: Vec<PathBuf> = shown.map(DirEntry::path).collect();
    if let Some(path) = paths.iter().find(|path| path.file_name().is_some_and(is_no_text)) {
        return Err(FolderError::Name { path: path.clone() }.into());
    }
    paths.sort_unstable();
    Ok(paths)
}

fn is_no_text(name: &OsStr) -> bool {
    name.to_str().is_none()
}

/// Whether a name ends like that of a picture, and then whether it is one that is read.
fn extension(path: &Path) -> Option<bool> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match READ.contains(&extension.as_str()) {
        true => Some(true),
        false => NOT_READ.contains(&extension.as_str()).then_some(false),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
