//! Folders of pictures: a dataset of one's own.
//!
//! A folder holds `train` and `val`, or `test` where there is no `val`, and in each of them a folder
//! for every class. What the call declares of it is compared with what is there before a picture is
//! read. Pictures are decoded once, each to a square of bytes, into files of the cache that the
//! system brings into memory as they are read: a set larger than the memory streams from there, and
//! a second run has nothing to decode.

mod cache;
mod decode;
mod error;
mod listing;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::cache::Cache;
pub use self::error::FolderError;
use self::listing::Listing;
use super::error::DataError;
use super::images::Dataset;
use super::{Content, Lookup, Supply};
use crate::augment::Normalization;
use crate::term::Args;

/// What a call says of a folder.
#[derive(Clone, Copy, Debug)]
pub struct Folder<'a> {
    path: &'a str,
    declared: Counts,
    /// Height and width of the squares.
    size: usize,
    /// Whether pictures that cannot be decoded are left out.
    skips: bool,
}

/// How much of each there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub classes: usize,
    pub train: usize,
    pub test: usize,
}

impl<'a> Folder<'a> {
    pub fn of(args: &'a Args) -> Self {
        Folder {
            path: args.text("path"),
            declared: Counts {
                classes: args.size("classes"),
                train: args.size("train"),
                test: args.size("test"),
            },
            size: args.size("size"),
            skips: args.symbol("damaged") == "skip",
        }
    }

    /// Its pictures, from the cache; decoded first where they are not there.
    pub fn load(
        self,
        normalization: Normalization,
        source: &Lookup<'_>,
    ) -> Result<Dataset, DataError> {
        let (root, listing) = self.list(source)?;
        let cache = self.cache(&root, source);
        let index = match cache.current(&listing) {
            Some(index) => index,
            None => cache.import(&root, listing, source.watch)?,
        };
        let [train, test] = cache.open(&index)?.map(Arc::new);
        let found = Counts { train: train.len(), test: test.len(), ..self.declared };
        if found != self.declared {
            return Err(self.differs(&root, found));
        }
        let left_out = index.left_out.iter().map(Vec::len).sum();
        let content = Content::Known(index.content);
        Ok(Dataset { train, test, normalization, content, left_out })
    }

    /// Where it is, if it is as declared as far as that is known without reading a picture.
    pub fn locate(self, source: &Lookup<'_>) -> Result<Supply, DataError> {
        self.list(source).map(|(root, _)| Supply::Found(root))
    }

    /// What the cache knows of its pictures.
    pub fn content(self, source: &Lookup<'_>) -> Result<Content, DataError> {
        let (root, listing) = self.list(source)?;
        let index = self.cache(&root, source).current(&listing);
        Ok(index.map_or(Content::Unread, |index| Content::Known(index.content)))
    }

    fn cache(self, root: &Path, source: &Lookup<'_>) -> Cache {
        Cache::of(&source.cache, root, self.size, self.skips)
    }

    /// Its place, and the files that are there.
    fn list(self, source: &Lookup<'_>) -> Result<(PathBuf, Listing), DataError> {
        let root = self.find(source)?;
        let listing = Listing::of(&root, source.watch)?;
        let (found, declared) = (listing.counts(), self.declared);
        let may_be = match self.skips {
            // Which of them are left out is not known yet.
            true => {
                found.classes == declared.classes
                    && found.train >= declared.train
                    && found.test >= declared.test
            }
            false => found == declared,
        };
        if may_be { Ok((root, listing)) } else { Err(self.differs(&root, found)) }
    }

    /// A relative path is looked for in `--data-dir`, and nowhere else if that is given; otherwise in
    /// `CPIPE_DATA` and where the command runs.
    fn find(self, source: &Lookup<'_>) -> Result<PathBuf, DataError> {
        let places: Vec<PathBuf> = match (Path::new(self.path).is_absolute(), source.data_dir) {
            (true, _) => vec![self.path.into()],
            (false, Some(place)) => vec![place.join(self.path)],
            (false, None) => {
                let environment = source.environment.iter().map(|place| place.join(self.path));
                environment.chain([self.path.into()]).collect()
            }
        };
        match places.iter().find(|place| place.is_dir()) {
            Some(place) => std::path::absolute(place).map_err(DataError::io("read", place)),
            None => {
                let path = self.path.to_owned();
                Err(FolderError::Missing { path, searched: places }.into())
            }
        }
    }

    fn differs(self, root: &Path, found: Counts) -> DataError {
        let (path, declared) = (self.path.to_owned(), self.declared);
        FolderError::Differs { path, folder: root.to_owned(), found, declared }.into()
    }
}

#[cfg(test)]
mod tests;
