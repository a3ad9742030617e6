//! What optimizers and averages do to many parameters, each number once.

use super::functions::{HostTensor, is_plain};
use super::lanes::{LANES, Lanes, Loop, Processor};
use crate::device::{Adam, Averages};

/// Numbers that one task takes.
pub(super) const SHARE: usize = 16 << 10;

/// The Euclidean norm of each of many, `[count]`. Squares are summed in f64, in an order that does not
/// depend on the number of threads.
pub fn norms<T: HostTensor>(tensors: &[T]) -> T {
    let tensors: Vec<T> = tensors.iter().map(T::contiguous).collect();
    let shares = tensors.iter().enumerate().flat_map(|(which, own)| {
        own.values::<f32>().chunks(SHARE).map(move |values| (which, values))
    });
    let shares: Vec<(usize, &[f32])> = shares.collect();
    let processor = Processor::best();
    let sums = T::THREADS.map(shares.len(), |share| {
        let mut sum = 0.0;
        processor.run(Squares { values: shares[share].1, sum: &mut sum });
        sum
    });
    let mut squares = vec![0.0; tensors.len()];
    for ((which, _), sum) in shares.iter().zip(sums) {
        squares[*which] += sum;
    }
    T::made(squares.into_iter().map(|own: f64| own.sqrt() as f32).collect(), &[tensors.len()])
}

/// `own := own + factor * other` for each of many.
pub fn add_many<T: HostTensor>(owns: &mut [T], others: &[T], factor: f64) {
    assert_eq!(owns.len(), others.len(), "another for each");
    let processor = Processor::best();
    for (own, other) in owns.iter_mut().zip(others) {
        assert_eq!(other.shape(), own.shape(), "a number for each");
        let other = other.contiguous();
        let shares = own_values(own).chunks_mut(SHARE).zip(other.values::<f32>().chunks(SHARE));
        T::THREADS.run(shares, |_, (own, other)| {
            processor.run(Add { own, other, factor: factor as f32 });
        });
    }
}

/// Multiplies each of many by its own of `factors`, `[count]`, or all by the one of `[1]`.
pub fn scale_many<T: HostTensor>(owns: &mut [T], factors: &T) {
    let factors = factors.contiguous();
    let factors: &[f32] = factors.values();
    assert!([1, owns.len()].contains(&factors.len()), "a factor for each, or one for all");
    let processor = Processor::best();
    for (own, factor) in owns.iter_mut().zip(factors.iter().cycle()) {
        T::THREADS.run(own_values(own).chunks_mut(SHARE), |_, own| {
            processor.run(Scale { own, factor: *factor });
        });
    }
}

/// A step of Adam for each of many values, with the averages of each: before its first step none.
pub fn adam_many<T: HostTensor>(
    values: &mut [T],
    gradients: Vec<T>,
    moments: &mut [Vec<T>],
    how: Adam,
) {
    assert_eq!([gradients.len(), moments.len()], [values.len(); 2], "one for each value");
    let rates = AdamRates::new(how);
    let processor = Processor::best();
    for ((value, gradient), moments) in values.iter_mut().zip(gradients).zip(moments) {
        assert_eq!(gradient.shape(), value.shape(), "a gradient for each number");
        let shape = value.shape();
        let gradient = gradient.contiguous();
        let value = own_values(value);
        let zeros = || T::made(vec![0.0; value.len()], &shape);
        moments.resize_with(2, zeros);
        let [first, second] = moments.as_mut_slice() else { unreachable!("there are two") };
        let shares = value
            .chunks_mut(SHARE)
            .zip(gradient.values::<f32>().chunks(SHARE))
            .zip(own_values(first).chunks_mut(SHARE).zip(own_values(second).chunks_mut(SHARE)));
        T::THREADS.run(shares, |_, ((value, gradient), (first, second))| {
            processor.run(AdamStep { value, gradient, first, second, rates });
        });
    }
}

/// The numbers of a tensor in the order of its shape, to write to: in memory of their own, where
/// somebody else holds them.
pub(super) fn own_values<T: HostTensor>(own: &mut T) -> &mut [f32] {
    if !is_plain(own) || own.values_mut::<f32>().is_none() {
        *own = T::made(own.contiguous().values().to_vec(), &own.shape());
    }
    own.values_mut().expect("just made, or held once")
}

struct Squares<'s> {
    values: &'s [f32],
    sum: &'s mut f64,
}

impl Loop for Squares<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let mut sums = [0.0; LANES];
        let (blocks, rest) = self.values.as_chunks::<LANES>();
        for block in blocks {
            for (sum, value) in sums.iter_mut().zip(block) {
                *sum += f64::from(*value) * f64::from(*value);
            }
        }
        let rest: f64 = rest.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
        *self.sum = sums.iter().sum::<f64>() + rest;
    }
}

struct Add<'a> {
    own: &'a mut [f32],
    other: &'a [f32],
    factor: f32,
}

impl Loop for Add<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        for (own, other) in self.own.iter_mut().zip(self.other) {
            *own += other * self.factor;
        }
    }
}

struct Scale<'s> {
    own: &'s mut [f32],
    factor: f32,
}

impl Loop for Scale<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        for own in self.own.iter_mut() {
            *own *= self.factor;
        }
    }
}

#[derive(Clone, Copy)]
struct AdamRates {
    beta1: [f32; 2],
    beta2: [f32; 2],
    epsilon: f32,
    /// What stays of a value, and what of it adds to the gradient.
    decay: [f32; 2],
    /// Of the direction, and of the root of the average of squares.
    along: [f32; 2],
}

impl AdamRates {
    fn new(how: Adam) -> Self {
        let Adam { averages, lr, weight_decay, decoupled, .. } = how;
        let Averages { beta1, beta2, epsilon } = averages;
        let [correction1, correction2] = averages.corrections(how.number);
        let both = |beta: f64| [beta as f32, (1.0 - beta) as f32];
        AdamRates {
            beta1: both(beta1),
            beta2: both(beta2),
            epsilon: epsilon as f32,
            decay: match decoupled {
                true => [(1.0 - lr * weight_decay) as f32, 0.0],
                false => [1.0, weight_decay as f32],
            },
            along: [(lr / correction1) as f32, (1.0 / libm::sqrt(correction2)) as f32],
        }
    }
}

struct AdamStep<'a> {
    value: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    rates: AdamRates,
}

impl Loop for AdamStep<'_> {
    #[inline(always)]
    fn run<L: Lanes, const PLACES: usize, const ROW: usize>(self) {
        let AdamRates { beta1, beta2, epsilon, decay, along } = self.rates;
        let moved = self.value.iter_mut().zip(self.gradient);
        let averages = self.first.iter_mut().zip(self.second.iter_mut());
        for ((value, gradient), (first, second)) in moved.zip(averages) {
            let gradient = gradient + *value * decay[1];
            *first = *first * beta1[0] + gradient * beta1[1];
            *second = *second * beta2[0] + gradient * gradient * beta2[1];
            let deviation = second.sqrt() * along[1] + epsilon;
            *value = *value * decay[0] - *first / deviation * along[0];
        }
    }
}
