//! What is found out before anything is computed or written: what the store holds, and whether
//! everything that the other stages need is there.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::inputs::Datasets;
use super::store::Lookup;
use super::{Run, State};
use crate::graph::term::Term;
use crate::random::Key;

/// A run whose inputs have been found and verified.
pub struct Prepared<'a> {
    pub(super) state: State<'a>,
    /// What the store holds of each stage, by position in the graph.
    pub(super) lookups: BTreeMap<usize, Lookup>,
}

impl Run<'_> {
    /// Looks for what the run needs. Downloads datasets that are missing, and writes nothing else.
    pub fn prepare(&self) -> Result<Prepared<'_>, Failure> {
        let mut prepared = Prepared {
            state: State {
                key: Key::root(self.seed),
                finished: BTreeMap::new(),
                datasets: Datasets::new(&self.locations),
            },
            lookups: BTreeMap::new(),
        };
        for position in self.graph.to_run() {
            let stage = self.graph.stage(position).expect("a position in its own graph");
            let failed = |cause| Failure { stage: Some(stage.name.clone()), cause };
            self.interrupt.check().map_err(|stop| failed(stop.into()))?;
            let lookup = self.store.stage(&self.key(stage)).lookup();
            let lookup = lookup.map_err(|error| failed(error.into()))?;
            if !matches!(lookup, Lookup::Finished(_)) {
                for term in stage.fields.values() {
                    let Term::Split(split) = term else { continue };
                    let datasets = &mut prepared.state.datasets;
                    let found = self.watched(|watch| datasets.dataset(&split.dataset, watch));
                    found.map_err(|error| failed(error.into()))?;
                }
            }
            prepared.lookups.insert(position, lookup);
        }
        Ok(prepared)
    }
}
