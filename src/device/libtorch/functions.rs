//! libtorch's tensors under the kernels of this processor, where they lie in its memory, and under
//! libtorch's own elsewhere.

use std::mem::MaybeUninit;
use std::slice;

use burn::backend::libtorch::TchTensor;
use burn::tensor::{DType, bf16};
use tch::{Kind, Tensor};

use super::library;
use crate::device::host::{self, HostTensor, Number, Threads};
use crate::device::operations::BatchNorm;

/// A batch normalised: what the way back needs.
#[derive(Clone, Debug)]
pub struct Normalized {
    pub mean: TchTensor,
    pub deviation: TchTensor,
    made: Made,
}

#[derive(Clone, Debug)]
enum Made {
    Host(host::Normalized<TchTensor>),
    Library(library::Normalized),
}

/// `by_place!(x, N => host, library)` is `host` with `N` the numbers of a tensor that kernels of this
/// processor read, and `library` of any other.
macro_rules! by_place {
    ($x:expr, $N:ident => $host:expr, $library:expr) => {
        match ($x.tensor.device(), $x.tensor.kind()) {
            (tch::Device::Cpu, Kind::Float) => {
                type $N = f32;
                $host
            }
            (tch::Device::Cpu, Kind::BFloat16) => {
                type $N = bf16;
                $host
            }
            _ => $library,
        }
    };
}

/// `x: [n, input, h, w]`, padded by zeros, under `weight: [output, input, kernel, kernel]`, which may
/// be of f32 where `x` is of fewer bits.
pub fn convolution(x: &TchTensor, weight: &TchTensor, options: [usize; 2]) -> TchTensor {
    by_place!(x, N => host::convolution::<_, N>(x, weight, options), {
        let weight = weight.tensor.to_kind(x.tensor.kind());
        TchTensor::new(library::convolution(&x.tensor, &weight, options))
    })
}

/// The gradients of a convolution by `x` and by `weight`, each of its kind, where it is `wanted`.
pub fn convolution_backward(
    gradient: &TchTensor,
    [x, weight]: [&TchTensor; 2],
    options: [usize; 2],
    wanted: [bool; 2],
) -> [Option<TchTensor>; 2] {
    by_place!(x, N => host::convolution_backward::<_, N>(gradient, [x, weight], options, wanted), {
        let inputs = [&x.tensor, &weight.tensor.to_kind(x.tensor.kind())];
        let [by_x, by_weight] =
            library::convolution_backward(&gradient.tensor, inputs, options, wanted);
        let by_weight = by_weight.map(|own| own.to_kind(weight.tensor.kind()));
        [by_x, by_weight].map(|made| made.map(TchTensor::new))
    })
}

/// Normalises `x`, `[n, c, …]`, adds a shortcut of its shape, if there is one, and rectifies. The
/// output may take the place of `x` where it is to and nobody else holds it: then there is no way back.
pub fn batch_norm(
    x: TchTensor,
    parts: [TchTensor; 2],
    shortcut: Option<TchTensor>,
    (how, in_place): (BatchNorm, bool),
) -> (TchTensor, Normalized) {
    by_place!(x, N => {
        let (output, made) = host::batch_norm::<_, N>(x, parts, shortcut, (how, in_place));
        let [mean, deviation] = [&made.mean, &made.deviation].map(TchTensor::clone);
        (output, Normalized { mean, deviation, made: Made::Host(made) })
    }, {
        let (output, made) = library::batch_norm(x, parts, shortcut, how);
        let [mean, deviation] = [&made.mean, &made.deviation].map(TchTensor::clone);
        (output, Normalized { mean, deviation, made: Made::Library(made) })
    })
}

/// Normalises `x` by the given scale, shift, mean and variance, as [`batch_norm`] by its own: there
/// is no way back, so that the output may take its place.
pub fn batch_norm_fixed(
    x: TchTensor,
    parts: [TchTensor; 4],
    shortcut: Option<TchTensor>,
    how: BatchNorm,
) -> TchTensor {
    by_place!(x, N => host::batch_norm_fixed::<_, N>(x, parts, shortcut, how), {
        let parts = parts.each_ref().map(|own| &own.tensor);
        let shortcut = shortcut.as_ref().map(|own| &own.tensor);
        TchTensor::new(library::batch_norm_fixed(&x.tensor, parts, shortcut, how))
    })
}

/// The gradients of a batch norm: by its input, where it is wanted, by scale, shift and the shortcut,
/// where there was one.
pub fn batch_norm_backward(
    gradient: TchTensor,
    own: &Normalized,
    has_shortcut: bool,
    by_x: bool,
) -> [Option<TchTensor>; 4] {
    match &own.made {
        Made::Host(made) => by_place!(
            gradient,
            N => host::batch_norm_backward::<_, N>(gradient, made, has_shortcut, by_x),
            unreachable!("a gradient lies where its output does")
        ),
        Made::Library(made) => made.backward(&gradient, has_shortcut, by_x),
    }
}

/// Each channel of `x: [n, c, h, w]` with its own of `weight: [c, 1, kernel, kernel]`, padded by zeros
/// so that the resolution stays, and `bias: [c]`.
pub fn depthwise(x: &TchTensor, parts: [&TchTensor; 2]) -> TchTensor {
    by_place!(x, N => host::depthwise::<_, N>(x, parts), {
        let parts = parts.map(|own| own.tensor.to_kind(x.tensor.kind()));
        TchTensor::new(library::depthwise(&x.tensor, parts.each_ref()))
    })
}

/// The gradients of [`depthwise`]: by `x`, where it is wanted, by weight and by bias.
pub fn depthwise_backward(
    gradient: &TchTensor,
    [x, weight]: [&TchTensor; 2],
    by_x: bool,
) -> [Option<TchTensor>; 3] {
    by_place!(x, N => host::depthwise_backward::<_, N>(gradient, [x, weight], by_x), {
        let inputs = [&x.tensor, &weight.tensor.to_kind(x.tensor.kind())];
        let [by_x, by_weight, by_bias] =
            library::depthwise_backward(&gradient.tensor, inputs, by_x);
        let kind = weight.tensor.kind();
        let [by_weight, by_bias] = [by_weight, by_bias].map(|own| own.map(|own| own.to_kind(kind)));
        [by_x, by_weight, by_bias].map(|made| made.map(TchTensor::new))
    })
}

/// Normalises rows of `x`, `[…, d]`, scales and shifts them by `[d]`.
pub fn layer_norm(x: &TchTensor, parts: [&TchTensor; 2], epsilon: f64) -> TchTensor {
    by_place!(x, N => host::layer_norm::<_, N>(x, parts, epsilon), {
        TchTensor::new(library::layer_norm(&x.tensor, parts.map(|own| &own.tensor), epsilon))
    })
}

/// The gradients of a layer norm by its input, by scale and by shift.
pub fn layer_norm_backward(
    gradient: &TchTensor,
    inputs: [&TchTensor; 2],
    epsilon: f64,
) -> [TchTensor; 3] {
    by_place!(gradient, N => host::layer_norm_backward::<_, N>(gradient, inputs, epsilon), {
        let inputs = inputs.map(|own| &own.tensor);
        library::layer_norm_backward(&gradient.tensor, inputs, epsilon).map(TchTensor::new)
    })
}

/// `x * P(X <= x)` of a standard normal `X`.
pub fn gelu(x: &TchTensor) -> TchTensor {
    by_place!(x, N => host::gelu::<_, N>(x), TchTensor::new(x.tensor.gelu("none")))
}

/// The gradient of [`gelu`] by its input.
pub fn gelu_backward(gradient: &TchTensor, x: &TchTensor) -> TchTensor {
    by_place!(x, N => host::gelu_backward::<_, N>(gradient, x), {
        TchTensor::new(x.tensor.gelu_backward(&gradient.tensor, "none"))
    })
}

/// `[n, tokens, 3 * width]` of so many heads to `[n, tokens, width]`.
pub fn attention(qkv: &TchTensor, heads: usize, causal: bool) -> TchTensor {
    by_place!(qkv, N => host::attention::<_, N>(qkv, heads, causal), {
        TchTensor::new(library::attention(&qkv.tensor, heads, causal))
    })
}

/// The gradient of [`attention`] by its input.
pub fn attention_backward(
    gradient: &TchTensor,
    qkv: &TchTensor,
    heads: usize,
    causal: bool,
) -> TchTensor {
    by_place!(qkv, N => host::attention_backward::<_, N>(gradient, qkv, heads, causal), {
        let [gradient, qkv] = [gradient, qkv].map(|own| &own.tensor);
        TchTensor::new(library::attention_backward(gradient, qkv, heads, causal))
    })
}

fn kind<N: Number>() -> Kind {
    match N::KIND {
        DType::BF16 => Kind::BFloat16,
        _ => Kind::Float,
    }
}

/// The numbers of a tensor without gaps.
fn numbers<N: Number>(own: &TchTensor) -> (*mut N, usize) {
    assert_eq!(own.tensor.kind(), kind::<N>(), "numbers of another kind");
    (own.tensor.data_ptr().cast(), own.tensor.numel())
}

/// For tensors in the memory of the processor.
impl HostTensor for TchTensor {
    const THREADS: Threads = library::THREADS;

    fn shape(&self) -> Vec<usize> {
        self.tensor.size().into_iter().map(|size| size as usize).collect()
    }

    fn strides(&self) -> Vec<isize> {
        self.tensor.stride().into_iter().map(|stride| stride as isize).collect()
    }

    fn contiguous(&self) -> Self {
        TchTensor::from_existing(self.tensor.contiguous(), self.storage.clone())
    }

    fn values<N: Number>(&self) -> &[N] {
        let (values, len) = numbers(self);
        // SAFETY: a tensor of such numbers without gaps, which lives as long as this one.
        unsafe { slice::from_raw_parts(values, len) }
    }

    fn values_mut<N: Number>(&mut self) -> Option<&mut [N]> {
        let (values, len) = numbers(self);
        // SAFETY: as above, and nobody else holds them.
        self.can_mut().then(|| unsafe { slice::from_raw_parts_mut(values, len) })
    }

    fn made(values: Vec<f32>, shape: &[usize]) -> Self {
        let shape: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
        TchTensor::new(Tensor::from_slice(&values).reshape(shape))
    }

    unsafe fn maps<N: Number>(shape: &[usize], write: impl FnOnce(&mut [MaybeUninit<N>])) -> Self {
        let last = shape.len() - 1;
        let sizes: Vec<usize> = [&shape[..1], &shape[2..], &shape[1..2]].concat();
        let axes: Vec<i64> = [0, last].into_iter().chain(1..last).map(|axis| axis as i64).collect();
        // SAFETY: as this function asks for.
        TchTensor::new(unsafe { written(&sizes, write) }.permute(axes))
    }

    unsafe fn plain<N: Number>(shape: &[usize], write: impl FnOnce(&mut [MaybeUninit<N>])) -> Self {
        // SAFETY: as this function asks for.
        TchTensor::new(unsafe { written(shape, write) })
    }
}

/// A tensor in the order of its sizes.
///
/// # Safety
///
/// `write` writes every number.
unsafe fn written<N: Number>(shape: &[usize], write: impl FnOnce(&mut [MaybeUninit<N>])) -> Tensor {
    let sizes: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
    let made = Tensor::empty(&sizes, (kind::<N>(), tch::Device::Cpu));
    // SAFETY: a new tensor of so many such numbers, which nobody else knows. `write` writes all of them.
    write(unsafe { slice::from_raw_parts_mut(made.data_ptr().cast(), made.numel()) });
    made
}
