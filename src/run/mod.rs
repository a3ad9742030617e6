//! The interpreter: carries a compiled graph out, stage by stage, and keeps what each has made.

pub mod bench;
mod contents;
mod estimate;
mod failure;
mod fields;
mod fits;
pub mod folder;
mod history;
mod inputs;
mod known;
mod measure;
mod measured;
mod networks;
mod numerics;
mod online;
mod passes;
pub mod plan;
mod prepare;
mod reason;
pub mod record;
mod stages;
mod timed;
pub mod views;
mod weights;
mod work;

pub use contents::Contents;
pub use failure::{Cause, Failure};
pub use inputs::Locations;
pub use measured::Measured;
pub use prepare::Prepared;
pub use reason::Reason;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::check::Resolved;
use crate::data;
use crate::device::Selected;
use crate::diagnostics::{findings, visible};
use crate::evaluate::Features;
use crate::graph::{Graph, Stage};
use crate::interrupt::Interrupt;
use crate::random::Key;
use crate::store::error::RunError;
use crate::store::events::{Event, Events};
use crate::store::{Finished, Lineage, Lookup, StageStore, Store};
use crate::term::Term;
use crate::watch::Watch;
use folder::RunFolder;
use inputs::Datasets;
use known::Known;
use record::Results;

/// How often a run that waits for another one looks whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A run, ready to start.
pub struct Run<'a> {
    pub graph: &'a Graph,
    /// What the graph was made from, kept with each stage.
    pub values: &'a [Resolved],
    pub seed: u64,
    pub device: Selected,
    pub store: Store,
    pub locations: Locations,
    /// What is known of the images there.
    pub contents: Contents,
    pub events: Events,
    pub interrupt: Interrupt,
    /// Where another process computes a stage, wait for its result.
    pub wait: bool,
}

impl Run<'_> {
    /// Runs every stage that the store does not hold, in the order of the text, and leaves its
    /// record in `folder`.
    pub fn execute(&self, prepared: Prepared<'_>, folder: &RunFolder) -> Result<Results, Failure> {
        let started = Instant::now();
        self.emit(Event::RunStarted {
            pipeline: self.graph.name.clone(),
            graph: self.graph.hash(),
            device: self.device.kind.clone(),
            seed: self.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            folder: folder.path().to_owned(),
        })?;
        let Prepared { mut state, mut lookups } = prepared;
        let waiting = self.needed(&lookups).map(|stage| stage.name.clone());
        state.waiting = waiting.collect();
        record::left_out(folder, &state.datasets)?;
        for (dataset, left_out) in state.datasets.left_out() {
            let name = findings::DATASET_DAMAGED.name.to_owned();
            let (count, named) = (left_out.len(), visible(&data::named(left_out)).into_owned());
            let are = if count == 1 { "is" } else { "are" };
            let message = format!(
                "{count} of the pictures of {dataset} cannot be read and {are} left out: {named}; \
                 `{}` has all",
                record::LEFT_OUT
            );
            self.emit(Event::Warning { stage: None, name, message })?;
        }
        for position in self.graph.to_run() {
            let stage = self.graph.stage(position).expect("a position in its own graph");
            let lookup = lookups.remove(&position).unwrap_or(Lookup::Absent);
            let finished = self.stage(&mut state, stage, lookup, folder);
            let finished = finished.map_err(|cause| Failure::of(stage, cause))?;
            record::stage(folder, stage, &finished)?;
            state.finished.insert(position, finished);
        }
        let results = self.results(&state)?;
        results.write(folder)?;
        self.emit(Event::RunFinished { seconds: started.elapsed().as_secs_f64() })?;
        Ok(results)
    }

    /// A stage from the store, or computed and stored.
    fn stage(
        &self,
        state: &mut State<'_>,
        stage: &Stage,
        lookup: Lookup,
        folder: &RunFolder,
    ) -> Result<Finished, Cause> {
        self.interrupt.check()?;
        let finished = match lookup {
            Lookup::Finished(finished) => self.cached(stage, finished)?,
            absent => {
                if let Lookup::Damaged(error) = &absent {
                    self.emit(Event::warning(&stage.name, error))?;
                }
                self.computed(state, stage, folder)?
            }
        };
        for result in measured::results(stage, &finished)? {
            self.emit(Event::EvaluationResult {
                stage: stage.name.clone(),
                what: result.what,
                value: result.value,
                unit: result.unit,
                better: result.better,
                protocol: result.protocol,
            })?;
            if let Some(warning) = result.warning {
                let (name, message) = (warning.name, warning.message);
                self.emit(Event::Warning { stage: Some(stage.name.clone()), name, message })?;
            }
        }
        Ok(finished)
    }

    fn cached(&self, stage: &Stage, finished: Finished) -> Result<Finished, RunError> {
        let (name, kind) = (stage.name.clone(), stage.kind.name().to_owned());
        self.emit(Event::StageCached { stage: name, kind })?;
        Ok(finished)
    }

    /// Computes a stage, unless another process does or has just done so.
    fn computed(
        &self,
        state: &mut State<'_>,
        stage: &Stage,
        folder: &RunFolder,
    ) -> Result<Finished, Cause> {
        let place = self.store.stage(&self.key(stage));
        let lock = self.lock(stage, &place, folder)?;
        let reason = match place.lookup()? {
            Lookup::Finished(finished) => return Ok(self.cached(stage, finished)?),
            lookup => Reason::of(&lookup, &place).to_string(),
        };
        let started = Instant::now();
        let mut partial = place.begin(lock)?;
        partial.set_lineage(self.lineage(stage));
        let computed = self.unless_full(stage, || self.compute(state, stage, partial, &reason));
        let finished = computed.inspect_err(|cause| {
            // Unless another process has begun it since.
            if !cause.is_interrupt()
                && let Ok(_lock) = place.lock("a failure")
            {
                place.note_failure(cause.finding().name);
            }
        })?;
        let seconds = started.elapsed().as_secs_f64();
        self.emit(Event::StageFinished { stage: stage.name.clone(), seconds })?;
        Ok(finished)
    }

    /// The right to compute a stage, waited for where another process has it.
    fn lock(
        &self,
        stage: &Stage,
        place: &StageStore,
        folder: &RunFolder,
    ) -> Result<crate::store::Lock, Cause> {
        let record = std::path::absolute(folder.path()).unwrap_or(folder.path().to_owned());
        let who = format!("process {}, recorded in {}", std::process::id(), record.display());
        let mut told = false;
        loop {
            match place.lock(&who) {
                Err(RunError::StageLocked { holder, .. }) if self.wait => {
                    if !told {
                        self.emit(Event::StageWaiting { stage: stage.name.clone(), holder })?;
                    }
                    told = true;
                }
                other => return Ok(other?),
            }
            self.interrupt.check()?;
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Every number of the run, in the order of the text.
    fn results(&self, state: &State<'_>) -> Result<Results, RunError> {
        let mut results = Results::default();
        for position in &self.graph.written {
            let stage = self.graph.stage(*position).expect("a position in its own graph");
            if let Some(finished) = state.finished.get(position) {
                for measured in measured::results(stage, finished)? {
                    results.add(stage, measured);
                }
            }
        }
        Ok(results)
    }

    /// What a stage is made from.
    fn lineage(&self, stage: &Stage) -> Lineage {
        let values = self.values.iter().map(|own| (own.path.clone(), own.value.clone()));
        let inputs = self.graph.inputs(stage).map(|input| (input.name.clone(), input.hash.clone()));
        Lineage {
            pipeline: self.graph.name.clone(),
            stage: stage.name.clone(),
            kind: stage.kind.name().to_owned(),
            hash: stage.hash.clone(),
            seed: self.seed,
            device: self.device.kind.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            values: values.collect(),
            inputs: inputs.collect(),
        }
    }

    /// What the results of a stage are stored under: all that they depend on.
    fn key(&self, stage: &Stage) -> String {
        let mut hasher = blake3::Hasher::new();
        let parts = [
            stage.hash.as_str(),
            &self.seed.to_string(),
            &self.device.kind,
            &crate::store::FORMAT.to_string(),
            env!("CARGO_PKG_VERSION"),
            &numerics::version(&self.device),
        ];
        let contents = self.contents_behind(stage);
        // Under these a training notes what it reports, though they change no work.
        let reports = match stage.fields.get("objective") {
            Some(Term::Objective(graph)) => graph.reports.as_slice(),
            _ => &[],
        };
        let reports = reports.iter().map(|(name, node)| format!("{name} {node}"));
        let more: Vec<String> = contents.into_iter().chain(reports).collect();
        for part in parts.into_iter().chain(more.iter().map(String::as_str)) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The same run in a store of its own, of which nobody is told. Its end is no wish of the user.
    fn trial(&self, store: &Path) -> Result<Run<'_>, RunError> {
        Ok(Run {
            device: self.device.clone(),
            store: Store::open(store)?,
            locations: self.locations.clone(),
            contents: self.contents.clone(),
            events: Events::default(),
            interrupt: Interrupt::default(),
            ..*self
        })
    }

    fn emit(&self, event: Event) -> Result<(), RunError> {
        self.events.emit(event)
    }

    /// Does work of which the events tell.
    fn watched<R>(&self, work: impl FnOnce(Watch<'_>) -> R) -> R {
        work(Watch::new(&self.interrupt, &|work| self.events.work(work)))
    }
}

/// What a run knows so far.
struct State<'a> {
    /// From which everything random in the run follows.
    key: Key,
    /// By position in the graph.
    finished: BTreeMap<usize, Finished>,
    datasets: Datasets<'a>,
    features: Known<Arc<Features>>,
    /// The stages that the store does not hold and that have not run yet.
    waiting: BTreeSet<String>,
    /// What evaluations have found of encoders as they were kept, by stage and epoch.
    online: BTreeMap<(String, u64), Measured>,
    /// Whether fresh weights stand in for those of a stage that has not run, where only the time
    /// matters that they take.
    stand_ins: bool,
}

impl<'a> State<'a> {
    /// Of a run that has finished nothing yet.
    fn new(seed: u64, datasets: Datasets<'a>) -> Self {
        State {
            key: Key::root(seed),
            finished: BTreeMap::new(),
            datasets,
            features: Known::default(),
            waiting: BTreeSet::new(),
            online: BTreeMap::new(),
            stand_ins: false,
        }
    }

    /// Whether the weights of that stage are stood in for.
    fn stands_in(&self, stage: usize) -> bool {
        self.stand_ins && !self.finished.contains_key(&stage)
    }
}

/// Where the user's data lies: `$CPIPE_HOME`, or `cpipe` in the user's cache folder.
pub fn home() -> PathBuf {
    let folder =
        |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    folder("CPIPE_HOME")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("cpipe")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache").join("cpipe")))
        .unwrap_or_else(|| PathBuf::from(".cpipe"))
}
