//! The image under work.

use super::resample::Taps;
use super::vector::vectorized;

/// An image as a dataset holds it.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    /// `[3, height, width]`, RGB planes.
    pub bytes: &'a [u8],
    pub height: usize,
    pub width: usize,
}

/// Per-channel affine map of pixels in 0..=1: `(x - mean) / std`. It belongs to the dataset, so
/// that pre-training, evaluation and fine-tuning cannot disagree about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    pub mean: [f32; 3],
    pub std: [f32; 3],
}

/// An image on its way through a chain of transforms, with the buffers that they work in. A canvas
/// is made once and used for many images: after the first few nothing is allocated.
#[derive(Default)]
pub struct Canvas {
    /// `[3, height, width]`, RGB planes, each value in 0..=1.
    pub(super) pixels: Vec<f32>,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Where a transform that cannot work in place puts its result, before the two are swapped.
    pub(super) spare: Vec<f32>,
    pub(super) rows: Taps,
    pub(super) columns: Taps,
    pub(super) kernel: Vec<f32>,
    pub(super) line: Vec<f32>,
}

impl Canvas {
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an image on the canvas in place of what was there.
    pub fn load(&mut self, source: Pixels<'_>) {
        self.height = source.height;
        self.width = source.width;
        self.pixels.resize(source.bytes.len(), 0.0);
        shares(source.bytes, &mut self.pixels);
    }

    /// `[3, height, width]`, each value in 0..=1.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Writes the normalised image to `out`, `[3, height, width]`.
    pub fn write(&self, normalization: &Normalization, out: &mut [f32]) {
        debug_assert_eq!(out.len(), self.pixels.len());
        let area = self.height * self.width;
        let channels = self.pixels.chunks_exact(area).zip(out.chunks_exact_mut(area));
        for (channel, (pixels, out)) in channels.enumerate() {
            let mean = normalization.mean[channel];
            let scale = 1.0 / normalization.std[channel];
            normalize(pixels, mean, scale, out);
        }
    }

    /// The red, green and blue planes.
    pub(super) fn channels(&mut self) -> [&mut [f32]; 3] {
        let area = self.height * self.width;
        let (red, rest) = self.pixels.split_at_mut(area);
        let (green, blue) = rest.split_at_mut(area);
        [red, green, blue]
    }

    /// Cuts out a window, which may reach over the edges: what lies outside is black.
    pub(super) fn window(&mut self, top: i64, left: i64, height: usize, width: usize) {
        if (top, left, height, width) == (0, 0, self.height, self.width) {
            return;
        }
        self.spare.clear();
        self.spare.resize(3 * height * width, 0.0);
        let [rows, columns] = [span(top, height, self.height), span(left, width, self.width)];
        let count = columns.count;
        let planes = self.pixels.chunks_exact(self.height * self.width);
        for (from, to) in planes.zip(self.spare.chunks_exact_mut(height * width)) {
            for row in 0..rows.count {
                let source = (rows.from + row) * self.width + columns.from;
                let target = (rows.to + row) * width + columns.to;
                to[target..][..count].copy_from_slice(&from[source..][..count]);
            }
        }
        std::mem::swap(&mut self.pixels, &mut self.spare);
        self.height = height;
        self.width = width;
    }
}

vectorized! {
    /// Bytes as shares of the largest.
    fn shares(bytes: &[u8], out: &mut [f32]) {
        for (out, &byte) in out.iter_mut().zip(bytes) {
            *out = f32::from(byte) / 255.0;
        }
    }

    fn normalize(pixels: &[f32], mean: f32, scale: f32, out: &mut [f32]) {
        for (out, &value) in out.iter_mut().zip(pixels) {
            *out = (value - mean) * scale;
        }
    }
}

/// Where a window and an image overlap along one axis.
struct Span {
    /// First position within the image.
    from: usize,
    /// First position within the window.
    to: usize,
    count: usize,
}

/// The overlap of a window of `length` that starts at `start` with an image of `limit`.
fn span(start: i64, length: usize, limit: usize) -> Span {
    let first = start.clamp(0, limit as i64);
    let end = (start + length as i64).clamp(first, limit as i64);
    let count = (end - first) as usize;
    // With no overlap the offset may lie beyond the window, where a slice would not be valid.
    let to = if count == 0 { 0 } else { (first - start) as usize };
    let from = if count == 0 { 0 } else { first as usize };
    Span { from, to, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas(height: usize, width: usize) -> Canvas {
        let bytes: Vec<u8> = (0..3 * height * width).map(|value| value as u8).collect();
        let mut canvas = Canvas::new();
        canvas.load(Pixels { bytes: &bytes, height, width });
        canvas
    }

    #[test]
    fn writes_what_was_loaded_normalised() {
        let mut canvas = Canvas::new();
        canvas.load(Pixels { bytes: &[0, 255, 51, 102, 153, 204], height: 1, width: 2 });
        let normalization = Normalization { mean: [0.5, 0.2, 0.0], std: [0.5, 0.1, 1.0] };
        let mut out = [0.0; 6];
        canvas.write(&normalization, &mut out);
        let expected = [-1.0, 1.0, 0.0, 2.0, 0.6, 0.8];
        for (value, expected) in out.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{out:?}");
        }
    }

    #[test]
    fn a_window_is_black_outside_the_image() {
        let mut canvas = canvas(3, 2);
        let before = canvas.pixels().to_vec();
        canvas.window(-1, 1, 3, 3);
        assert_eq!(canvas.size(), [3, 3]);
        for channel in 0..3 {
            let source = &before[channel * 6..][..6];
            let expected = [0.0, 0.0, 0.0, source[1], 0.0, 0.0, source[3], 0.0, 0.0];
            assert_eq!(canvas.pixels()[channel * 9..][..9], expected);
        }
    }

    #[test]
    fn a_window_beside_the_image_is_all_black() {
        for (top, left) in [(9, 0), (-9, 0), (0, 9), (0, -9)] {
            let mut canvas = canvas(3, 2);
            canvas.window(top, left, 2, 2);
            assert_eq!(canvas.pixels(), [0.0; 12]);
        }
    }
}
