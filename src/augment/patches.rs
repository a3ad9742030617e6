//! Patches of an image hidden.

use super::augmentation::Transform;
use super::canvas::Canvas;
use super::change::Change;
use crate::random::{Key, Rng};

/// Hides a share of the square patches.
pub(super) struct HidePatches {
    pub patch: usize,
    /// In 0..=1.
    pub share: f32,
}

impl Transform for HidePatches {
    fn draw(&self, _: [usize; 2], rng: &mut Rng) -> Change {
        let HidePatches { patch, share } = *self;
        Change::Hide(Hidden { patch, share, key: Key::root(rng.next_u64()) })
    }
}

/// Which patches are hidden, of an image of any size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hidden {
    patch: usize,
    share: f32,
    key: Key,
}

impl Hidden {
    /// Of each pixel, row after row, whether it is hidden. Patches at the right and below may be cut
    /// off; as many are hidden as come nearest to the share.
    pub(super) fn pixels(self, [height, width]: [usize; 2]) -> Vec<bool> {
        let [rows, columns] = [height, width].map(|side| side.div_ceil(self.patch));
        let count = (self.share * (rows * columns) as f32).round() as usize;
        let mut order: Vec<usize> = (0..rows * columns).collect();
        self.key.stream().shuffle(&mut order);
        let mut patches = vec![false; rows * columns];
        order[..count].iter().for_each(|own| patches[*own] = true);
        let at = |pixel: usize| {
            let [row, column] = [pixel / width, pixel % width].map(|own| own / self.patch);
            patches[row * columns + column]
        };
        (0..height * width).map(at).collect()
    }

    /// Under the mean colour of what is seen and hidden.
    pub(super) fn change(self, canvas: &mut Canvas) {
        let hidden = self.pixels(canvas.size());
        for channel in canvas.channels() {
            let sum: f64 = channel.iter().map(|value| f64::from(*value)).sum();
            let mean = (sum / channel.len() as f64) as f32;
            for (value, hidden) in channel.iter_mut().zip(&hidden) {
                if *hidden {
                    *value = mean;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Pixels;

    /// Whole patches are hidden, as many as are asked for, and what is hidden has the mean.
    #[test]
    fn as_many_patches_are_hidden_as_are_asked_for() {
        let bytes: Vec<u8> = (0..3 * 12 * 8).map(|own| (own * 37 % 251) as u8).collect();
        let mut canvas = Canvas::new();
        let mut masks = Vec::new();
        for seed in 0..20 {
            canvas.load(Pixels { bytes: &bytes, height: 12, width: 8 });
            let before = canvas.pixels().to_vec();
            let transform = HidePatches { patch: 4, share: 0.5 };
            transform.apply(&mut canvas, &mut Key::root(seed).stream());
            let mean = before[..96].iter().sum::<f32>() / 96.0;
            let mut hidden = [0; 6];
            for (place, (before, after)) in before[..96].iter().zip(canvas.pixels()).enumerate() {
                let patch = place / 8 / 4 * 2 + place % 8 / 4;
                if (after - mean).abs() < 1e-6 && before != after {
                    hidden[patch] += 1;
                } else {
                    assert_eq!(before, after);
                }
            }
            assert!(hidden.iter().all(|own| [0, 16].contains(own)), "{hidden:?}");
            assert_eq!(hidden.iter().filter(|own| **own > 0).count(), 3);
            masks.push(hidden);
        }
        masks.dedup();
        assert!(masks.len() > 10, "{masks:?}");
    }

    /// What is cut off at the right and below is a patch as well.
    #[test]
    fn all_and_none_are_shares_too() {
        let bytes: Vec<u8> = (0..3 * 5 * 7).map(|own| own as u8).collect();
        for (share, is_same) in [(0.0, true), (1.0, false)] {
            let mut canvas = Canvas::new();
            canvas.load(Pixels { bytes: &bytes, height: 5, width: 7 });
            let before = canvas.pixels().to_vec();
            HidePatches { patch: 4, share }.apply(&mut canvas, &mut Key::root(1).stream());
            assert_eq!(canvas.pixels() == before, is_same);
            let [red, ..] = canvas.channels();
            assert_eq!(red.iter().all(|own| *own == red[0]), !is_same);
        }
    }
}
