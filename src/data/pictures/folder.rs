//! Folders of pictures, one for each class.
//!
//! A folder holds `train` and `val`, `validation`, `valid` or `test`, of which the first counts, and
//! in each of them a folder for every class.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{DEEPEST, Found, Layout, Picture, extension, sorted};
use super::{Counts, PictureError};
use crate::data::error::DataError;
use crate::watch::Watch;

/// What the folders of the two parts may be called; the first that is there counts.
const TRAIN: &[&str] = &["train"];
const TEST: &[&str] = &["val", "validation", "valid", "test"];

/// The pictures of a folder, each part in the order of the classes and of their files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// In their order, by the byte.
    pub classes: Vec<String>,
    pub train: Vec<Entry>,
    pub test: Vec<Entry>,
}

/// A file that is a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub file: Found,
    pub class: u32,
}

impl Entry {
    fn picture(&self) -> Picture<'_> {
        Picture { file: &self.file, member: None, class: self.class }
    }
}

impl Layout for Folder {
    const NAME: &str = "folder";

    fn list(root: &Path, watch: Watch<'_>) -> Result<Self, DataError> {
        let train = part(root, TRAIN)?;
        let test = part(root, TEST)?;
        let mut classes = Vec::new();
        for class in sorted(&train)? {
            if class.is_dir() {
                classes.push(name(&class));
            } else if extension(&class).is_some() {
                return Err(PictureError::NoClass { picture: class }.into());
            }
        }
        let mut listing = Folder { classes, train: Vec::new(), test: Vec::new() };
        let mut not_read = Vec::new();
        for (label, class) in (0..).zip(&listing.classes) {
            watch.check()?;
            let at = Walk { root, class: label };
            let folder = train.join(class);
            at.walk(&folder, 0, &mut listing.train, &mut not_read)?;
            if listing.train.last().is_none_or(|last| last.class != label) && not_read.is_empty() {
                return Err(PictureError::EmptyClass { folder }.into());
            }
        }
        for folder in sorted(&test)? {
            watch.check()?;
            if !folder.is_dir() {
                match extension(&folder) {
                    Some(_) => return Err(PictureError::NoClass { picture: folder }.into()),
                    None => continue,
                }
            }
            let class = listing.classes.binary_search(&name(&folder));
            let Ok(class) = class else { return Err(PictureError::OtherClass { folder }.into()) };
            // There are fewer classes than files, of which there are fewer than `u32::MAX`.
            let at = Walk { root, class: class as u32 };
            at.walk(&folder, 0, &mut listing.test, &mut not_read)?;
        }
        let count = not_read.len();
        match not_read.into_iter().next() {
            Some(first) => Err(PictureError::Format { first, count }.into()),
            None => Ok(listing),
        }
    }

    fn counts(&self) -> Option<Counts> {
        let Folder { classes, train, test } = self;
        Some(Counts { classes: classes.len(), train: train.len(), test: test.len() })
    }

    fn pictures(&self, _: &Path, _: Watch<'_>) -> Result<[Vec<Picture<'_>>; 2], DataError> {
        Ok([&self.train, &self.test].map(|part| part.iter().map(Entry::picture).collect()))
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
            return Err(PictureError::TooDeep { folder: folder.to_owned() }.into());
        }
        for path in sorted(folder)? {
            match extension(&path) {
                // Only what may be a folder is asked whether it is one.
                None if path.is_dir() => self.walk(&path, depth + 1, found, not_read)?,
                None => {}
                Some(false) => not_read.push(path),
                Some(true) => {
                    let file = Found::of(self.root, &path)?;
                    found.push(Entry { file, class: self.class });
                }
            }
        }
        Ok(())
    }
}

fn part(root: &Path, names: &'static [&'static str]) -> Result<PathBuf, DataError> {
    let found = names.iter().map(|name| root.join(name)).find(|folder| folder.is_dir());
    found.ok_or_else(|| PictureError::NoPart { folder: root.to_owned(), names }.into())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
