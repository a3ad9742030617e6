//! The C++ of this folder, with tensors that own themselves.

mod copies;
mod many;
mod threads;

pub use copies::{CopyOut, bring};
pub use many::{adam_many, add_many, descend_many, lerp_many, norms, scale_many};
pub use threads::THREADS;

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use burn::backend::libtorch::TchTensor;
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use crate::device::operations::BatchNorm;

unsafe extern "C" {
    fn cpipe_release(message: *mut c_char);
    fn cpipe_built_against() -> *const c_char;
    fn cpipe_configuration() -> *mut c_char;
    fn cpipe_settle_gpus(tf32: bool) -> *mut c_char;
    fn cpipe_convolution(
        made: *mut *mut C_tensor,
        x: *const C_tensor,
        weight: *const C_tensor,
        stride: i64,
        padding: i64,
    ) -> *mut c_char;
    fn cpipe_convolution_backward(
        made: *mut *mut C_tensor,
        gradient: *const C_tensor,
        x: *const C_tensor,
        weight: *const C_tensor,
        stride: i64,
        padding: i64,
        by_x: bool,
        by_weight: bool,
    ) -> *mut c_char;
    fn cpipe_batch_norm(
        made: *mut *mut C_tensor,
        implementation: *mut i64,
        x: *const C_tensor,
        scale: *const C_tensor,
        shift: *const C_tensor,
        shortcut: *const C_tensor,
        groups: i64,
        relu: bool,
        epsilon: f64,
    ) -> *mut c_char;
    fn cpipe_batch_norm_fixed(
        made: *mut *mut C_tensor,
        x: *const C_tensor,
        scale: *const C_tensor,
        shift: *const C_tensor,
        mean: *const C_tensor,
        variance: *const C_tensor,
        shortcut: *const C_tensor,
        relu: bool,
        epsilon: f64,
    ) -> *mut c_char;
    fn cpipe_batch_norm_backward(
        made: *mut *mut C_tensor,
        implementation: i64,
        gradient: *const C_tensor,
        x: *const C_tensor,
        output: *const C_tensor,
        scale: *const C_tensor,
        mean: *const C_tensor,
        deviation: *const C_tensor,
        kept: *const C_tensor,
        groups: i64,
        relu: bool,
        has_shortcut: bool,
        epsilon: f64,
        by_x: bool,
    ) -> *mut c_char;
    fn cpipe_depthwise_backward(
        made: *mut *mut C_tensor,
        gradient: *const C_tensor,
        x: *const C_tensor,
        weight: *const C_tensor,
        by_x: bool,
    ) -> *mut c_char;
    fn cpipe_layer_norm_backward(
        made: *mut *mut C_tensor,
        gradient: *const C_tensor,
        x: *const C_tensor,
        scale: *const C_tensor,
        epsilon: f64,
    ) -> *mut c_char;
    fn cpipe_bring(
        made: *mut *mut C_tensor,
        values: *const c_void,
        sizes: *const i64,
        rank: usize,
        is_whole: bool,
        gpu: i32,
    ) -> *mut c_char;
    fn cpipe_copy_begin(made: *mut *mut c_void, x: *const C_tensor) -> *mut c_char;
    fn cpipe_copy_end(made: *mut *mut C_tensor, copy: *mut c_void) -> *mut c_char;
    fn cpipe_each(
        count: i64,
        work: extern "C" fn(*const c_void),
        data: *const c_void,
    ) -> *mut c_char;
    fn cpipe_lerp_many(
        averages: *const *mut C_tensor,
        targets: *const *const C_tensor,
        count: usize,
        share: f64,
    ) -> *mut c_char;
    fn cpipe_norms(
        made: *mut *mut C_tensor,
        tensors: *const *const C_tensor,
        count: usize,
    ) -> *mut c_char;
    fn cpipe_add_many(
        owns: *const *mut C_tensor,
        others: *const *const C_tensor,
        count: usize,
        factor: f64,
    ) -> *mut c_char;
    fn cpipe_scale_many(
        owns: *const *mut C_tensor,
        factors: *const C_tensor,
        count: usize,
    ) -> *mut c_char;
    fn cpipe_adam_many(
        values: *const *mut C_tensor,
        gradients: *const *const C_tensor,
        first: *const *mut C_tensor,
        second: *const *mut C_tensor,
        number: *const C_tensor,
        count: usize,
        lr: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        epsilon: f64,
        decoupled: bool,
    ) -> *mut c_char;
    fn cpipe_descend_many(
        made: *mut *mut C_tensor,
        values: *const *mut C_tensor,
        gradients: *const *const C_tensor,
        buffers: *const *mut C_tensor,
        count: usize,
        lr: f64,
        weight_decay: f64,
        momentum: f64,
        nesterov: bool,
    ) -> *mut c_char;
}

/// The version of libtorch that this was built against.
pub fn built_against() -> String {
    // SAFETY: it is a constant that ends in a zero.
    unsafe { CStr::from_ptr(cpipe_built_against()) }.to_string_lossy().into_owned()
}

/// How the libtorch that was loaded says it was built.
pub fn configuration() -> String {
    // SAFETY: it takes nothing, and gives a text or null.
    taken(unsafe { cpipe_configuration() }).unwrap_or_default()
}

/// How GPUs compute from now on in this thread: the same each time, where libtorch has a way to, and
/// with products of f32 rounded to TF32 or not.
pub fn settle_gpus(tf32: bool) {
    // SAFETY: it is given a plain number.
    check(unsafe { cpipe_settle_gpus(tf32) });
}

/// Whether a device convolves in bfloat16, found out by trying.
pub fn convolves_bf16(device: Device) -> bool {
    let maps = Tensor::f_zeros([1, 8, 4, 4], (Kind::BFloat16, device));
    let convolved = maps.and_then(|maps| {
        let weight = Tensor::f_zeros([8, 8, 3, 3], (Kind::BFloat16, device))?;
        maps.f_conv2d(&weight, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1)
    });
    convolved.is_ok()
}

/// `x: [n, input, h, w]`, padded by zeros, under `weight: [output, input, kernel, kernel]`.
pub fn convolution(x: &Tensor, weight: &Tensor, [stride, padding]: [usize; 2]) -> Tensor {
    let [output] = made(|made| {
        let [x, weight] = [x, weight].map(Tensor::as_ptr);
        // SAFETY: both are live tensors, and `made` has one place.
        unsafe { cpipe_convolution(made, x, weight, size(stride), size(padding)) }
    });
    output.expect("a convolution has an output")
}

/// The gradients of a convolution by `x` and by `weight`, where each is `wanted`.
pub fn convolution_backward(
    gradient: &Tensor,
    [x, weight]: [&Tensor; 2],
    [stride, padding]: [usize; 2],
    wanted: [bool; 2],
) -> [Option<Tensor>; 2] {
    let [stride, padding] = [stride, padding].map(size);
    made(|made| {
        let [gradient, x, weight] = [gradient, x, weight].map(Tensor::as_ptr);
        // SAFETY: all are live tensors, and `made` has two places.
        unsafe {
            let [by_x, by_weight] = wanted;
            cpipe_convolution_backward(made, gradient, x, weight, stride, padding, by_x, by_weight)
        }
    })
}

/// A batch normalised: what the way back needs.
#[derive(Clone, Debug)]
pub struct Normalized {
    x: TchTensor,
    scale: TchTensor,
    /// The output behind a ReLU.
    rectified: Option<TchTensor>,
    pub mean: TchTensor,
    /// One over the square root of variance and epsilon.
    pub deviation: TchTensor,
    kept: TchTensor,
    implementation: i64,
    how: BatchNorm,
}

/// Normalises `x`, `[n, c, …]`, adds a shortcut of its shape, if there is one, and rectifies.
pub fn batch_norm(
    x: TchTensor,
    [scale, shift]: [TchTensor; 2],
    shortcut: Option<TchTensor>,
    how: BatchNorm,
) -> (TchTensor, Normalized) {
    let mut implementation = 0;
    let [output, mean, deviation, kept] = made(|made| {
        let [x, scale, shift] = [&x, &scale, &shift].map(|own| own.tensor.as_ptr());
        let shortcut = shortcut.as_ref().map_or(ptr::null(), |own| own.tensor.as_ptr());
        let (groups, BatchNorm { relu, epsilon, .. }) = (size(how.groups), how);
        let at = &raw mut implementation;
        // SAFETY: all are live tensors, but for `shortcut`, which may be null; `made` has four
        // places.
        unsafe { cpipe_batch_norm(made, at, x, scale, shift, shortcut, groups, relu, epsilon) }
    });
    let some = |tensor: Option<Tensor>| TchTensor::new(tensor.expect("all four are made"));
    let [output, mean, deviation, kept] = [output, mean, deviation, kept].map(some);
    // Without a ReLU nothing on the way back reads it.
    let rectified = how.relu.then(|| output.clone());
    let made = Normalized { x, scale, rectified, mean, deviation, kept, implementation, how };
    (output, made)
}

/// Normalises `x` by the given scale, shift, mean and variance, as [`batch_norm`] by its own.
pub fn batch_norm_fixed(
    x: &Tensor,
    parts: [&Tensor; 4],
    shortcut: Option<&Tensor>,
    how: BatchNorm,
) -> Tensor {
    let [output] = made(|made| {
        let [scale, shift, mean, variance] = parts.map(Tensor::as_ptr);
        let shortcut = shortcut.map_or(ptr::null(), Tensor::as_ptr);
        let (BatchNorm { relu, epsilon, .. }, x) = (how, x.as_ptr());
        // SAFETY: all are live tensors, but for `shortcut`, which may be null; `made` has one place.
        unsafe {
            cpipe_batch_norm_fixed(made, x, scale, shift, mean, variance, shortcut, relu, epsilon)
        }
    });
    output.expect("a batch norm has an output")
}

impl Normalized {
    /// The gradients by `x`, where it is wanted, by scale, by shift and by the shortcut, where there
    /// was one.
    pub fn backward(
        &self,
        gradient: &TchTensor,
        has_shortcut: bool,
        by_x: bool,
    ) -> [Option<TchTensor>; 4] {
        let made = made(|made| {
            let all = [gradient, &self.x, &self.scale, &self.mean, &self.deviation, &self.kept];
            let [gradient, x, scale, mean, deviation, kept] = all.map(|own| own.tensor.as_ptr());
            let output = self.rectified.as_ref().map_or(ptr::null(), |own| own.tensor.as_ptr());
            let (index, BatchNorm { groups, relu, epsilon }) = (self.implementation, self.how);
            // SAFETY: all are live tensors, but, without a ReLU, `output`, which may be null; `made`
            // has four places.
            unsafe {
                cpipe_batch_norm_backward(
                    made,
                    index,
                    gradient,
                    x,
                    output,
                    scale,
                    mean,
                    deviation,
                    kept,
                    size(groups),
                    relu,
                    has_shortcut,
                    epsilon,
                    by_x,
                )
            }
        });
        let [by_x, by_scale, by_shift, by_shortcut] = made;
        let new = |own: Option<Tensor>| own.map(TchTensor::new);
        // Without a ReLU it is the gradient itself, whose memory somebody else may hold as well.
        let same = by_shortcut.map(|own| TchTensor::from_existing(own, gradient.storage.clone()));
        [new(by_x), new(by_scale), new(by_shift), same]
    }
}

/// Each channel of `x: [n, c, h, w]` with its own of `weight: [c, 1, kernel, kernel]`, padded by zeros
/// so that the resolution stays, and `bias: [c]`.
pub fn depthwise(x: &Tensor, [weight, bias]: [&Tensor; 2]) -> Tensor {
    let (channels, around) = (weight.size()[0], weight.size()[2] / 2);
    x.conv2d(weight, Some(bias), [1, 1], [around, around], [1, 1], channels)
}

/// The gradients of [`depthwise`] by its input, where it is wanted, by weight and by bias.
pub fn depthwise_backward(
    gradient: &Tensor,
    [x, weight]: [&Tensor; 2],
    by_x: bool,
) -> [Option<Tensor>; 3] {
    made(|made| {
        let [gradient, x, weight] = [gradient, x, weight].map(Tensor::as_ptr);
        // SAFETY: all are live tensors, and `made` has three places.
        unsafe { cpipe_depthwise_backward(made, gradient, x, weight, by_x) }
    })
}

/// Normalises rows of `x`, `[…, d]`, scales and shifts them by `[d]`.
pub fn layer_norm(x: &Tensor, [scale, shift]: [&Tensor; 2], epsilon: f64) -> Tensor {
    x.native_layer_norm(scale.size(), Some(scale), Some(shift), epsilon).0
}

/// The gradients of a layer norm by its input, by scale and by shift.
pub fn layer_norm_backward(
    gradient: &Tensor,
    [x, scale]: [&Tensor; 2],
    epsilon: f64,
) -> [Tensor; 3] {
    let gradients = made(|made| {
        let [gradient, x, scale] = [gradient, x, scale].map(Tensor::as_ptr);
        // SAFETY: all are live tensors, and `made` has three places.
        unsafe { cpipe_layer_norm_backward(made, gradient, x, scale, epsilon) }
    });
    gradients.map(|own| own.expect("all three are made"))
}

/// `[n, tokens, 3 * width]` of so many heads to `[n, tokens, width]`.
pub fn attention(qkv: &Tensor, heads: usize, causal: bool) -> Tensor {
    let [query, key, value] = parts(qkv, heads);
    let attended = weights([&query, &key], causal).to_kind(qkv.kind()).matmul(&value);
    let (n, heads, tokens, width) = attended.size4().expect("four dimensions");
    attended.transpose(1, 2).reshape([n, tokens, heads * width])
}

/// The gradient of [`attention`] by its input.
pub fn attention_backward(gradient: &Tensor, qkv: &Tensor, heads: usize, causal: bool) -> Tensor {
    let [query, key, value] = parts(qkv, heads);
    let weights = weights([&query, &key], causal);
    let (n, heads, tokens, width) = query.size4().expect("four dimensions");
    let gradient = gradient.reshape([n, tokens, heads, width]).transpose(1, 2);
    let by_value = weights.to_kind(qkv.kind()).transpose(2, 3).matmul(&gradient);
    let by_weights = gradient.matmul(&value.transpose(2, 3)).to_kind(Kind::Float);
    let by_scores = Tensor::internal_softmax_backward_data(&by_weights, &weights, -1, Kind::Float);
    let by_scores = (by_scores / (width as f64).sqrt()).to_kind(qkv.kind());
    let [by_query, by_key] = [by_scores.matmul(&key), by_scores.transpose(2, 3).matmul(&query)];
    let all = Tensor::stack(&[by_query, by_key, by_value], 0).permute([1, 3, 0, 2, 4]);
    all.reshape([n, tokens, 3 * heads * width])
}

/// Queries, keys and values, each `[n, heads, tokens, width]`.
fn parts(qkv: &Tensor, heads: usize) -> [Tensor; 3] {
    let (n, tokens, numbers) = qkv.size3().expect("three dimensions");
    let width = numbers / (3 * size(heads));
    let apart = qkv.reshape([n, tokens, 3, size(heads), width]).permute([2, 0, 3, 1, 4]);
    [0, 1, 2].map(|part| apart.select(0, part).contiguous())
}

/// How much of each token each is given, in single precision: `[n, heads, tokens, tokens]`.
fn weights([query, key]: [&Tensor; 2], causal: bool) -> Tensor {
    let (_, _, tokens, width) = query.size4().expect("four dimensions");
    let mut scores = query.matmul(&key.transpose(2, 3)).to_kind(Kind::Float);
    scores /= (width as f64).sqrt();
    if causal {
        let seen = Tensor::ones([tokens, tokens], (Kind::Bool, scores.device())).tril(0);
        scores = scores.masked_fill(&seen.logical_not(), f64::NEG_INFINITY);
    }
    scores.softmax(-1, Kind::Float)
}

/// Sizes of tensors are far from where an `i64` ends.
fn size(size: usize) -> i64 {
    size as i64
}

/// The tensors that a function has made in its places.
fn made<const N: usize>(
    function: impl FnOnce(*mut *mut C_tensor) -> *mut c_char,
) -> [Option<Tensor>; N] {
    let mut made = [ptr::null_mut(); N];
    check(function(made.as_mut_ptr()));
    // SAFETY: what is there was made by `new`, and nobody else has it.
    made.map(|own| (!own.is_null()).then(|| unsafe { Tensor::from_ptr(own) }))
}

/// # Panics
///
/// With libtorch's message, as the bindings' own functions do.
fn check(message: *mut c_char) {
    if let Some(text) = taken(message) {
        panic!("libtorch: {text}");
    }
}

/// A text that the C++ of this folder has made, given back to it.
fn taken(text: *mut c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: it ends in a zero, and is given back once.
    unsafe {
        let own = CStr::from_ptr(text).to_string_lossy().into_owned();
        cpipe_release(text);
        Some(own)
    }
}
