//! What stops a gradient, and what is drawn at random.

use super::Operation;
use crate::device::Array;

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("detach", |x| x.array(0).constant()),
    ("noise", |x| {
        let mut rng = x.key().stream();
        let values = (0..x.array(0).len()).map(|_| rng.normal()).collect();
        Array::from_vec(values, &x.array(0).shape(), &x.array(0).constant().device())
    }),
];
