//! Folders of pictures, one for each class.
//!
//! A folder holds `train` and `val`, `validation`, `valid` or `test`, of which the first counts, and
//! in each of them a folder for every class.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{Found, Layout, Picture, all, all_are_read, extension, sorted};
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
            let folder = train.join(class);
            let own = all(root, &folder, watch, &mut not_read)?;
            if own.is_empty() && not_read.is_empty() {
                return Err(PictureError::EmptyClass { folder }.into());
            }
            listing.train.extend(own.into_iter().map(|file| Entry { file, class: label }));
        }
        for folder in sorted(&test)? {
            if !folder.is_dir() {
                match extension(&folder) {
                    Some(_) => return Err(PictureError::NoClass { picture: folder }.into()),
                    None => continue,
                }
            }
            let class = listing.classes.binary_search(&name(&folder));
            let Ok(class) = class else { return Err(PictureError::OtherClass { folder }.into()) };
            // There are fewer classes than files, of which there are fewer than `u32::MAX`.
            let class = class as u32;
            let own = all(root, &folder, watch, &mut not_read)?;
            listing.test.extend(own.into_iter().map(|file| Entry { file, class }));
        }
        all_are_read(not_read)?;
        Ok(listing)
    }

    fn counts(&self) -> Option<Counts> {
        let Folder { classes, train, test } = self;
        Some(Counts { classes: classes.len(), train: train.len(), test: test.len() })
    }

    fn pictures(&self, _: &Path, _: Watch<'_>) -> Result<[Vec<Picture<'_>>; 2], DataError> {
        Ok([&self.train, &self.test].map(|part| part.iter().map(Entry::picture).collect()))
    }
}

fn part(root: &Path, names: &'static [&'static str]) -> Result<PathBuf, DataError> {
    let found = names.iter().map(|name| root.join(name)).find(|folder| folder.is_dir());
    found.ok_or_else(|| PictureError::NoPart { folder: root.to_owned(), names }.into())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
