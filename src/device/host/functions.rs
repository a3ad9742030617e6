//! What networks compute on the processor, on the tensors of any backend that lie in its memory.

use std::fmt::Debug;
use std::mem::MaybeUninit;

use super::attention::Attention;
use super::batch_norm::{Lines, Rows, Statistics};
use super::convolution::Convolution;
use super::depthwise::Depthwise;
use super::lanes::Processor;
use super::layer_norm::LayerNorm;
use super::maps::{Maps, Order};
use super::number::Number;
use super::threads::Threads;
use crate::device::operations::BatchNorm;

/// A tensor of [`Number`]s in the memory of the machine: of which kind is said by who reads them.
pub trait HostTensor: Clone + Debug + Send + Sync + 'static {
    /// Those of the backend.
    const THREADS: Threads;

    fn shape(&self) -> Vec<usize>;

    /// How far numbers are apart in memory, for each axis.
    fn strides(&self) -> Vec<isize>;

    /// The same numbers in the order of the shape.
    fn contiguous(&self) -> Self;

    /// The numbers of a tensor without gaps, in the order in which they lie.
    ///
    /// # Panics
    ///
    /// If they are of another kind.
    fn values<N: Number>(&self) -> &[N];

    /// The same, to write to, where nobody else holds them.
    fn values_mut<N: Number>(&mut self) -> Option<&mut [N]>;

    /// A tensor of these numbers in the order of the shape.
    fn made(values: Vec<f32>, shape: &[usize]) -> Self;

    /// A tensor whose numbers lie channels last.
    ///
    /// # Safety
    ///
    /// `write` writes every number.
    unsafe fn maps<N: Number>(shape: &[usize], write: impl FnOnce(&mut [MaybeUninit<N>])) -> Self;

    /// A tensor whose numbers lie in the order of the shape.
    ///
    /// # Safety
    ///
    /// `write` writes every number.
    unsafe fn plain<N: Number>(shape: &[usize], write: impl FnOnce(&mut [MaybeUninit<N>])) -> Self;
}

/// A batch normalised: what the way back needs.
#[derive(Clone, Debug)]
pub struct Normalized<T> {
    x: T,
    scale: T,
    shift: T,
    /// The output, where a shortcut went into a ReLU.
    rectified: Option<T>,
    pub mean: T,
    pub deviation: T,
    how: BatchNorm,
}

/// `x: [n, input, h, w]`, padded by zeros, under `weight: [output, input, kernel, kernel]`, which is
/// of f32 whatever `x` is of.
pub fn convolution<T: HostTensor, N: Number>(x: &T, weight: &T, options: [usize; 2]) -> T {
    let how = sizes(x, weight, options);
    let [h, w] = how.output();
    let (x, weight) = (dense(x), weight.contiguous());
    // SAFETY: the function writes every number.
    unsafe {
        T::maps(&[how.images, how.channels[1], h, w], |out| {
            how.forward(read::<T, N>(&x), weight.values(), out);
        })
    }
}

/// The gradients of a convolution by `x` and by `weight`, each of its kind, where it is `wanted`.
pub fn convolution_backward<T: HostTensor, N: Number>(
    gradient: &T,
    [x, weight]: [&T; 2],
    options: [usize; 2],
    [by_x, by_weight]: [bool; 2],
) -> [Option<T>; 2] {
    let how = sizes(x, weight, options);
    let gradient = dense(gradient);
    let by_x = by_x.then(|| {
        let weight = weight.contiguous();
        // SAFETY: the function writes every number.
        unsafe {
            T::maps(&x.shape(), |out| {
                how.backward_input(read::<T, N>(&gradient), weight.values(), out);
            })
        }
    });
    let by_weight = by_weight.then(|| {
        let made = how.backward_weight(read::<T, N>(&dense(x)), read(&gradient));
        T::made(made, &weight.shape())
    });
    [by_x, by_weight]
}

fn sizes<T: HostTensor>(x: &T, weight: &T, [stride, padding]: [usize; 2]) -> Convolution {
    let (x, weight) = (x.shape(), weight.shape());
    let kernel = weight[2];
    assert_eq!(weight[1..], [x[1], kernel, kernel], "weights for maps {x:?}");
    assert!(x[2..].iter().all(|side| side + 2 * padding >= kernel), "{kernel} on maps {x:?}");
    Convolution {
        images: x[0],
        channels: [x[1], weight[0]],
        sides: [x[2], x[3]],
        kernel,
        stride,
        padding,
        processor: Processor::best(),
        threads: T::THREADS,
    }
}

/// Each channel of `x: [n, c, h, w]` with its own of `weight: [c, 1, kernel, kernel]`, padded by zeros
/// so that the resolution stays, and `bias: [c]`.
pub fn depthwise<T: HostTensor, N: Number>(x: &T, [weight, bias]: [&T; 2]) -> T {
    let how = by_channel(x, weight);
    let [weight, bias] = [weight, bias].map(T::contiguous);
    assert_eq!(bias.shape(), [how.channels], "a number for each channel");
    let x = dense(x);
    // SAFETY: the function writes every number.
    unsafe {
        T::maps(&x.shape(), |out| {
            how.forward(read::<T, N>(&x), [weight.values(), bias.values()], out);
        })
    }
}

/// The gradients of [`depthwise`]: by `x`, where it is wanted, by weight and by bias.
pub fn depthwise_backward<T: HostTensor, N: Number>(
    gradient: &T,
    [x, weight]: [&T; 2],
    by_x: bool,
) -> [Option<T>; 3] {
    let how = by_channel(x, weight);
    let gradient = dense(gradient);
    let by_x = by_x.then(|| {
        let weight = weight.contiguous();
        // SAFETY: the function writes every number.
        unsafe {
            T::maps(&x.shape(), |out| {
                how.backward_input(read::<T, N>(&gradient), weight.values(), out);
            })
        }
    });
    let [by_weight, by_bias] =
        how.backward_weight(read::<T, N>(&dense(x)), read::<T, N>(&gradient));
    [by_x, Some(T::made(by_weight, &weight.shape())), Some(vector(by_bias))]
}

fn by_channel<T: HostTensor>(x: &T, weight: &T) -> Depthwise {
    let (x, weight) = (x.shape(), weight.shape());
    let &[images, channels, h, w] = &x[..] else { panic!("{x:?} are no maps") };
    let kernel = weight[3];
    assert_eq!(weight, [channels, 1, kernel, kernel], "weights for maps {x:?}");
    assert_eq!(kernel % 2, 1, "a kernel with a middle");
    let (processor, threads) = (Processor::best(), T::THREADS);
    Depthwise { images, channels, sides: [h, w], kernel, processor, threads }
}

/// Normalises `x`, `[n, c, …]`, adds a shortcut of its shape, if there is one, and rectifies. The
/// output takes the place of `x` where it is to and nobody else holds it: then there is no way back.
pub fn batch_norm<T: HostTensor, N: Number>(
    x: T,
    [scale, shift]: [T; 2],
    shortcut: Option<T>,
    (how, in_place): (BatchNorm, bool),
) -> (T, Normalized<T>) {
    let rows = rows(&x, how.groups);
    let x = channels_last::<T, N>(x);
    let statistics = rows.measure(x.values::<N>(), how.epsilon);
    let lines = lines(&rows, &statistics, [&scale, &shift], how.relu);
    let rectifies_both = how.relu && shortcut.is_some();
    let (output, x) = if in_place {
        let output = apply::<T, N>(&rows, x, &lines, shortcut, true);
        (output.clone(), output)
    } else {
        (apply::<T, N>(&rows, x.clone(), &lines, shortcut, false), x)
    };
    let rectified = rectifies_both.then(|| output.clone());
    let Statistics { mean, deviation } = statistics;
    let [mean, deviation] = [mean, deviation].map(vector);
    (output, Normalized { x, scale, shift, rectified, mean, deviation, how })
}

/// Normalises `x` by the given mean and variance, as [`batch_norm`] by its own: there is no way back,
/// so that the output may take its place.
pub fn batch_norm_fixed<T: HostTensor, N: Number>(
    x: T,
    [scale, shift, mean, variance]: [T; 4],
    shortcut: Option<T>,
    how: BatchNorm,
) -> T {
    let rows = rows(&x, 1);
    let [mean, variance] = [mean, variance].map(|own| own.contiguous());
    let deviation = |own: &f32| (1.0 / (f64::from(*own) + how.epsilon).sqrt()) as f32;
    let statistics = Statistics {
        mean: mean.values().to_vec(),
        deviation: variance.values::<f32>().iter().map(deviation).collect(),
    };
    let lines = lines(&rows, &statistics, [&scale, &shift], how.relu);
    assert_eq!(statistics.mean.len(), rows.channels, "a mean for each channel");
    apply::<T, N>(&rows, channels_last::<T, N>(x), &lines, shortcut, true)
}

/// The gradients of a batch norm: by its input, where it is wanted, by scale, shift and the shortcut,
/// where there was one.
pub fn batch_norm_backward<T: HostTensor, N: Number>(
    gradient: T,
    own: &Normalized<T>,
    has_shortcut: bool,
    by_x: bool,
) -> [Option<T>; 4] {
    let rows = rows(&own.x, own.how.groups);
    let [mean, deviation] = [&own.mean, &own.deviation].map(|own| own.values().to_vec());
    let statistics = Statistics { mean, deviation };
    let gradient = channels_last::<T, N>(gradient);
    let shape = own.x.shape();
    assert_eq!(gradient.shape(), shape, "a gradient for each number");
    // What a shortcut went into passes the ReLU apart.
    let relu = own.how.relu && !has_shortcut;
    let lines = lines(&rows, &statistics, [&own.scale, &own.shift], relu);
    let x = own.x.values::<N>();
    let (gradient, slopes) = match &own.rectified {
        None => {
            let slopes = rows.slopes::<N>(x, gradient.values(), &statistics, &lines);
            (gradient, slopes)
        }
        Some(rectified) => {
            let (mut slopes, given) = (None, [&gradient, rectified].map(T::values::<N>));
            // SAFETY: the function writes every number.
            let passed = unsafe {
                T::maps(&shape, |out| {
                    slopes = Some(rows.slopes_behind(x, given, &statistics, &lines, out));
                })
            };
            (passed, slopes.expect("it was called"))
        }
    };
    let by_x = by_x.then(|| {
        // SAFETY: the function writes every number.
        unsafe { T::maps(&shape, |out| rows.descend(x, gradient.values(), &lines, &slopes, out)) }
    });
    let [by_scale, by_shift] = [slopes.scale, slopes.shift].map(|own| Some(vector(own)));
    [by_x, by_scale, by_shift, has_shortcut.then_some(gradient)]
}

/// Normalises rows of `x`, `[…, d]`, scales and shifts them by `[d]`.
pub fn layer_norm<T: HostTensor, N: Number>(x: &T, [scale, shift]: [&T; 2], epsilon: f64) -> T {
    let [x, scale, shift] = [x, scale, shift].map(T::contiguous);
    let how = by_row(&x, scale.values(), epsilon);
    assert_eq!(shift.shape(), scale.shape(), "a number for each of a row");
    // SAFETY: the function writes every number.
    unsafe { T::plain(&x.shape(), |out| how.forward::<N>(x.values(), shift.values(), out)) }
}

/// The gradients of a layer norm by its input, by scale and by shift.
pub fn layer_norm_backward<T: HostTensor, N: Number>(
    gradient: &T,
    [x, scale]: [&T; 2],
    epsilon: f64,
) -> [T; 3] {
    let [gradient, x, scale] = [gradient, x, scale].map(T::contiguous);
    let how = by_row(&x, scale.values(), epsilon);
    assert_eq!(gradient.shape(), x.shape(), "a gradient for each number");
    let mut sums = None;
    // SAFETY: the function writes every number.
    let by_x = unsafe {
        T::plain(&x.shape(), |out| {
            sums = Some(how.backward::<N>(gradient.values(), x.values(), out));
        })
    };
    let [by_scale, by_shift] = sums.expect("it was called").map(vector);
    [by_x, by_scale, by_shift]
}

fn by_row<'s, T: HostTensor>(x: &T, scale: &'s [f32], epsilon: f64) -> LayerNorm<'s> {
    assert_eq!(x.shape().last(), Some(&scale.len()), "a number for each of a row");
    let (processor, threads) = (Processor::best(), T::THREADS);
    LayerNorm { scale, epsilon: epsilon as f32, processor, threads }
}

/// `x * P(X <= x)` of a standard normal `X`.
pub fn gelu<T: HostTensor, N: Number>(x: &T) -> T {
    let (x, on) = (x.contiguous(), (Processor::best(), T::THREADS));
    // SAFETY: the function writes every number.
    unsafe { T::plain(&x.shape(), |out| super::gelu::forward::<N>(x.values(), out, on)) }
}

/// The gradient of [`gelu`] by its input.
pub fn gelu_backward<T: HostTensor, N: Number>(gradient: &T, x: &T) -> T {
    let [gradient, x] = [gradient, x].map(T::contiguous);
    assert_eq!(gradient.shape(), x.shape(), "a gradient for each number");
    let on = (Processor::best(), T::THREADS);
    // SAFETY: the function writes every number.
    unsafe {
        T::plain(&x.shape(), |out| {
            super::gelu::backward::<N>(gradient.values(), x.values(), out, on);
        })
    }
}

/// `[n, tokens, 3 * heads * width]` to `[n, tokens, heads * width]`.
pub fn attention<T: HostTensor, N: Number>(qkv: &T, heads: usize, causal: bool) -> T {
    let (qkv, how) = (qkv.contiguous(), between(qkv, heads, causal));
    let [n, tokens] = [qkv.shape()[0], how.tokens];
    // SAFETY: the function writes every number.
    unsafe { T::plain(&[n, tokens, heads * how.width], |out| how.forward::<N>(qkv.values(), out)) }
}

/// The gradient of [`attention`] by its input.
pub fn attention_backward<T: HostTensor, N: Number>(
    gradient: &T,
    qkv: &T,
    heads: usize,
    causal: bool,
) -> T {
    let how = between(qkv, heads, causal);
    let [gradient, qkv] = [gradient, qkv].map(T::contiguous);
    assert_eq!(
        gradient.shape()[1..],
        [how.tokens, heads * how.width],
        "a gradient for each number"
    );
    // SAFETY: the function writes every number.
    unsafe { T::plain(&qkv.shape(), |out| how.backward::<N>(gradient.values(), qkv.values(), out)) }
}

fn between<T: HostTensor>(qkv: &T, heads: usize, causal: bool) -> Attention {
    let shape = qkv.shape();
    let &[_, tokens, numbers] = &shape[..] else { panic!("{shape:?} are no tokens") };
    assert_eq!(numbers % (3 * heads), 0, "{numbers} numbers of {heads} heads");
    let (processor, threads) = (Processor::best(), T::THREADS);
    Attention { tokens, heads, width: numbers / (3 * heads), causal, processor, threads }
}

fn rows<T: HostTensor>(x: &T, groups: usize) -> Rows {
    let shape = x.shape();
    Rows {
        images: shape[0],
        positions: shape[2..].iter().product(),
        channels: shape[1],
        groups,
        processor: Processor::best(),
        threads: T::THREADS,
    }
}

fn lines<T: HostTensor>(rows: &Rows, statistics: &Statistics, parts: [&T; 2], relu: bool) -> Lines {
    let [scale, shift] = parts.map(T::contiguous);
    for own in [&scale, &shift] {
        assert_eq!(own.shape(), [rows.channels], "a number for each channel");
    }
    Lines::new(rows, statistics, [scale.values(), shift.values()], relu)
}

/// `x` lies channels last. Its place is taken where nobody else holds it.
fn apply<T: HostTensor, N: Number>(
    rows: &Rows,
    mut x: T,
    lines: &Lines,
    shortcut: Option<T>,
    in_place: bool,
) -> T {
    let shortcut = shortcut.map(channels_last::<T, N>);
    assert!(shortcut.iter().all(|own| own.shape() == x.shape()), "a shortcut for maps");
    let shortcut = shortcut.as_ref().map(T::values::<N>);
    if in_place && let Some(values) = x.values_mut() {
        rows.apply_in_place(values, lines, shortcut);
        return x;
    }
    // SAFETY: the function writes every number.
    unsafe { T::maps(&x.shape(), |out| rows.apply::<N>(x.values(), lines, shortcut, out)) }
}

fn vector<T: HostTensor>(values: Vec<f32>) -> T {
    let shape = [values.len()];
    T::made(values, &shape)
}

/// The strides of a tensor without gaps whose axes lie in memory in this order, the last side by
/// side.
fn strides(shape: &[usize], order: impl DoubleEndedIterator<Item = usize>) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    let mut size = 1;
    for axis in order.rev() {
        strides[axis] = size as isize;
        size *= shape[axis];
    }
    strides
}

/// The strides of `[n, c, …]` with the channels of a position side by side.
pub fn channels_last_strides(shape: &[usize]) -> Vec<isize> {
    strides(shape, [0].into_iter().chain(2..shape.len()).chain([1]))
}

/// Whether a tensor has these strides: along an axis of one it does not matter.
fn lies<T: HostTensor>(x: &T, wanted: &[isize]) -> bool {
    let (shape, found) = (x.shape(), x.strides());
    let mut axes = shape.iter().zip(&found).zip(wanted);
    axes.all(|((size, stride), wanted)| *size == 1 || stride == wanted)
}

/// Whether a tensor lies without gaps in the order of its shape.
pub fn is_plain<T: HostTensor>(x: &T) -> bool {
    let shape = x.shape();
    lies(x, &strides(&shape, 0..shape.len()))
}

/// In which of the two orders a tensor lies without gaps, if it does.
fn order<T: HostTensor>(x: &T) -> Option<Order> {
    match lies(x, &channels_last_strides(&x.shape())) {
        true => Some(Order::ChannelsLast),
        false => is_plain(x).then_some(Order::Plain),
    }
}

/// In one of the two orders.
fn dense<T: HostTensor>(x: &T) -> T {
    if order(x).is_some() { x.clone() } else { x.contiguous() }
}

fn channels_last<T: HostTensor, N: Number>(x: T) -> T {
    let x = match order(&x) {
        Some(Order::ChannelsLast) => return x,
        Some(Order::Plain) => x,
        None => x.contiguous(),
    };
    let shape = x.shape();
    // SAFETY: the function writes every number.
    unsafe { T::maps(&shape, |out| read::<T, N>(&x).channels_last(shape[0], out, T::THREADS)) }
}

/// The maps of a tensor without gaps.
fn read<T: HostTensor, N: Number>(x: &T) -> Maps<'_, N> {
    let shape = x.shape();
    let (h, w) = match &shape[2..] {
        [] => (1, 1),
        [h, rest @ ..] => (*h, rest.iter().product()),
    };
    let order = order(x).expect("made dense before");
    Maps { values: x.values(), order, channels: shape[1], sides: [h, w] }
}
