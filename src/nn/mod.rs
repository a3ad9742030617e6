//! Encoders and heads: modules as functions of named parameters.

use crate::registry::{Entry, Implementation};

#[cfg(feature = "run")]
mod convnet;
mod count;
#[cfg(feature = "run")]
mod init;
#[cfg(feature = "run")]
mod layers;
#[cfg(feature = "run")]
mod mlp;
#[cfg(feature = "run")]
mod module;
#[cfg(feature = "run")]
mod norm;
#[cfg(feature = "run")]
pub mod ops;
#[cfg(feature = "run")]
mod params;
#[cfg(feature = "run")]
mod resnet;
#[cfg(feature = "run")]
pub mod safetensors;
#[cfg(feature = "run")]
mod unit;

#[cfg(feature = "run")]
pub use module::{Activation, Module, Pass};
#[cfg(feature = "run")]
pub(crate) use params::map_array;
#[cfg(feature = "run")]
pub use params::{Array, Param, Params, Role};

pub use count::Count;

#[cfg(feature = "run")]
use crate::term::{Args, Term};

/// A registered module.
pub struct ModuleEntry {
    /// Whether it reads images; heads read features.
    pub encoder: bool,
    /// How many numbers it learns.
    pub parameters: Count,
    /// Makes the module from its arguments and the size of the features it is given (`None` for
    /// images).
    #[cfg(feature = "run")]
    pub build: fn(&Args, input: Option<usize>) -> Box<dyn Module>,
}

/// Every registered module.
pub static ENTRIES: &[Entry] = &[
    Entry {
        name: "convnet",
        signature: "\
/// Five 3x3 convolutions, each with batch norm and a rectifier, three of them of stride two in
/// place of pooling (Springenberg et al. 2014, arXiv:1412.6806); the features are the global average.
///
/// For trials on a processor, where `resnet18(stem: small)` of that width takes several times as long.
convnet(width: Int > 0 = 32) -> Encoder[Image[3, h, w] -> Feature[8 * width]]",
        module: "std.encoders",
        implementation: Implementation::Module(ModuleEntry {
            encoder: true,
            parameters: |args, _| count::convnet(args),
            #[cfg(feature = "run")]
            build: convnet::convnet,
        }),
    },
    Entry {
        name: "resnet18",
        signature: "\
/// Residual network of 18 layers, in two-convolution blocks. He et al. 2015, arXiv:1512.03385.
///
/// Names and initialisation are torchvision's; the features are the global average pool, without
/// torchvision's `fc`. The `small` stem, a 3x3 convolution without pooling, is for images of about
/// 32 pixels; the `imagenet` stem divides the resolution by four at once.
resnet18(stem: small | imagenet = imagenet, width: Int > 0 = 64) -> Encoder[Image[3, h, w] -> Feature[8 * width]]",
        module: "std.encoders",
        implementation: Implementation::Module(ModuleEntry {
            encoder: true,
            parameters: |args, _| count::resnet(args, false, [2, 2, 2, 2]),
            #[cfg(feature = "run")]
            build: resnet::resnet18,
        }),
    },
    Entry {
        name: "resnet34",
        signature: "\
/// Residual network of 34 layers, in two-convolution blocks. He et al. 2015, arXiv:1512.03385.
///
/// As `resnet18`, with more blocks in each of the four groups.
resnet34(stem: small | imagenet = imagenet, width: Int > 0 = 64) -> Encoder[Image[3, h, w] -> Feature[8 * width]]",
        module: "std.encoders",
        implementation: Implementation::Module(ModuleEntry {
            encoder: true,
            parameters: |args, _| count::resnet(args, false, [3, 4, 6, 3]),
            #[cfg(feature = "run")]
            build: resnet::resnet34,
        }),
    },
    Entry {
        name: "resnet50",
        signature: "\
/// Residual network of 50 layers, in bottleneck blocks. He et al. 2015, arXiv:1512.03385.
///
/// Names and initialisation are torchvision's, and so is the place of the stride: on the 3x3
/// convolution of a bottleneck (\"v1.5\").
resnet50(stem: small | imagenet = imagenet, width: Int > 0 = 64) -> Encoder[Image[3, h, w] -> Feature[32 * width]]",
        module: "std.encoders",
        implementation: Implementation::Module(ModuleEntry {
            encoder: true,
            parameters: |args, _| count::resnet(args, true, [3, 4, 6, 3]),
            #[cfg(feature = "run")]
            build: resnet::resnet50,
        }),
    },
    Entry {
        name: "mlp",
        signature: "\
/// A multi-layer perceptron: linear layers with a rectifier after each but the last.
///
/// With its defaults it is the projection head of SimCLR and MoCo v2. `norm: batch` normalises
/// before each rectifier. `output_norm` normalises the output: `batch` with a learned scale and
/// shift, `plain` without. `bias` is that of every linear layer.
mlp(
  hidden: Int > 0,
  out: Int > 0,
  layers: Int >= 2 = 2,
  norm: none | batch = none,
  output_norm: none | batch | plain = none,
  bias: Bool = true,
) -> Network[Feature[out]]",
        module: "",
        implementation: Implementation::Module(ModuleEntry {
            encoder: false,
            parameters: count::mlp,
            #[cfg(feature = "run")]
            build: mlp::mlp,
        }),
    },
    Entry {
        name: "linear",
        signature: "\
/// One linear layer, the usual head of a classifier.
linear(out: Int > 0, bias: Bool = true) -> Network[Feature[out]]",
        module: "",
        implementation: Implementation::Module(ModuleEntry {
            encoder: false,
            parameters: count::linear,
            #[cfg(feature = "run")]
            build: mlp::linear,
        }),
    },
];

/// The module that `term` describes, given features of size `input` (`None` for images).
///
/// # Panics
///
/// If `term` does not call a registered module: the checker lets nothing else through.
#[cfg(feature = "run")]
pub fn build(term: &Term, input: Option<usize>) -> Box<dyn Module> {
    let Term::Call(call) = term else { panic!("a module is a call, not {term:?}") };
    match crate::registry::find(&call.name).map(|entry| &entry.implementation) {
        Some(Implementation::Module(entry)) => (entry.build)(&call.args, input),
        _ => panic!("`{}` passed the checker as a module and is not registered as one", call.name),
    }
}
