//! Heads of linear layers, with the names of a `torch.nn.Sequential`.

use burn::tensor::Device;

use super::architecture::{Activation, Architecture, Pass};
use super::cost::Walk;
use super::init::materialize;
use super::layers::Linear;
use super::norm::BatchNorm;
use super::ops;
use super::params::Params;
use crate::random::Key;
use crate::term::Args;

pub(super) fn mlp(args: &Args, input: Option<usize>) -> Box<dyn Architecture> {
    let (hidden, out, bias) = (args.size("hidden"), args.size("out"), args.bool("bias"));
    let normalized = args.symbol("norm") == "batch";
    let mut stack = Sequential::default();
    let mut input = features(input);
    for _ in 1..args.size("layers") {
        stack.push(|name| Layer::Linear(Linear::new(name, input, hidden, bias)));
        if normalized {
            stack.push(|name| Layer::Norm(BatchNorm::new(name, hidden)));
        }
        stack.push(|_| Layer::Relu);
        input = hidden;
    }
    stack.push(|name| Layer::Linear(Linear::new(name, input, out, bias)));
    match args.symbol("output_norm") {
        "batch" => stack.push(|name| Layer::Norm(BatchNorm::new(name, out))),
        "plain" => stack.push(|name| Layer::Norm(BatchNorm::plain(name, out))),
        _ => {}
    }
    Box::new(stack)
}

pub(super) fn linear(args: &Args, input: Option<usize>) -> Box<dyn Architecture> {
    let layer = Linear::new("", features(input), args.size("out"), args.bool("bias"));
    Box::new(Sequential(vec![Layer::Linear(layer)]))
}

fn features(input: Option<usize>) -> usize {
    input.expect("a head is given features, by its signature")
}

enum Layer {
    Linear(Linear),
    Norm(BatchNorm),
    Relu,
}

/// Layers applied to features in turn.
#[derive(Default)]
struct Sequential(Vec<Layer>);

impl Sequential {
    /// Adds the layer that `make` builds under the name of its position.
    fn push(&mut self, make: impl FnOnce(&str) -> Layer) {
        self.0.push(make(&self.0.len().to_string()));
    }
}

impl Architecture for Sequential {
    fn init(&self, key: Key, device: &Device) -> Params {
        let mut declarations = Vec::new();
        for layer in &self.0 {
            match layer {
                Layer::Linear(linear) => linear.declare(&mut declarations),
                Layer::Norm(norm) => norm.declare(&mut declarations),
                Layer::Relu => {}
            }
        }
        materialize(declarations, key, device)
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Activation) -> Activation {
        let apply = |x, layer: &Layer| match layer {
            Layer::Linear(linear) => linear.forward(pass, x),
            Layer::Norm(norm) => norm.forward(pass, x),
            Layer::Relu => ops::relu(x),
        };
        Activation::Features(self.0.iter().fold(x.expect_features(), apply))
    }

    fn walk(&self, walk: &mut Walk) {
        for layer in &self.0 {
            match layer {
                Layer::Linear(linear) => linear.walk(walk),
                Layer::Norm(_) => walk.norm(),
                Layer::Relu => walk.relu(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use indexmap::IndexMap;

    use super::*;
    use crate::nn::{Array, ops};
    use crate::term::Term;

    fn args(norm: &str, output_norm: &str, layers: i64, bias: bool) -> Args {
        let args = [
            ("hidden", Term::Int(5)),
            ("out", Term::Int(3)),
            ("layers", Term::Int(layers)),
            ("norm", Term::Symbol(norm.to_owned())),
            ("output_norm", Term::Symbol(output_norm.to_owned())),
            ("bias", Term::Bool(bias)),
        ];
        Args(args.map(|(name, term)| (name.to_owned(), term)).into())
    }

    fn names(params: &Params) -> Vec<&str> {
        params.0.keys().map(String::as_str).collect()
    }

    #[test]
    fn names_are_those_of_a_sequential() {
        let device = Device::default();
        let params = |args| mlp(&args, Some(4)).init(Key::root(0), &device);
        let plain = params(args("none", "none", 2, true));
        assert_eq!(names(&plain), ["0.weight", "0.bias", "2.weight", "2.bias"]);
        assert_eq!(plain.0["0.weight"].value.shape(), [5, 4]);
        assert_eq!(plain.0["2.weight"].value.shape(), [3, 5]);
        assert_eq!(plain.count(), 5 * 4 + 5 + 3 * 5 + 3);
        let bound = 1.0 / 4_f32.sqrt();
        assert!(plain.0["0.bias"].value.to_vec().iter().all(|value| value.abs() <= bound));

        let normalized = params(args("batch", "plain", 3, false));
        let learned: Vec<&str> = normalized
            .0
            .iter()
            .filter(|(_, param)| param.role.is_trained())
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(
            learned,
            ["0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias", "6.weight"]
        );
        assert!(normalized.0.contains_key("7.running_var"));
    }

    #[test]
    fn forward_is_linear_relu_linear() {
        let device = Device::default();
        let module = mlp(&args("none", "none", 2, true), Some(4));
        let params = module.init(Key::root(3), &device);
        let x = Tensor::<2>::from_data([[1.0, -2.0, 0.5, 3.0], [0.0, 1.0, -1.0, 2.0]], &device);
        let mut updates = IndexMap::new();
        let mut pass = Pass { params: &params, training: false, updates: &mut updates };
        let y = module.forward(&mut pass, Activation::Features(x.clone())).expect_features();

        let rank2 = |name: &str| pass.rank2(name);
        let hidden =
            ops::relu(x.matmul(rank2("0.weight").transpose()) + pass.rank1("0.bias").unsqueeze());
        let expected =
            hidden.matmul(rank2("2.weight").transpose()) + pass.rank1("2.bias").unsqueeze();
        assert_eq!(y.dims(), [2, 3]);
        assert!((y - expected).abs().max().into_scalar::<f32>() < 1e-6);
    }

    #[test]
    fn plain_output_norm_standardizes() {
        let device = Device::default();
        let module = mlp(&args("none", "plain", 2, true), Some(4));
        let params = module.init(Key::root(3), &device).tracked();
        let values = (0..32).map(|i| (i * 5 % 17) as f32).collect();
        let Array::R2(x) = Array::from_vec(values, &[8, 4], &device) else { unreachable!() };
        let mut updates = IndexMap::new();
        let mut pass = Pass { params: &params, training: true, updates: &mut updates };
        let y = module.forward(&mut pass, Activation::Features(x)).expect_features().inner();
        assert!(y.clone().mean_dim(0).abs().max().into_scalar::<f32>() < 1e-5);
        assert!(((y.clone() * y).mean_dim(0) - 1.0).abs().max().into_scalar::<f32>() < 1e-3);
    }

    #[test]
    fn linear_has_unqualified_names() {
        let args =
            Args([("out".to_owned(), Term::Int(10)), ("bias".to_owned(), Term::Bool(true))].into());
        let params = linear(&args, Some(6)).init(Key::root(0), &Device::default());
        assert_eq!(names(&params), ["weight", "bias"]);
        assert_eq!(params.0["weight"].value.shape(), [10, 6]);
    }
}
