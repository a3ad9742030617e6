//! The layers that have weights, under PyTorch's names and with its initialisation.

use super::architecture::Pass;
use super::cost::Walk;
use super::init::Fill;
use super::params::{Declared, Layout, Role, Slot};
use crate::device::Array;
use crate::term::Unit;

/// A square convolution without bias; a batch norm follows every one of them.
pub(super) struct Conv2d {
    weight: Slot,
    output: usize,
    kernel: usize,
    stride: usize,
}

impl Conv2d {
    /// Kaiming normal in fan-out mode, for a rectifier, as torchvision's residual networks. He et
    /// al. 2015, arXiv:1502.01852, section 2.2.
    ///
    /// The padding keeps the resolution where `stride` is one: `kernel` is odd.
    pub fn new(
        layout: &mut Layout,
        name: &str,
        [input, output]: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> Self {
        let fan_out = output * kernel * kernel;
        let weight = layout.declare(Declared::new(
            format!("{name}.weight"),
            vec![output, input, kernel, kernel],
            Role::Weight,
            Fill::Normal((2.0 / fan_out as f32).sqrt()),
        ));
        Conv2d { weight, output, kernel, stride }
    }

    /// `[n, input, h, w]` to `[n, output, ceil(h / stride), ceil(w / stride)]`.
    pub fn forward(&self, pass: &Pass<'_>, x: Array) -> Array {
        pass.kernels.conv2d(x, pass.array(self.weight), self.stride, self.kernel / 2)
    }

    pub fn walk(&self, walk: &mut Walk) {
        walk.convolution(self.output, self.kernel, self.stride);
    }
}

/// Similarities to learned directions, the weights' rows, which are kept at length one.
pub(super) struct Prototypes {
    weight: Slot,
    count: usize,
}

impl Prototypes {
    /// They stay as they are for so long at the start of a training.
    pub fn new(layout: &mut Layout, [input, count]: [usize; 2], frozen: (f64, Unit)) -> Self {
        let shape = vec![count, input];
        let declared = Declared::new("weight", shape, Role::UnitRows, Fill::UnitRows);
        let weight = layout.declare(Declared { frozen: Some(frozen), ..declared });
        Prototypes { weight, count }
    }

    /// `[n, input]` to `[n, count]`.
    pub fn forward(&self, pass: &Pass<'_>, x: Array) -> Array {
        pass.kernels.linear(x, pass.array(self.weight), None)
    }

    pub fn walk(&self, walk: &mut Walk) {
        walk.linear(self.count);
    }
}

/// An affine map of features.
pub(super) struct Linear {
    weight: Slot,
    bias: Option<Slot>,
    output: usize,
}

impl Linear {
    /// Uniform within one over the square root of the fan-in, weight and bias alike, as
    /// `torch.nn.Linear`.
    ///
    /// Its parameters are `{name}.weight` and `{name}.bias`; with an empty name, `weight` and
    /// `bias`.
    pub fn new(
        layout: &mut Layout,
        name: &str,
        [input, output]: [usize; 2],
        has_bias: bool,
    ) -> Self {
        let fill = Fill::Uniform(1.0 / (input as f32).sqrt());
        let mut declare =
            |part, shape, role| layout.declare(Declared::new(join(name, part), shape, role, fill));
        let weight = declare("weight", vec![output, input], Role::Weight);
        let bias = has_bias.then(|| declare("bias", vec![output], Role::Bias));
        Linear { weight, bias, output }
    }

    /// `[n, input]` to `[n, output]`.
    pub fn forward(&self, pass: &Pass<'_>, x: Array) -> Array {
        pass.kernels.linear(x, pass.array(self.weight), self.bias.map(|bias| pass.array(bias)))
    }

    pub fn walk(&self, walk: &mut Walk) {
        walk.linear(self.output);
    }
}

fn join(module: &str, parameter: &str) -> String {
    if module.is_empty() { parameter.to_owned() } else { format!("{module}.{parameter}") }
}
