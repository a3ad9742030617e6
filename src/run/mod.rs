//! The interpreter: carries a compiled graph out, stage by stage, and keeps what each has made.

pub mod checkpoint;
pub mod error;
pub mod events;
mod failure;
pub(crate) mod files;
pub mod folder;
mod inputs;
pub mod interrupt;
mod manifest;
pub mod record;
mod stages;
pub mod store;

pub use failure::{Cause, Failure};
pub use inputs::Locations;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use crate::device::Selected;
use crate::graph::{Graph, Stage};
use crate::random::Key;
use error::RunError;
use events::{Event, Events};
use folder::RunFolder;
use inputs::Datasets;
use interrupt::Interrupt;
use record::Results;
use store::{Finished, Lookup, Store};

/// A run, ready to start.
pub struct Run<'a> {
    pub graph: &'a Graph,
    pub seed: u64,
    pub device: Selected,
    pub store: Store,
    pub folder: &'a RunFolder,
    pub locations: Locations,
    pub events: Events,
    pub interrupt: Interrupt,
}

impl Run<'_> {
    /// Runs every stage that the store does not hold, in the order of the graph.
    pub fn execute(&self) -> Result<(), Failure> {
        let started = Instant::now();
        self.emit(Event::RunStarted {
            pipeline: self.graph.name.clone(),
            graph: self.graph.hash(),
            device: self.device.kind.clone(),
            seed: self.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            folder: self.folder.path().to_owned(),
        })?;
        let mut state = State {
            key: Key::root(self.seed),
            finished: BTreeMap::new(),
            datasets: Datasets::new(&self.locations),
            results: Results::default(),
        };
        for (position, stage) in self.graph.ordered().enumerate() {
            let finished = self.stage(&mut state, stage);
            let finished =
                finished.map_err(|cause| Failure { stage: Some(stage.name.clone()), cause })?;
            record::stage(self.folder, stage, &finished)?;
            state.finished.insert(position, finished);
        }
        state.results.write(self.folder)?;
        self.emit(Event::RunFinished { seconds: started.elapsed().as_secs_f64() })?;
        Ok(())
    }

    /// A stage from the store, or computed and stored.
    fn stage(&self, state: &mut State<'_>, stage: &Stage) -> Result<Finished, Cause> {
        let place = self.store.stage(&self.key(stage));
        let (name, kind) = (stage.name.clone(), stage.kind.name().to_owned());
        let lookup = place.lookup()?;
        let finished = match lookup {
            Lookup::Finished(finished) => {
                self.emit(Event::StageCached { stage: name, kind })?;
                finished
            }
            absent => {
                let reason = match &absent {
                    Lookup::Damaged(error) => {
                        self.emit(Event::warning(&name, error))?;
                        "what the store holds of it is damaged"
                    }
                    _ if place.is_started() => "it was interrupted",
                    _ => "the store does not hold it",
                };
                let started = Instant::now();
                let finished = self.compute(state, stage, place.begin()?, reason)?;
                let seconds = started.elapsed().as_secs_f64();
                self.emit(Event::StageFinished { stage: name, seconds })?;
                finished
            }
        };
        for result in stages::results(stage, &finished)? {
            let percent = 100.0 * result.accuracy.top1;
            let (what, protocol) = (result.what.clone(), result.accuracy.protocol.clone());
            self.emit(Event::EvaluationResult {
                stage: stage.name.clone(),
                what,
                percent,
                protocol,
            })?;
            state.results.add(stage, result);
        }
        Ok(finished)
    }

    /// What the results of a stage are stored under: all that they depend on.
    fn key(&self, stage: &Stage) -> String {
        let mut hasher = blake3::Hasher::new();
        let parts = [
            stage.hash.as_str(),
            &self.seed.to_string(),
            &self.device.kind,
            &store::FORMAT.to_string(),
            env!("CARGO_PKG_VERSION"),
        ];
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    fn emit(&self, event: Event) -> Result<(), RunError> {
        self.events.emit(event)
    }
}

/// What a run knows so far.
struct State<'a> {
    /// From which everything random in the run follows.
    key: Key,
    /// By position in the graph.
    finished: BTreeMap<usize, Finished>,
    datasets: Datasets<'a>,
    results: Results,
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
