//! What the embedded backend's averages and plain descents do to many parameters, each number once.

use super::functions::HostTensor;
use super::lanes::{Lanes, Loop, Processor};
use super::many::{SHARE, own_values};
use super::threads::Threads;
use crate::device::Descent;

/// `average := m * average + (1 - m) * target` for each of many.
pub fn lerp_many<T: HostTensor>(averages: &mut [T], targets: &[T], m: f64) {
    for (average, target) in averages.iter_mut().zip(targets) {
        assert_eq!(target.shape(), average.shape(), "a target for each number");
        let target = target.contiguous();
        lerp(own_values(average), target.values(), m, T::THREADS);
    }
}

/// A step of stochastic gradient descent for each of many values. With momentum there is a buffer
/// for each, but in the first step, which makes them.
pub fn descend_many<T: HostTensor>(
    values: &mut [T],
    gradients: Vec<T>,
    buffers: &mut Vec<T>,
    how: Descent,
) {
    let is_first = buffers.is_empty();
    if how.momentum != 0.0 && is_first {
        let zeros = |own: &T| T::made(vec![0.0; own.values::<f32>().len()], &own.shape());
        buffers.extend(values.iter().map(zeros));
    }
    let mut buffers = buffers.iter_mut();
    for (value, gradient) in values.iter_mut().zip(gradients) {
        let buffer = buffers.next().map(own_values);
        assert_eq!(gradient.shape(), value.shape(), "a gradient for each number");
        let gradient = gradient.contiguous();
        let how = (how, is_first);
        descend(own_values(value), gradient.values(), buffer, how, T::THREADS);
    }
}

/// `average := m * average + (1 - m) * target`, exact where `m` is 0 or 1.
fn lerp(average: &mut [f32], target: &[f32], m: f64, threads: Threads) {
    let [own, share] = [m, 1.0 - m].map(|part| part as f32);
    let processor = Processor::best();
    threads.run(average.chunks_mut(SHARE).zip(target.chunks(SHARE)), |_, (average, target)| {
        processor.run(Lerp { average, target, own, share });
    });
}

struct Lerp<'l> {
    average: &'l mut [f32],
    target: &'l [f32],
    own: f32,
    share: f32,
}

impl Loop for Lerp<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        for (average, target) in self.average.iter_mut().zip(self.target) {
            *average = *average * self.own + target * self.share;
        }
    }
}

/// A step of stochastic gradient descent, as [`crate::device::Kernels::descend_many`] has it. With
/// momentum there is a buffer, which the first step fills.
fn descend(
    value: &mut [f32],
    gradient: &[f32],
    buffer: Option<&mut [f32]>,
    (how, is_first): (Descent, bool),
    threads: Threads,
) {
    let processor = Processor::best();
    let rates = Rates::new(how, is_first);
    let given = value.chunks_mut(SHARE).zip(gradient.chunks(SHARE));
    match buffer {
        None => threads.run(given, |_, (value, gradient)| {
            processor.run(Descend { value, gradient, rates });
        }),
        Some(buffer) => {
            let given = given.zip(buffer.chunks_mut(SHARE));
            threads.run(given, |_, ((value, gradient), buffer)| {
                processor.run(DescendOn { value, gradient, buffer, rates });
            });
        }
    }
}

#[derive(Clone, Copy)]
struct Rates {
    lr: f32,
    decay: f32,
    /// Of the buffer that there is: nothing of it in the first step.
    momentum: f32,
    /// Of the direction and of the buffer in what the value moves by.
    along: [f32; 2],
}

impl Rates {
    fn new(how: Descent, is_first: bool) -> Self {
        let Descent { lr, weight_decay, momentum, nesterov } = how;
        let momentum = momentum as f32;
        Rates {
            lr: lr as f32,
            decay: weight_decay as f32,
            momentum: if is_first { 0.0 } else { momentum },
            along: if nesterov { [1.0, momentum] } else { [0.0, 1.0] },
        }
    }
}

struct Descend<'d> {
    value: &'d mut [f32],
    gradient: &'d [f32],
    rates: Rates,
}

impl Loop for Descend<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let Rates { lr, decay, .. } = self.rates;
        for (value, gradient) in self.value.iter_mut().zip(self.gradient) {
            *value -= (gradient + *value * decay) * lr;
        }
    }
}

struct DescendOn<'d> {
    value: &'d mut [f32],
    gradient: &'d [f32],
    buffer: &'d mut [f32],
    rates: Rates,
}

impl Loop for DescendOn<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let Rates { lr, decay, momentum, along: [by_direction, by_buffer] } = self.rates;
        let moved = self.value.iter_mut().zip(self.buffer.iter_mut());
        for ((value, buffer), gradient) in moved.zip(self.gradient) {
            let direction = gradient + *value * decay;
            *buffer = *buffer * momentum + direction;
            *value -= (direction * by_direction + *buffer * by_buffer) * lr;
        }
    }
}
