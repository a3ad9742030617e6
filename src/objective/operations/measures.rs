//! What is worth watching while an objective is minimized.

use burn::tensor::Tensor;

use super::Operation;
use super::matrix::matrices;
use crate::device::{Array, by_rank};

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("greater", |x| {
        by_rank!(x.array(0).rank(), D => {
            x.tensor::<D>(0).inner().greater(x.tensor::<D>(1).inner()).float().into()
        })
    }),
    ("epps_pulley", |x| {
        let tests = epps_pulley(matrices(x.array(0)), x.number("reach"), x.args.size("knots"));
        let shape = x.array(0).shape();
        let [before @ .., _, m] = &shape[..] else { panic!("{shape:?} has no matrices") };
        Array::from(tests).reshape(&[before, &[*m]].concat())
    }),
];

/// `[…, n, m]` to `[…, m]`: `n` times the integral over `t` of the squared distance of a column's
/// characteristic function and that of the normal distribution, weighted with the latter, by
/// trapezoids. The function under the integral is even, and so half of it is computed.
fn epps_pulley(x: Tensor<3>, reach: f64, knots: usize) -> Tensor<3> {
    let [_, n, _] = x.dims();
    let width = reach / (knots - 1) as f64;
    let part = |knot: usize| {
        let t = knot as f64 * width;
        let normal = (-t * t / 2.0).exp();
        let scaled = x.clone() * t;
        let real = scaled.clone().cos().mean_dim(1) - normal;
        let imaginary = scaled.sin().mean_dim(1);
        let weight = if knot == 0 || knot + 1 == knots { 1.0 } else { 2.0 };
        (real.square() + imaginary.square()) * (weight * width * normal)
    };
    // The first is zero for any numbers.
    let parts = (1..knots).map(part).reduce(|all, part| all + part);
    parts.expect("two knots at least") * n as f64
}
