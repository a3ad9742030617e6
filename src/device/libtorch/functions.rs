//! libtorch's tensors under the kernels of this processor, where they lie in its memory, and under
//! libtorch's own elsewhere.

use std::mem::MaybeUninit;
use std::slice;

use burn::backend::libtorch::TchTensor;
use tch::{Kind, Tensor};

use super::library;
use crate::device::host::{self, HostTensor, Threads};
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

fn is_host(x: &TchTensor) -> bool {
    x.tensor.device() == tch::Device::Cpu && x.tensor.kind() == Kind::Float
}

/// `x: [n, input, h, w]`, padded by zeros, under `weight: [output, input, kernel, kernel]`.
pub fn convolution(x: &TchTensor, weight: &TchTensor, options: [usize; 2]) -> TchTensor {
    match is_host(x) {
        true => host::convolution(x, weight, options),
        false => TchTensor::new(library::convolution(&x.tensor, &weight.tensor, options)),
    }
}

/// The gradients of a convolution by `x` and by `weight`, where each is `wanted`.
pub fn convolution_backward(
    gradient: &TchTensor,
    [x, weight]: [&TchTensor; 2],
    options: [usize; 2],
    wanted: [bool; 2],
) -> [Option<TchTensor>; 2] {
    if is_host(x) {
        return host::convolution_backward(gradient, [x, weight], options, wanted);
    }
    let inputs = [&x.tensor, &weight.tensor];
    library::convolution_backward(&gradient.tensor, inputs, options, wanted)
        .map(|made| made.map(TchTensor::new))
}

/// Normalises `x`, `[n, c, …]`, adds a shortcut of its shape, if there is one, and rectifies. The
/// output may take the place of `x` where it is to and nobody else holds it: then there is no way back.
pub fn batch_norm(
    x: TchTensor,
    parts: [TchTensor; 2],
    shortcut: Option<TchTensor>,
    (how, in_place): (BatchNorm, bool),
) -> (TchTensor, Normalized) {
    if is_host(&x) {
        let (output, made) = host::batch_norm(x, parts, shortcut, (how, in_place));
        let [mean, deviation] = [&made.mean, &made.deviation].map(TchTensor::clone);
        return (output, Normalized { mean, deviation, made: Made::Host(made) });
    }
    let (output, made) = library::batch_norm(x, parts, shortcut, how);
    let [mean, deviation] = [&made.mean, &made.deviation].map(TchTensor::clone);
    (output, Normalized { mean, deviation, made: Made::Library(made) })
}

/// Normalises `x` by the given scale, shift, mean and variance, as [`batch_norm`] by its own: there
/// is no way back, so that the output may take its place.
pub fn batch_norm_fixed(
    x: TchTensor,
    parts: [TchTensor; 4],
    shortcut: Option<TchTensor>,
    how: BatchNorm,
) -> TchTensor {
    if is_host(&x) {
        return host::batch_norm_fixed(x, parts, shortcut, how);
    }
    let parts = parts.each_ref().map(|own| &own.tensor);
    let shortcut = shortcut.as_ref().map(|own| &own.tensor);
    TchTensor::new(library::batch_norm_fixed(&x.tensor, parts, shortcut, how))
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
        Made::Host(made) => host::batch_norm_backward(gradient, made, has_shortcut, by_x),
        Made::Library(made) => made.backward(&gradient, has_shortcut, by_x),
    }
}

/// For tensors of which [`is_host`] holds.
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

    fn values(&self) -> &[f32] {
        // SAFETY: a tensor of f32 without gaps, which lives as long as this one.
        unsafe { slice::from_raw_parts(self.tensor.data_ptr().cast(), self.tensor.numel()) }
    }

    fn values_mut(&mut self) -> Option<&mut [f32]> {
        let (values, len) = (self.tensor.data_ptr().cast(), self.tensor.numel());
        // SAFETY: as above, and nobody else holds them.
        self.can_mut().then(|| unsafe { slice::from_raw_parts_mut(values, len) })
    }

    fn made(values: Vec<f32>, shape: &[usize]) -> Self {
        let shape: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
        TchTensor::new(Tensor::from_slice(&values).reshape(shape))
    }

    unsafe fn maps(shape: &[usize], write: impl FnOnce(&mut [MaybeUninit<f32>])) -> Self {
        let mut sizes: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
        let channels = sizes.remove(1);
        sizes.push(channels);
        let made = Tensor::empty(&sizes, (Kind::Float, tch::Device::Cpu));
        // SAFETY: a new tensor of so many f32, which nobody else knows. `write` writes all of them.
        write(unsafe { slice::from_raw_parts_mut(made.data_ptr().cast(), made.numel()) });
        let last = sizes.len() as i64 - 1;
        let axes: Vec<i64> = [0, last].into_iter().chain(1..last).collect();
        TchTensor::new(made.permute(axes))
    }
}
