//! Pictures without labels, in a folder and in the folders that lie in it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Counts;
use super::layout::{Found, Layout, Picture, all, all_are_read};
use crate::data::error::DataError;
use crate::watch::Watch;

/// The pictures, in the order of their paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsorted(Vec<Found>);

impl Layout for Unsorted {
    const NAME: &str = "images";

    fn list(root: &Path, watch: Watch<'_>) -> Result<Self, DataError> {
        let mut not_read = Vec::new();
        let found = all(root, root, watch, &mut not_read)?;
        all_are_read(not_read)?;
        Ok(Unsorted(found))
    }

    fn counts(&self) -> Option<Counts> {
        Some(Counts { classes: 1, train: self.0.len(), test: 0 })
    }

    /// All of them to train on, under one class that nothing reads.
    fn pictures(&self, _: &Path, _: Watch<'_>) -> Result<[Vec<Picture<'_>>; 2], DataError> {
        let picture = |file| Picture { file, member: None, class: 0 };
        Ok([self.0.iter().map(picture).collect(), Vec::new()])
    }
}
