//! The tensor of everything that runs: rank and kind of number are known at run time.

use burn::tensor::kind::{Basic, BridgeTensor};
use burn::tensor::{Device, FloatDType, Gradients, Int, Tensor, TensorData};

/// Views, activations, parameters, state: an array of floats or of whole numbers, of any rank.
///
/// The checker has settled shapes before anything runs, so that a kernel that reads another rank
/// than there is, or floats where there are whole numbers, is a mistake in this crate, and panics.
/// A single number, `Tensor[]` in the language, has the shape `[1]`.
#[derive(Clone, Debug)]
pub struct Array(BridgeTensor);

/// Calls a function that is generic over the rank of a tensor with that of an array.
///
/// `by_rank!(array.rank(), D => body)` is `body` with `D` the rank, a constant.
macro_rules! by_rank {
    ($rank:expr, $D:ident => $body:expr) => {
        match $rank {
            1 => {
                const $D: usize = 1;
                $body
            }
            2 => {
                const $D: usize = 2;
                $body
            }
            3 => {
                const $D: usize = 3;
                $body
            }
            4 => {
                const $D: usize = 4;
                $body
            }
            5 => {
                const $D: usize = 5;
                $body
            }
            rank => panic!("an array has one to five dimensions, not {rank}"),
        }
    };
}
pub(crate) use by_rank;

impl<const D: usize, K: Basic> From<Tensor<D, K>> for Array {
    fn from(tensor: Tensor<D, K>) -> Self {
        Array(tensor.into_bridge())
    }
}

impl Array {
    /// Floats of a shape, row-major.
    ///
    /// # Panics
    ///
    /// If there are not as many values as the shape has places, or the shape has no dimension.
    pub fn from_vec(values: Vec<f32>, shape: &[usize], device: &Device) -> Self {
        #[cfg(feature = "libtorch")]
        if let Some(brought) = super::libtorch::bring(&values, shape, device) {
            return brought;
        }
        let data = TensorData::new(values, shape.to_vec());
        by_rank!(shape.len(), D => Tensor::<D>::from_data(data, device).into())
    }

    /// Whole numbers, `[n]`.
    pub fn from_whole(values: impl IntoIterator<Item = i64>, device: &Device) -> Self {
        let values: Vec<i64> = values.into_iter().collect();
        #[cfg(feature = "libtorch")]
        if let Some(brought) = super::libtorch::bring_whole(&values, device) {
            return brought;
        }
        let shape = [values.len()];
        Tensor::<1, Int>::from_data(TensorData::new(values, shape), device).into()
    }

    /// One number.
    pub fn number(value: f64, device: &Device) -> Self {
        // A number that is brought there from here would be waited for.
        Tensor::<1>::zeros([1], device).add_scalar(value).into()
    }

    /// As many floats of zero.
    pub fn zeros_like(&self) -> Self {
        by_rank!(self.rank(), D => self.tensor::<D>().zeros_like().into())
    }

    pub fn shape(&self) -> Vec<usize> {
        self.0.shape().to_vec()
    }

    pub fn rank(&self) -> usize {
        self.0.rank()
    }

    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of the first dimension.
    pub fn rows(&self) -> usize {
        self.shape()[0]
    }

    pub fn is_float(&self) -> bool {
        self.0.is_float()
    }

    /// The floats of a known rank.
    pub fn tensor<const D: usize>(&self) -> Tensor<D> {
        self.clone().into_tensor()
    }

    /// The floats of a known rank, in the memory of the array.
    pub fn into_tensor<const D: usize>(self) -> Tensor<D> {
        assert_eq!(self.rank(), D, "a kernel for rank {D} is given the shape {:?}", self.shape());
        Tensor::from_bridge(self.0)
    }

    /// The whole numbers of a known rank.
    pub fn whole<const D: usize>(&self) -> Tensor<D, Int> {
        assert_eq!(self.rank(), D, "a kernel for rank {D} is given the shape {:?}", self.shape());
        Tensor::from_bridge(self.0.clone())
    }

    /// The floats as rows: `[…, d]` as `[n, d]`, a vector as one row.
    pub fn as_rows(&self) -> Tensor<2> {
        let shape = self.shape();
        let last = shape.last().copied().unwrap_or(1);
        let rows = self.len().checked_div(last).unwrap_or(0);
        by_rank!(self.rank(), D => self.tensor::<D>().reshape([rows, last]))
    }

    /// Replaces it by what `f` makes of it, in place where nobody else holds it.
    pub fn update<const D: usize>(&mut self, f: impl FnOnce(Array) -> Tensor<D>) {
        *self = f(self.take()).into();
    }

    /// Takes it out of its place, where something empty is left: what is held once is written in
    /// place.
    pub fn take(&mut self) -> Self {
        let empty = Tensor::<1>::empty([0], &self.device()).into();
        std::mem::replace(self, empty)
    }

    /// The same numbers in another shape.
    pub fn reshape(&self, shape: &[usize]) -> Self {
        by_rank!(self.rank(), D => {
            let tensor = self.tensor::<D>();
            by_rank!(shape.len(), E => {
                let shape: [usize; E] = std::array::from_fn(|axis| shape[axis]);
                tensor.reshape(shape).into()
            })
        })
    }

    pub fn device(&self) -> Device {
        match self.is_float() {
            true => by_rank!(self.rank(), D => self.tensor::<D>().device()),
            false => by_rank!(self.rank(), D => self.whole::<D>().device()),
        }
    }

    /// The floats as those of another kind, rounded where it holds fewer bits.
    pub fn cast(self, to: FloatDType) -> Self {
        by_rank!(self.rank(), D => self.into_tensor::<D>().cast(to).into())
    }

    /// The same numbers on another device.
    pub fn to_device(&self, device: &Device) -> Self {
        match self.is_float() {
            true => by_rank!(self.rank(), D => self.tensor::<D>().to_device(device).into()),
            false => by_rank!(self.rank(), D => self.whole::<D>().to_device(device).into()),
        }
    }

    /// The same values as constants: without a history that a gradient could follow.
    pub fn constant(&self) -> Self {
        match self.is_float() {
            true => by_rank!(self.rank(), D => self.tensor::<D>().inner().into()),
            false => self.clone(),
        }
    }

    /// The same values as the start of a history: what a step differentiates by.
    pub fn leaf(&self) -> Self {
        by_rank!(self.rank(), D => self.tensor::<D>().autodiff().require_grad().into())
    }

    /// Whether a gradient can reach what it was computed of.
    pub fn is_tracked(&self) -> bool {
        self.is_float() && by_rank!(self.rank(), D => self.tensor::<D>().is_tracked())
    }

    /// The gradients of this number by everything that it was computed of.
    pub fn backward(&self) -> Gradients {
        self.tensor::<1>().backward()
    }

    /// Takes the gradient by this leaf, `None` where none has reached it.
    pub fn take_gradient(&self, gradients: &mut Gradients) -> Option<Self> {
        by_rank!(self.rank(), D => self.tensor::<D>().grad_remove(gradients).map(Array::from))
    }

    /// The same values in memory of their own, so that what is done in place to one is not seen by
    /// the other.
    pub fn deep_copy(&self) -> Self {
        by_rank!(self.rank(), D => (self.tensor::<D>() * 1.0).into())
    }

    /// The values, row-major, on the host; whole numbers as floats. Waits for the device.
    pub fn to_vec(&self) -> Vec<f32> {
        let data = match self.is_float() {
            true => by_rank!(self.rank(), D => self.tensor::<D>().into_data()),
            false => by_rank!(self.rank(), D => self.whole::<D>().into_data()),
        };
        data.convert::<f32>().try_into_vec().expect("converted to f32 above")
    }

    /// The value of a single number. Waits for the device.
    pub fn to_number(&self) -> f64 {
        f64::from(self.tensor::<1>().into_scalar::<f32>())
    }
}
