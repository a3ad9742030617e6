//! What objectives are made of: the tensor primitives, averages of networks, and the step that
//! interprets an objective's graph.
//!
//! A primitive is declared in `std.prelude`, which also says through which of its arguments a
//! gradient flows; here stands its implementation. What is declared as an average of a network, the
//! step keeps itself.

mod any_tensor;
mod contrastive;
#[cfg(test)]
mod golden;
mod learner;
mod measures;
mod memory;
mod similarity;
mod state;
mod step;
mod supervised;

pub use any_tensor::AnyTensor;
pub use learner::{Learner, ObjectiveError, encoder_key};
pub use step::{Effects, StepOutput};

use contrastive::{info_nce, nt_xent};
use measures::{contrast_accuracy, pair_accuracy, spread};
use similarity::{cosine_distance, normalize};
use supervised::{cross_entropy, sup_con};

use crate::term::Args;

/// A function of the plain arguments by name and the tensors in the order of the signature. Where
/// it `keeps` rows from one step to the next, as `fifo` does, it is given what is kept as one more
/// value, after the tensor arguments.
pub type Primitive = fn(&Args, &[AnyTensor]) -> AnyTensor;

/// The primitives, by the names under which `std.prelude` declares them.
pub static PRIMITIVES: &[(&str, Primitive)] = &[
    ("normalize", |_, x| AnyTensor::Matrix(normalize(x[0].matrix()))),
    ("cosine_distance", |_, x| AnyTensor::Scalar(cosine_distance(x[0].matrix(), x[1].matrix()))),
    ("mean_squared", |_, x| AnyTensor::Scalar((x[0].matrix() - x[1].matrix()).square().mean())),
    ("info_nce", |args, x| {
        let [query, key, negatives] = [x[0].matrix(), x[1].matrix(), x[2].matrix()];
        AnyTensor::Scalar(info_nce(query, key, negatives, args.float("temperature")))
    }),
    ("nt_xent", |args, x| {
        AnyTensor::Scalar(nt_xent(x[0].matrix(), x[1].matrix(), args.float("temperature")))
    }),
    ("sup_con", |args, x| {
        let temperature = args.float("temperature");
        AnyTensor::Scalar(sup_con(x[0].matrix(), x[1].matrix(), x[2].labels(), temperature))
    }),
    ("cross_entropy", |_, x| AnyTensor::Scalar(cross_entropy(x[0].matrix(), x[1].labels()))),
    ("fifo", |_, x| x[1].constant()),
    ("detach", |_, x| x[0].constant()),
    ("mean", |_, x| AnyTensor::Scalar(x[0].matrix().mean())),
    ("spread", |_, x| AnyTensor::Scalar(spread(x[0].matrix()))),
    ("contrast_accuracy", |_, x| {
        AnyTensor::Scalar(contrast_accuracy(x[0].matrix(), x[1].matrix(), x[2].matrix()))
    }),
    ("pair_accuracy", |_, x| AnyTensor::Scalar(pair_accuracy(x[0].matrix(), x[1].matrix()))),
];

/// The primitive of that name.
pub fn primitive(name: &str) -> Option<Primitive> {
    PRIMITIVES.iter().find(|(own, _)| *own == name).map(|(_, primitive)| *primitive)
}
