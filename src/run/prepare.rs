//! What is found out before anything is computed or written: what the store holds, and whether
//! everything that the other stages need is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::failure::{Cause, Failure};
use super::fields::Fields;
use super::inputs::{Datasets, Examples};
use super::stages::no_step;
use super::weights;
use super::{Run, State};
use crate::check::{StageKind, examples_of};
use crate::data::{DataError, PictureError};
use crate::evaluate::EvaluateError;
use crate::graph::Stage;
use crate::random::Key;
use crate::store::Lookup;
use crate::store::error::RunError;
use crate::term::{Call, Split, Term, batches};
use crate::train::steps;

/// What the store holds of each stage, by position in the graph.
pub(super) type Lookups = BTreeMap<usize, Lookup>;

/// A run whose inputs have been found and verified.
pub struct Prepared<'a> {
    pub(super) state: State<'a>,
    pub(super) lookups: Lookups,
}

impl Run<'_> {
    /// Looks for what the run needs, of which `output` is to hold the record. Downloads datasets
    /// that are missing, and writes nothing else.
    pub fn prepare(&self, output: &Path) -> Result<Prepared<'_>, Failure> {
        self.read_contents()?;
        let lookups = self.look_up()?;
        let mut datasets = Datasets::new(&self.locations);
        let need = self.need(&lookups, &datasets);
        self.check_room(&need, output)?;
        self.check_precision(&lookups)?;
        self.check_steps(&lookups, need.datasets)?;
        for stage in self.needed(&lookups) {
            for call in weights::files(stage) {
                // So that a network that does not fit is told of before anything is computed.
                let fits = self.compare_weights(call);
                fits.map_err(|error| Failure::of(stage, error.into()))?;
            }
        }
        for (stage, dataset) in self.wanted(&lookups) {
            let found = self.watched(|watch| datasets.dataset(dataset, watch));
            let found = found.map_err(|error| Failure::of(stage, error.into()))?;
            if self.contents.of(dataset).is_some_and(|content| content != found.content) {
                let error = PictureError::Changed { file: dataset.to_string().into() };
                return Err(Failure::of(stage, DataError::from(error).into()));
            }
        }
        self.check_samples(&lookups, &mut datasets)?;
        Ok(Prepared { state: State::new(self.seed, datasets), lookups })
    }

    /// Makes sure that samples whose size only the labels tell are enough for what reads them: the
    /// checker has looked at all others.
    fn check_samples(&self, lookups: &Lookups, datasets: &mut Datasets<'_>) -> Result<(), Failure> {
        for stage in self.needed(lookups) {
            let Some(split) = drawn(stage) else { continue };
            let enough = self.check_sample(stage, split, datasets);
            enough.map_err(|cause| Failure::of(stage, cause))?;
        }
        Ok(())
    }

    /// The same of one that a stage reads.
    pub(super) fn check_sample(
        &self,
        stage: &Stage,
        split: &Split,
        datasets: &mut Datasets<'_>,
    ) -> Result<(), Cause> {
        let fields = Fields(stage);
        let found = self.watched(|watch| datasets.split(split, Key::root(self.seed), watch))?;
        let examples = found.indices.len();
        match (stage.kind, fields.0.fields.get("protocol")) {
            (StageKind::Evaluate, Some(Term::Call(protocol))) => {
                let k = protocol.args.get("k").map(|_| protocol.args.size("k"));
                if let Some(k) = k.filter(|k| *k > examples) {
                    return Err(EvaluateError::TooFewNeighbours { k, examples }.into());
                }
                if protocol.args.get("held_out").is_some() && has_no_two(&found) {
                    return Err(EvaluateError::NoneHeldOut.into());
                }
            }
            (StageKind::Evaluate, _) => {}
            _ => {
                let batch = fields.args().size("batch");
                let length = fields.args().duration("length");
                if batch > examples || steps(length, batches(examples, batch) as u64) == 0 {
                    return Err(no_step(stage, examples, batch));
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the device computes in the precision of the stages that are to be computed.
    pub(super) fn check_precision(&self, lookups: &Lookups) -> Result<(), RunError> {
        for stage in self.needed(lookups) {
            let found = self.device.offers(Fields(stage).precision());
            found.map_err(|error| RunError::PrecisionUnavailable {
                stage: Some(stage.name.clone()),
                error,
            })?;
        }
        Ok(())
    }

    /// What the store holds of each stage.
    pub(super) fn look_up(&self) -> Result<Lookups, Failure> {
        let mut lookups = BTreeMap::new();
        for position in self.graph.to_run() {
            self.interrupt.check()?;
            let stage = self.graph.stage(position).expect("a position in its own graph");
            let lookup = self.store.stage(&self.key(stage)).lookup();
            let lookup = lookup.map_err(|error| Failure::of(stage, error.into()))?;
            lookups.insert(position, lookup);
        }
        Ok(lookups)
    }

    /// The stages that the store does not hold, in the order in which they run.
    pub(super) fn needed(&self, lookups: &Lookups) -> impl Iterator<Item = &Stage> {
        let order = self.graph.to_run().into_iter();
        let needed = order.filter(|position| !matches!(lookups[position], Lookup::Finished(_)));
        needed.map(|position| self.graph.stage(position).expect("a position in its own graph"))
    }

    /// The datasets that these stages read, each as often as it is read.
    pub(super) fn wanted(&self, lookups: &Lookups) -> impl Iterator<Item = (&Stage, &Call)> {
        self.needed(lookups).flat_map(|stage| datasets(stage).map(move |dataset| (stage, dataset)))
    }
}

/// What a stage learns from, where only the labels tell how many examples that is.
pub(super) fn drawn(stage: &Stage) -> Option<&Split> {
    let field = if stage.kind == StageKind::Evaluate { "fit" } else { "data" };
    match stage.fields.get(field) {
        Some(Term::Split(split)) if examples_of(split).is_none() => Some(split),
        _ => None,
    }
}

/// Whether no class has two examples.
fn has_no_two(examples: &Examples) -> bool {
    let mut seen = BTreeSet::new();
    let labels = examples.indices.iter().map(|index| examples.images.labels[*index as usize]);
    { labels }.all(|label| seen.insert(label))
}

/// The datasets that a stage reads.
pub(super) fn datasets(stage: &Stage) -> impl Iterator<Item = &Call> {
    stage.fields.values().filter_map(|term| match term {
        Term::Split(split) => Some(&split.dataset),
        _ => None,
    })
}
