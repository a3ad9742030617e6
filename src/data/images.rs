//! Decoded images.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use memmap2::Mmap;

use super::Content;
use crate::augment::{Normalization, Pixels};

/// Images of one size with their labels, decoded once. Each is `[3, height, width]`, row-major
/// bytes, RGB planes.
#[derive(Clone, Debug)]
pub struct Images {
    /// Equally many images lie in each, one behind the other.
    blocks: Vec<Bytes>,
    /// The bytes that lie before every one of them.
    lead: usize,
    /// `[n]`, each below the number of classes.
    pub labels: Vec<u32>,
    pub height: usize,
    pub width: usize,
}

/// Bytes in memory, or in a file that the system brings into memory where they are read.
#[derive(Clone, Debug)]
pub enum Bytes {
    Owned(Vec<u8>),
    Mapped(Arc<Mmap>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Owned(bytes) => bytes,
            Bytes::Mapped(file) => file,
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::Owned(bytes)
    }
}

impl Images {
    /// Of `[n, 3, height, width]` bytes.
    pub fn new(pixels: impl Into<Bytes>, labels: Vec<u32>, [height, width]: [usize; 2]) -> Self {
        Images { blocks: vec![pixels.into()], lead: 0, labels, height, width }
    }

    /// Of `[n / blocks, lead + 3 * height * width]` bytes in each block. `n` is a multiple of their
    /// number.
    pub fn of_records(
        blocks: Vec<Bytes>,
        lead: usize,
        labels: Vec<u32>,
        [height, width]: [usize; 2],
    ) -> Self {
        Images { blocks, lead, labels, height, width }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The bytes of image `index`, `[3, height, width]`. `index` is below [`Images::len`].
    pub fn image(&self, index: usize) -> &[u8] {
        let size = 3 * self.height * self.width;
        let in_block = self.len() / self.blocks.len();
        let (block, at) = (&self.blocks[index / in_block], index % in_block);
        &block[at * (self.lead + size) + self.lead..][..size]
    }

    /// The bytes of every image.
    pub fn all(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.image(index))
    }

    /// The same as something that transforms take.
    pub fn at(&self, index: usize) -> Pixels<'_> {
        Pixels { bytes: self.image(index), height: self.height, width: self.width }
    }
}

/// Whether they are the same images, wherever they lie.
impl PartialEq for Images {
    fn eq(&self, other: &Self) -> bool {
        let size = |own: &Self| [own.height, own.width];
        size(self) == size(other) && self.labels == other.labels && self.all().eq(other.all())
    }
}

/// The two parts of a dataset, shared with the threads that make views, and how its pixels are
/// normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub train: Arc<Images>,
    pub test: Arc<Images>,
    pub normalization: Normalization,
    pub content: Content,
    /// The pictures that cannot be read and are in neither part, with the reason of each.
    pub left_out: Arc<[(PathBuf, String)]>,
}

impl Dataset {
    /// Of images that are the same for everybody.
    pub fn fixed(train: Images, test: Images, normalization: Normalization) -> Self {
        let (train, test) = (Arc::new(train), Arc::new(test));
        Dataset { train, test, normalization, content: Content::Fixed, left_out: Arc::default() }
    }
}
