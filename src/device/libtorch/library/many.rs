//! Steps of many tensors at once, in place.

use std::ptr;

use tch::{Kind, Tensor};

use super::{
    check, cpipe_adam_many, cpipe_add_many, cpipe_descend_many, cpipe_lerp_many, cpipe_norms,
    cpipe_scale_many, made,
};
use crate::device::{Adam, Averages, Descent};

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

/// A step of stochastic gradient descent for each of many values, in place. With momentum there is a
/// buffer for each, but in the first step, which makes them.
///
/// # Panics
///
/// If there is not one gradient for each, and one buffer or none at all.
pub fn descend_many(
    values: &mut [Tensor],
    gradients: &[Tensor],
    buffers: &mut Vec<Tensor>,
    Descent { lr, weight_decay, momentum, nesterov }: Descent,
) {
    let count = values.len();
    assert_eq!(gradients.len(), count, "a gradient for each value");
    assert!(buffers.is_empty() || buffers.len() == count, "a buffer for each value");
    // libtorch refuses a list without tensors.
    if values.is_empty() {
        return;
    }
    let is_first = momentum != 0.0 && buffers.is_empty();
    let values: Vec<_> = values.iter_mut().map(Tensor::as_mut_ptr).collect();
    let gradients: Vec<_> = gradients.iter().map(Tensor::as_ptr).collect();
    let moved: Vec<_> = buffers.iter_mut().map(Tensor::as_mut_ptr).collect();
    let mut made = vec![ptr::null_mut(); if is_first { count } else { 0 }];
    let [made_at, moved_at] = [
        if is_first { made.as_mut_ptr() } else { ptr::null_mut() },
        if moved.is_empty() { ptr::null_mut() } else { moved.as_ptr().cast_mut() },
    ];
    // SAFETY: the lists hold `count` live tensors each, those of the first and the third borrowed
    // for writing; `made` has as many places where it is the first step.
    check(unsafe {
        cpipe_descend_many(
            made_at,
            values.as_ptr(),
            gradients.as_ptr(),
            moved_at,
            count,
            lr,
            weight_decay,
            momentum,
            nesterov,
        )
    });
    // SAFETY: what is there was made by `new`, and nobody else has it.
    buffers.extend(made.into_iter().map(|own| unsafe { Tensor::from_ptr(own) }));
}

/// The Euclidean norm of each of at least one, `[count]`.
pub fn norms(tensors: &[Tensor]) -> Tensor {
    let own: Vec<_> = tensors.iter().map(Tensor::as_ptr).collect();
    // SAFETY: it holds so many live tensors, and `made` has one place.
    let [norms] = made(|made| unsafe { cpipe_norms(made, own.as_ptr(), own.len()) });
    norms.expect("each has a norm")
}

/// Adds to each of at least one so many times another, in place.
///
/// # Panics
///
/// If there are not as many of both.
pub fn add_many(owns: &mut [Tensor], others: &[Tensor], factor: f64) {
    assert_eq!(owns.len(), others.len(), "another for each");
    let count = owns.len();
    let owns: Vec<_> = owns.iter_mut().map(Tensor::as_mut_ptr).collect();
    let others: Vec<_> = others.iter().map(Tensor::as_ptr).collect();
    // SAFETY: both hold `count` live tensors, those of the first borrowed for writing.
    check(unsafe { cpipe_add_many(owns.as_ptr(), others.as_ptr(), count, factor) });
}

/// Multiplies each of at least one by its own of `factors`, `[count]`, or by the one of `[1]`, in place.
pub fn scale_many(owns: &mut [Tensor], factors: &Tensor) {
    let count = owns.len();
    let owns: Vec<_> = owns.iter_mut().map(Tensor::as_mut_ptr).collect();
    // SAFETY: it holds `count` live tensors, borrowed for writing.
    check(unsafe { cpipe_scale_many(owns.as_ptr(), factors.as_ptr(), count) });
}

/// A step of Adam for each of many values, in place, with their averages.
///
/// # Panics
///
/// If there is not one gradient, and one of both averages, for each.
pub fn adam_many(
    values: &mut [Tensor],
    gradients: &[Tensor],
    [first, second]: &mut [Vec<Tensor>; 2],
    how: Adam,
) {
    let count = values.len();
    let all = [gradients.len(), first.len(), second.len()];
    assert_eq!(all, [count; 3], "a gradient and two averages for each value");
    // libtorch refuses a list without tensors.
    let Some(value) = values.first() else { return };
    let number = Tensor::full([1], f64::from(how.number), (Kind::Float, value.device()));
    let values: Vec<_> = values.iter_mut().map(Tensor::as_mut_ptr).collect();
    let gradients: Vec<_> = gradients.iter().map(Tensor::as_ptr).collect();
    let [first, second] =
        [first, second].map(|own| own.iter_mut().map(Tensor::as_mut_ptr).collect::<Vec<_>>());
    let Adam { averages: Averages { beta1, beta2, epsilon }, lr, weight_decay, decoupled, .. } =
        how;
    // SAFETY: the lists hold `count` live tensors each, all but the gradients borrowed for writing.
    check(unsafe {
        cpipe_adam_many(
            values.as_ptr(),
            gradients.as_ptr(),
            first.as_ptr(),
            second.as_ptr(),
            number.as_ptr(),
            count,
            lr,
            beta1,
            beta2,
            weight_decay,
            epsilon,
            decoupled,
        )
    });
}
