//! Protocols: how good representations and classifiers are measured.
//!
//! A protocol may be fitted on one split and is scored on another. Nothing is ever chosen by
//! looking at the split that is scored.

#[cfg(feature = "run")]
mod accuracy;
#[cfg(feature = "run")]
mod error;
#[cfg(feature = "run")]
mod extract;
#[cfg(feature = "run")]
mod features;
#[cfg(feature = "run")]
mod knn;
#[cfg(feature = "run")]
mod lbfgs;
#[cfg(feature = "run")]
mod linear_probe;
#[cfg(feature = "run")]
mod top1;

#[cfg(feature = "run")]
pub use self::{
    accuracy::{Accuracy, ClassAccuracy, Warning, grouped},
    error::EvaluateError,
    extract::{Network, extract},
    features::Features,
    knn::knn,
    linear_probe::{Probe, linear_probe},
    top1::top1,
};
#[cfg(feature = "run")]
use burn::tensor::Device;

use crate::registry::{Entry, Implementation};
#[cfg(feature = "run")]
use crate::term::Args;
#[cfg(feature = "run")]
use crate::watch::Watch;

/// A registered protocol.
pub struct ProtocolEntry {
    /// What it measures, in the field's words.
    pub what: &'static str,
    /// Whether it needs a `fit` split besides the one that is scored.
    pub fits: bool,
    /// Whether it reads a classifier's logits, rather than an encoder's features.
    pub logits: bool,
    #[cfg(feature = "run")]
    pub run: fn(&Args, &Problem<'_>) -> Result<Accuracy, EvaluateError>,
}

/// What a protocol is given.
#[cfg(feature = "run")]
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// What it is fitted on; present where [`ProtocolEntry::fits`].
    pub fit: Option<&'a Features>,
    /// What is scored.
    pub on: &'a Features,
    /// The number of classes; labels lie below it.
    pub classes: usize,
    /// Where to compute.
    pub device: &'a Device,
    /// Who waits for it.
    pub watch: Watch<'a>,
}

#[cfg(feature = "run")]
impl<'a> Problem<'a> {
    fn fit(&self) -> Result<&'a Features, EvaluateError> {
        self.fit.ok_or(EvaluateError::NothingToFit)
    }
}

/// The protocols; all are in scope everywhere.
pub static ENTRIES: &[Entry] = &[
    Entry {
        name: "knn",
        signature: "/// Weighted k-nearest-neighbour classification of frozen features.
///
/// The k examples of `fit` that are most similar to an example vote for their class with the weight
/// `exp(similarity / temperature)`; similarity is the cosine. Exact: nothing is approximated. `k`
/// is at most the number of examples in `fit`.
///
/// Wu et al. 2018 (instance discrimination), arXiv:1805.01978, section 3.4.
knn(k: Int > 0 = 200, temperature: Float > 0 = 0.1) -> Protocol",
        module: "",
        implementation: Implementation::Protocol(ProtocolEntry {
            what: "kNN top-1",
            fits: true,
            logits: false,
            #[cfg(feature = "run")]
            run: |args, problem| {
                let (k, temperature) = (args.size("k"), args.float("temperature"));
                knn(problem, k, temperature)
            },
        }),
    },
    Entry {
        name: "linear_probe",
        signature: "/// A linear classifier on frozen features: multinomial logistic regression.
///
/// Features are standardised by the mean and standard deviation of each dimension over `fit`. The
/// classifier minimizes mean cross entropy plus `l2 / 2` times its squared weights (the biases are
/// free) over all of `fit` at once, by L-BFGS from zero, until it has converged or for at most so
/// many `iterations`. The problem is convex, so the result depends on no seed and no learning rate.
/// Features come from plain images, without augmentation.
linear_probe(l2: Float >= 0 = 1e-4, iterations: Int > 0 = 1000) -> Protocol",
        module: "",
        implementation: Implementation::Protocol(ProtocolEntry {
            what: "linear probe top-1",
            fits: true,
            logits: false,
            #[cfg(feature = "run")]
            run: |args, problem| {
                let recipe = Probe { l2: args.float("l2"), iterations: args.size("iterations") };
                linear_probe(problem, recipe)
            },
        }),
    },
    Entry {
        name: "top1",
        signature: "/// Share of the examples whose highest logit is that of their class.
top1() -> Protocol",
        module: "",
        implementation: Implementation::Protocol(ProtocolEntry {
            what: "top-1",
            fits: false,
            logits: true,
            #[cfg(feature = "run")]
            run: |_, problem| top1(problem.on, problem.classes),
        }),
    },
];
