//! The layers that have weights, under PyTorch's names and with its initialisation.

use burn::tensor::Tensor;

use super::architecture::{Activation, Pass};
use super::cost::Walk;
use super::init::{Fill, ParamDeclaration};
use super::ops;
use super::params::{Array, Role};

/// A square convolution without bias; a batch norm follows every one of them.
pub(super) struct Conv2d {
    weight: String,
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
}

impl Conv2d {
    /// The padding keeps the resolution where `stride` is one: `kernel` is odd.
    pub fn new(name: &str, input: usize, output: usize, kernel: usize, stride: usize) -> Self {
        Conv2d { weight: format!("{name}.weight"), input, output, kernel, stride }
    }

    /// Kaiming normal in fan-out mode, for a rectifier, as torchvision's residual networks. He et
    /// al. 2015, arXiv:1502.01852, section 2.2.
    pub fn declare(&self, into: &mut Vec<ParamDeclaration>) {
        let fan_out = self.output * self.kernel * self.kernel;
        into.push(ParamDeclaration {
            name: self.weight.clone(),
            shape: vec![self.output, self.input, self.kernel, self.kernel],
            role: Role::Weight,
            fill: Fill::Normal((2.0 / fan_out as f32).sqrt()),
        });
    }

    /// `[n, input, h, w]` to `[n, output, ceil(h / stride), ceil(w / stride)]`.
    pub fn forward(&self, pass: &Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        ops::conv2d(x, pass.rank4(&self.weight), self.stride, self.kernel / 2)
    }

    pub fn walk(&self, walk: &mut Walk) {
        walk.convolution(self.output, self.kernel, self.stride);
    }
}

/// An affine map of features.
pub(super) struct Linear {
    weight: String,
    bias: Option<String>,
    input: usize,
    output: usize,
}

impl Linear {
    /// Its parameters are `{name}.weight` and `{name}.bias`; with an empty name, `weight` and
    /// `bias`.
    pub fn new(name: &str, input: usize, output: usize, bias: bool) -> Self {
        let bias = bias.then(|| join(name, "bias"));
        Linear { weight: join(name, "weight"), bias, input, output }
    }

    /// Uniform within one over the square root of the fan-in, weight and bias alike, as
    /// `torch.nn.Linear`.
    pub fn declare(&self, into: &mut Vec<ParamDeclaration>) {
        let fill = Fill::Uniform(1.0 / (self.input as f32).sqrt());
        into.push(ParamDeclaration {
            name: self.weight.clone(),
            shape: vec![self.output, self.input],
            role: Role::Weight,
            fill,
        });
        if let Some(name) = &self.bias {
            into.push(ParamDeclaration {
                name: name.clone(),
                shape: vec![self.output],
                role: Role::Bias,
                fill,
            });
        }
    }

    /// `[n, input]` to `[n, output]`.
    pub fn forward(&self, pass: &Pass<'_>, x: Tensor<2>) -> Tensor<2> {
        let bias = self.bias.as_deref().map(|name| pass.rank1(name));
        ops::linear(x, pass.rank2(&self.weight), bias)
    }

    pub fn walk(&self, walk: &mut Walk) {
        walk.linear(self.output);
    }
}

fn join(module: &str, parameter: &str) -> String {
    if module.is_empty() { parameter.to_owned() } else { format!("{module}.{parameter}") }
}

impl Activation {
    /// The maps of a module that the checker gives images only.
    pub(super) fn expect_maps(self) -> Tensor<4> {
        match self {
            Activation::Maps(maps) => maps,
            Activation::Features(_) => panic!("an encoder is given images, by its signature"),
        }
    }

    /// The features of a module that the checker gives features only.
    pub(super) fn expect_features(self) -> Tensor<2> {
        match self {
            Activation::Features(features) => features,
            Activation::Maps(_) => panic!("a head is given features, by its signature"),
        }
    }
}

/// Parameters come from the same module's `init` or from a file checked against it, so a missing
/// name or another rank is a mistake in this crate.
impl Pass<'_> {
    pub(super) fn rank1(&self, name: &str) -> Tensor<1> {
        match self.array(name) {
            Array::R1(tensor) => tensor.clone(),
            other => panic!("parameter `{name}` has shape {:?}, not rank 1", other.shape()),
        }
    }

    pub(super) fn rank2(&self, name: &str) -> Tensor<2> {
        match self.array(name) {
            Array::R2(tensor) => tensor.clone(),
            other => panic!("parameter `{name}` has shape {:?}, not rank 2", other.shape()),
        }
    }

    pub(super) fn rank4(&self, name: &str) -> Tensor<4> {
        match self.array(name) {
            Array::R4(tensor) => tensor.clone(),
            other => panic!("parameter `{name}` has shape {:?}, not rank 4", other.shape()),
        }
    }

    /// A running statistic as this pass left it, or as the parameters hold it.
    fn array(&self, name: &str) -> &Array {
        let updated = self.updates.get(name);
        updated.or_else(|| self.params.0.get(name).map(|param| &param.value)).unwrap_or_else(|| {
            panic!("no parameter `{name}`: a module is applied to what its own `init` declares")
        })
    }
}
