//! Parameters by name: what a module owns, an optimizer moves and a checkpoint keeps.

use burn::tensor::{Device, Tensor, TensorData};
use indexmap::IndexMap;

/// What a parameter is, which decides how it is optimized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A convolution's or a linear layer's weight.
    Weight,
    Bias,
    /// Scale of a normalisation.
    NormScale,
    /// Shift of a normalisation.
    NormShift,
    /// Running statistics: kept and averaged, never optimized.
    Buffer,
}

impl Role {
    pub fn is_trained(self) -> bool {
        self != Role::Buffer
    }
}

/// A tensor of one of the ranks that parameters have.
#[derive(Clone, Debug)]
pub enum Array {
    R1(Tensor<1>),
    R2(Tensor<2>),
    R4(Tensor<4>),
}

#[derive(Clone, Debug)]
pub struct Param {
    pub role: Role,
    pub value: Array,
}

/// Parameters in the order in which the module declares them, by torchvision's names.
#[derive(Clone, Debug, Default)]
pub struct Params(pub IndexMap<String, Param>);

/// Applies an expression to the tensor in an [`Array`], whatever its rank.
macro_rules! map_array {
    ($array:expr, $tensor:ident => $body:expr) => {
        match $array {
            $crate::nn::Array::R1($tensor) => $crate::nn::Array::R1($body),
            $crate::nn::Array::R2($tensor) => $crate::nn::Array::R2($body),
            $crate::nn::Array::R4($tensor) => $crate::nn::Array::R4($body),
        }
    };
}
pub(crate) use map_array;

impl Array {
    /// Builds an array of `shape` from row-major values.
    ///
    /// The rank is one of 1, 2 and 4; these are the ranks that parameters have.
    pub fn from_vec(values: Vec<f32>, shape: &[usize], device: &Device) -> Self {
        let data = TensorData::new(values, shape.to_vec());
        match shape.len() {
            1 => Array::R1(Tensor::from_data(data, device)),
            2 => Array::R2(Tensor::from_data(data, device)),
            4 => Array::R4(Tensor::from_data(data, device)),
            rank => panic!("parameters have rank 1, 2 or 4, not {rank}"),
        }
    }

    pub fn shape(&self) -> Vec<usize> {
        match self {
            Array::R1(tensor) => tensor.dims().to_vec(),
            Array::R2(tensor) => tensor.dims().to_vec(),
            Array::R4(tensor) => tensor.dims().to_vec(),
        }
    }

    /// The values, row-major, on the host. Waits for the device.
    pub fn to_vec(&self) -> Vec<f32> {
        let data = match self {
            Array::R1(tensor) => tensor.to_data(),
            Array::R2(tensor) => tensor.to_data(),
            Array::R4(tensor) => tensor.to_data(),
        };
        data.convert::<f32>().try_into_vec().expect("converted to f32 above")
    }
}

impl Params {
    /// The tensors with gradients asked for: what one training step differentiates.
    ///
    /// Buffers stay constants.
    pub fn tracked(&self) -> Self {
        self.map(|param| match param.role {
            Role::Buffer => param.value.clone(),
            _ => map_array!(param.value.clone(), t => t.autodiff().require_grad()),
        })
    }

    pub fn map(&self, mut f: impl FnMut(&Param) -> Array) -> Self {
        let map = |(name, param): (&String, &Param)| {
            (name.clone(), Param { role: param.role, value: f(param) })
        };
        Params(self.0.iter().map(map).collect())
    }

    /// The number of values that are optimized.
    pub fn count(&self) -> usize {
        let trained = self.0.values().filter(|param| param.role.is_trained());
        trained.map(|param| param.value.shape().iter().product::<usize>()).sum()
    }
}
