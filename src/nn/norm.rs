//! Batch normalisation with running statistics, as `torch.nn.BatchNorm1d` and `2d`.

use burn::tensor::Tensor;

use super::architecture::Pass;
use super::init::{Fill, ParamDeclaration};
use super::ops;
use super::params::{Array, Role};

const EPSILON: f64 = 1e-5;
/// The weight of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;
/// The last part of the name of the count of training passes: an integer in PyTorch's files.
pub(super) const COUNT: &str = "num_batches_tracked";

/// Batch normalisation of the second dimension.
pub(super) struct BatchNorm {
    name: String,
    channels: usize,
    affine: bool,
}

impl BatchNorm {
    pub fn new(name: &str, channels: usize) -> Self {
        BatchNorm { name: name.to_owned(), channels, affine: true }
    }

    /// Without a learned scale and shift.
    pub fn plain(name: &str, channels: usize) -> Self {
        BatchNorm { affine: false, ..Self::new(name, channels) }
    }

    pub fn declare(&self, into: &mut Vec<ParamDeclaration>) {
        let mut declare = |part: &str, size, role, value| {
            let fill = Fill::Constant(value);
            into.push(ParamDeclaration { name: self.part(part), shape: vec![size], role, fill });
        };
        if self.affine {
            declare("weight", self.channels, Role::NormScale, 1.0);
            declare("bias", self.channels, Role::NormShift, 0.0);
        }
        declare("running_mean", self.channels, Role::Buffer, 0.0);
        declare("running_var", self.channels, Role::Buffer, 1.0);
        declare(COUNT, 1, Role::Buffer, 0.0);
    }

    /// Normalises `[n, channels, …]`: in training by the batch, else by the running statistics.
    ///
    /// A training pass moves the running statistics in [`Pass::updates`], the variance unbiased as
    /// PyTorch's. A batch with one value a channel has no unbiased variance; the biased one, zero,
    /// stands in.
    pub fn forward<const D: usize>(&self, pass: &mut Pass<'_>, x: Tensor<D>) -> Tensor<D> {
        let device = x.device();
        let (scale, shift) = if self.affine {
            (pass.rank1(&self.part("weight")), pass.rank1(&self.part("bias")))
        } else {
            (Tensor::ones([self.channels], &device), Tensor::zeros([self.channels], &device))
        };
        let mean = pass.rank1(&self.part("running_mean"));
        let variance = pass.rank1(&self.part("running_var"));
        if !pass.training {
            return ops::batch_norm_fixed(x, scale, shift, mean, variance, EPSILON);
        }

        let count = x.dims().iter().product::<usize>() / self.channels;
        let batch = ops::batch_norm(x, scale, shift, EPSILON);
        let unbias = count as f64 / count.saturating_sub(1).max(1) as f64;
        let mean = mean * (1.0 - MOMENTUM) + batch.mean * MOMENTUM;
        let variance = variance * (1.0 - MOMENTUM) + batch.variance * (MOMENTUM * unbias);
        let batches = pass.rank1(&self.part(COUNT)) + 1.0;
        for (part, value) in [("running_mean", mean), ("running_var", variance), (COUNT, batches)] {
            pass.updates.insert(self.part(part), Array::R1(value));
        }
        batch.output
    }

    fn part(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use indexmap::IndexMap;

    use super::*;
    use crate::device::Selected;
    use crate::device::testing::backends;
    use crate::nn::init::materialize;
    use crate::nn::{Param, Params};
    use crate::random::Key;

    const SHAPE: [usize; 4] = [2, 2, 2, 3];
    // From torch.nn.BatchNorm2d of PyTorch 2.9 on the input, parameters and cotangent below.
    #[rustfmt::skip]
    const OUTPUT: [f32; 24] = [
        -2.775607, -1.19703, -1.648052, 1.058081, 1.734615, 0.381548, 0.354788, 0.429958,
        1.181662, 0.88098, 1.256832, 0.580299, 1.509104, -0.520496, 0.607059, -0.294985,
        1.960126, 2.185637, 0.956151, 0.505128, 0.730639, 1.632684, 1.482343, 2.008536,
    ];
    #[rustfmt::skip]
    const GRADIENT: [f32; 24] = [
        -0.575583, -0.05467, 0.521355, -0.228661, 0.316746, -0.323046, -0.17113, 0.055708,
        -0.118944, 0.101258, -0.080032, 0.133533, -0.128153, 0.490737, -0.216414, 0.371858,
        -0.365911, 0.191743, 0.065, -0.13089, 0.098603, -0.073395, 0.149462, -0.029173,
    ];

    fn tensor(device: &Device, value: impl Fn(usize) -> f32) -> Tensor<4> {
        let values: Vec<f32> = (0..24).map(value).collect();
        Tensor::from_data(TensorData::new(values, SHAPE), device)
    }

    fn input(device: &Device) -> Tensor<4> {
        tensor(device, |i| (i * i * 7 % 23) as f32 / 4.0 - 2.0)
    }

    fn cotangent(device: &Device) -> Tensor<4> {
        tensor(device, |i| (i * 5 % 11) as f32 / 8.0 - 0.5)
    }

    fn norm(device: &Device) -> (BatchNorm, Params) {
        let norm = BatchNorm::new("bn", 2);
        let mut declarations = Vec::new();
        norm.declare(&mut declarations);
        let mut params = materialize(declarations, Key::root(0), device);
        let values = [
            ("bn.weight", [1.5, -0.5]),
            ("bn.bias", [0.25, 1.0]),
            ("bn.running_mean", [0.5, -0.5]),
            ("bn.running_var", [2.0, 0.25]),
        ];
        for (name, pair) in values {
            params.0[name].value = Array::from_vec(pair.to_vec(), &[2], device);
        }
        (norm, params)
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("made of f32")
    }

    fn close(found: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(found.len(), expected.len());
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < tolerance, "{index}: {found} is not {expected}");
        }
    }

    fn array_of(array: &Array) -> Tensor<1> {
        match array {
            Array::R1(tensor) => tensor.clone(),
            other => panic!("rank {}", other.shape().len()),
        }
    }

    #[test]
    fn training_is_pytorchs() {
        for Selected { device, .. } in backends() {
            let (norm, params) = norm(&device);
            let tracked = params.tracked();
            let x = input(&device).autodiff().require_grad();
            let mut updates = IndexMap::new();
            let mut pass = Pass { params: &tracked, training: true, updates: &mut updates };
            let y = norm.forward(&mut pass, x.clone());
            close(&values(y.clone().inner()), &OUTPUT, 2e-6);

            let gradients = (y * cotangent(&device)).sum().backward();
            let of = |name: &str| {
                values(array_of(&tracked.0[name].value).grad(&gradients).expect("tracked"))
            };
            close(&values(x.grad(&gradients).expect("tracked")), &GRADIENT, 2e-6);
            close(&of("bn.weight"), &[0.541853, -0.352361], 1e-5);
            close(&of("bn.bias"), &[2.75, -0.375], 1e-5);

            close(&updates["bn.running_mean"].to_vec(), &[0.585417, -0.314583], 2e-6);
            close(&updates["bn.running_var"].to_vec(), &[2.101657, 0.526657], 2e-6);
            assert_eq!(updates["bn.num_batches_tracked"].to_vec(), [1.0]);
            assert!(updates.values().all(|array| !array_of(array).is_autodiff()));
        }
    }

    /// As the key encoder of MoCo: training mode without gradients.
    #[test]
    fn batch_statistics_need_no_gradients() {
        for Selected { device, .. } in backends() {
            let (norm, params) = norm(&device);
            let mut updates = IndexMap::new();
            let mut pass = Pass { params: &params, training: true, updates: &mut updates };
            close(&values(norm.forward(&mut pass, input(&device))), &OUTPUT, 2e-6);
        }
    }

    #[test]
    fn evaluation_uses_running_statistics() {
        for Selected { device, .. } in backends() {
            let (norm, mut params) = norm(&device);
            let mut updates = IndexMap::new();
            let mut pass = Pass { params: &params, training: true, updates: &mut updates };
            norm.forward(&mut pass, input(&device));
            for (name, value) in updates.drain(..) {
                params.0[&name].value = value;
            }

            let mut pass = Pass { params: &params, training: false, updates: &mut updates };
            let y = values(norm.forward(&mut pass, input(&device)));
            let expected = [-2.425099, -0.614395, -1.131739, 1.972324, 2.74834, 1.196308];
            close(&y[..6], &expected, 1e-5);
            close(&y[6..8], &[-1.628143, -1.4559], 1e-5);
            assert!(updates.is_empty());
        }
    }

    #[test]
    fn a_second_application_sees_the_first() {
        for Selected { device, .. } in backends() {
            let (norm, params) = norm(&device);
            let mut updates = IndexMap::new();
            let mut pass = Pass { params: &params, training: true, updates: &mut updates };
            norm.forward(&mut pass, input(&device));
            norm.forward(&mut pass, input(&device));
            // 0.5 and the batch's mean 1.354167, twice a tenth of the way.
            let mean = 0.81 * 0.5 + 0.19 * (0.585417 - 0.9 * 0.5) / 0.1;
            close(&updates["bn.running_mean"].to_vec()[..1], &[mean], 1e-5);
            assert_eq!(updates["bn.num_batches_tracked"].to_vec(), [2.0]);
        }
    }

    /// A mean of the squares less the square of the mean is off by several percent here.
    #[test]
    fn a_large_mean_does_not_drown_the_variance() {
        for Selected { device, .. } in backends() {
            let x = tensor(&device, |i| 1000.0 + (i % 2) as f32);
            let (scale, shift) = (Tensor::ones([2], &device), Tensor::zeros([2], &device));
            let batch = ops::batch_norm(x, scale, shift, EPSILON);
            close(&values(batch.variance), &[0.25, 0.25], 1e-6);
        }
    }

    /// The gradient is not composed of the value's own operations, so it is held against the value.
    #[test]
    fn gradient_is_the_difference_quotient() {
        for Selected { device, .. } in backends() {
            let (norm, params) = norm(&device);
            let tracked = params.tracked();
            let loss = |params: &Params, x: Tensor<4>| {
                let mut updates = IndexMap::new();
                let mut pass = Pass { params, training: true, updates: &mut updates };
                let y = norm.forward(&mut pass, x);
                // Not linear in the output, so that its second moments matter.
                (y.clone() * y * cotangent(&device)).sum()
            };
            let x = input(&device).autodiff().require_grad();
            let gradients = loss(&tracked, x.clone()).backward();
            let gradient = values(x.grad(&gradients).expect("tracked"));
            let step = 1e-2;
            for (index, gradient) in gradient.into_iter().enumerate() {
                let at = |offset: f32| {
                    let moved =
                        input(&device) + tensor(&device, |i| if i == index { offset } else { 0.0 });
                    values(loss(&params, moved).reshape([1]))[0]
                };
                let quotient = (at(step) - at(-step)) / (2.0 * step);
                close(&[gradient], &[quotient], 5e-3);
            }
            let scale = array_of(&tracked.0["bn.weight"].value).grad(&gradients).expect("tracked");
            for (index, gradient) in values(scale).into_iter().enumerate() {
                let at = |offset: f32| {
                    let mut moved: Params = params.clone();
                    let mut weight = [1.5, -0.5];
                    weight[index] += offset;
                    let value = Array::from_vec(weight.to_vec(), &[2], &device);
                    moved.0["bn.weight"] = Param { role: Role::NormScale, value };
                    values(loss(&moved, input(&device)).reshape([1]))[0]
                };
                let quotient = (at(step) - at(-step)) / (2.0 * step);
                close(&[gradient], &[quotient], 5e-3);
            }
        }
    }
}
