//! Decoded images in memory.

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
}

/// The two parts of a dataset and how its pixels are normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    pub train: Images,
    pub test: Images,
    pub normalization: Normalization,
}

/// Per-channel affine map of pixels in 0..=1: `(x - mean) / std`. It belongs to the dataset, so
/// that pre-training, evaluation and fine-tuning cannot disagree about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    pub mean: [f32; 3],
    pub std: [f32; 3],
}
