//! libtorch: its devices, and its own kernels in the place of burn's.

// burn marks its libtorch backend as deprecated; this module is the one place that names it.
#![expect(deprecated, reason = "burn-tch is pinned until its successor reaches its speed")]

mod functions;
mod operations;

use burn::backend::libtorch::TchTensor;
use burn::backend::{Dispatch, LibTorch};
use burn::tensor::{Device, Tensor};

use self::functions::BatchNorm;
use self::operations::Operations;
use super::array::{Array, by_rank};
use super::kernels::mean_of;
use super::{After, DeviceError, Kernels, Normalized, Selected};

pub fn best() -> Result<Selected, DeviceError> {
    if tch::Cuda::is_available() { cuda(0) } else { cpu() }
}

pub fn cpu() -> Result<Selected, DeviceError> {
    Ok(selected(Device::libtorch(), "libtorch-cpu"))
}

pub fn cuda(index: usize) -> Result<Selected, DeviceError> {
    let count = if tch::Cuda::is_available() { tch::Cuda::device_count() } else { 0 };
    if (index as i64) < count {
        return Ok(selected(Device::libtorch_cuda(index), "libtorch-cuda"));
    }
    let (message, help) = match count {
        0 => (
            "libtorch sees no CUDA device".to_owned(),
            "this needs an NVIDIA GPU, its driver, and a libtorch built for CUDA; \
             `--device libtorch-cpu` needs none of them"
                .to_owned(),
        ),
        count => (
            format!("there is no CUDA device {index}"),
            format!("there are {count}, counted from 0"),
        ),
    };
    Err(DeviceError { message, help })
}

fn selected(device: Device, kind: &str) -> Selected {
    Selected { device, kernels: &Native, kind: kind.to_owned() }
}

/// libtorch's own kernels where burn composes several, or goes a longer way back.
struct Native;

impl Kernels for Native {
    fn conv2d(&self, x: Array, weight: Array, stride: usize, padding: usize) -> Array {
        let [x, weight] = [x, weight].map(|own| own.into_tensor::<4>().into_dispatch());
        let output = <Dispatch as Operations>::convolution(x, weight, stride, padding);
        Tensor::<4>::from_dispatch(output).into()
    }

    fn batch_norm(
        &self,
        x: Array,
        [scale, shift]: [Array; 2],
        (groups, epsilon): (usize, f64),
        After { shortcut, relu }: After,
    ) -> Normalized {
        let how = BatchNorm { groups, relu, epsilon };
        let rank = x.rank();
        let by_rank = |own: Array| by_rank!(rank, D => own.into_tensor::<D>().into_dispatch());
        let x = by_rank(x);
        let [scale, shift] = [scale, shift].map(|own| own.into_tensor::<1>().into_dispatch());
        let (output, mean, deviation) = match shortcut.map(by_rank) {
            Some(shortcut) => {
                <Dispatch as Operations>::batch_norm_onto(x, scale, shift, shortcut, how)
            }
            None => <Dispatch as Operations>::batch_norm(x, scale, shift, how),
        };
        let [mean, deviation] =
            [mean, deviation].map(|own| Tensor::<1>::from_dispatch(own).inner());
        let variance = deviation.square().recip() - epsilon;
        // Below zero is what rounding takes from a channel that is constant.
        let [mean, variance] = [mean, variance.clamp_min(0.0)].map(|own| mean_of(own, groups));
        let output = by_rank!(rank, D => Tensor::<D>::from_dispatch(output).into());
        Normalized { output, mean, variance }
    }

    fn lerp_many(&self, averages: &mut [Array], targets: &[&Array], m: f64) {
        let share = 1.0 - m;
        let mut moved: Vec<tch::Tensor> = Vec::with_capacity(averages.len());
        let mut followed: Vec<tch::Tensor> = Vec::with_capacity(averages.len());
        let held: Vec<TchTensor> = averages
            .iter_mut()
            .zip(targets)
            .map(|(average, target)| {
                let average = native(average.take());
                let target = native((*target).clone());
                // What somebody else holds as well moves in memory of its own.
                let average = match average.can_mut() {
                    true => average,
                    false => TchTensor::new(average.tensor.copy()),
                };
                moved.push(average.tensor.shallow_clone());
                followed.push(target.tensor);
                average
            })
            .collect();
        functions::lerp_many(&mut moved, &followed, share);
        for ((place, target), average) in averages.iter_mut().zip(targets).zip(held) {
            *place = by_rank!(target.rank(), D => {
                Tensor::<D>::from_primitive::<LibTorch>(average).into()
            });
        }
    }
}

/// The tensor of an array without a history.
fn native(array: Array) -> TchTensor {
    by_rank!(array.rank(), D => {
        let tensor = array.into_tensor::<D>().try_into_primitive::<LibTorch>();
        tensor.expect("averages are constants of the device that they are moved on")
    })
}

#[cfg(test)]
mod tests;
