//! The seam between models and backends: operations as large as a fused kernel can be.

use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Int, Tensor, activation, module};

use super::adam::Adam;
use super::array::{Array, by_rank};
use super::reading::Reading;

/// What networks, averages and optimizers compute with. Each operation has a fall-back in burn's own
/// operations, differentiable as they are; a backend with better kernels of its own replaces it.
pub trait Kernels: Send + Sync {
    /// `x: [n, input, h, w]` with `weight: [output, input, kernel, kernel]`, padded by zeros. Where a
    /// backend has numbers of fewer bits, `x` may be of them and `weight` of f32.
    fn conv2d(&self, x: Array, weight: Array, stride: usize, padding: usize) -> Array {
        let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
        module::conv2d(x.into_tensor(), weight.into_tensor(), None, options).into()
    }

    /// Each channel of `x: [n, c, h, w]` with its own of `weight: [c, 1, kernel, kernel]`, padded by
    /// zeros so that the resolution stays, and `bias: [c]`. `kernel` is odd.
    fn depthwise(&self, x: Array, weight: Array, bias: Array) -> Array {
        let shape = weight.shape();
        let options = ConvOptions::new([1; 2], [shape[2] / 2; 2], [1; 2], shape[0]);
        let bias = Some(bias.into_tensor());
        module::conv2d(x.into_tensor(), weight.into_tensor(), bias, options).into()
    }

    /// `x: [n, input]` with `weight: [output, input]` and `bias: [output]`.
    fn linear(&self, x: Array, weight: Array, bias: Option<Array>) -> Array {
        let weight: Tensor<2> = weight.into_tensor();
        let bias = bias.map(Array::into_tensor);
        module::linear::<2>(x.into_tensor(), weight.transpose(), bias).into()
    }

    fn relu(&self, x: Array) -> Array {
        by_rank!(x.rank(), D => activation::relu::<D>(x.into_tensor()).into())
    }

    /// `a + b` of one shape.
    fn add(&self, a: Array, b: Array) -> Array {
        by_rank!(a.rank(), D => (a.into_tensor::<D>() + b.into_tensor::<D>()).into())
    }

    /// `a + b` of one shape, in as many bits as `a` has, for what many layers add to in turn.
    fn add_exactly(&self, a: Array, b: Array) -> Array {
        self.add(a, b)
    }

    /// `x * P(X <= x)` of a standard normal `X`. Hendrycks and Gimpel 2016, arXiv:1606.08415.
    fn gelu(&self, x: Array) -> Array {
        by_rank!(x.rank(), D => activation::gelu::<D>(x.into_tensor()).into())
    }

    /// Normalises the last dimension, `d`, by its own mean and biased variance, then scales and
    /// shifts it by `[d]` each. Ba et al. 2016, arXiv:1607.06450.
    fn layer_norm(&self, x: Array, [scale, shift]: [Array; 2], epsilon: f64) -> Array {
        let shape = x.shape();
        let x = x.as_rows();
        let centered = x.clone() - x.mean_dim(1);
        let variance = centered.clone().square().mean_dim(1);
        let normalized = centered / (variance + epsilon).sqrt();
        let [scale, shift] = [scale, shift].map(|own| own.into_tensor::<1>().unsqueeze());
        Array::from(normalized * scale + shift).reshape(&shape)
    }

    /// Scaled dot-product attention between the tokens of an example: `[n, tokens, 3 * width]`,
    /// queries, keys and values beside each other, each of so many heads, to `[n, tokens, width]`.
    /// Vaswani et al. 2017, arXiv:1706.03762, section 3.2.
    fn attention(&self, qkv: Array, heads: usize, causal: bool) -> Array {
        let qkv: Tensor<3> = qkv.into_tensor();
        let [n, tokens, width] = qkv.dims();
        let own = width / (3 * heads);
        let apart = qkv.reshape([n, tokens, 3, heads, own]).permute([2, 0, 3, 1, 4]);
        let [query, key, value] =
            [0, 1, 2].map(|part| apart.clone().narrow(0, part, 1).reshape([n, heads, tokens, own]));
        let mut scores = query.matmul(key.swap_dims(2, 3)) / (own as f64).sqrt();
        if causal {
            let places = Tensor::<1, Int>::arange(0..tokens as i64, &scores.device());
            let own = places.clone().reshape([1, 1, tokens, 1]);
            let later = own.lower(places.reshape([1, 1, 1, tokens])).float();
            // Of which the softmax makes zero.
            scores = scores - later * 1e30;
        }
        let attended = activation::softmax(scores, 3).matmul(value);
        attended.swap_dims(1, 2).reshape([n, tokens, heads * own]).into()
    }

    /// The maximum over windows of `kernel` by `kernel` of `[n, c, h, w]`; the padding never wins.
    fn max_pool2d(&self, x: Array, kernel: usize, stride: usize, padding: usize) -> Array {
        let options =
            MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
        module::max_pool2d(x.into_tensor(), options).into()
    }

    /// The mean over all positions: `[n, c, h, w]` to `[n, c]`.
    fn global_average_pool(&self, x: Array) -> Array {
        let x: Tensor<4> = x.into_tensor();
        let [n, c, h, w] = x.dims();
        x.reshape([n, c, h * w]).mean_dim(2).reshape([n, c]).into()
    }

    /// Normalises `x`, `[n, c, …]`, by its own mean and biased variance in each channel, then scales
    /// and shifts it by `[c]` each. Ioffe and Szegedy 2015, arXiv:1502.03167.
    ///
    /// Row `i` is in group `i % groups`, each of which is normalised by itself; they are of one size.
    /// It does so whether or not gradients are recorded.
    fn batch_norm(
        &self,
        x: Array,
        [scale, shift]: [Array; 2],
        (groups, epsilon): (usize, f64),
        after: After,
    ) -> Normalized {
        let shape = x.shape();
        // Groups are channels of a batch that is as many times smaller.
        let apart = match groups {
            1 => x,
            _ => x.reshape(&[&[shape[0] / groups, groups * shape[1]], &shape[2..]].concat()),
        };
        let [scale, shift] = [scale, shift].map(|own| match (own.into_tensor::<1>(), groups) {
            (own, 1) => own,
            (own, _) => own.repeat(&[groups]),
        });
        let (output, mean, variance) = by_rank!(apart.rank(), D => {
            batch_norm::<D>(apart.into_tensor(), scale, shift, epsilon)
        });
        let [mean, variance] = [mean, variance].map(|own| mean_of(own, groups));
        Normalized { output: self.followed(output.reshape(&shape), after), mean, variance }
    }

    /// Normalises `x`, `[n, c, …]`, by the given mean and variance, `[c]`, as one scale and one
    /// shift.
    fn batch_norm_fixed(
        &self,
        x: Array,
        [scale, shift]: [Array; 2],
        [mean, variance]: [Array; 2],
        epsilon: f64,
        after: After,
    ) -> Array {
        let gain = scale.into_tensor::<1>() / (variance.into_tensor::<1>() + epsilon).sqrt();
        let offset = shift.into_tensor::<1>() - mean.into_tensor::<1>() * gain.clone();
        let output = by_rank!(x.rank(), D => {
            let x = x.into_tensor::<D>();
            let channels = gain.dims()[0];
            let per_channel: [usize; D] =
                std::array::from_fn(|axis| if axis == 1 { channels } else { 1 });
            (x * gain.reshape(per_channel) + offset.reshape(per_channel)).into()
        });
        self.followed(output, after)
    }

    /// What follows an operation, as operations of their own.
    fn followed(&self, mut x: Array, after: After) -> Array {
        if let Some(shortcut) = after.shortcut {
            x = self.add(x, shortcut);
        }
        if after.relu { self.relu(x) } else { x }
    }

    /// Asks for numbers without waiting for what computes them, and without what the device is told
    /// after this.
    fn read(&self, numbers: Array) -> Reading {
        Reading::of(numbers)
    }

    /// What a network yields, as the rest of a step reads it.
    fn finish(&self, x: Array) -> Array {
        x
    }

    /// `average := m * average + (1 - m) * target` for each of many, exact where `m` is 0 or 1.
    fn lerp_many(&self, averages: &mut [Array], targets: &[&Array], m: f64) {
        for (average, target) in averages.iter_mut().zip(targets) {
            // What nobody else holds is written in place.
            by_rank!(target.rank(), D => average.update(|average| {
                average.into_tensor::<D>() * m + target.tensor::<D>() * (1.0 - m)
            }))
        }
    }

    /// A step of stochastic gradient descent for each of many parameters: `d = g + decay * p`;
    /// `b = momentum * b + d`, in the first step, when there are no `buffers` yet, `b = d`;
    /// `p - lr * b`, with Nesterov's momentum `p - lr * (d + momentum * b)`.
    ///
    /// Without momentum there are no buffers.
    fn descend_many(
        &self,
        values: &mut [Array],
        gradients: Vec<Array>,
        buffers: &mut Vec<Array>,
        how: Descent,
    ) {
        let mut before = std::mem::take(buffers).into_iter();
        for (value, gradient) in values.iter_mut().zip(gradients) {
            let before = before.next();
            by_rank!(gradient.rank(), D => value.update(|value| {
                let value = value.into_tensor::<D>();
                let mut direction = gradient.into_tensor::<D>();
                if how.weight_decay != 0.0 {
                    direction = direction + value.clone() * how.weight_decay;
                }
                if how.momentum != 0.0 {
                    let buffer = match before {
                        Some(before) => before.into_tensor() * how.momentum + direction.clone(),
                        None => direction.clone(),
                    };
                    buffers.push(buffer.clone().into());
                    direction = match how.nesterov {
                        true => direction + buffer * how.momentum,
                        false => buffer,
                    };
                }
                value - direction * how.lr
            }));
        }
    }

    /// The Euclidean norm of each of many, `[count]`, of one at least.
    fn norms(&self, arrays: &[Array]) -> Array {
        let squares = arrays.iter().map(|own| {
            by_rank!(own.rank(), D => {
                let own = own.tensor::<D>();
                (own.clone() * own).sum()
            })
        });
        Tensor::cat(squares.collect(), 0).sqrt().into()
    }

    /// `own := own + factor * other` for each of many.
    fn add_many(&self, owns: &mut [Array], others: &[Array], factor: f64) {
        for (own, other) in owns.iter_mut().zip(others) {
            by_rank!(other.rank(), D => own.update(|own| {
                own.into_tensor::<D>() + other.tensor::<D>() * factor
            }))
        }
    }

    /// Multiplies each of many by its own of `factors`, `[count]`, or all by the one of `[1]`.
    fn scale_many(&self, owns: &mut [Array], factors: &Array) {
        let factors = factors.tensor::<1>();
        assert!([1, owns.len()].contains(&factors.dims()[0]), "a factor for each, or one for all");
        let is_one = factors.dims() == [1];
        for (index, own) in owns.iter_mut().enumerate() {
            let factor = factors.clone().narrow(0, if is_one { 0 } else { index }, 1);
            by_rank!(own.rank(), D => own.update(|own| {
                own.into_tensor::<D>() * factor.reshape([1; D])
            }))
        }
    }

    /// A step of Adam for each of many parameters: `p - lr * m' / (sqrt(v') + epsilon)`, with the
    /// averages `m'` and `v'` of [`Averages::direction`](super::Averages::direction), which are kept
    /// for each: before its first step there are none.
    fn adam_many(
        &self,
        values: &mut [Array],
        gradients: Vec<Array>,
        moments: &mut [Vec<Array>],
        how: Adam,
    ) {
        for ((value, gradient), moments) in values.iter_mut().zip(gradients).zip(moments) {
            // Moved out of its place, it is held once and written there.
            *value = how.moved(value.take(), gradient, moments);
        }
    }
}

/// The numbers of [`Kernels::descend_many`].
#[derive(Clone, Copy, Debug)]
pub struct Descent {
    pub lr: f64,
    pub weight_decay: f64,
    pub momentum: f64,
    pub nesterov: bool,
}

/// What follows a normalisation before anybody else reads its output.
#[derive(Default)]
pub struct After {
    /// What is added, of the output's shape: a residual network's shortcut.
    pub shortcut: Option<Array>,
    /// Whether what is then below zero becomes zero.
    pub relu: bool,
}

impl After {
    /// The same with another shortcut.
    pub(super) fn map(self, f: impl FnOnce(Array) -> Array) -> Self {
        After { shortcut: self.shortcut.map(f), ..self }
    }
}

/// What [`Kernels::batch_norm`] gives.
pub struct Normalized {
    /// The input's shape.
    pub output: Array,
    /// The mean of the batch, `[c]`, without a gradient; of groups the mean of theirs.
    pub mean: Array,
    /// The biased variance of the batch, `[c]`, without a gradient and without epsilon; of groups the
    /// mean of theirs.
    pub variance: Array,
}

/// Of numbers `[groups * c]` the mean over the groups, `[c]`.
pub(super) fn mean_of(x: Tensor<1>, groups: usize) -> Array {
    let channels = x.dims()[0] / groups;
    match groups {
        1 => x.into(),
        _ => x.reshape([groups, channels]).mean_dim(0).reshape([channels]).into(),
    }
}

/// burn's own operations, on any backend.
pub struct FallBack;

impl Kernels for FallBack {}

/// Here the cost is the number of passes over `x`, forward and backward, so the gradient is given
/// two short ways around. The variance does not depend on the mean to first order, as deviations
/// from the mean sum to zero: `x` is centred by a constant, and the gradient through the mean that
/// the output does depend on flows through the small `shift`. And the square is written as a
/// product with a constant, its gradient doubled where the tensor is small. Values and gradients
/// are those of the plain formula.
fn batch_norm<const D: usize>(
    x: Tensor<D>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f64,
) -> (Array, Tensor<1>, Tensor<1>) {
    let dims = x.dims();
    let [n, c] = [dims[0], dims[1]];
    let positions = dims[2..].iter().product();
    let over_batch = |x: Tensor<3>| x.mean_dim(2).mean_dim(0);

    let x = x.reshape([n, c, positions]);
    let mean = over_batch(x.clone());
    let mean_value = mean.clone().inner();
    let centered = x - mean_value.clone();
    let moment = over_batch(centered.clone() * centered.clone().inner());
    let variance_value = moment.clone().inner();
    // The value of the variance with twice the gradient of the moment.
    let variance = moment * 2.0 - variance_value.clone();

    let gain = scale.reshape([1, c, 1]) / (variance + epsilon).sqrt();
    // Zero, with the gradient of the mean.
    let offset = (mean - mean_value.clone()) * gain.clone();
    let output = centered * gain + (shift.reshape([1, c, 1]) - offset);
    (output.reshape(dims).into(), mean_value.reshape([c]), variance_value.reshape([c]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::backends;

    /// Expected values from PyTorch 2.9; all are exact in f32.
    #[test]
    fn convolution_and_pooling_are_pytorchs() {
        for backend in backends() {
            let array = |shape: &[usize], value: fn(usize) -> f32| {
                let values = (0..shape.iter().product()).map(value).collect();
                Array::from_vec(values, shape, &backend.device)
            };
            let x = || array(&[1, 2, 4, 4], |i| (i * 7 % 13) as f32 / 4.0 - 1.0);
            let weight = array(&[1, 2, 3, 3], |i| (i * 5 % 7) as f32 / 4.0 - 0.5);
            let y = backend.kernels.conv2d(x(), weight, 2, 1);
            assert_eq!(y.to_vec(), [1.1875, 1.0625, -1.25, -0.5625]);
            // All negative: zeros as padding would win.
            let x = array(&[1, 2, 4, 4], |i| (i * 7 % 13) as f32 / 4.0 - 4.0);
            assert_eq!(
                backend.kernels.max_pool2d(x, 3, 2, 1).to_vec(),
                [-1.75, -1.5, -1.25, -1.0, -1.5, -1.25, -1.0, -1.25]
            );
        }
    }

    #[test]
    fn linear_multiplies_by_the_transpose() {
        for backend in backends() {
            let array =
                |values: Vec<f32>, shape: &[usize]| Array::from_vec(values, shape, &backend.device);
            let weight = array((0..6).map(|i| i as f32).collect(), &[2, 3]);
            let bias = array(vec![0.0, 10.0], &[2]);
            let y = backend.kernels.linear(array(vec![1.0, 2.0, 3.0], &[1, 3]), weight, Some(bias));
            assert_eq!(y.to_vec(), [8.0, 36.0]);
        }
    }

    #[test]
    fn average_pool_is_per_channel() {
        for backend in backends() {
            let x =
                Array::from_vec((0..8).map(|i| i as f32).collect(), &[2, 2, 1, 2], &backend.device);
            let y = backend.kernels.global_average_pool(x);
            assert_eq!(y.shape(), [2, 2]);
            assert_eq!(y.to_vec(), [0.5, 2.5, 4.5, 6.5]);
        }
    }

    #[test]
    fn averages_are_exact_at_both_ends() {
        for backend in backends() {
            let array = |value| Array::from_vec(vec![value; 3], &[3], &backend.device);
            let target = array(0.3);
            let mut averages = [array(0.7)];
            for (m, expected) in [(1.0, 0.7), (0.5, 0.5), (0.0, 0.3)] {
                backend.kernels.lerp_many(&mut averages, &[&target], m);
                assert_eq!(averages[0].to_vec(), [expected; 3]);
            }
        }
    }

    /// A mean of the squares less the square of the mean is off by several percent here.
    #[test]
    fn a_large_mean_does_not_drown_the_variance() {
        for backend in backends() {
            let values = (0..24).map(|i| 1000.0 + (i % 2) as f32).collect();
            let x = Array::from_vec(values, &[2, 2, 2, 3], &backend.device);
            let channels = |value| Array::from_vec(vec![value; 2], &[2], &backend.device);
            let parts = [channels(1.0), channels(0.0)];
            let batch = backend.kernels.batch_norm(x, parts, (1, 1e-5), After::default());
            for variance in batch.variance.to_vec() {
                assert!((variance - 0.25).abs() < 1e-6, "{variance}");
            }
        }
    }
}
