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
        implementation: Implementation::Module(ModuleEntry {
            encoder: true,
            parameters: |args, _| count::convnet(args),
            #[cfg(feature = "run")]
            build: convnet::convnet,
        }),
    },
    Entry {
        name: "resnet18",
        implementation: Implementation::Module(ModuleEntry {
            encoder: true,
            parameters: |args, _| count::resnet(args, false, [2, 2, 2, 2]),
            #[cfg(feature = "run")]
            build: resnet::resnet18,
        }),
    },
    Entry {
        name: "resnet34",
        implementation: Implementation::Module(ModuleEntry {
            encoder: true,
            parameters: |args, _| count::resnet(args, false, [3, 4, 6, 3]),
            #[cfg(feature = "run")]
            build: resnet::resnet34,
        }),
    },
    Entry {
        name: "resnet50",
        implementation: Implementation::Module(ModuleEntry {
            encoder: true,
            parameters: |args, _| count::resnet(args, true, [3, 4, 6, 3]),
            #[cfg(feature = "run")]
            build: resnet::resnet50,
        }),
    },
    Entry {
        name: "mlp",
        implementation: Implementation::Module(ModuleEntry {
            encoder: false,
            parameters: count::mlp,
            #[cfg(feature = "run")]
            build: mlp::mlp,
        }),
    },
    Entry {
        name: "linear",
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
