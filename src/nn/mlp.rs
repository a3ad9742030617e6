//! Heads of linear layers, with the names of a `torch.nn.Sequential`.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::architecture::{Architecture, Pass};
use super::cost::Walk;
use super::layers::{Linear, Prototypes};
use super::norm::BatchNorm;
use super::params::Layout;
use crate::device::{After, Array};
use crate::term::Args;

pub(super) fn mlp(args: &Args, input: Option<usize>) -> Box<dyn Architecture> {
    let (hidden, out, bias) = (args.size("hidden"), args.size("out"), args.bool("bias"));
    let normalized = args.symbol("norm") == "batch";
    let is_smooth = args.symbol("activation") == "gelu";
    let mut stack = Stack::default();
    let mut input = features(input);
    for _ in 1..args.size("layers") {
        stack.linear([input, hidden], bias);
        if normalized {
            stack.push(|layout, name| Layer::Norm(BatchNorm::new(layout, name, hidden)));
        }
        stack.push(|_, _| if is_smooth { Layer::Gelu } else { Layer::Relu });
        input = hidden;
    }
    stack.linear([input, out], bias);
    match args.symbol("output_norm") {
        "batch" => stack.push(|layout, name| Layer::Norm(BatchNorm::new(layout, name, out))),
        "plain" => stack.push(|layout, name| Layer::Norm(BatchNorm::plain(layout, name, out))),
        _ => {}
    }
    Box::new(Sequential { layout: Arc::new(stack.layout), layers: stack.layers })
}

pub(super) fn linear(args: &Args, input: Option<usize>) -> Box<dyn Architecture> {
    let mut layout = Layout::default();
    let sizes = [features(input), args.size("out")];
    let layers = vec![Layer::Linear(Linear::new(&mut layout, "", sizes, args.bool("bias")))];
    Box::new(Sequential { layout: Arc::new(layout), layers })
}

pub(super) fn token(args: &Args, input: Option<usize>) -> Box<dyn Architecture> {
    let mut layout = Layout::default();
    let sizes = [features(input), args.size("out")];
    let layers = vec![Layer::Linear(Linear::token(&mut layout, "weight", sizes))];
    Box::new(Sequential { layout: Arc::new(layout), layers })
}

pub(super) fn prototypes(args: &Args, input: Option<usize>) -> Box<dyn Architecture> {
    let mut layout = Layout::default();
    let sizes = [features(input), args.size("count")];
    let layers =
        vec![Layer::Prototypes(Prototypes::new(&mut layout, sizes, args.duration("frozen")))];
    Box::new(Sequential { layout: Arc::new(layout), layers })
}

fn features(input: Option<usize>) -> usize {
    input.expect("a head is given features, by its signature")
}

enum Layer {
    Linear(Linear),
    Prototypes(Prototypes),
    Norm(BatchNorm),
    Relu,
    Gelu,
}

/// A sequential that is being built.
#[derive(Default)]
struct Stack {
    layout: Layout,
    layers: Vec<Layer>,
}

impl Stack {
    /// Adds the layer that `make` builds under the name of its position.
    fn push(&mut self, make: impl FnOnce(&mut Layout, &str) -> Layer) {
        let name = self.layers.len().to_string();
        self.layers.push(make(&mut self.layout, &name));
    }

    fn linear(&mut self, sizes: [usize; 2], bias: bool) {
        self.push(|layout, name| Layer::Linear(Linear::new(layout, name, sizes, bias)));
    }
}

/// Layers applied to features in turn.
struct Sequential {
    layout: Arc<Layout>,
    layers: Vec<Layer>,
}

impl Architecture for Sequential {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Array) -> Array {
        let shape = x.shape();
        let [before @ .., input] = &shape[..] else { panic!("{shape:?} are no features") };
        // A batch norm takes every position for an example: those of an example are in one group.
        let [n, positions] = [x.rows(), before.iter().skip(1).product()];
        let is_turned = pass.groups > 1 && positions > 1;
        let turned = |x: Array, [n, positions]: [usize; 2]| {
            let width = x.len() / (n * positions);
            let x: Tensor<3> = x.reshape(&[n, positions, width]).into_tensor();
            Array::from(x.swap_dims(0, 1).reshape([positions * n, width]))
        };
        let x = match is_turned {
            true => turned(x, [n, positions]),
            false => x.reshape(&[n * positions, *input]),
        };
        let apply = |x, layer: &Layer| match layer {
            Layer::Linear(linear) => linear.forward(pass, x),
            Layer::Prototypes(prototypes) => prototypes.forward(pass, x),
            Layer::Norm(norm) => norm.forward(pass, x, After::default()),
            Layer::Relu => pass.kernels.relu(x),
            Layer::Gelu => pass.kernels.gelu(x),
        };
        let mut output = self.layers.iter().fold(x, apply);
        if is_turned {
            output = turned(output, [positions, n]);
        }
        let width = output.shape().last().copied().unwrap_or_default();
        output.reshape(&[before, &[width]].concat())
    }

    fn walk(&self, walk: &mut Walk) {
        for layer in &self.layers {
            match layer {
                Layer::Linear(linear) => linear.walk(walk),
                Layer::Prototypes(prototypes) => prototypes.walk(walk),
                Layer::Norm(_) => walk.norm(),
                Layer::Relu => walk.relu(),
                Layer::Gelu => walk.gelu(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::device::FallBack;
    use crate::nn::{Params, Updates};
    use crate::random::Key;
    use crate::term::Term;

    fn args(norm: &str, output_norm: &str, layers: i64, bias: bool) -> Args {
        let args = [
            ("hidden", Term::Int(5)),
            ("out", Term::Int(3)),
            ("layers", Term::Int(layers)),
            ("norm", Term::Symbol(norm.to_owned())),
            ("output_norm", Term::Symbol(output_norm.to_owned())),
            ("activation", Term::Symbol("relu".to_owned())),
            ("bias", Term::Bool(bias)),
        ];
        Args(args.map(|(name, term)| (name.to_owned(), term)).into())
    }

    fn pass<'a>(params: &'a Params, training: bool, updates: &'a mut Updates) -> Pass<'a> {
        Pass { kernels: &FallBack, params, training, chance: None, groups: 1, updates }
    }

    fn names(params: &Params) -> Vec<&str> {
        params.iter().map(|own| own.name).collect()
    }

    #[test]
    fn names_are_those_of_a_sequential() {
        let device = Device::default();
        let params = |args| mlp(&args, Some(4)).init(Key::root(0), &device);
        let plain = params(args("none", "none", 2, true));
        assert_eq!(names(&plain), ["0.weight", "0.bias", "2.weight", "2.bias"]);
        assert_eq!(plain.get("0.weight").unwrap().shape(), [5, 4]);
        assert_eq!(plain.get("2.weight").unwrap().shape(), [3, 5]);
        assert_eq!(plain.count(), 5 * 4 + 5 + 3 * 5 + 3);
        let bound = 1.0 / 4_f32.sqrt();
        assert!(plain.get("0.bias").unwrap().to_vec().iter().all(|value| value.abs() <= bound));

        let normalized = params(args("batch", "plain", 3, false));
        let learned: Vec<&str> =
            normalized.iter().filter(|own| own.role.is_trained()).map(|own| own.name).collect();
        assert_eq!(
            learned,
            ["0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias", "6.weight"]
        );
        assert!(normalized.slot("7.running_var").is_some());
    }

    #[test]
    fn forward_is_linear_relu_linear() {
        let device = Device::default();
        let module = mlp(&args("none", "none", 2, true), Some(4));
        let params = module.init(Key::root(3), &device);
        let x = Tensor::<2>::from_data([[1.0, -2.0, 0.5, 3.0], [0.0, 1.0, -1.0, 2.0]], &device);
        let mut updates = Updates::new();
        let mut pass = pass(&params, false, &mut updates);
        let y: Tensor<2> = module.forward(&mut pass, x.clone().into()).into_tensor();

        let weight = |name| params.get(name).unwrap().tensor::<2>().transpose();
        let bias = |name| params.get(name).unwrap().tensor::<1>().unsqueeze();
        let hidden = x.matmul(weight("0.weight")) + bias("0.bias");
        let expected = hidden.clamp_min(0.0).matmul(weight("2.weight")) + bias("2.bias");
        assert_eq!(y.dims(), [2, 3]);
        assert!((y - expected).abs().max().into_scalar::<f32>() < 1e-6);
    }

    #[test]
    fn plain_output_norm_standardizes() {
        let device = Device::default();
        let module = mlp(&args("none", "plain", 2, true), Some(4));
        let params = module.init(Key::root(3), &device).leaves();
        let values = (0..32).map(|i| (i * 5 % 17) as f32).collect();
        let x = Array::from_vec(values, &[8, 4], &device);
        let mut updates = Updates::new();
        let y = module.forward(&mut pass(&params, true, &mut updates), x);
        let y: Tensor<2> = y.constant().into_tensor();
        assert!(y.clone().mean_dim(0).abs().max().into_scalar::<f32>() < 1e-5);
        assert!(((y.clone() * y).mean_dim(0) - 1.0).abs().max().into_scalar::<f32>() < 1e-3);
    }

    /// Images of different means, two in each of two groups: every position of an image is in its group.
    #[test]
    fn groups_are_of_examples_whose_positions_stay_together() {
        let device = Device::default();
        let module = mlp(&args("none", "plain", 2, true), Some(4));
        let params = module.init(Key::root(3), &device).leaves();
        let value = |place: usize| (place * 5 % 17) as f32 + (place / (3 * 4) % 2) as f32 * 40.0;
        let x = |images: [usize; 4]| {
            let of = images.map(|image| (image * 12..(image + 1) * 12).map(value));
            Array::from_vec(of.into_iter().flatten().collect(), &[4, 3, 4], &device)
        };
        let mut updates = Updates::new();
        let of = |x: Array, groups: usize, updates: &mut Updates| {
            let mut pass = Pass { groups, ..pass(&params, true, updates) };
            module.forward(&mut pass, x).constant().to_vec()
        };
        let together = of(x([0, 1, 2, 3]), 2, &mut updates);
        // Twice the same images are normalised as they are once.
        let [even, odd] = [[0, 2, 0, 2], [1, 3, 1, 3]].map(|own| of(x(own), 1, &mut updates));
        let image = |of: &[f32], at: usize| of[at * 9..][..9].to_vec();
        for (at, (alone, own)) in [(&even, 0), (&odd, 0), (&even, 1), (&odd, 1)].iter().enumerate()
        {
            for (found, expected) in image(&together, at).iter().zip(image(alone, *own)) {
                assert!((found - expected).abs() < 1e-4, "{at}: {found} is not {expected}");
            }
        }
    }

    #[test]
    fn linear_has_unqualified_names() {
        let args =
            Args([("out".to_owned(), Term::Int(10)), ("bias".to_owned(), Term::Bool(true))].into());
        let params = linear(&args, Some(6)).init(Key::root(0), &Device::default());
        assert_eq!(names(&params), ["weight", "bias"]);
        assert_eq!(params.get("weight").unwrap().shape(), [10, 6]);
    }
}
