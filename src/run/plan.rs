//! What a run would do, found out by what a run itself asks, and without doing anything.

use std::collections::BTreeMap;
use std::path::Path;

pub use super::estimate::Room;
use super::fields::Fields;
pub use super::history::{Change, History, Otherwise};
use super::inputs::Datasets;
use super::known::Known;
use super::prepare::{datasets, drawn};
use super::weights;
pub use super::work::Work;
use super::{Cause, Failure, Reason, Run};
use crate::check::{StageKind, examples_of as examples};
use crate::data::{Content, Supply};
use crate::graph::Stage;
use crate::store::Lookup;
use crate::store::checkpoint::Standing;
use crate::store::error::RunError;
use crate::term::{Split, batches};
use crate::train;

/// What a run would do.
#[derive(Debug)]
pub struct Plan<'r> {
    /// In the order in which they would run.
    pub stages: Vec<Planned<'r>>,
    /// Those that stages read which are to run, by what calls them.
    pub datasets: BTreeMap<String, Supply>,
    pub room: Total,
    /// Where memory or a disk is too small for that, or the device lacks a precision.
    pub too_small: Option<RunError>,
}

/// What the stages that are to run take in all, in bytes: lower bounds, which a run holds against
/// what is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Of the host: the datasets, and the stages where they run there.
    pub memory: u128,
    /// In the store and in the record of the run.
    pub disk: u128,
    /// What the run is expected to take of the memory of the host, where that is known: what this
    /// process has, datasets, and the stage that takes the most where it runs there.
    pub expected: Option<u128>,
    /// What a trial of each of the stages has taken of it.
    pub measured: Option<u128>,
}

/// What would become of a stage.
#[derive(Debug)]
pub struct Planned<'r> {
    pub stage: &'r Stage,
    pub next: Next,
    /// What is known of its earlier runs, where it is to run afresh.
    pub history: History,
    /// The stages before it that are to run and whose outputs it takes.
    pub waits_for: Vec<&'r str>,
    pub training: Option<Training>,
    pub room: Room,
    /// The splits of which an evaluation reads the features, where no stage before it has them.
    pub reads: Vec<&'r Split>,
    /// Absent where its dataset does not say how large it is.
    pub work: Option<Work>,
    /// How long what is left of it would take, where that was measured.
    pub seconds: Option<f64>,
    /// Why that could not be measured.
    pub unmeasured: Option<String>,
}

/// What a run would do about a stage.
#[derive(Debug)]
pub enum Next {
    Cached,
    /// Taken from the store, too: this stage computes the same before it.
    SameAs(String),
    Run {
        reason: Reason,
        standing: Option<Standing>,
    },
    Blocked(Blocked),
}

/// Why a stage could not be computed now.
#[derive(Debug)]
pub enum Blocked {
    /// Somebody does; a run waits for that unless it is told not to.
    Elsewhere {
        holder: String,
    },
    By(Cause),
}

/// How long a stage trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Training {
    /// Absent where the dataset does not say how many it has.
    pub examples: Option<usize>,
    pub batch: usize,
    /// In how many parts a batch passes the encoders.
    pub parts: usize,
    pub steps: Option<u64>,
    /// Absent where steps end within one.
    pub epochs: Option<u64>,
}

impl Plan<'_> {
    /// The steps that the stages have left that are to be computed, as far as they are known.
    pub fn steps(&self) -> u64 {
        self.stages.iter().fold(0, |all, own| all.saturating_add(own.steps_left()))
    }

    /// The operations of networks that the stages have left, as far as they are known.
    pub fn operations(&self) -> u128 {
        let left = self.stages.iter().filter_map(Planned::operations_left);
        left.fold(0, u128::saturating_add)
    }

    /// How long everything would take that is left, where all of it was measured.
    pub fn seconds(&self) -> Option<f64> {
        let mut left = self.stages.iter().filter(|own| !own.is_cached());
        left.try_fold(0.0, |all, own| Some(all + own.seconds?))
    }

    /// Why the run would end before it begins, and the stage of which it would say so.
    pub fn obstacle(&self) -> Option<(Option<&str>, String)> {
        if let Some(error) = &self.too_small {
            return Some((None, said(error.finding().name, error.message(), error.help())));
        }
        self.stages.iter().find_map(|own| match &own.next {
            Next::Blocked(Blocked::By(
                cause @ (Cause::Data(_) | Cause::File(_) | Cause::Evaluate(_) | Cause::Empty(_)),
            )) => {
                let said = said(cause.finding().name, cause.message(), cause.help());
                Some((Some(own.stage.name.as_str()), said))
            }
            _ => None,
        })
    }
}

fn said(name: &str, message: String, help: Option<String>) -> String {
    let help = help.map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{name}: {message}{help}")
}

impl Planned<'_> {
    /// Whether a run takes it from the store.
    pub fn is_cached(&self) -> bool {
        matches!(self.next, Next::Cached | Next::SameAs(_))
    }

    /// The steps that it has left, as far as they are known.
    pub fn steps_left(&self) -> u64 {
        let steps = self.training.and_then(|training| training.steps).unwrap_or(0);
        match self.next {
            Next::Cached | Next::SameAs(_) => 0,
            Next::Run { standing: Some(Standing { step, .. }), .. } => steps.saturating_sub(step),
            Next::Run { .. } | Next::Blocked(_) => steps,
        }
    }

    /// The operations of networks that it has left; `None` where they are not known.
    pub fn operations_left(&self) -> Option<u128> {
        let operations = self.work?.operations;
        match self.training {
            _ if self.is_cached() => Some(0),
            Some(training) => {
                training.steps?;
                Some(operations.saturating_mul(u128::from(self.steps_left())))
            }
            None => Some(operations),
        }
    }
}

impl Run<'_> {
    /// Finds out what this run would do, were its record to lie in `output`. Writes nothing, and
    /// downloads nothing.
    pub fn plan(&self, output: &Path, otherwise: Otherwise<'_>) -> Result<Plan<'_>, Failure> {
        self.guess_contents()?;
        let lookups = self.look_up()?;
        let mut sources = Datasets::new(&self.locations);
        let need = self.need(&lookups, &sources);
        let lineages = self.store.lineages();
        let mut plan = Plan {
            stages: Vec::new(),
            datasets: BTreeMap::new(),
            room: Total {
                memory: need.memory,
                disk: need.store.saturating_add(need.record).saturating_add(need.cache),
                ..Total::default()
            },
            too_small: (self.check_room(&need, output))
                .and_then(|()| self.check_caches(&lookups))
                .and_then(|()| self.check_precision(&lookups))
                .and_then(|()| self.check_steps(&lookups, need.datasets))
                .err(),
        };
        let mut known = Known::default();
        for position in self.graph.to_run() {
            let stage = self.graph.stage(position).expect("a position in its own graph");
            let lookup = &lookups[&position];
            let next = match lookup {
                Lookup::Finished(_) => Next::Cached,
                lookup => self.next(stage, lookup, &mut plan, &mut sources)?,
            };
            let is_to_run = |name: &&str| {
                let is_cached = matches!(next, Next::Cached | Next::SameAs(_));
                let mut before = plan.stages.iter().filter(|own| !own.is_cached());
                !is_cached && before.any(|own| own.stage.name == **name)
            };
            let inputs = self.graph.inputs(stage).map(|input| input.name.as_str());
            let waits_for: Vec<&str> = inputs.filter(is_to_run).collect();
            let history = match &next {
                Next::Run { reason: Reason::Absent, .. } => {
                    self.history(stage, &lineages, otherwise)
                }
                _ => History::default(),
            };
            let (training, room) = (self.training(stage), self.room(stage));
            let (reads, beside) = match next {
                Next::Run { .. } | Next::Blocked(Blocked::By(_)) => {
                    let model = stage.fields.get("model");
                    let networks = model.map_or(1, |model| self.candidates_of(model));
                    let of_example = self.features_of(stage).unwrap_or(0);
                    known.read_by(stage, (networks, of_example))
                }
                // Taken from the store, or from whoever computes it.
                Next::Cached | Next::SameAs(_) | Next::Blocked(Blocked::Elsewhere { .. }) => {
                    (Vec::new(), 0)
                }
            };
            let work = self.work(stage, &reads);
            let work = work.map(|own| Work { memory: own.memory.saturating_add(beside), ..own });
            plan.stages.push(Planned {
                stage,
                next,
                history,
                waits_for,
                training,
                room,
                reads,
                work,
                seconds: None,
                unmeasured: None,
            });
        }
        plan.room.expected = self.expected(&plan, need.datasets);
        Ok(plan)
    }

    /// What is to become of a stage that the store does not hold.
    fn next<'r>(
        &'r self,
        stage: &Stage,
        lookup: &Lookup,
        plan: &mut Plan<'r>,
        sources: &mut Datasets<'_>,
    ) -> Result<Next, Failure> {
        let key = self.key(stage);
        let mut before = plan.stages.iter().filter(|own| matches!(own.next, Next::Run { .. }));
        if let Some(same) = before.find(|own| self.key(own.stage) == key) {
            return Ok(Next::SameAs(same.stage.name.clone()));
        }
        if let Err(cause) = self.supplies(stage, plan, sources) {
            return Ok(Next::Blocked(Blocked::By(cause)));
        }
        let place = self.store.stage(&key);
        let holder = place.holder().map_err(|error| Failure::of(stage, error.into()))?;
        if let Some(holder) = holder {
            return Ok(Next::Blocked(Blocked::Elsewhere { holder }));
        }
        let reason = Reason::of(lookup, &place);
        Ok(match place.standing() {
            Ok(standing) => Next::Run { reason, standing },
            Err(error @ RunError::CheckpointDamaged { .. }) => {
                Next::Blocked(Blocked::By(error.into()))
            }
            Err(error) => return Err(Failure::of(stage, error.into())),
        })
    }

    /// Finds where the datasets of a stage come from.
    fn supplies(
        &self,
        stage: &Stage,
        plan: &mut Plan<'_>,
        sources: &mut Datasets<'_>,
    ) -> Result<(), Cause> {
        for call in weights::files(stage) {
            self.compare_weights(call)?;
        }
        for dataset in datasets(stage) {
            let supply = self.watched(|watch| sources.locate(dataset, watch))?;
            plan.datasets.insert(dataset.to_string(), supply);
        }
        // What is not decoded yet is not decoded for that.
        let is_known = |own: Content| own != Content::Unread;
        match drawn(stage).filter(|own| self.contents.of(&own.dataset).is_some_and(is_known)) {
            Some(split) => self.check_sample(stage, split, sources),
            None => Ok(()),
        }
    }

    fn training(&self, stage: &Stage) -> Option<Training> {
        if stage.kind == StageKind::Evaluate {
            return None;
        }
        let fields = Fields(stage);
        let args = fields.args();
        let (batch, length) = (args.size("batch"), args.duration("length"));
        let examples = examples(fields.split("data"));
        let per_epoch = examples.map(|examples| batches(examples, batch) as u64);
        let steps = per_epoch.map(|per_epoch| train::steps(length, per_epoch));
        let epochs = steps.zip(per_epoch).and_then(|(steps, per_epoch)| {
            (per_epoch > 0 && steps.is_multiple_of(per_epoch)).then(|| steps / per_epoch)
        });
        let parts = fields.parts();
        Some(Training { examples, batch, parts, steps, epochs })
    }
}
