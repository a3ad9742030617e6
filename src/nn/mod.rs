//! Encoders and heads: modules as functions of named parameters.

mod architecture;
mod block;
mod conv_norm;
mod convnet;
mod convnext;
mod cost;
mod init;
mod layer_norm;
mod layers;
mod maps;
mod mlp;
mod names;
mod norm;
mod params;
mod resample;
mod residual;
mod resnet;
pub mod safetensors;
#[cfg(test)]
mod testing;
mod transformer;
mod vit;
pub mod weights;

pub use architecture::{Architecture, Pass, Updates};
pub use cost::{Cost, Extent, Walk};
pub use init::Fill;
pub use layers::patches;
pub use params::{Declared, Layout, Param, Params, Role, Slot};

use crate::resolve::architecture as architecture_of;
use crate::term::{Args, Term};

/// Makes a module from its arguments and the size of the features it is given (`None` for images).
pub type Build = fn(&Args, input: Option<usize>) -> Box<dyn Architecture>;

/// Encoders and heads, by the names under which `std.encoders` and `std.heads` declare them.
pub static MODULES: &[(&str, Build)] = &[
    ("convnet", convnet::convnet),
    ("convnext_tiny", convnext::convnext_tiny),
    ("resnet18", resnet::resnet18),
    ("resnet34", resnet::resnet34),
    ("resnet50", resnet::resnet50),
    ("resnet101", resnet::resnet101),
    ("wide_resnet50_2", resnet::wide_resnet50_2),
    ("wide_resnet101_2", resnet::wide_resnet101_2),
    ("vit_tiny", vit::vit_tiny),
    ("vit_small", vit::vit_small),
    ("vit_base", vit::vit_base),
    ("mlp", mlp::mlp),
    ("linear", mlp::linear),
    ("prototypes", mlp::prototypes),
    ("token", mlp::token),
    ("transformer", transformer::transformer),
];

/// The module that `term` describes, given features of size `input` (`None` for images).
///
/// # Panics
///
/// If `term` does not call a module: the checker lets nothing else through.
pub fn build(term: &Term, input: Option<usize>) -> Box<dyn Architecture> {
    let Term::Call(call) = architecture_of(term) else {
        panic!("a module is a call, not {term:?}")
    };
    call.implementation("a module", MODULES)(&call.args, input)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde::Deserialize;

    use super::testing::Held;
    use super::*;
    use crate::device::testing::backends;
    use crate::random::Key;
    use crate::resolve::learned;
    use crate::term::Call;

    fn call(name: &str, args: &[(&str, Term)]) -> Term {
        let args = args.iter().map(|(name, term)| ((*name).to_owned(), term.clone()));
        Term::Call(Call { name: name.to_owned(), args: Args(args.collect()) })
    }

    fn symbol(name: &str) -> Term {
        Term::Symbol(name.to_owned())
    }

    fn mlp([hidden, out, layers]: [i64; 3], norm: &str, output_norm: &str, bias: bool) -> Term {
        let args = [
            ("hidden", Term::Int(hidden)),
            ("out", Term::Int(out)),
            ("layers", Term::Int(layers)),
            ("norm", symbol(norm)),
            ("output_norm", symbol(output_norm)),
            ("activation", symbol("relu")),
            ("bias", Term::Bool(bias)),
        ];
        call("mlp", &args)
    }

    fn linear(out: i64, bias: bool) -> Term {
        call("linear", &[("out", Term::Int(out)), ("bias", Term::Bool(bias))])
    }

    /// As `tests/python/encoders.py` writes it.
    #[derive(Deserialize)]
    struct Case {
        name: String,
        stem: String,
        width: i64,
        side: usize,
        #[serde(flatten)]
        held: Held,
    }

    /// Normalised by the batch, in training.
    #[test]
    fn convolutional_networks_compute_what_torchvisions_do() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("convolutional.json"))
            .expect("encoders.py writes it");
        for Case { name, stem, width, side, held } in cases {
            let args = [("stem", symbol(&stem)), ("width", Term::Int(width))];
            let net = build(&call(&name, &args), None);
            backends().iter().for_each(|on| held.compare(net.as_ref(), side, on));
        }
    }

    #[test]
    fn modules_learn_as_many_numbers_as_they_are_declared_to() {
        let mut modules = Vec::new();
        for width in [1, 2, 3, 8] {
            let width = ("width", Term::Int(width));
            modules.push((call("convnet", std::slice::from_ref(&width)), None));
            for name in [
                "resnet18",
                "resnet34",
                "resnet50",
                "resnet101",
                "wide_resnet50_2",
                "wide_resnet101_2",
            ] {
                for stem in ["small", "imagenet"] {
                    modules.push((call(name, &[("stem", symbol(stem)), width.clone()]), None));
                }
            }
        }
        for [patch, width] in [[4, 96], [1, 3]] {
            let drop = ("drop_path", Term::Float(0.1));
            let args = [("patch", Term::Int(patch)), ("width", Term::Int(width)), drop];
            modules.push((call("convnext_tiny", &args), None));
        }
        for name in ["vit_tiny", "vit_small", "vit_base"] {
            for ([patch, size, depth, registers], scale) in
                [([4, 32, 2, 0], 0.0), ([16, 48, 1, 4], 0.0), ([4, 16, 2, 0], 0.1)]
            {
                let args = [
                    ("patch", Term::Int(patch)),
                    ("size", Term::Int(size)),
                    ("depth", Term::Int(depth)),
                    ("registers", Term::Int(registers)),
                    ("pool", symbol("class")),
                    ("layer_scale", Term::Float(scale)),
                    ("drop_path", Term::Float(0.1)),
                ];
                modules.push((call(name, &args), None));
            }
        }
        for (input, out) in [(5, 3), (1, 1), (64, 10)] {
            let frozen = ("frozen", Term::Duration(0.0, crate::term::Unit::Epochs));
            let prototypes = call("prototypes", &[("count", Term::Int(out)), frozen]);
            modules.push((prototypes, Some(input)));
            modules.push((call("token", &[("out", Term::Int(out))]), Some(input)));
            for (heads, depth) in [(1, 1), (3, 2)] {
                let args = [("heads", heads), ("depth", depth), ("out", out)];
                let args = args.map(|(name, value)| (name, Term::Int(value)));
                modules.push((call("transformer", &args), Some(input)));
            }
            for bias in [true, false] {
                modules.push((linear(out, bias), Some(input)));
                for (hidden, layers) in [(7, 2), (1, 3), (4, 5)] {
                    for norm in ["none", "batch"] {
                        for output_norm in ["none", "batch", "plain"] {
                            let mlp = mlp([hidden, out, layers], norm, output_norm, bias);
                            modules.push((mlp, Some(input)));
                        }
                    }
                }
            }
        }
        for (term, input) in modules {
            let params = build(&term, input).init(Key::root(0), &Device::default());
            assert_eq!(learned(&term, input), Some(params.count() as u128), "{term} of {input:?}");
        }
    }
}
