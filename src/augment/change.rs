//! What a transform does to one image once its lots are drawn.

use super::blur::blur;
use super::canvas::Canvas;
use super::color::{self, Tone};
use super::lab::Lab;
use super::patches::Hidden;
use super::rearrange::Arrangement;
use super::resample::Window;

/// A change without chance: the same for whoever makes it, on a canvas or on a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// None.
    Nothing,
    /// A part of the image becomes all of it, of so many rows and columns.
    Resample {
        window: Window,
        size: [usize; 2],
    },
    /// A window of so many rows and columns, from some row and column on; black where it lies outside.
    Window {
        start: [i64; 2],
        size: [usize; 2],
    },
    /// Left to right.
    Mirror,
    /// One after the other.
    Tones([Tone; 4]),
    Grayscale,
    /// Lightness or colours alone.
    Lab(Lab),
    /// What is at or above this is inverted.
    Solarize(f32),
    /// Patches under the mean colour.
    Hide(Hidden),
    /// Pixels in other places.
    Rearrange(Arrangement),
    /// By a Gaussian of this standard deviation in pixels, above zero.
    Blur(f32),
}

impl Canvas {
    /// Makes a change.
    pub(super) fn make(&mut self, change: Change) {
        match change {
            Change::Nothing => {}
            Change::Resample { window, size: [height, width] } => {
                self.resample(window, height, width);
            }
            Change::Window { start: [top, left], size: [height, width] } => {
                self.window(top, left, height, width);
            }
            Change::Mirror => self.mirror(),
            Change::Tones(tones) => {
                for tone in tones {
                    color::tone(self.channels(), tone);
                }
            }
            Change::Grayscale => color::grayscale(self.channels()),
            Change::Lab(part) => part.change(self.channels()),
            Change::Solarize(threshold) => color::solarize(&mut self.pixels, threshold),
            Change::Hide(hidden) => hidden.change(self),
            Change::Rearrange(arrangement) => arrangement.change(self),
            Change::Blur(sigma) => blur(self, sigma),
        }
    }
}
