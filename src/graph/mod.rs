//! The graph of a pipeline: stages on the first level, the tensor graph of each objective on the
//! second. Canonical: it depends on what is computed, not on names, layout, comments or order.

mod build;
mod canonical;
pub mod flow;
mod hash;
pub mod places;
mod render;
mod show;

pub use build::{Minimized, build};
pub use canonical::alone;
pub use places::Places;
pub use render::{dot, mermaid};

use std::collections::BTreeMap;

use petgraph::Direction::Incoming;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::{Deserialize, Serialize};

use crate::check::StageKind;
use crate::term::objective::ObjectiveGraph;
use crate::term::{Split, Term};

/// The version of the RON form and of the hashes. It grows when either changes its meaning.
pub const VERSION: u32 = 2;

/// A compiled pipeline.
#[derive(Clone, Debug)]
pub struct Graph {
    pub name: String,
    /// In canonical order: by depth, then kind, then hash. A node's index is its position.
    pub stages: DiGraph<Stage, Use>,
    /// The positions of the stages in the order of the text, for people: no part of the canonical
    /// form.
    pub written: Vec<usize>,
}

/// Work that runs, is stored, and has outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// A label: no part of the hash.
    pub name: String,
    pub kind: StageKind,
    /// What makes the stage what it is: its fields and, through them, all that they depend on.
    pub hash: String,
    pub fields: BTreeMap<String, Term>,
}

impl Stage {
    /// What a training minimizes.
    pub fn objective(&self) -> Option<&ObjectiveGraph> {
        self.fields.values().find_map(|term| match term {
            Term::Objective(objective) => Some(&**objective),
            _ => None,
        })
    }
}

/// An edge: a field that uses an output of another stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Use {
    pub field: String,
    pub output: String,
}

/// The public, versioned form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Graph")]
pub struct GraphFile {
    pub version: u32,
    pub pipeline: String,
    pub hash: String,
    pub stages: Vec<Stage>,
}

/// The positions of the stages whose outputs a stage uses, each once, ascending.
pub fn inputs(stage: &Stage) -> Vec<usize> {
    let outputs = stage.fields.values().flat_map(build::outputs);
    let mut positions: Vec<usize> = outputs.map(|output| output.stage).collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

impl Stage {
    /// What it trains on.
    pub fn data(&self) -> Option<&Split> {
        match self.fields.get("data") {
            Some(Term::Split(split)) => Some(split),
            _ => None,
        }
    }
}

impl Graph {
    /// The stages in canonical order.
    pub fn ordered(&self) -> impl Iterator<Item = &Stage> {
        self.stages.node_weights()
    }

    /// The positions of the stages in the order of the text, but for those that are written before
    /// what they depend on.
    pub fn to_run(&self) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.written.len());
        let mut left = self.written.clone();
        let is_ready = |position: usize, order: &[usize]| {
            let inputs = self.stages.neighbors_directed(NodeIndex::new(position), Incoming);
            inputs.into_iter().all(|input| order.contains(&input.index()))
        };
        while let Some(next) = left.iter().position(|position| is_ready(*position, &order)) {
            order.push(left.remove(next));
        }
        order
    }

    pub fn stage(&self, position: usize) -> Option<&Stage> {
        self.stages.node_weights().nth(position)
    }

    /// The stages whose outputs a stage uses, each once, in canonical order.
    pub fn inputs(&self, stage: &Stage) -> impl Iterator<Item = &Stage> {
        inputs(stage).into_iter().filter_map(|position| self.stage(position))
    }

    /// What a stage does itself, as text that is equal for the same in another graph of the same
    /// file: other stages count by where they are written.
    pub fn own(&self, stage: &Stage) -> String {
        let mut fields = stage.fields.clone();
        let written = self.written.iter().enumerate().map(|(index, position)| (*position, index));
        let written = written.collect();
        fields.values_mut().for_each(|term| build::renumber(term, &written));
        serde_json::to_string(&fields).expect("a graph is plain data")
    }

    /// The hash of the whole pipeline.
    pub fn hash(&self) -> String {
        hash::combine(self.ordered().map(|stage| stage.hash.as_str()))
    }

    pub fn to_file(&self) -> GraphFile {
        GraphFile {
            version: VERSION,
            pipeline: self.name.clone(),
            hash: self.hash(),
            stages: self.ordered().cloned().collect(),
        }
    }

    /// The RON form.
    pub fn to_ron(&self) -> String {
        let config = ron::ser::PrettyConfig::new()
            .indentor("  ")
            .compact_arrays(true)
            .extensions(ron::extensions::Extensions::UNWRAP_VARIANT_NEWTYPES);
        // Every field is a plain value, which RON can always write.
        let text = ron::ser::to_string_pretty(&self.to_file(), config);
        text.expect("a graph is plain data") + "\n"
    }
}
