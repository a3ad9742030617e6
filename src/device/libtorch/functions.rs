//! `functions.cpp`, with tensors that own themselves.

use std::ffi::{CStr, c_char};
use std::ptr;

use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn cpipe_release(message: *mut c_char);
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
        epsilon: f64,
    ) -> *mut c_char;
    fn cpipe_batch_norm_backward(
        made: *mut *mut C_tensor,
        implementation: i64,
        gradient: *const C_tensor,
        x: *const C_tensor,
        scale: *const C_tensor,
        mean: *const C_tensor,
        deviation: *const C_tensor,
        kept: *const C_tensor,
        epsilon: f64,
        by_x: bool,
    ) -> *mut c_char;
    fn cpipe_lerp_many(
        averages: *const *mut C_tensor,
        targets: *const *const C_tensor,
        count: usize,
        share: f64,
    ) -> *mut c_char;
}

/// The gradients of a convolution by `x` and by `weight`, where each is `wanted`.
pub fn convolution_backward(
    gradient: &Tensor,
    [x, weight]: [&Tensor; 2],
    [stride, padding]: [usize; 2],
    wanted: [bool; 2],
) -> [Option<Tensor>; 2] {
    // Sizes of tensors are far from where an `i64` ends.
    let [stride, padding] = [stride as i64, padding as i64];
    made(|made| {
        let [gradient, x, weight] = [gradient, x, weight].map(Tensor::as_ptr);
        // SAFETY: all are live tensors, and `made` has two places.
        unsafe {
            let [by_x, by_weight] = wanted;
            cpipe_convolution_backward(made, gradient, x, weight, stride, padding, by_x, by_weight)
        }
    })
}

/// A batch normalised, and what the way back needs.
pub struct BatchNorm {
    pub output: Tensor,
    pub mean: Tensor,
    /// One over the square root of variance and epsilon.
    pub deviation: Tensor,
    pub kept: Option<Tensor>,
    pub implementation: i64,
}

/// Normalises `x`, `[n, c, …]`, by itself, by whichever of its implementations libtorch prefers.
pub fn batch_norm(x: &Tensor, [scale, shift]: [&Tensor; 2], epsilon: f64) -> BatchNorm {
    let mut implementation = 0;
    let [output, mean, deviation, kept] = made(|made| {
        let [x, scale, shift] = [x, scale, shift].map(Tensor::as_ptr);
        // SAFETY: all are live tensors, and `made` has four places.
        unsafe { cpipe_batch_norm(made, &mut implementation, x, scale, shift, epsilon) }
    });
    let some = |tensor: Option<Tensor>| tensor.expect("a batch norm has an output and statistics");
    let [output, mean, deviation] = [output, mean, deviation].map(some);
    BatchNorm { output, mean, deviation, kept, implementation }
}

/// The gradients of a batch norm by `x`, where it is wanted, by scale and by shift. `implementation`
/// and `kept` are those of [`BatchNorm`].
pub fn batch_norm_backward(
    gradient: &Tensor,
    [x, scale]: [&Tensor; 2],
    [mean, deviation]: [&Tensor; 2],
    (implementation, kept): (i64, Option<&Tensor>),
    epsilon: f64,
    by_x: bool,
) -> [Option<Tensor>; 3] {
    made(|made| {
        let [gradient, x, scale] = [gradient, x, scale].map(Tensor::as_ptr);
        let [mean, deviation] = [mean, deviation].map(Tensor::as_ptr);
        let kept = kept.map_or(ptr::null(), Tensor::as_ptr);
        // SAFETY: all are live tensors, but for `kept`, which may be null; `made` has three places.
        unsafe {
            cpipe_batch_norm_backward(
                made,
                implementation,
                gradient,
                x,
                scale,
                mean,
                deviation,
                kept,
                epsilon,
                by_x,
            )
        }
    })
}

/// Moves each average a share of the way to its target, in place.
///
/// # Panics
///
/// If there are not as many of both.
pub fn lerp_many(averages: &mut [Tensor], targets: &[Tensor], share: f64) {
    assert_eq!(averages.len(), targets.len(), "a target for each average");
    // libtorch refuses a list without tensors.
    if averages.is_empty() {
        return;
    }
    let count = averages.len();
    let averages: Vec<_> = averages.iter_mut().map(Tensor::as_mut_ptr).collect();
    let targets: Vec<_> = targets.iter().map(Tensor::as_ptr).collect();
    // SAFETY: both hold `count` live tensors, those of the first borrowed for writing.
    check(unsafe { cpipe_lerp_many(averages.as_ptr(), targets.as_ptr(), count, share) });
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
    if message.is_null() {
        return;
    }
    // SAFETY: it ends in a zero, and is given back once.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        cpipe_release(message);
        text
    };
    panic!("libtorch: {text}");
}
