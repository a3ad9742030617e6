//! Batch normalisation with running statistics, as `torch.nn.BatchNorm1d` and `2d`.

use burn::tensor::{Device, Tensor};

use super::architecture::Pass;
use super::init::Fill;
use super::params::{Declared, Layout, Role, Slot};
use crate::device::{After, Array};

const EPSILON: f64 = 1e-5;
/// The weight of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;
/// The last part of the name of the count of training passes: an integer in PyTorch's files.
pub(super) const COUNT: &str = "num_batches_tracked";

/// Batch normalisation of the second dimension.
pub(super) struct BatchNorm {
    channels: usize,
    /// A learned scale and shift.
    affine: Option<[Slot; 2]>,
    mean: Slot,
    variance: Slot,
    count: Slot,
}

impl BatchNorm {
    pub fn new(layout: &mut Layout, name: &str, channels: usize) -> Self {
        let affine = [("weight", Role::NormScale, 1.0), ("bias", Role::NormShift, 0.0)];
        let affine =
            affine.map(|(part, role, value)| declare(layout, name, part, (channels, role, value)));
        BatchNorm { affine: Some(affine), ..Self::plain(layout, name, channels) }
    }

    /// Without a learned scale and shift.
    pub fn plain(layout: &mut Layout, name: &str, channels: usize) -> Self {
        let mut buffer =
            |part, size, value| declare(layout, name, part, (size, Role::Buffer, value));
        BatchNorm {
            channels,
            affine: None,
            mean: buffer("running_mean", channels, 0.0),
            variance: buffer("running_var", channels, 1.0),
            count: buffer(COUNT, 1, 0.0),
        }
    }

    /// Normalises `[n, channels, …]`: in training by the batch, else by the running statistics.
    ///
    /// A training pass moves the running statistics in [`Pass::updates`], the variance unbiased as
    /// PyTorch's. A batch with one value a channel has no unbiased variance; the biased one, zero,
    /// stands in.
    pub fn forward(&self, pass: &mut Pass<'_>, x: Array, after: After) -> Array {
        let parts = match self.affine {
            Some(affine) => affine.map(|slot| pass.array(slot)),
            None => self.identity(&x.device()),
        };
        let [mean, variance] = [self.mean, self.variance].map(|slot| pass.array(slot));
        if !pass.training {
            return pass.kernels.batch_norm_fixed(x, parts, [mean, variance], EPSILON, after);
        }
        let count = x.len() / self.channels / pass.groups;
        let batch = pass.kernels.batch_norm(x, parts, (pass.groups, EPSILON), after);
        let unbias = count as f64 / count.saturating_sub(1).max(1) as f64;
        let moved = |running: Array, newest: Array, share: f64| {
            let newest = newest.into_tensor::<1>() * share;
            (running.into_tensor::<1>() * (1.0 - MOMENTUM) + newest).into()
        };
        let batches = pass.array(self.count).into_tensor::<1>() + 1.0;
        pass.updates.insert(self.mean, moved(mean, batch.mean, MOMENTUM));
        pass.updates.insert(self.variance, moved(variance, batch.variance, MOMENTUM * unbias));
        pass.updates.insert(self.count, batches.into());
        batch.output
    }

    fn identity(&self, device: &Device) -> [Array; 2] {
        let channels = [self.channels];
        [Tensor::<1>::ones(channels, device).into(), Tensor::<1>::zeros(channels, device).into()]
    }
}

fn declare(
    layout: &mut Layout,
    name: &str,
    part: &str,
    (size, role, value): (usize, Role, f32),
) -> Slot {
    let (name, shape) = (format!("{name}.{part}"), vec![size]);
    layout.declare(Declared::new(name, shape, role, Fill::Constant(value)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::device::testing::backends;
    use crate::device::{Kernels, Selected};
    use crate::nn::init::materialize;
    use crate::nn::{Params, Updates};
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

    fn array(device: &Device, value: impl Fn(usize) -> f32) -> Array {
        Array::from_vec((0..24).map(value).collect(), &SHAPE, device)
    }

    fn input(device: &Device) -> Array {
        array(device, |i| (i * i * 7 % 23) as f32 / 4.0 - 2.0)
    }

    fn cotangent(device: &Device) -> Tensor<4> {
        array(device, |i| (i * 5 % 11) as f32 / 8.0 - 0.5).into_tensor()
    }

    fn norm(device: &Device) -> (BatchNorm, Params) {
        let mut layout = Layout::default();
        let norm = BatchNorm::new(&mut layout, "bn", 2);
        let mut params = materialize(&Arc::new(layout), Key::root(0), device);
        let values = [
            ("bn.weight", [1.5, -0.5]),
            ("bn.bias", [0.25, 1.0]),
            ("bn.running_mean", [0.5, -0.5]),
            ("bn.running_var", [2.0, 0.25]),
        ];
        for (name, pair) in values {
            let slot = params.slot(name).unwrap();
            params.set(slot, Array::from_vec(pair.to_vec(), &[2], device));
        }
        (norm, params)
    }

    fn pass<'a>(
        kernels: &'a dyn Kernels,
        params: &'a Params,
        training: bool,
        updates: &'a mut Updates,
    ) -> Pass<'a> {
        Pass { kernels, params, training, chance: None, groups: 1, updates }
    }

    fn close(found: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(found.len(), expected.len());
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < tolerance, "{index}: {found} is not {expected}");
        }
    }

    #[test]
    fn training_is_pytorchs() {
        for Selected { device, kernels, .. } in backends() {
            let (norm, params) = norm(&device);
            let leaves = params.leaves();
            let x = input(&device).leaf();
            let mut updates = Updates::new();
            let y = norm.forward(
                &mut pass(kernels, &leaves, true, &mut updates),
                x.clone(),
                After::default(),
            );
            close(&y.to_vec(), &OUTPUT, 2e-6);

            let mut gradients = (y.into_tensor() * cotangent(&device)).sum().backward();
            let mut of =
                |leaf: &Array| leaf.take_gradient(&mut gradients).expect("tracked").to_vec();
            close(&of(&x), &GRADIENT, 2e-6);
            close(&of(leaves.get("bn.weight").unwrap()), &[0.541853, -0.352361], 1e-5);
            close(&of(leaves.get("bn.bias").unwrap()), &[2.75, -0.375], 1e-5);

            close(&updates[&norm.mean].to_vec(), &[0.585417, -0.314583], 2e-6);
            close(&updates[&norm.variance].to_vec(), &[2.101657, 0.526657], 2e-6);
            assert_eq!(updates[&norm.count].to_vec(), [1.0]);
            assert!(updates.values().all(|array| !array.is_tracked()));
        }
    }

    /// As the key encoder of MoCo: training mode without gradients.
    #[test]
    fn batch_statistics_need_no_gradients() {
        for Selected { device, kernels, .. } in backends() {
            let (norm, params) = norm(&device);
            let mut updates = Updates::new();
            let y = norm.forward(
                &mut pass(kernels, &params, true, &mut updates),
                input(&device),
                After::default(),
            );
            close(&y.to_vec(), &OUTPUT, 2e-6);
        }
    }

    #[test]
    fn evaluation_uses_running_statistics() {
        for Selected { device, kernels, .. } in backends() {
            let (norm, mut params) = norm(&device);
            let mut updates = Updates::new();
            norm.forward(
                &mut pass(kernels, &params, true, &mut updates),
                input(&device),
                After::default(),
            );
            for (slot, value) in std::mem::take(&mut updates) {
                params.set(slot, value);
            }

            let y = norm
                .forward(
                    &mut pass(kernels, &params, false, &mut updates),
                    input(&device),
                    After::default(),
                )
                .to_vec();
            let expected = [-2.425099, -0.614395, -1.131739, 1.972324, 2.74834, 1.196308];
            close(&y[..6], &expected, 1e-5);
            close(&y[6..8], &[-1.628143, -1.4559], 1e-5);
            assert!(updates.is_empty());
        }
    }

    #[test]
    fn a_second_application_sees_the_first() {
        for Selected { device, kernels, .. } in backends() {
            let (norm, params) = norm(&device);
            let mut updates = Updates::new();
            let mut pass = pass(kernels, &params, true, &mut updates);
            norm.forward(&mut pass, input(&device), After::default());
            norm.forward(&mut pass, input(&device), After::default());
            // 0.5 and the batch's mean 1.354167, twice a tenth of the way.
            let mean = 0.81 * 0.5 + 0.19 * (0.585417 - 0.9 * 0.5) / 0.1;
            close(&updates[&norm.mean].to_vec()[..1], &[mean], 1e-5);
            assert_eq!(updates[&norm.count].to_vec(), [2.0]);
        }
    }

    /// The gradient is not composed of the value's own operations, so it is held against the value.
    #[test]
    fn gradient_is_the_difference_quotient() {
        for Selected { device, kernels, .. } in backends() {
            let (norm, params) = norm(&device);
            let loss = |params: &Params, x: Array| {
                let mut updates = Updates::new();
                let y = norm
                    .forward(&mut pass(kernels, params, true, &mut updates), x, After::default())
                    .into_tensor::<4>();
                // Not linear in the output, so that its second moments matter.
                (y.clone() * y * cotangent(&device)).sum()
            };
            let value = |params: &Params, x: Array| loss(params, x).into_scalar::<f32>();
            let (leaves, x) = (params.leaves(), input(&device).leaf());
            let mut gradients = loss(&leaves, x.clone()).backward();
            let gradient = x.take_gradient(&mut gradients).expect("tracked").to_vec();
            let step = 1e-2;
            for (index, gradient) in gradient.into_iter().enumerate() {
                let at = |offset: f32| {
                    let moved = |i: usize| {
                        let offset = if i == index { offset } else { 0.0 };
                        (i * i * 7 % 23) as f32 / 4.0 - 2.0 + offset
                    };
                    value(&params, array(&device, moved))
                };
                let quotient = (at(step) - at(-step)) / (2.0 * step);
                close(&[gradient], &[quotient], 5e-3);
            }
            let slot = params.slot("bn.weight").unwrap();
            let scale = leaves.value(slot).take_gradient(&mut gradients).expect("tracked");
            for (index, gradient) in scale.to_vec().into_iter().enumerate() {
                let at = |offset: f32| {
                    let mut moved: Params = params.clone();
                    let mut weight = [1.5, -0.5];
                    weight[index] += offset;
                    moved.set(slot, Array::from_vec(weight.to_vec(), &[2], &device));
                    value(&moved, input(&device))
                };
                let quotient = (at(step) - at(-step)) / (2.0 * step);
                close(&[gradient], &[quotient], 5e-3);
            }
        }
    }
}
