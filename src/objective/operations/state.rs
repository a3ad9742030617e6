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
    ("random_labels", |x| {
        let (mut rng, classes) = (x.key().stream(), x.args.size("classes"));
        let labels = (0..x.array(0).rows()).map(|_| rng.below(classes as u32) as i64);
        Array::from_whole(labels, &x.array(0).constant().device())
    }),
    ("random_directions", |x| {
        let shape = x.array(0).shape();
        let [.., width] = shape[..] else { panic!("a tensor of {shape:?} has no rows") };
        let count = x.args.size("count");
        let rows = x.key().stream().unit_rows(count, width);
        Array::from_vec(rows, &[count, width], &x.array(0).constant().device())
    }),
];
