//! Classes: losses that read them, and masks of them.

use burn::tensor::{Int, Tensor};

use super::Operation;
use super::rows::{chosen, same};

pub const OPERATIONS: &[(&str, Operation)] = &[
    ("cross_entropy", |x| chosen(x.matrix(0), x.array(1).whole()).into()),
    ("one_hot", |x| {
        let labels: Tensor<1, Int> = x.array(0).whole();
        let ([n], classes) = (labels.dims(), x.args.size("classes"));
        let columns = Tensor::<1, Int>::arange(0..classes as i64, &labels.device());
        labels.reshape([n, 1]).equal(columns.reshape([1, classes])).float().into()
    }),
    ("class_index", |x| x.array(0).clone()),
    ("same_label", same),
    ("accuracy", |x| {
        let logits = x.matrix(0).inner();
        let [n, _] = logits.dims();
        logits.argmax(1).reshape([n]).equal(x.array(1).whole()).float().mean().into()
    }),
];
