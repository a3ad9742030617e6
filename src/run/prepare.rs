//! What is found out before anything is computed or written: what the store holds, and whether
//! everything that the other stages need is there.

use std::collections::BTreeMap;
use std::path::Path;

use super::failure::Failure;
use super::inputs::Datasets;
use super::{Run, State};
use crate::random::Key;
use crate::store::Lookup;
use crate::term::Term;

/// A run whose inputs have been found and verified.
pub struct Prepared<'a> {
    pub(super) state: State<'a>,
    /// What the store holds of each stage, by position in the graph.
    pub(super) lookups: BTreeMap<usize, Lookup>,
}

impl Run<'_> {
    /// Looks for what the run needs, of which `output` is to hold the record. Downloads datasets
    /// that are missing, and writes nothing else.
    pub fn prepare(&self, output: &Path) -> Result<Prepared<'_>, Failure> {
        let mut lookups = BTreeMap::new();
        let mut needed = Vec::new();
        for position in self.graph.to_run() {
            self.interrupt.check()?;
            let stage = self.graph.stage(position).expect("a position in its own graph");
            let lookup = self.store.stage(&self.key(stage)).lookup();
            let lookup = lookup.map_err(|error| Failure::of(stage, error.into()))?;
            if !matches!(lookup, Lookup::Finished(_)) {
                needed.push(stage);
            }
            lookups.insert(position, lookup);
        }
        let mut datasets = Datasets::new(&self.locations);
        self.check_room(needed.iter().copied(), output, &datasets)?;
        for stage in needed {
            for term in stage.fields.values() {
                let Term::Split(split) = term else { continue };
                let found = self.watched(|watch| datasets.dataset(&split.dataset, watch));
                found.map_err(|error| Failure::of(stage, error.into()))?;
            }
        }
        let state = State { key: Key::root(self.seed), finished: BTreeMap::new(), datasets };
        Ok(Prepared { state, lookups })
    }
}
