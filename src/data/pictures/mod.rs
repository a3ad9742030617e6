//! Pictures of one's own: folders of files, with labels or without, and shards.
//!
//! What a call declares of them is compared with what is there before a picture is decoded. Pictures
//! are decoded once, each to a square of bytes, into files of the cache that the system brings into
//! memory as they are read: a set larger than the memory streams from there, and a second run has
//! nothing to decode.

mod cache;
mod decode;
mod error;
mod folder;
mod layout;
mod shards;
mod unfinished;
mod unsorted;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::cache::{Cache, below};
pub use self::error::{PictureError, named};
pub use self::folder::Folder;
use self::layout::Layout;
pub use self::shards::Shards;
pub use self::unsorted::Unsorted;
use super::error::DataError;
use super::images::Dataset;
use super::{Content, Lookup, Supply, places};
use crate::augment::Normalization;
use crate::term::Args;

/// What a call says of its pictures.
#[derive(Clone, Copy, Debug)]
pub struct Pictures<'a> {
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

impl<'a> Pictures<'a> {
    pub fn of(args: &'a Args) -> Self {
        Pictures {
            declared: Counts {
                classes: args.size("classes"),
                train: args.size("train"),
                test: args.size("test"),
            },
            ..Pictures::kept(args)
        }
    }

    /// Without labels, all of them to train on.
    pub fn unsorted(args: &'a Args) -> Self {
        let declared = Counts { classes: 1, train: args.size("count"), test: 0 };
        Pictures { declared, ..Pictures::kept(args) }
    }

    /// As they are kept, none of them declared.
    fn kept(args: &'a Args) -> Self {
        Pictures {
            path: args.text("path"),
            declared: Counts { classes: 0, train: 0, test: 0 },
            size: args.size("size"),
            skips: args.symbol("damaged") == "skip",
        }
    }

    /// The pictures, from the cache; decoded first where they are not there.
    pub fn load<L: Layout>(
        self,
        normalization: Normalization,
        source: &Lookup<'_>,
    ) -> Result<Dataset, DataError> {
        let (root, layout) = self.list::<L>(source)?;
        let cache = self.cache::<L>(&root, source);
        let index = match cache.sound(&layout, source.watch)? {
            Some(index) => index,
            None => {
                let compare = |found| self.compare::<L>(&root, found, self.may_be(found));
                cache.import(&root, layout, source.watch, &compare)?
            }
        };
        self.compare_kept::<L>(&root, index.counts())?;
        let [train, test] = cache.open(&index)?.map(Arc::new);
        let content = Content::Known(index.content);
        let left_out = below(&root, &index.left_out).into();
        Ok(Dataset { train, test, normalization, content, left_out })
    }

    /// Where they are, if they are as declared as far as that is known without reading one.
    pub fn locate<L: Layout>(self, source: &Lookup<'_>) -> Result<Supply, DataError> {
        let (root, layout) = self.list::<L>(source)?;
        // What only a look into the files tells may be known from the last one.
        if layout.counts().is_none()
            && let Some(index) = self.cache::<L>(&root, source).current(&layout)
        {
            self.compare_kept::<L>(&root, index.counts())?;
        }
        Ok(Supply::Found(root))
    }

    /// What the cache knows of them.
    pub fn content<L: Layout>(self, source: &Lookup<'_>) -> Result<Content, DataError> {
        let (root, layout) = self.list::<L>(source)?;
        let index = self.cache::<L>(&root, source).current(&layout);
        Ok(index.map_or(Content::Unread, |index| Content::Known(index.content)))
    }

    /// The bytes of squares that an attempt to decode them has left.
    pub fn written<L: Layout>(self, source: &Lookup<'_>) -> u64 {
        let root = self.find(source);
        root.map_or(0, |root| self.cache::<L>(&root, source).written())
    }

    fn cache<L: Layout>(self, root: &Path, source: &Lookup<'_>) -> Cache {
        Cache::of(&source.cache, root, L::NAME, self.size, self.skips)
    }

    /// Their place, and the files that are there.
    fn list<L: Layout>(self, source: &Lookup<'_>) -> Result<(PathBuf, L), DataError> {
        let root = self.find(source)?;
        let layout = L::list(&root, source.watch)?;
        if let Some(found) = layout.counts() {
            self.compare::<L>(&root, found, self.may_be(found))?;
        }
        Ok((root, layout))
    }

    /// Whether so many pictures, none of which has been decoded, may be those that are declared:
    /// some may have to be left out.
    fn may_be(self, found: Counts) -> bool {
        let declared = self.declared;
        match self.skips {
            true => {
                found.classes == declared.classes
                    && found.train >= declared.train
                    && found.test >= declared.test
            }
            false => found == declared,
        }
    }

    fn compare_kept<L: Layout>(self, root: &Path, found: Counts) -> Result<(), DataError> {
        self.compare::<L>(root, found, found == self.declared)
    }

    fn compare<L: Layout>(self, root: &Path, found: Counts, fits: bool) -> Result<(), DataError> {
        if fits {
            return Ok(());
        }
        let (path, declared) = (self.path.to_owned(), self.declared);
        let (folder, call) = (root.to_owned(), L::NAME);
        Err(PictureError::Differs { call, path, folder, found, declared }.into())
    }

    /// The folder, by the rule of [`places`].
    fn find(self, source: &Lookup<'_>) -> Result<PathBuf, DataError> {
        let path = Path::new(self.path);
        let places = places(path, source.data_dir, source.environment.as_deref());
        match places.iter().find(|place| place.is_dir()) {
            Some(place) => std::path::absolute(place).map_err(DataError::io("read", place)),
            None => {
                let path = self.path.to_owned();
                Err(PictureError::Missing { path, searched: places }.into())
            }
        }
    }
}

#[cfg(test)]
mod tests;
