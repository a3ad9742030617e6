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
    #[cfg(feature = "run")]
    pub run: fn(&Args, &Problem<'_>) -> Result<Accuracy, EvaluateError>,
}

/// What a protocol is given.
#[cfg(feature = "run")]
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// What it is fitted on; present where the protocol `fits`.
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

/// The protocols.
pub static ENTRIES: &[Entry] = &[
    Entry {
        name: "knn",
        implementation: Implementation::Protocol(ProtocolEntry {
            #[cfg(feature = "run")]
            run: |args, problem| {
                let (k, temperature) = (args.size("k"), args.float("temperature"));
                knn(problem, k, temperature)
            },
        }),
    },
    Entry {
        name: "linear_probe",
        implementation: Implementation::Protocol(ProtocolEntry {
            #[cfg(feature = "run")]
            run: |args, problem| {
                let recipe = Probe { l2: args.float("l2"), iterations: args.size("iterations") };
                linear_probe(problem, recipe)
            },
        }),
    },
    Entry {
        name: "top1",
        implementation: Implementation::Protocol(ProtocolEntry {
            #[cfg(feature = "run")]
            run: |_, problem| top1(problem.on, problem.classes),
        }),
    },
];
