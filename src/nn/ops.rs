//! The tensor operations of networks: the one place where a backend's own kernels can be put.

use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Tensor, activation, module};

/// `[n, input, h, w]` with `weight` `[output, input, kernel, kernel]`, padded by zeros.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
    module::conv2d(x, weight, None, options)
}

/// `[n, input]` with `weight` `[output, input]` and `bias` `[output]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    module::linear(x, weight.transpose(), bias)
}

pub fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::relu(x)
}

/// The maximum over windows of `kernel` by `kernel`; the padding never wins.
pub fn max_pool2d(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    let options =
        MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
    module::max_pool2d(x, options)
}

/// The mean over all positions: `[n, c, h, w]` to `[n, c]`.
pub fn global_average_pool(x: Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h * w]).mean_dim(2).reshape([n, c])
}

/// What [`batch_norm`] returns.
pub struct BatchNorm<const D: usize> {
    /// The input's shape.
    pub output: Tensor<D>,
    /// The mean of the batch, `[c]`, without a gradient.
    pub mean: Tensor<1>,
    /// The biased variance of the batch, `[c]`, without a gradient and without epsilon.
    pub variance: Tensor<1>,
}

/// Normalises `x`, `[n, c, …]`, by its own mean and biased variance in each channel, then scales
/// and shifts it by `scale` and `shift`, `[c]`. Ioffe and Szegedy 2015, arXiv:1502.03167.
///
/// It does so whether or not gradients are recorded.
///
/// Here the cost is the number of passes over `x`, forward and backward, so the gradient is given
/// two short ways around. The variance does not depend on the mean to first order, as deviations
/// from the mean sum to zero: `x` is centred by a constant, and the gradient through the mean that
/// the output does depend on flows through the small `shift`. And the square is written as a
/// product with a constant, its gradient doubled where the tensor is small. Values and gradients
/// are those of the plain formula.
pub fn batch_norm<const D: usize>(
    x: Tensor<D>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f64,
) -> BatchNorm<D> {
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
    BatchNorm {
        output: output.reshape(dims),
        mean: mean_value.reshape([c]),
        variance: variance_value.reshape([c]),
    }
}

/// Normalises `x`, `[n, c, …]`, by the given mean and variance, `[c]`, as one scale and one shift.
pub fn batch_norm_fixed<const D: usize>(
    x: Tensor<D>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    let mut per_channel = [1; D];
    per_channel[1] = x.dims()[1];
    let gain = scale / (variance + epsilon).sqrt();
    let offset = shift - mean * gain.clone();
    x * gain.reshape(per_channel) + offset.reshape(per_channel)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::device::Selected;
    use crate::device::testing::backends;

    fn tensor<const D: usize>(
        device: &Device,
        shape: [usize; D],
        value: impl Fn(usize) -> f32,
    ) -> Tensor<D> {
        let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("made of f32")
    }

    /// Expected values from PyTorch 2.9; all are exact in f32.
    #[test]
    fn convolution_and_pooling_are_pytorchs() {
        for Selected { device, .. } in backends() {
            let x = tensor(&device, [1, 2, 4, 4], |i| (i * 7 % 13) as f32 / 4.0 - 1.0);
            let weight = tensor(&device, [1, 2, 3, 3], |i| (i * 5 % 7) as f32 / 4.0 - 0.5);
            assert_eq!(values(conv2d(x.clone(), weight, 2, 1)), [1.1875, 1.0625, -1.25, -0.5625]);
            // All negative: zeros as padding would win.
            assert_eq!(
                values(max_pool2d(x - 3.0, 3, 2, 1)),
                [-1.75, -1.5, -1.25, -1.0, -1.5, -1.25, -1.0, -1.25]
            );
        }
    }

    #[test]
    fn linear_multiplies_by_the_transpose() {
        for Selected { device, .. } in backends() {
            let weight = tensor(&device, [2, 3], |i| i as f32);
            let bias = tensor(&device, [2], |i| 10.0 * i as f32);
            let y = linear(tensor(&device, [1, 3], |i| i as f32 + 1.0), weight, Some(bias));
            assert_eq!(values(y), [8.0, 36.0]);
        }
    }

    #[test]
    fn average_pool_is_per_channel() {
        for Selected { device, .. } in backends() {
            let y = global_average_pool(tensor(&device, [2, 2, 1, 2], |i| i as f32));
            assert_eq!(y.dims(), [2, 2]);
            assert_eq!(values(y), [0.5, 2.5, 4.5, 6.5]);
        }
    }
}
