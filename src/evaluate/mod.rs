//! Protocols: how good representations and classifiers are measured.
//!
//! A protocol may be fitted on one split and is scored on another. Nothing is ever chosen by
//! looking at the split that is scored.

mod accuracy;
mod calibration;
mod error;
mod extract;
mod features;
mod geometry;
mod judged;
mod knn;
mod lbfgs;
mod linear_probe;
mod map;
mod places;
mod top1;

pub use self::{
    accuracy::{Accuracy, ClassAccuracy, Confusion, grouped},
    calibration::calibration,
    error::EvaluateError,
    extract::{Extractor, Shown, batch, extract},
    features::Features,
    geometry::{alignment, rank_me, uniformity},
    judged::{Better, Counts, Judged, Quantity, Warning},
    knn::knn,
    linear_probe::{Probe, linear_probe},
    map::{THUMBNAIL, map, map_bytes},
    top1::top1,
};

use burn::tensor::Device;

use crate::term::{Args, Call};
use crate::watch::Watch;

/// What a protocol is given.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// What it is fitted on; present where the protocol `fits`.
    pub fit: Option<&'a Features>,
    /// What is scored. Where the protocol compares `pairs`, each row has the features of one view
    /// and behind them as many of the other.
    pub on: &'a Features,
    /// The number of classes; labels lie below it.
    pub classes: usize,
    /// Where to compute.
    pub device: &'a Device,
    /// Who waits for it.
    pub watch: Watch<'a>,
}

impl<'a> Problem<'a> {
    fn fit(&self) -> Result<&'a Features, EvaluateError> {
        self.fit.ok_or(EvaluateError::NothingToFit)
    }
}

/// Judges what it is given, by the arguments of the protocol.
pub type Protocol = fn(&Args, &Problem<'_>) -> Result<Judged, EvaluateError>;

/// The protocols, by the names under which `std.protocols` declares them.
pub static PROTOCOLS: &[(&str, Protocol)] = &[
    ("alignment", |args, problem| alignment(problem, args.float("alpha"))),
    ("calibration", |args, problem| calibration(problem.on, problem.classes, args.size("bins"))),
    ("knn", |args, problem| {
        let (k, temperature) = (args.size("k"), args.float("temperature"));
        knn(problem, k, temperature).map(Judged::from)
    }),
    ("linear_probe", |args, problem| {
        let held_out = args.get("held_out").map(|_| args.fraction("held_out"));
        let (l2, iterations) = (args.float("l2"), args.size("iterations"));
        let recipe = Probe { l2, iterations, held_out };
        linear_probe(problem, recipe).map(Judged::from)
    }),
    ("rank_me", |_, problem| rank_me(problem)),
    ("uniformity", |args, problem| uniformity(problem, args.float("t"))),
    ("top1", |_, problem| top1(problem.on, problem.classes).map(Judged::from)),
];

/// Judges by the protocol that a call names.
///
/// # Panics
///
/// If it calls no protocol: the checker lets nothing else through.
pub fn judge(protocol: &Call, problem: &Problem<'_>) -> Result<Judged, EvaluateError> {
    let judged = protocol.implementation("a protocol", PROTOCOLS)(&protocol.args, problem)?;
    match judged.value.is_finite() {
        true => Ok(judged),
        false => Err(EvaluateError::NoNumber),
    }
}
