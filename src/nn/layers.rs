//! The layers that have weights, under PyTorch's names and with its initialisation.

use burn::tensor::Tensor;

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

/// The pixels of square patches, row after row, without what is left over at the right and below:
/// `[n, c, h, w]` to `[n, patches, c side²]`.
pub fn patches(mut x: Tensor<4>, side: usize) -> Tensor<3> {
    let [n, c, height, width] = x.dims();
    let (rows, columns) = (height / side, width / side);
    if [height, width] != [rows * side, columns * side] {
        x = x.narrow(2, 0, rows * side).narrow(3, 0, columns * side);
    }
    let apart = x.reshape([n, c, rows, side, columns, side]).permute([0, 2, 4, 1, 3, 5]);
    apart.reshape([n, rows * columns, c * side * side])
}

/// Square patches of images, each as one token: a convolution whose stride is its kernel.
pub(super) struct Patches {
    weight: Slot,
    bias: Slot,
    side: usize,
    output: usize,
}

impl Patches {
    /// Uniform within one over the square root of the fan-in, as `torch.nn.Conv2d`.
    pub fn new(layout: &mut Layout, name: &str, [input, output]: [usize; 2], side: usize) -> Self {
        let fill = Fill::Uniform(1.0 / ((input * side * side) as f32).sqrt());
        Patches::filled(layout, name, [input, output], side, (fill, fill))
    }

    /// With those first values of the weight and of the bias.
    pub fn filled(
        layout: &mut Layout,
        name: &str,
        [input, output]: [usize; 2],
        side: usize,
        (weight, bias): (Fill, Fill),
    ) -> Self {
        let mut declare = |part, shape, role, fill| {
            layout.declare(Declared::new(join(name, part), shape, role, fill))
        };
        let weight = declare("weight", vec![output, input, side, side], Role::Weight, weight);
        let bias = declare("bias", vec![output], Role::Bias, bias);
        Patches { weight, bias, side, output }
    }

    pub fn side(&self) -> usize {
        self.side
    }

    pub fn width(&self) -> usize {
        self.output
    }

    /// The rows and columns of patches in images `[n, input, h, w]`.
    pub fn grid(&self, x: &Array) -> [usize; 2] {
        let shape = x.shape();
        [shape[2], shape[3]].map(|side| side / self.side)
    }

    /// `[n, input, h, w]` to `[n, patches, output]`, row after row, without what is left over at the
    /// right and below.
    pub fn forward(&self, pass: &Pass<'_>, x: Array) -> Array {
        let patches = patches(x.into_tensor(), self.side);
        let [n, count, pixels] = patches.dims();
        let rows = patches.reshape([n * count, pixels]).into();
        let weight = pass.array(self.weight).reshape(&[self.output, pixels]);
        let tokens = pass.kernels.linear(rows, weight, Some(pass.array(self.bias)));
        tokens.reshape(&[n, count, self.output])
    }
}

/// A convolution of each channel by itself, with a bias, that keeps the resolution.
pub(super) struct Depthwise {
    weight: Slot,
    bias: Slot,
    kernel: usize,
}

impl Depthwise {
    /// Normal, of a standard deviation of 0.02, as timm's ConvNeXt. `kernel` is odd.
    pub fn new(layout: &mut Layout, name: &str, channels: usize, kernel: usize) -> Self {
        let mut declare = |part, shape, role, fill| {
            layout.declare(Declared::new(join(name, part), shape, role, fill))
        };
        let shape = vec![channels, 1, kernel, kernel];
        let weight = declare("weight", shape, Role::Weight, Fill::Normal(0.02));
        let bias = declare("bias", vec![channels], Role::Bias, Fill::Constant(0.0));
        Depthwise { weight, bias, kernel }
    }

    /// `[n, channels, h, w]` to the same.
    pub fn forward(&self, pass: &Pass<'_>, x: Array) -> Array {
        pass.kernels.depthwise(x, pass.array(self.weight), pass.array(self.bias))
    }

    pub fn kernel(&self) -> usize {
        self.kernel
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
        Linear::filled(layout, name, [input, output], (fill, has_bias.then_some(fill)))
    }

    /// With those first values of the weight, and of the bias where there is one.
    pub fn filled(
        layout: &mut Layout,
        name: &str,
        [input, output]: [usize; 2],
        (weight, bias): (Fill, Option<Fill>),
    ) -> Self {
        let mut declare = |part, shape, role, fill| {
            layout.declare(Declared::new(join(name, part), shape, role, fill))
        };
        let weight = declare("weight", vec![output, input], Role::Weight, weight);
        let bias = bias.map(|bias| declare("bias", vec![output], Role::Bias, bias));
        Linear { weight, bias, output }
    }

    /// Learned rows that are no weight of a layer: each number of the input is how much there is of
    /// one of them.
    pub fn token(layout: &mut Layout, name: &str, [input, output]: [usize; 2]) -> Self {
        let (shape, fill) = (vec![output, input], Fill::Normal(0.02));
        let weight = layout.declare(Declared::new(name, shape, Role::Token, fill));
        Linear { weight, bias: None, output }
    }

    /// `[…, input]` to `[…, output]`.
    pub fn forward(&self, pass: &Pass<'_>, x: Array) -> Array {
        let shape = x.shape();
        let [before @ .., input] = &shape[..] else { panic!("{shape:?} are no features") };
        let rows = x.reshape(&[before.iter().product(), *input]);
        let bias = self.bias.map(|bias| pass.array(bias));
        let output = pass.kernels.linear(rows, pass.array(self.weight), bias);
        output.reshape(&[before, &[self.output]].concat())
    }

    pub fn walk(&self, walk: &mut Walk) {
        walk.linear(self.output);
    }
}

fn join(module: &str, parameter: &str) -> String {
    if module.is_empty() { parameter.to_owned() } else { format!("{module}.{parameter}") }
}
