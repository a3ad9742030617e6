//! The embedded backend's tensors under the kernels of this processor.

use std::mem::MaybeUninit;

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType};

use crate::device::host::{self, HostTensor, Threads};

pub use crate::device::host::{
    batch_norm, batch_norm_backward, batch_norm_fixed, convolution, convolution_backward,
};

pub type Normalized = host::Normalized<FlexTensor>;

impl HostTensor for FlexTensor {
    const THREADS: Threads = Threads::OWN;

    fn shape(&self) -> Vec<usize> {
        self.layout().shape().to_vec()
    }

    fn strides(&self) -> Vec<isize> {
        self.layout().strides().to_vec()
    }

    fn contiguous(&self) -> Self {
        self.to_contiguous()
    }

    fn values(&self) -> &[f32] {
        &self.storage()[self.layout().start_offset()..][..self.layout().num_elements()]
    }

    fn values_mut(&mut self) -> Option<&mut [f32]> {
        let (start, len) = (self.layout().start_offset(), self.layout().num_elements());
        self.try_storage_mut().map(|all| &mut all[start..][..len])
    }

    fn made(values: Vec<f32>, shape: &[usize]) -> Self {
        let layout = Layout::contiguous(shape.to_vec().into());
        FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
    }

    unsafe fn maps(shape: &[usize], write: impl FnOnce(&mut [MaybeUninit<f32>])) -> Self {
        let mut values = Vec::with_capacity(shape.iter().product());
        let len = shape.iter().product();
        write(&mut values.spare_capacity_mut()[..len]);
        // SAFETY: there is room, and all are written, as this function asks for.
        unsafe { values.set_len(len) };
        let layout = Layout::new(shape.to_vec().into(), host::channels_last_strides(shape), 0);
        FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
    }
}
