//! libtorch: its devices, and its own kernels in the place of burn's.

// burn marks its libtorch backend as deprecated; this module is the one place that names it.
#![expect(deprecated, reason = "burn-tch is pinned until its successor reaches its speed")]

#[cfg(unix)]
mod driver;
#[cfg(not(unix))]
mod driver {
    pub fn name(_: usize) -> Option<String> {
        None
    }
}
mod functions;
mod leave;
mod library;
mod version;
mod operations {
    use burn::backend::libtorch::TchTensor;

    use super::functions;

    crate::device::operations::operations!(LibTorch, TchTensor, functions);
}

use burn::backend::libtorch::TchTensor;
use burn::backend::{DispatchDevice, LibTorch, LibTorchDevice};
use burn::tensor::{Device, Int, Tensor};

pub use self::leave::leave_at_once;
use self::operations::{array, native};
use super::array::Array;
#[cfg(test)]
use super::array::by_rank;
use super::{
    Adam, After, Descent, DeviceError, Kernels, Mixed, Normalized, Precision, Reading, Selected,
    host,
};

pub fn best() -> Result<Selected, DeviceError> {
    version::agrees()?;
    if tch::Cuda::is_available() { cuda(0) } else { cpu() }
}

pub fn cpu() -> Result<Selected, DeviceError> {
    version::agrees()?;
    Ok(selected(Device::libtorch(), "libtorch-cpu"))
}

pub fn cuda(index: usize) -> Result<Selected, DeviceError> {
    version::agrees()?;
    let count = if tch::Cuda::is_available() { tch::Cuda::device_count() } else { 0 };
    if (index as i64) < count {
        library::settle_gpus(false);
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

/// Whether the device has the numbers of that precision.
pub fn offers(own: &Selected, precision: Precision) -> bool {
    match precision {
        Precision::F32 => true,
        Precision::Tf32 => !own.is_host(),
        Precision::Bf16 => has_bf16(own),
    }
}

/// The same device, which from now on computes networks in that precision: one that it offers.
pub fn in_precision(own: &Selected, precision: Precision) -> Selected {
    static MIXED: Mixed = Mixed(&Native);
    if !own.is_host() {
        // libtorch's own choice is that convolutions may use it.
        library::settle_gpus(precision == Precision::Tf32);
    }
    let kernels: &'static dyn Kernels = match precision {
        Precision::Bf16 => &MIXED,
        Precision::F32 | Precision::Tf32 => &Native,
    };
    Selected { kernels, ..own.clone() }
}

/// Whether a device multiplies bfloat16. On processors without it libtorch does, many times slower
/// than f32.
fn has_bf16(own: &Selected) -> bool {
    if !own.is_host() {
        let there = native(Array::number(0.0, &own.device));
        return library::convolves_bf16(there.tensor.device());
    }
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512bf16");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("bf16");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

fn selected(device: Device, kind: &str) -> Selected {
    Selected { device, kernels: &Native, kind: kind.to_owned() }
}

/// The kernels of this processor or libtorch's own, where burn composes several, or goes a longer
/// way back.
struct Native;

impl Kernels for Native {
    crate::device::operations::kernels!(operations);

    fn read(&self, numbers: Array) -> Reading {
        if gpu(&numbers.device()).is_none() {
            return Reading::of(numbers);
        }
        let rank = numbers.rank();
        let copy = library::CopyOut::of(&native(numbers).tensor);
        Reading::new(move || array(TchTensor::new(copy.wait()), rank).to_vec())
    }

    fn lerp_many(&self, averages: &mut [Array], targets: &[&Array], m: f64) {
        let share = 1.0 - m;
        let ranks: Vec<usize> = targets.iter().map(|target| target.rank()).collect();
        let held: Vec<TchTensor> = averages.iter_mut().map(writable).collect();
        let mut moved: Vec<tch::Tensor> =
            held.iter().map(|own| own.tensor.shallow_clone()).collect();
        let followed: Vec<tch::Tensor> =
            targets.iter().map(|target| native((*target).clone()).tensor).collect();
        library::lerp_many(&mut moved, &followed, share);
        put_back(averages, held, &ranks);
    }

    fn descend_many(
        &self,
        values: &mut [Array],
        gradients: Vec<Array>,
        buffers: &mut Vec<Array>,
        how: Descent,
    ) {
        let ranks: Vec<usize> = gradients.iter().map(Array::rank).collect();
        let held: Vec<TchTensor> = values.iter_mut().map(writable).collect();
        let kept: Vec<TchTensor> = buffers.iter_mut().map(writable).collect();
        let mut moved = handles(&held);
        let along: Vec<tch::Tensor> = gradients.into_iter().map(|own| native(own).tensor).collect();
        let mut followed = handles(&kept);
        library::descend_many(&mut moved, &along, &mut followed, how);
        put_back(values, held, &ranks);
        match kept.is_empty() {
            false => put_back(buffers, kept, &ranks),
            true => buffers.extend(
                followed
                    .into_iter()
                    .zip(&ranks)
                    .map(|(own, rank)| array(TchTensor::new(own), *rank)),
            ),
        }
    }

    fn adam_many(
        &self,
        values: &mut [Array],
        gradients: Vec<Array>,
        moments: &mut [Vec<Array>],
        how: Adam,
    ) {
        match gradients.first().is_some_and(|own| gpu(&own.device()).is_some()) {
            true => adam_at_once(values, gradients, moments, how),
            false => adam_on_host(values, gradients, moments, how),
        }
    }

    fn norms(&self, arrays: &[Array]) -> Array {
        let own = tensors(arrays);
        let norms = match own.first().is_some_and(|own| own.tensor.device().is_cuda()) {
            true => TchTensor::new(library::norms(&handles(&own))),
            false => host::norms(&own),
        };
        array(norms, 1)
    }

    fn add_many(&self, owns: &mut [Array], others: &[Array], factor: f64) {
        let others = tensors(others);
        in_place(owns, |owns| match owns[0].tensor.device().is_cuda() {
            true => library::add_many(&mut handles(owns), &handles(&others), factor),
            false => host::add_many(owns, &others, factor),
        });
    }

    fn scale_many(&self, owns: &mut [Array], factors: &Array) {
        let factors = native(factors.clone());
        in_place(owns, |owns| match owns[0].tensor.device().is_cuda() {
            true => library::scale_many(&mut handles(owns), &factors.tensor),
            false => host::scale_many(owns, &factors),
        });
    }
}

/// Lets `write` change them, each in memory that nobody else holds, unless there are none.
fn in_place(places: &mut [Array], write: impl FnOnce(&mut [TchTensor])) {
    if places.is_empty() {
        return;
    }
    let ranks: Vec<usize> = places.iter().map(Array::rank).collect();
    let mut held: Vec<TchTensor> = places.iter_mut().map(writable).collect();
    write(&mut held);
    put_back(places, held, &ranks);
}

/// Of arrays without a history, which stay where they are.
fn tensors(arrays: &[Array]) -> Vec<TchTensor> {
    arrays.iter().map(|own| native(own.clone())).collect()
}

fn handles(tensors: &[TchTensor]) -> Vec<tch::Tensor> {
    tensors.iter().map(|own| own.tensor.shallow_clone()).collect()
}

/// [`Kernels::adam_many`] by this processor's.
fn adam_on_host(
    values: &mut [Array],
    gradients: Vec<Array>,
    moments: &mut [Vec<Array>],
    how: Adam,
) {
    let ranks: Vec<usize> = gradients.iter().map(Array::rank).collect();
    let gradients = gradients.into_iter().map(native).collect();
    let taken = |own: &mut Vec<Array>| own.iter_mut().map(writable).collect();
    let mut averages: Vec<Vec<TchTensor>> = moments.iter_mut().map(taken).collect();
    in_place(values, |values| host::adam_many(values, gradients, &mut averages, how));
    for ((kept, rank), own) in moments.iter_mut().zip(ranks).zip(averages) {
        *kept = own.into_iter().map(|own| array(own, rank)).collect();
    }
}

/// [`Kernels::adam_many`] by libtorch's own.
fn adam_at_once(
    values: &mut [Array],
    gradients: Vec<Array>,
    moments: &mut [Vec<Array>],
    how: Adam,
) {
    let ranks: Vec<usize> = gradients.iter().map(Array::rank).collect();
    let along: Vec<TchTensor> = gradients.into_iter().map(native).collect();
    let both: Vec<[TchTensor; 2]> =
        moments.iter_mut().zip(&along).map(|(own, gradient)| kept(own, gradient)).collect();
    let of = |which: usize| -> Vec<tch::Tensor> {
        both.iter().map(|own| own[which].tensor.shallow_clone()).collect()
    };
    let mut averages = [of(0), of(1)];
    in_place(values, |values| {
        library::adam_many(&mut handles(values), &handles(&along), &mut averages, how);
    });
    for ((kept, rank), own) in moments.iter_mut().zip(&ranks).zip(both) {
        *kept = own.map(|own| array(own, *rank)).into();
    }
}

/// The averages that Adam has kept, or those before its first step.
fn kept(moments: &mut Vec<Array>, gradient: &TchTensor) -> [TchTensor; 2] {
    let zeros = || TchTensor::new(gradient.tensor.zeros_like().contiguous());
    match moments.as_mut_slice() {
        [first, second] => [first, second].map(writable),
        _ => [zeros(), zeros()],
    }
}

/// Floats of a shape, row-major, on their way to a GPU, which does not wait for them until it
/// computes of them. Nothing where the device is another one.
pub fn bring(values: &[f32], shape: &[usize], device: &Device) -> Option<Array> {
    Some(array(TchTensor::new(library::bring(values, shape, gpu(device)?)), shape.len()))
}

/// The same of whole numbers, `[n]`.
pub fn bring_whole(values: &[i64], device: &Device) -> Option<Array> {
    let own = TchTensor::new(library::bring(values, &[values.len()], gpu(device)?));
    Some(Tensor::<1, Int>::from_primitive::<LibTorch>(own).into())
}

/// What decides on the bits beside this program: how the libtorch that was loaded was built, the
/// instructions of the processor that it uses and on how many threads, or the GPU. Its products of
/// matrices are summed in as many parts as there are threads.
pub fn library(own: &Selected) -> String {
    let on = match gpu(&own.device) {
        Some(index) => driver::name(index).unwrap_or_default(),
        None => format!("{} threads", tch::get_num_threads()),
    };
    library::configuration() + &on
}

/// Which GPU a device is.
fn gpu(device: &Device) -> Option<usize> {
    match device.as_dispatch() {
        DispatchDevice::LibTorch(LibTorchDevice::Cuda(index)) => Some(*index),
        _ => None,
    }
}

/// A tensor to write to from end to end, out of its place: what somebody else holds as well moves in
/// memory of its own.
fn writable(place: &mut Array) -> TchTensor {
    let own = native(place.take());
    match own.can_mut() && own.tensor.is_contiguous() {
        true => own,
        false => TchTensor::new(own.tensor.copy().contiguous()),
    }
}

fn put_back(places: &mut [Array], held: Vec<TchTensor>, ranks: &[usize]) {
    for ((place, rank), own) in places.iter_mut().zip(ranks).zip(held) {
        *place = array(own, *rank);
    }
}

/// Where the numbers of an array lie, if it is libtorch's.
#[cfg(test)]
pub fn address(array: &Array) -> Option<usize> {
    by_rank!(array.rank(), D => {
        let tensor = array.tensor::<D>().try_into_primitive::<burn::backend::LibTorch>().ok()?;
        Some(tensor.tensor.data_ptr() as usize)
    })
}

#[cfg(test)]
mod tests;
