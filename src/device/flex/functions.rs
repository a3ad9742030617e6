//! The embedded backend's tensors under the kernels of this processor.

use std::mem::MaybeUninit;

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::Bytes;

use crate::device::host::{self, HostTensor, Number, Threads};
use crate::device::operations::BatchNorm;

pub type Normalized = host::Normalized<FlexTensor>;

pub fn convolution(x: &FlexTensor, weight: &FlexTensor, options: [usize; 2]) -> FlexTensor {
    host::convolution::<_, f32>(x, weight, options)
}

pub fn convolution_backward(
    gradient: &FlexTensor,
    inputs: [&FlexTensor; 2],
    options: [usize; 2],
    wanted: [bool; 2],
) -> [Option<FlexTensor>; 2] {
    host::convolution_backward::<_, f32>(gradient, inputs, options, wanted)
}

pub fn batch_norm(
    x: FlexTensor,
    parts: [FlexTensor; 2],
    shortcut: Option<FlexTensor>,
    how: (BatchNorm, bool),
) -> (FlexTensor, Normalized) {
    host::batch_norm::<_, f32>(x, parts, shortcut, how)
}

pub fn batch_norm_fixed(
    x: FlexTensor,
    parts: [FlexTensor; 4],
    shortcut: Option<FlexTensor>,
    how: BatchNorm,
) -> FlexTensor {
    host::batch_norm_fixed::<_, f32>(x, parts, shortcut, how)
}

pub fn batch_norm_backward(
    gradient: FlexTensor,
    own: &Normalized,
    has_shortcut: bool,
    by_x: bool,
) -> [Option<FlexTensor>; 4] {
    host::batch_norm_backward::<_, f32>(gradient, own, has_shortcut, by_x)
}

pub fn depthwise(x: &FlexTensor, parts: [&FlexTensor; 2]) -> FlexTensor {
    host::depthwise::<_, f32>(x, parts)
}

pub fn depthwise_backward(
    gradient: &FlexTensor,
    inputs: [&FlexTensor; 2],
    by_x: bool,
) -> [Option<FlexTensor>; 3] {
    host::depthwise_backward::<_, f32>(gradient, inputs, by_x)
}

pub fn layer_norm(x: &FlexTensor, parts: [&FlexTensor; 2], epsilon: f64) -> FlexTensor {
    host::layer_norm::<_, f32>(x, parts, epsilon)
}

pub fn layer_norm_backward(
    gradient: &FlexTensor,
    inputs: [&FlexTensor; 2],
    epsilon: f64,
) -> [FlexTensor; 3] {
    host::layer_norm_backward::<_, f32>(gradient, inputs, epsilon)
}

pub fn gelu(x: &FlexTensor) -> FlexTensor {
    host::gelu::<_, f32>(x)
}

pub fn gelu_backward(gradient: &FlexTensor, x: &FlexTensor) -> FlexTensor {
    host::gelu_backward::<_, f32>(gradient, x)
}

pub fn attention(qkv: &FlexTensor, heads: usize, causal: bool) -> FlexTensor {
    host::attention::<_, f32>(qkv, heads, causal)
}

pub fn attention_backward(
    gradient: &FlexTensor,
    qkv: &FlexTensor,
    heads: usize,
    causal: bool,
) -> FlexTensor {
    host::attention_backward::<_, f32>(gradient, qkv, heads, causal)
}

impl HostTensor for FlexTensor {
    const THREADS: Threads = Threads::OWN;

    fn shape(&self) -> Vec<usize> {
        self.layout().shape().to_vec()
    }

    fn strides(&self) -> Vec<isize> {
        self.layout().strides().to_vec()
    }

    fn contiguous(&self) -> Self {
        self.to_contiguous()
    }

    fn values<N: Number>(&self) -> &[N] {
        &self.storage()[self.layout().start_offset()..][..self.layout().num_elements()]
    }

    fn values_mut<N: Number>(&mut self) -> Option<&mut [N]> {
        let (start, len) = (self.layout().start_offset(), self.layout().num_elements());
        self.try_storage_mut().map(|all| &mut all[start..][..len])
    }

    fn made(values: Vec<f32>, shape: &[usize]) -> Self {
        let layout = Layout::contiguous(shape.to_vec().into());
        FlexTensor::new(Bytes::from_elems(values), layout, f32::KIND)
    }

    unsafe fn maps<N: Number>(shape: &[usize], write: impl FnOnce(&mut [MaybeUninit<N>])) -> Self {
        let layout = Layout::new(shape.to_vec().into(), host::channels_last_strides(shape), 0);
        // SAFETY: as this function asks for.
        unsafe { written(layout, write) }
    }

    unsafe fn plain<N: Number>(shape: &[usize], write: impl FnOnce(&mut [MaybeUninit<N>])) -> Self {
        // SAFETY: as this function asks for.
        unsafe { written(Layout::contiguous(shape.to_vec().into()), write) }
    }
}

/// A tensor that lies so.
///
/// # Safety
///
/// `write` writes every number.
unsafe fn written<N: Number>(
    layout: Layout,
    write: impl FnOnce(&mut [MaybeUninit<N>]),
) -> FlexTensor {
    let len = layout.num_elements();
    let mut values = Vec::with_capacity(len);
    write(&mut values.spare_capacity_mut()[..len]);
    // SAFETY: there is room, and all are written, as this function asks for.
    unsafe { values.set_len(len) };
    FlexTensor::new(Bytes::from_elems(values), layout, N::KIND)
}
