//! The room that a run takes, known before it starts.
//!
//! Lower bounds, from the sizes in the graph: what an optimizer remembers and what layers pass on
//! come on top.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::fields::Fields;
use super::inputs::Datasets;
use super::prepare::Lookups;
use super::{Locations, Run};
use crate::check::{StageKind, declared_sizes, examples_of};
use crate::data::{self, Content};
use crate::evaluate::map_bytes;
use crate::graph::Stage;
use crate::graph::flow::Flow;
use crate::graph::flow::chain;
use crate::resolve::{examples, learned};
use crate::store::error::RunError;
use crate::term::objective::{ENCODER, NetworkBody, ObjectiveGraph};
use crate::term::{Call, Part, Term, Unit, batches};
use crate::watch::Watch;

/// The bytes of a number.
const NUMBER: u128 = size_of::<f32>() as u128;

/// What a stage takes, as far as it is known. Sizes are in bytes and lower bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// The numbers in its weights, averages of them included.
    pub parameters: u128,
    /// Of these, the numbers that an optimizer changes.
    pub trained: u128,
    /// Weights, gradients and averages.
    pub memory: u128,
    /// Files that are kept: in the store, and once more in the record of the run.
    pub outputs: u128,
    /// The two newest checkpoints, while the stage runs.
    pub checkpoints: u128,
}

/// What the stages of a run take that are to be computed, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// On the host: datasets, and what stages take where they run there.
    pub memory: u128,
    /// In the store, checkpoints included.
    pub store: u128,
    /// In the record of the run.
    pub record: u128,
    /// In the cache: what is decoded first.
    pub cache: u128,
    /// Of the memory, the datasets.
    pub datasets: u128,
}

impl Run<'_> {
    /// What is needed for the stages that the store does not hold, as far as it is known.
    pub(super) fn need(&self, lookups: &Lookups, datasets: &Datasets<'_>) -> Need {
        let mut all = Room::default();
        for stage in self.needed(lookups) {
            let room = self.room(stage);
            all.memory = all.memory.max(room.memory);
            all.outputs = all.outputs.saturating_add(room.outputs);
            all.checkpoints = all.checkpoints.max(room.checkpoints);
        }
        let missing = self.wanted(lookups).filter(|(_, call)| !datasets.holds(call));
        let loading: BTreeMap<String, u128> =
            missing.map(|(_, call)| (call.to_string(), dataset(call))).collect();
        let unread = self.wanted(lookups);
        let unread = unread.filter(|(_, call)| self.contents.of(call) == Some(Content::Unread));
        let unread: BTreeMap<String, u128> =
            unread.map(|(_, call)| (call.to_string(), pixels(call))).collect();
        let on_host = if self.device.is_host() { all.memory } else { 0 };
        let datasets = loading.values().fold(0, |all: u128, bytes| all.saturating_add(*bytes));
        Need {
            memory: on_host.saturating_add(datasets),
            datasets,
            store: all.outputs.saturating_add(all.checkpoints),
            record: all.outputs,
            cache: unread.values().fold(0, |all, bytes| all.saturating_add(*bytes)),
        }
    }

    /// Makes sure that memory and disks hold it, where `output` is to hold the record.
    pub(super) fn check_room(&self, need: &Need, output: &Path) -> Result<(), RunError> {
        if let Some(free) = free_memory().filter(|free| need.memory > u128::from(*free)) {
            let needed = need.memory.try_into().unwrap_or(u64::MAX);
            return Err(RunError::MemoryTooSmall { needed, free });
        }
        let store = self.store.root();
        let needs = match is_same_disk(store, output) {
            true => vec![(store, need.store.saturating_add(need.record))],
            false => vec![(store, need.store), (output, need.record)],
        };
        for (path, needed) in needs {
            if let Some(free) = free_disk(path).filter(|free| needed > u128::from(*free)) {
                let (path, needed) = (path.to_owned(), needed.try_into().unwrap_or(u64::MAX));
                return Err(RunError::DiskTooSmall { path, needed, free });
            }
        }
        Ok(())
    }

    /// Makes sure that the disk of the cache holds the pixels of all datasets that are not decoded
    /// yet.
    pub(super) fn check_caches(&self, lookups: &Lookups) -> Result<(), RunError> {
        let unread = |call: &Call| self.contents.of(call) == Some(Content::Unread);
        let mut wanted = self.wanted(lookups).filter(|(_, call)| unread(call));
        wanted.try_for_each(|(_, call)| self.check_cache(call))
    }

    /// Makes sure that there is room for a dataset that is read alone: in memory, or in the cache.
    pub(super) fn check_dataset(&self, dataset: &Call) -> Result<(), RunError> {
        self.watched(|watch| check_dataset(dataset, &self.locations, watch))
    }

    /// Makes sure that the disk of the cache holds the pixels of a dataset that lie in a file.
    pub(super) fn check_cache(&self, dataset: &Call) -> Result<(), RunError> {
        self.watched(|watch| check_cache(dataset, &self.locations, watch))
    }

    /// What one stage takes, as far as it is known.
    pub(super) fn room(&self, stage: &Stage) -> Room {
        let fields = Fields(stage);
        match stage.kind {
            StageKind::Pretrain | StageKind::Finetune => {
                let objective = fields.objective();
                let modules = objective.modules.iter().map(|module| {
                    let term = self.constructor(&module.term);
                    (learned(&term, module.input).unwrap_or(0), module.encoder)
                });
                let modules: Vec<(u128, bool)> = modules.collect();
                let weights = modules.iter().fold(0_u128, |all, (n, _)| all.saturating_add(*n));
                let flow = Flow::of(objective);
                let trained = modules.iter().zip(&flow.trained).filter(|(_, trained)| **trained);
                let trained = trained.fold(0_u128, |all, ((n, _), _)| all.saturating_add(*n));
                let averages = averages(objective, &modules);
                let encoder = modules.iter().find(|(_, encoder)| *encoder).map_or(0, |(n, _)| *n);
                let held = weights.saturating_add(averages);
                let kept = encoder.saturating_mul(1 + kept(&fields));
                let exports = exports(objective, &modules);
                let model = if stage.kind == StageKind::Finetune { weights } else { 0 };
                Room {
                    parameters: held,
                    trained,
                    memory: bytes(held.saturating_add(weights)),
                    outputs: bytes(kept.saturating_add(exports).saturating_add(model)),
                    checkpoints: bytes(held.saturating_mul(2)),
                }
            }
            StageKind::Evaluate => {
                // Of several networks, or views, there is no picture.
                let is_one = !fields.compares_pairs()
                    && !matches!(fields.get("model"), Term::Output(own) if own.output == "history");
                let shown = examples_of(fields.split("on")).filter(|_| is_one).unwrap_or(0);
                Room { outputs: map_bytes(shown), ..Room::default() }
            }
        }
    }

    /// The constructor behind an encoder, whichever stage has made its weights.
    pub(super) fn constructor(&self, term: &Term) -> Term {
        match term {
            Term::Output(output) => self.architecture(output),
            term => term.clone(),
        }
    }
}

/// Makes sure that there is room for a dataset that is read alone: in memory, or in the cache.
pub(super) fn check_dataset(
    dataset: &Call,
    locations: &Locations,
    watch: Watch<'_>,
) -> Result<(), RunError> {
    let needed = if data::in_memory(dataset) { pixels(dataset) } else { 0 };
    if let Some(free) = free_memory().filter(|free| needed > u128::from(*free)) {
        let needed = needed.try_into().unwrap_or(u64::MAX);
        return Err(RunError::MemoryTooSmall { needed, free });
    }
    // What cannot be had is said when it is read.
    match Datasets::new(locations).content(dataset, watch) {
        Ok(Content::Unread) => check_cache(dataset, locations, watch),
        _ => Ok(()),
    }
}

/// Makes sure that the disk of the cache holds the pixels of a dataset that lie in a file.
fn check_cache(dataset: &Call, locations: &Locations, watch: Watch<'_>) -> Result<(), RunError> {
    let written = Datasets::new(locations).written(dataset, watch);
    let needed = pixels(dataset).saturating_sub(u128::from(written));
    let cache = &locations.cache;
    match free_disk(cache).filter(|free| needed > u128::from(*free)) {
        Some(free) if !data::in_memory(dataset) => {
            let (path, needed) = (cache.clone(), needed.try_into().unwrap_or(u64::MAX));
            Err(RunError::DiskTooSmall { path, needed, free })
        }
        _ => Ok(()),
    }
}

/// The numbers in the moving averages of an objective.
fn averages(objective: &ObjectiveGraph, modules: &[(u128, bool)]) -> u128 {
    let numbers = objective.networks.iter().flat_map(|network| match network.body {
        NetworkBody::Ema { of, .. } => chain(objective, of),
        _ => &[],
    });
    let numbers = numbers.filter_map(|module| modules.get(*module));
    numbers.fold(0, |all, (n, _)| all.saturating_add(*n))
}

/// The numbers in what an objective exports beside its `encoder`.
fn exports(objective: &ObjectiveGraph, modules: &[(u128, bool)]) -> u128 {
    let exports = objective.exports.iter().filter(|(name, _)| name != ENCODER);
    let numbers = exports.filter_map(|(_, network)| {
        let module = chain(objective, *network).first()?;
        modules.get(*module)
    });
    numbers.fold(0, |all, (n, _)| all.saturating_add(*n))
}

/// How many encoders are kept on the way.
pub(super) fn kept(fields: &Fields<'_>) -> u128 {
    let length = match fields.get("length") {
        Term::Duration(epochs, Unit::Epochs) => *epochs,
        Term::Duration(steps, Unit::Steps) => {
            let per_epoch = examples_of(fields.split("data"))
                .map(|examples| batches(examples, fields.args().size("batch")));
            match per_epoch.filter(|own| *own > 0) {
                Some(per_epoch) => (steps / per_epoch as f64).floor(),
                None => return 0,
            }
        }
        _ => return 0,
    };
    match fields.0.fields.get("keep") {
        Some(Term::Duration(every, Unit::Epochs)) if *every > 0.0 => (length / every) as u128,
        _ => 0,
    }
}

fn bytes(numbers: u128) -> u128 {
    numbers.saturating_mul(NUMBER)
}

/// The bytes of a dataset in memory.
fn dataset(call: &Call) -> u128 {
    if data::in_memory(call) { pixels(call) } else { 0 }
}

/// The bytes of the pixels of a dataset: one a channel.
fn pixels(call: &Call) -> u128 {
    let parts = [Part::Train, Part::Test].map(|part| examples(call, part).unwrap_or(0) as u128);
    let all = parts.iter().sum();
    let image = declared_sizes(call, "Image").unwrap_or_default();
    image.iter().fold(all, |all, size| all.saturating_mul(*size as u128))
}

/// The memory that can be had without swapping; `None` where the system does not say.
pub(super) fn free_memory() -> Option<u64> {
    told("/proc/meminfo", "MemAvailable:")
}

/// What this process has in memory now, in bytes; `None` where the system does not say.
pub(super) fn held_memory() -> Option<u64> {
    told("/proc/self/status", "VmRSS:")
}

/// The most that it ever had.
pub(super) fn most_memory() -> Option<u64> {
    told("/proc/self/status", "VmHWM:")
}

/// The bytes that Linux tells of under that name.
fn told(file: &str, name: &str) -> Option<u64> {
    let told = fs::read_to_string(file).ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The part of a path that is there already.
pub(super) fn existing(path: &Path) -> &Path {
    let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(path);
    if there.as_os_str().is_empty() { Path::new(".") } else { there }
}

/// The room that is left to this user on the disk of a path; `None` where it cannot be told.
#[cfg(unix)]
fn free_disk(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(existing(path)).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_disk(_: &Path) -> Option<u64> {
    None
}

#[cfg(unix)]
fn is_same_disk(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let disk = |path| fs::metadata(existing(path)).map(|metadata| metadata.dev()).ok();
    disk(one) == disk(other)
}

#[cfg(not(unix))]
fn is_same_disk(_: &Path, _: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_takes_a_byte_for_each_channel_of_a_pixel() {
        let (train, test) = (Term::Int(100), Term::Int(20));
        let args = [("train".to_owned(), train), ("test".to_owned(), test)];
        let args = crate::term::Args(args.into_iter().collect());
        assert_eq!(dataset(&Call { name: "shapes".into(), args }), 120 * 3 * 32 * 32);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_machine_tells_what_is_free() {
        assert!(free_memory().is_some_and(|free| free > 1 << 20));
        assert!(held_memory().zip(most_memory()).is_some_and(|(held, most)| held <= most));
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("not/yet/there");
        assert_eq!(free_disk(&deep).is_some(), free_disk(folder.path()).is_some());
        assert!(is_same_disk(&deep, folder.path()));
        assert!(!is_same_disk(Path::new("/proc"), folder.path()));
    }
}
