//! Augmentations: the random transforms that turn one image into its views.
//!
//! Each follows the transform of the same name in torchvision 0.24 (`torchvision.transforms`, on
//! float tensors with antialiasing), so that published recipes keep their meaning. Values are
//! `f32` in 0..=1, in RGB planes.
//!
//! Every transform accepts every image: one that is too small for a crop is padded with black.

use crate::registry::{Entry, Implementation};
#[cfg(feature = "run")]
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
}

/// The transforms, as exported by `std.augment`.
pub static ENTRIES: &[Entry] = &[
    entry(
        "random_resized_crop",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| {
                Box::new(crop::RandomResizedCrop {
                    size: args.size("size"),
                    scale: args.range("scale"),
                    ratio: args.range("ratio"),
                })
            },
        },
    ),
    entry(
        "random_crop",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| {
                Box::new(crop::RandomCrop {
                    size: args.size("size"),
                    padding: args.size("padding"),
                })
            },
        },
    ),
    entry(
        "center_crop",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| Box::new(crop::CenterCrop { size: args.size("size") }),
        },
    ),
    entry(
        "resize",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| Box::new(crop::Resize { size: args.size("size") }),
        },
    ),
    entry(
        "random_horizontal_flip",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| Box::new(crop::RandomHorizontalFlip { probability: probability(args) }),
        },
    ),
    entry(
        "color_jitter",
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
        },
    ),
    entry(
        "random_grayscale",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| Box::new(color::RandomGrayscale { probability: probability(args) }),
        },
    ),
    entry(
        "gaussian_blur",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| {
                Box::new(blur::GaussianBlur {
                    sigma: args.range("sigma"),
                    probability: probability(args),
                })
            },
        },
    ),
    entry(
        "solarize",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |args| {
                Box::new(color::Solarize {
                    threshold: args.float("threshold") as f32,
                    probability: probability(args),
                })
            },
        },
    ),
    entry(
        "identity",
        AugmentEntry {
            #[cfg(feature = "run")]
            build: |_| Box::new(augmentation::Identity),
        },
    ),
];

const fn entry(name: &'static str, augment: AugmentEntry) -> Entry {
    Entry { name, implementation: Implementation::Augment(augment) }
}

#[cfg(feature = "run")]
fn probability(args: &Args) -> f32 {
    args.fraction("probability") as f32
}
