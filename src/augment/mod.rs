//! Augmentations: the random transforms that turn one image into its views.
//!
//! Each follows the transform of the same name in torchvision 0.24 (`torchvision.transforms`, on
//! float tensors with antialiasing), so that published recipes keep their meaning. Values are
//! `f32` in 0..=1, in RGB planes.
//!
//! Every transform accepts every image: one that is too small for a crop is padded with black.

use crate::registry::{Entry, Implementation};
use crate::term::Args;

#[cfg(feature = "run")]
mod augmentation;
#[cfg(feature = "run")]
mod blur;
#[cfg(feature = "run")]
mod canvas;
#[cfg(feature = "run")]
mod color;
#[cfg(feature = "run")]
mod crop;
#[cfg(feature = "run")]
mod resample;
#[cfg(all(test, feature = "run"))]
mod testing;

#[cfg(feature = "run")]
pub use augmentation::{Augmentation, Transform};
#[cfg(feature = "run")]
pub use canvas::{Canvas, Normalization, Pixels};

/// What the registry holds of a transform.
pub struct AugmentEntry {
    #[cfg(feature = "run")]
    pub build: fn(&Args) -> Box<dyn Transform>,
    /// The side of the square that the transform makes; none where it keeps its input's size.
    pub output: fn(&Args) -> Option<i64>,
}

/// The transforms, as exported by `std.augment`.
pub static ENTRIES: &[Entry] = &[
    entry(
        "random_resized_crop",
        "/// Cut out a random part and resize it to a square.\n\
         ///\n\
         /// The part covers a share of the area drawn from `scale`; its width over height is drawn\n\
         /// from `ratio`, uniformly in the logarithm. After ten draws that do not fit, the largest\n\
         /// central part of an allowed ratio is taken. Bilinear, antialiased where it shrinks.\n\
         ///\n\
         /// Szegedy et al. 2014, arXiv:1409.4842, section 6.\n\
         random_resized_crop(size: Int > 0, scale: Range = 0.08..=1.0, \
         ratio: Range = 0.75..=1.3333333333333333) -> Augment[size]",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| {
                Box::new(crop::RandomResizedCrop {
                    size: args.size("size"),
                    scale: args.range("scale"),
                    ratio: args.range("ratio"),
                })
            },
            output: square,
        },
    ),
    entry(
        "random_crop",
        "/// Cut out a square at a random place, after padding every side with black.\n\
         ///\n\
         /// An image that stays smaller than the square is placed at random within it.\n\
         ///\n\
         /// He et al. 2015, arXiv:1512.03385, section 4.2 (size 32, padding 4).\n\
         random_crop(size: Int > 0, padding: Int >= 0 = 0) -> Augment[size]",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| {
                Box::new(crop::RandomCrop {
                    size: args.size("size"),
                    padding: args.size("padding"),
                })
            },
            output: square,
        },
    ),
    entry(
        "center_crop",
        "/// Cut out the central square; a smaller image is padded with black.\n\
         center_crop(size: Int > 0) -> Augment[size]",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| Box::new(crop::CenterCrop { size: args.size("size") }),
            output: square,
        },
    ),
    entry(
        "resize",
        "/// Resize the whole image to a square, whatever its ratio was.\n\
         ///\n\
         /// Bilinear, antialiased where it shrinks.\n\
         resize(size: Int > 0) -> Augment[size]",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| Box::new(crop::Resize { size: args.size("size") }),
            output: square,
        },
    ),
    entry(
        "random_horizontal_flip",
        "/// Mirror left to right.\n\
         random_horizontal_flip(probability: Percent = 50%) -> Augment",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| Box::new(crop::RandomHorizontalFlip { probability: probability(args) }),
            output: unchanged,
        },
    ),
    entry(
        "color_jitter",
        "/// Change brightness, contrast, saturation and hue, in random order.\n\
         ///\n\
         /// The first three are scaled by factors uniform in `1 - x ..= 1 + x`, and not below 0;\n\
         /// the hue is turned by a share of the circle uniform in `-hue ..= hue`.\n\
         ///\n\
         /// Chen et al. 2020, arXiv:2002.05709, appendix A; the defaults are those of MoCo v2,\n\
         /// arXiv:2003.04297.\n\
         color_jitter(brightness: Float >= 0 = 0.4, contrast: Float >= 0 = 0.4, \
         saturation: Float >= 0 = 0.4, hue: Float in 0..=0.5 = 0.1, \
         probability: Percent = 80%) -> Augment",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| {
                Box::new(color::ColorJitter {
                    brightness: args.float("brightness") as f32,
                    contrast: args.float("contrast") as f32,
                    saturation: args.float("saturation") as f32,
                    hue: args.float("hue") as f32,
                    probability: probability(args),
                })
            },
            output: unchanged,
        },
    ),
    entry(
        "random_grayscale",
        "/// Replace the colours by their luma, 0.2989 R + 0.587 G + 0.114 B (ITU-R BT.601).\n\
         ///\n\
         /// Wu et al. 2018, arXiv:1805.01978.\n\
         random_grayscale(probability: Percent = 20%) -> Augment",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| Box::new(color::RandomGrayscale { probability: probability(args) }),
            output: unchanged,
        },
    ),
    entry(
        "gaussian_blur",
        "/// Blur with a Gaussian whose standard deviation, in pixels, is drawn from `sigma`.\n\
         ///\n\
         /// The kernel reaches three standard deviations to each side, and no further than the\n\
         /// image is wide; borders are mirrored.\n\
         ///\n\
         /// Chen et al. 2020, arXiv:2002.05709, appendix A.\n\
         gaussian_blur(sigma: Range = 0.1..=2.0, probability: Percent = 50%) -> Augment",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| {
                Box::new(blur::GaussianBlur {
                    sigma: args.range("sigma"),
                    probability: probability(args),
                })
            },
            output: unchanged,
        },
    ),
    entry(
        "solarize",
        "/// Invert every value that is at or above the threshold.\n\
         ///\n\
         /// Grill et al. 2020, arXiv:2006.07733, appendix B.\n\
         solarize(threshold: Float in 0..=1 = 0.5, probability: Percent = 20%) -> Augment",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| {
                Box::new(color::Solarize {
                    threshold: args.float("threshold") as f32,
                    probability: probability(args),
                })
            },
            output: unchanged,
        },
    ),
    entry(
        "identity",
        "/// The image as it is.\n\
         identity() -> Augment",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |_| Box::new(augmentation::Identity),
            output: unchanged,
        },
    ),
];

const fn entry(name: &'static str, signature: &'static str, augment: AugmentEntry) -> Entry {
    Entry {
        name,
        signature,
        module: "std.augment",
        implementation: Implementation::Augment(augment),
    }
}

fn square(args: &Args) -> Option<i64> {
    Some(args.int("size"))
}

fn unchanged(_: &Args) -> Option<i64> {
    None
}

#[cfg(feature = "run")]
fn probability(args: &Args) -> f32 {
    args.fraction("probability") as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_carry_their_entry_s_name_and_type() {
        for entry in ENTRIES {
            let text = entry.signature.lines().last().unwrap();
            assert!(text.starts_with(&format!("{}(", entry.name)), "{text}");
            assert!(entry.signature.starts_with("/// "), "{} has no documentation", entry.name);
            let sized = text.ends_with("-> Augment[size]");
            assert!(sized || text.ends_with("-> Augment"), "{text}");
            assert_eq!(sized, text.contains("(size: Int > 0"), "{text}");
        }
    }
}
