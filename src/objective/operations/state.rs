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
    ("random_uniform", |x| {
        let mut rng = x.key().stream();
        let values = (0..x.array(0).len()).map(|_| rng.uniform()).collect();
        Array::from_vec(values, &x.array(0).shape(), &x.array(0).constant().device())
    }),
    ("random_permutation", |x| {
        let mut places: Vec<i64> = (0..x.array(0).rows() as i64).collect();
        x.key().stream().shuffle(&mut places);
        Array::from_whole(places, &x.array(0).constant().device())
    }),
    ("random_labels", |x| {
        let (mut rng, classes) = (x.key().stream(), x.args.size("classes"));
        let labels = (0..x.array(0).rows()).map(|_| rng.below(classes as u32) as i64);
        Array::from_whole(labels, &x.array(0).constant().device())
    }),
    ("random_rows", |x| {
        let (mut rng, rows) = (x.key().stream(), x.array(0).rows());
        let places = (0..x.args.size("count")).map(|_| rng.below(rows as u32) as i64);
        Array::from_whole(places, &x.array(0).constant().device())
    }),
    ("random_order", |x| {
        let shape = x.array(0).shape();
        let [n, p, ..] = shape[..] else { panic!("a tensor of {shape:?} has no rows") };
        let mut rng = x.key().stream();
        let orders = (0..n).flat_map(|_| {
            let mut order: Vec<f32> = (0..p).map(|place| place as f32).collect();
            rng.shuffle(&mut order);
            order
        });
        Array::from_vec(orders.collect(), &[n, p], &x.array(0).constant().device())
    }),
    ("random_directions", |x| {
        let shape = x.array(0).shape();
        let [.., width] = shape[..] else { panic!("a tensor of {shape:?} has no rows") };
        let count = x.args.size("count");
        let rows = x.key().stream().unit_rows(count, width);
        Array::from_vec(rows, &[count, width], &x.array(0).constant().device())
    }),
];
