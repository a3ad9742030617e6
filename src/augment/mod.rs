//! Augmentations: the random transforms that turn one image into its views.
//!
//! Each follows the transform of the same name in torchvision 0.24 (`torchvision.transforms`, on
//! float tensors with antialiasing), so that published recipes keep their meaning. Values are
//! `f32` in 0..=1, in RGB planes.
//!
//! Every transform accepts every image: one that is too small for a crop is padded with black.

mod augmentation;
mod batched;
mod blur;
mod canvas;
mod change;
mod color;
mod crop;
mod lab;
mod patches;
mod plan;
mod rearrange;
mod resample;
#[cfg(test)]
mod testing;
mod vector;

pub use augmentation::{Augmentation, PER_VIEW, Transform};
pub use canvas::{Canvas, Normalization, Pixels};
pub use change::Change;
pub use color::Tone;
pub use lab::Lab;
pub use patches::Hidden;
pub use plan::Plan;
pub use rearrange::Arrangement;
pub use resample::Window;

use crate::term::Args;

/// Makes a transform from its arguments.
pub type BuildTransform = fn(&Args) -> Box<dyn Transform>;

/// How much colours may change: of more than a million times each is at an end of its range anyway,
/// and what is too large for `f32` would give no numbers.
fn strength(args: &Args, name: &str) -> f32 {
    args.float(name).min(1e6) as f32
}

/// The transforms, by the names under which `std.augment` declares them.
pub static TRANSFORMS: &[(&str, BuildTransform)] = &[
    ("random_resized_crop", |args| {
        Box::new(crop::RandomResizedCrop {
            size: args.size("size"),
            scale: args.range("scale"),
            ratio: args.range("ratio"),
        })
    }),
    ("random_crop", |args| {
        Box::new(crop::RandomCrop { size: args.size("size"), padding: args.size("padding") })
    }),
    ("center_crop", |args| Box::new(crop::CenterCrop { size: args.size("size") })),
    ("resize", |args| Box::new(crop::Resize { size: args.size("size") })),
    ("random_horizontal_flip", |args| {
        Box::new(crop::RandomHorizontalFlip { probability: probability(args) })
    }),
    ("color_jitter", |args| {
        Box::new(color::ColorJitter {
            brightness: strength(args, "brightness"),
            contrast: strength(args, "contrast"),
            saturation: strength(args, "saturation"),
            hue: args.float("hue") as f32,
            probability: probability(args),
        })
    }),
    ("random_grayscale", |args| {
        Box::new(color::RandomGrayscale { probability: probability(args) })
    }),
    ("gaussian_blur", |args| {
        Box::new(blur::GaussianBlur { sigma: args.range("sigma"), probability: probability(args) })
    }),
    ("solarize", |args| {
        Box::new(color::Solarize {
            threshold: args.float("threshold") as f32,
            probability: probability(args),
        })
    }),
    ("hide_patches", |args| {
        Box::new(patches::HidePatches {
            patch: args.size("patch"),
            share: args.fraction("share") as f32,
        })
    }),
    ("rotate", |args| Box::new(rearrange::Rotate { quarters: args.size("quarters") })),
    ("random_rotate", |_| Box::new(rearrange::RandomRotate)),
    ("shuffle_pieces", |args| Box::new(rearrange::ShufflePieces { grid: args.size("grid") })),
    ("lab_lightness", |_| Box::new(lab::OneOf(Lab::Lightness))),
    ("lab_colors", |_| Box::new(lab::OneOf(Lab::Colors))),
    ("identity", |_| Box::new(augmentation::Identity)),
];

fn probability(args: &Args) -> f32 {
    args.fraction("probability") as f32
}
