//! The embedded backend: nothing to install, and kernels of our own in the place of burn's.

mod functions;
mod operations {
    use burn::backend::flex::FlexTensor;

    use super::functions;

    crate::device::operations::operations!(Flex, FlexTensor, functions);
}

use burn::backend::flex::FlexTensor;
use burn::tensor::{Device, Tensor};

use self::operations::native;
pub use super::arithmetic::digest as arithmetic;
use super::array::Array;
#[cfg(test)]
use super::array::by_rank;
use super::{Adam, After, Descent, DeviceError, FallBack, Kernels, Normalized, Selected, host};

pub fn select() -> Result<Selected, DeviceError> {
    Ok(Selected { device: Device::flex(), kernels: &Native, kind: "flex".to_owned() })
}

/// So many rows of a linear layer are many: measured, as those of the heads of a batch are not.
const MANY_ROWS: usize = 2 << 10;

/// Kernels of our own for what takes the time of a step.
struct Native;

impl Kernels for Native {
    crate::device::operations::kernels!(operations);

    /// Of many rows, such as the tokens of a batch, as the convolution of single pixels, which then is
    /// faster than burn's product of matrices.
    fn linear(&self, x: Array, weight: Array, bias: Option<Array>) -> Array {
        if x.shape()[0] < MANY_ROWS {
            return FallBack.linear(x, weight, bias);
        }
        let [x, weight] = [x, weight].map(|own| {
            let shape = [own.shape(), vec![1; 2]].concat();
            own.reshape(&shape)
        });
        let shape = [x.shape()[0], weight.shape()[0]];
        let output = self.conv2d(x, weight, 1, 0).reshape(&shape);
        match bias {
            Some(bias) => {
                let bias: Tensor<2> = bias.into_tensor::<1>().unsqueeze();
                (output.into_tensor::<2>() + bias).into()
            }
            None => output,
        }
    }

    fn lerp_many(&self, averages: &mut [Array], targets: &[&Array], m: f64) {
        let mut moved = taken(averages);
        let targets: Vec<_> = targets.iter().map(|own| native((*own).clone())).collect();
        host::lerp_many(&mut moved, &targets, m);
        put_back(averages, moved);
    }

    fn descend_many(
        &self,
        values: &mut [Array],
        gradients: Vec<Array>,
        buffers: &mut Vec<Array>,
        how: Descent,
    ) {
        let (mut moved, mut followed) = (taken(values), taken(buffers));
        let gradients = gradients.into_iter().map(native).collect();
        host::descend_many(&mut moved, gradients, &mut followed, how);
        put_back(values, moved);
        *buffers = followed.into_iter().map(array).collect();
    }

    fn norms(&self, arrays: &[Array]) -> Array {
        array(host::norms(&tensors(arrays)))
    }

    fn add_many(&self, owns: &mut [Array], others: &[Array], factor: f64) {
        let mut moved = taken(owns);
        host::add_many(&mut moved, &tensors(others), factor);
        put_back(owns, moved);
    }

    fn scale_many(&self, owns: &mut [Array], factors: &Array) {
        let mut moved = taken(owns);
        host::scale_many(&mut moved, &native(factors.clone()));
        put_back(owns, moved);
    }

    fn adam_many(
        &self,
        values: &mut [Array],
        gradients: Vec<Array>,
        moments: &mut [Vec<Array>],
        how: Adam,
    ) {
        let mut moved = taken(values);
        let gradients = gradients.into_iter().map(native).collect();
        let mut averages: Vec<_> = moments.iter_mut().map(|own| taken(own)).collect();
        host::adam_many(&mut moved, gradients, &mut averages, how);
        put_back(values, moved);
        for (kept, own) in moments.iter_mut().zip(averages) {
            *kept = own.into_iter().map(array).collect();
        }
    }
}

/// Of arrays without a history, which stay where they are.
fn tensors(arrays: &[Array]) -> Vec<FlexTensor> {
    arrays.iter().map(|own| native(own.clone())).collect()
}

/// Of arrays without a history, out of their places.
fn taken(places: &mut [Array]) -> Vec<FlexTensor> {
    places.iter_mut().map(|place| native(place.take())).collect()
}

fn put_back(places: &mut [Array], tensors: Vec<FlexTensor>) {
    for (place, own) in places.iter_mut().zip(tensors) {
        *place = array(own);
    }
}

fn array(own: FlexTensor) -> Array {
    let rank = own.layout().num_dims();
    operations::array(own, rank)
}

/// Where the numbers of an array lie, if it is this backend's.
#[cfg(test)]
pub fn address(array: &Array) -> Option<usize> {
    by_rank!(array.rank(), D => {
        let tensor = array.tensor::<D>().try_into_primitive::<burn::backend::Flex>().ok()?;
        Some(tensor.storage::<f32>().as_ptr() as usize)
    })
}
