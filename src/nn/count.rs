//! How many numbers a module learns, known before it is built.
//!
//! Running statistics are left out, as in `Params::count`. A count beyond
//! `u128` is its largest value: widths can be any that a text writes.

use crate::term::Args;

/// Of the arguments of a module and the size of the features it is given (`None` for images).
pub type Count = fn(&Args, input: Option<usize>) -> u128;

pub(super) fn convnet(args: &Args) -> u128 {
    let width = size(args, "width");
    let channels = [3, width, product([2, width]), product([4, width]), product([8, width])];
    let [.., last] = channels;
    let units = channels.windows(2).map(|pair| unit(pair[0], pair[1], 3));
    sum(units.chain([unit(last, last, 3)]))
}

/// Of `depths` blocks in the four groups. A `bottleneck` widens four times.
pub(super) fn resnet(args: &Args, bottleneck: bool, depths: [u32; 4]) -> u128 {
    let width = size(args, "width");
    let kernel = if args.symbol("stem") == "small" { 3 } else { 7 };
    let mut total = unit(3, width, kernel);
    let (mut input, mut planes) = (width, width);
    for depth in depths {
        let output = if bottleneck { product([4, planes]) } else { planes };
        for _ in 0..depth {
            let block = match bottleneck {
                true => {
                    sum([unit(input, planes, 1), unit(planes, planes, 3), unit(planes, output, 1)])
                }
                false => sum([unit(input, planes, 3), unit(planes, planes, 3)]),
            };
            // Only the first block of a group changes the shape, and each that does projects.
            let projection = if input == output { 0 } else { unit(input, output, 1) };
            total = sum([total, block, projection]);
            input = output;
        }
        planes = product([2, planes]);
    }
    total
}

pub(super) fn mlp(args: &Args, input: Option<usize>) -> u128 {
    let (hidden, out) = (size(args, "hidden"), size(args, "out"));
    let bias = args.bool("bias");
    // The signature wants two layers or more.
    let between = size(args, "layers").saturating_sub(2);
    let norm = if args.symbol("norm") == "batch" { product([2, hidden]) } else { 0 };
    let output_norm = if args.symbol("output_norm") == "batch" { product([2, out]) } else { 0 };
    sum([
        affine(features(input), hidden, bias),
        product([between, sum([affine(hidden, hidden, bias), norm])]),
        norm,
        affine(hidden, out, bias),
        output_norm,
    ])
}

pub(super) fn linear(args: &Args, input: Option<usize>) -> u128 {
    affine(features(input), size(args, "out"), args.bool("bias"))
}

/// A square convolution and its batch norm.
fn unit(input: u128, output: u128, kernel: u128) -> u128 {
    sum([product([input, output, kernel, kernel]), product([2, output])])
}

fn affine(input: u128, output: u128, bias: bool) -> u128 {
    sum([product([input, output]), if bias { output } else { 0 }])
}

fn size(args: &Args, name: &str) -> u128 {
    args.size(name) as u128
}

/// Where they are not known, a lower bound.
fn features(input: Option<usize>) -> u128 {
    input.unwrap_or(1) as u128
}

fn product(factors: impl IntoIterator<Item = u128>) -> u128 {
    factors.into_iter().fold(1, u128::saturating_mul)
}

fn sum(parts: impl IntoIterator<Item = u128>) -> u128 {
    parts.into_iter().fold(0, u128::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Implementation, find};
    use crate::term::{Call, Term};

    fn call(name: &str, args: &[(&str, Term)]) -> Call {
        let args = args.iter().map(|(name, term)| ((*name).to_owned(), term.clone()));
        Call { name: name.to_owned(), args: Args(args.collect()) }
    }

    fn count(call: &Call, input: Option<usize>) -> u128 {
        match find(&call.name).map(|entry| &entry.implementation) {
            Some(Implementation::Module(entry)) => (entry.parameters)(&call.args, input),
            _ => panic!("`{}` is no module", call.name),
        }
    }

    fn symbol(name: &str) -> Term {
        Term::Symbol(name.to_owned())
    }

    fn resnet(name: &str, stem: &str, width: i64) -> Call {
        call(name, &[("stem", symbol(stem)), ("width", Term::Int(width))])
    }

    fn mlp([hidden, out, layers]: [i64; 3], norm: &str, output_norm: &str, bias: bool) -> Call {
        let args = [
            ("hidden", Term::Int(hidden)),
            ("out", Term::Int(out)),
            ("layers", Term::Int(layers)),
            ("norm", symbol(norm)),
            ("output_norm", symbol(output_norm)),
            ("bias", Term::Bool(bias)),
        ];
        call("mlp", &args)
    }

    /// As torchvision counts them, without `fc`.
    #[test]
    fn residual_networks_are_torchvisions() {
        for (name, numbers) in [
            ("resnet18", 11_689_512 - 513_000),
            ("resnet34", 21_797_672 - 513_000),
            ("resnet50", 25_557_032 - 2_049_000),
        ] {
            assert_eq!(count(&resnet(name, "imagenet", 64), None), numbers, "{name}");
        }
    }

    #[test]
    fn no_width_overflows() {
        for width in [1 << 59, 1 << 60, 1 << 62, i64::MAX] {
            for name in ["resnet18", "resnet34", "resnet50", "convnet"] {
                assert!(count(&resnet(name, "small", width), None) > 1 << 100, "{name}");
            }
            let wide = mlp([width, width, width], "batch", "batch", true);
            assert!(count(&wide, usize::try_from(width).ok()) > 1 << 100);
        }
    }

    #[cfg(feature = "run")]
    #[test]
    fn counts_are_those_of_the_built_modules() {
        use burn::tensor::Device;

        use crate::random::Key;

        let encoders = ["resnet18", "resnet34", "resnet50"].into_iter().flat_map(|name| {
            ["small", "imagenet"].map(|stem| (resnet(name, stem, 3), None::<usize>))
        });
        let heads = [
            (call("convnet", &[("width", Term::Int(3))]), None),
            (call("linear", &[("out", Term::Int(3)), ("bias", Term::Bool(true))]), Some(5)),
            (call("linear", &[("out", Term::Int(3)), ("bias", Term::Bool(false))]), Some(5)),
            (mlp([5, 3, 2], "none", "none", true), Some(7)),
            (mlp([5, 3, 4], "batch", "batch", false), Some(7)),
            (mlp([5, 3, 3], "batch", "plain", true), Some(7)),
        ];
        for (call, input) in encoders.chain(heads) {
            let module = crate::nn::build(&Term::Call(call.clone()), input);
            let params = module.init(Key::root(0), &Device::default());
            assert_eq!(count(&call, input), params.count() as u128, "{call:?}");
        }
    }
}
