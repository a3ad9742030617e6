//! Functions of every element.

use burn::tensor::{Tensor, activation};

use super::Operation;
use crate::device::{Array, by_rank};

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("exp", |x| by_rank!(x.array(0).rank(), D => x.tensor::<D>(0).exp().into())),
    ("log", |x| by_rank!(x.array(0).rank(), D => x.tensor::<D>(0).log().into())),
    ("sqrt", |x| by_rank!(x.array(0).rank(), D => x.tensor::<D>(0).sqrt().into())),
    ("square", |x| by_rank!(x.array(0).rank(), D => x.tensor::<D>(0).square().into())),
    ("abs", |x| by_rank!(x.array(0).rank(), D => x.tensor::<D>(0).abs().into())),
    ("relu", |x| x.context.kernels.relu(x.array(0).clone())),
    ("sigmoid", |x| by_rank!(x.array(0).rank(), D => activation::sigmoid(x.tensor::<D>(0)).into())),
    ("softplus", |x| softplus(x.array(0))),
];

/// `log(exp(x - m) + exp(-m)) + m` with `m = max(x, 0)`, a constant: no exponential is above one,
/// and the gradient is the sigmoid everywhere.
fn softplus(x: &Array) -> Array {
    by_rank!(x.rank(), D => {
        let x: Tensor<D> = x.tensor();
        let max = x.clone().inner().clamp_min(0.0);
        ((x - max.clone()).exp() + max.clone().neg().exp()).log().add(max).into()
    })
}
