//! The values that flow through an objective's graph.

use burn::tensor::{Int, Tensor};

use crate::nn::Activation;

/// A tensor of one of the kinds that an objective speaks of.
///
/// The getters state what a signature has promised: the checker lets no graph through whose shapes
/// do not fit, so a getter that does not match is a bug of the primitive, and panics.
#[derive(Clone, Debug)]
pub enum AnyTensor {
    /// `Tensor[]`: one element.
    Scalar(Tensor<1>),
    /// `Tensor[n]`
    Vector(Tensor<1>),
    /// `Tensor[n, d]`
    Matrix(Tensor<2>),
    /// `Image[c, h, w]` of a batch: `[n, c, h, w]`.
    Maps(Tensor<4>),
    /// `Labels[n]`
    Labels(Tensor<1, Int>),
}

impl AnyTensor {
    pub fn scalar(&self) -> Tensor<1> {
        match self {
            AnyTensor::Scalar(tensor) => tensor.clone(),
            other => other.mismatch("a scalar"),
        }
    }

    pub fn matrix(&self) -> Tensor<2> {
        match self {
            AnyTensor::Matrix(tensor) => tensor.clone(),
            other => other.mismatch("a matrix"),
        }
    }

    pub fn labels(&self) -> Tensor<1, Int> {
        match self {
            AnyTensor::Labels(tensor) => tensor.clone(),
            other => other.mismatch("labels"),
        }
    }

    /// What a network is given.
    pub fn activation(&self) -> Activation {
        match self {
            AnyTensor::Matrix(tensor) => Activation::Features(tensor.clone()),
            AnyTensor::Maps(tensor) => Activation::Maps(tensor.clone()),
            other => other.mismatch("images or features"),
        }
    }

    /// The same values as constants: without a history that a gradient could follow.
    pub fn constant(&self) -> Self {
        match self.clone() {
            AnyTensor::Scalar(tensor) => AnyTensor::Scalar(tensor.inner()),
            AnyTensor::Vector(tensor) => AnyTensor::Vector(tensor.inner()),
            AnyTensor::Matrix(tensor) => AnyTensor::Matrix(tensor.inner()),
            AnyTensor::Maps(tensor) => AnyTensor::Maps(tensor.inner()),
            AnyTensor::Labels(tensor) => AnyTensor::Labels(tensor),
        }
    }

    fn mismatch(&self, expected: &str) -> ! {
        panic!("a primitive reads {expected}, but its signature let {self:?} through")
    }
}

impl From<Activation> for AnyTensor {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Maps(tensor) => AnyTensor::Maps(tensor),
            Activation::Features(tensor) => AnyTensor::Matrix(tensor),
        }
    }
}

/// Applies an operator to two values of one shape, or to a scalar and any tensor.
macro_rules! elementwise {
    ($name:ident, $operator:tt) => {
        pub(super) fn $name(left: &AnyTensor, right: &AnyTensor) -> AnyTensor {
            use AnyTensor::{Maps, Matrix, Scalar, Vector};
            match (left.clone(), right.clone()) {
                (Scalar(a), Scalar(b)) => Scalar(a $operator b),
                (Vector(a), Vector(b)) | (Vector(a), Scalar(b)) | (Scalar(a), Vector(b)) => {
                    Vector(a $operator b)
                }
                (Matrix(a), Matrix(b)) => Matrix(a $operator b),
                (Matrix(a), Scalar(b)) => Matrix(a $operator b.reshape([1, 1])),
                (Scalar(a), Matrix(b)) => Matrix(a.reshape([1, 1]) $operator b),
                (Maps(a), Maps(b)) => Maps(a $operator b),
                (Maps(a), Scalar(b)) => Maps(a $operator b.reshape([1, 1, 1, 1])),
                (Scalar(a), Maps(b)) => Maps(a.reshape([1, 1, 1, 1]) $operator b),
                (_, other) => other.mismatch("two tensors of one shape"),
            }
        }
    };
}
elementwise!(add, +);
elementwise!(subtract, -);
elementwise!(multiply, *);
elementwise!(divide, /);
