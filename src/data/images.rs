//! Decoded images in memory.

use crate::augment::{Normalization, Pixels};

/// Images of one size with their labels, decoded once.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// `[n, 3, height, width]`, row-major bytes, RGB planes.
    pub pixels: Vec<u8>,
    /// `[n]`, each below the number of classes.
    pub labels: Vec<u8>,
    pub height: usize,
    pub width: usize,
}

impl Images {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The bytes of image `index`, `[3, height, width]`. `index` is below [`Images::len`].
    pub fn image(&self, index: usize) -> &[u8] {
        let size = 3 * self.height * self.width;
        &self.pixels[index * size..][..size]
    }

    /// The same as something that transforms take.
    pub fn at(&self, index: usize) -> Pixels<'_> {
        Pixels { bytes: self.image(index), height: self.height, width: self.width }
    }
}

/// The two parts of a dataset and how its pixels are normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub train: Images,
    pub test: Images,
    pub normalization: Normalization,
}
