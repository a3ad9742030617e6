//! A typed pipeline to its graph.

use std::collections::BTreeMap;

use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};

use super::canonical::canonical;
use super::places::{Numbering, Places};
use super::{Graph, Stage, Use, hash};
use crate::check::value::{AugmentValue, Kind, ObjectiveValue, Value};
use crate::check::{StageKind, TypedPipeline, TypedStage};
use crate::term::objective::ObjectiveGraph;
use crate::term::{Output, Term};

/// Builds the canonical graph of a checked pipeline.
///
/// # Panics
///
/// Where a value of the pipeline is unknown or stages form a circle: the checker lets neither
/// through.
pub fn build(pipeline: &TypedPipeline) -> (Graph, Places) {
    let stages = pipeline.stages.iter().map(stage);
    let (stages, numberings): (Vec<Stage>, Vec<Option<Numbering>>) = stages.unzip();
    let (order, written) = canonical_order(stages);
    let places = Places::of(pipeline, &numberings, &written);
    let mut graph = DiGraph::new();
    for stage in order {
        graph.add_node(stage);
    }
    let uses = |node: NodeIndex| {
        let stage: &Stage = &graph[node];
        let all = stage
            .fields
            .iter()
            .flat_map(|(field, term)| outputs(term).map(move |output| (field.clone(), output)));
        all.map(|(field, output)| (output.stage, Use { field, output: output.output.clone() }))
            .collect::<Vec<_>>()
    };
    let edges: Vec<(usize, NodeIndex, Use)> = graph
        .node_indices()
        .flat_map(|node| uses(node).into_iter().map(move |(from, edge)| (from, node, edge)))
        .collect();
    for (from, to, edge) in edges {
        graph.add_edge(NodeIndex::new(from), to, edge);
    }
    (Graph { name: pipeline.name.clone(), stages: graph, written }, places)
}

fn stage(stage: &TypedStage) -> (Stage, Option<Numbering>) {
    let mut numbering = None;
    let mut term = |value: &Value| match &value.kind {
        Kind::Objective(objective) => {
            let (graph, numbers) = objective_graph(objective, stage);
            numbering = Some(numbers);
            Term::Objective(Box::new(graph))
        }
        _ => value.term().expect("the checker has made every value of a stage known"),
    };
    let fields = stage.fields.iter().filter(|(name, _)| !is_in_objective(stage.kind, name));
    let fields = fields.map(|(name, value)| (name.clone(), term(value))).collect();
    let name = stage.name.clone();
    (Stage { name, kind: stage.kind, hash: String::new(), fields }, numbering)
}

/// Whether a field says what the objective of a stage is made of, and nothing else.
fn is_in_objective(kind: StageKind, field: &str) -> bool {
    kind == StageKind::Finetune && ["encoder", "head", "train"].contains(&field)
}

fn objective_graph(objective: &ObjectiveValue, stage: &TypedStage) -> (ObjectiveGraph, Numbering) {
    let encoder = objective.encoder.as_ref().map(|encoder| encoder.id);
    canonical(&objective.builder, encoder, &|view| image_size(stage, view))
        .expect("the checker has made every size and argument known")
}

/// What a stage minimizes, made comparable with what it would in its place.
#[derive(Clone)]
pub struct Minimized {
    /// Of each view, `[channels, height, width]`.
    images: Vec<[i64; 3]>,
    graph: ObjectiveGraph,
}

impl Minimized {
    /// `None` for a stage that is handed no objective.
    pub fn by(stage: &TypedStage) -> Option<Self> {
        let Kind::Objective(objective) = &stage.fields.get("objective")?.kind else { return None };
        let images = (0..objective.builder.views).map(|view| image_size(stage, view)).collect();
        let (graph, _) = objective_graph(objective, stage);
        Some(Minimized { images, graph })
    }

    /// Whether the stage would do something else by another objective, all its other fields being
    /// what they are.
    pub fn differs(&self, other: &ObjectiveValue) -> bool {
        let encoder = other.encoder.as_ref().map(|encoder| encoder.id);
        let image = |view: usize| self.images.get(view).copied().unwrap_or_default();
        let graph = canonical(&other.builder, encoder, &image);
        graph.is_some_and(|(graph, _)| graph != self.graph)
    }
}

/// `[channels, height, width]` of a view of a stage.
fn image_size(stage: &TypedStage, view: usize) -> [i64; 3] {
    let mut image = [0; 3];
    if let Some(Kind::Split(split)) = stage.fields.get("data").map(|value| &value.kind) {
        image = split.dataset.image.clone().map(|size| size.as_constant().unwrap_or_default());
    }
    if let Some(Kind::Augment(augment)) = stage.fields.get("views").map(|value| &value.kind)
        && let Some(size) = augment.of_view(view).and_then(AugmentValue::side)
    {
        image = [image[0], size, size];
    }
    image
}

/// The stages by depth, kind and hash, their references renumbered to match; and where each of the
/// given ones has come to stand.
fn canonical_order(stages: Vec<Stage>) -> (Vec<Stage>, Vec<usize>) {
    let mut graph: DiGraph<usize, ()> = DiGraph::new();
    let nodes: Vec<NodeIndex> = (0..stages.len()).map(|index| graph.add_node(index)).collect();
    for (index, stage) in stages.iter().enumerate() {
        for output in stage.fields.values().flat_map(outputs) {
            graph.add_edge(nodes[output.stage], nodes[index], ());
        }
    }
    let sorted =
        toposort(&graph, None).expect("the checker refuses stages that depend on themselves");
    let mut hashes: Vec<Option<String>> = vec![None; stages.len()];
    let mut depths = vec![0_usize; stages.len()];
    for node in sorted {
        let index = graph[node];
        hashes[index] = Some(hash::stage(&stages[index], &hashes));
        let inputs = graph.neighbors_directed(node, petgraph::Direction::Incoming);
        depths[index] = inputs.map(|input| depths[graph[input]] + 1).max().unwrap_or(0);
    }
    let mut order: Vec<usize> = (0..stages.len()).collect();
    order.sort_by_key(|index| (depths[*index], stages[*index].kind as u8, hashes[*index].clone()));
    let mut positions: BTreeMap<usize, usize> = BTreeMap::new();
    positions.extend(order.iter().enumerate().map(|(position, index)| (*index, position)));
    let place = |index: usize| {
        let mut stage = stages[index].clone();
        stage.hash = hashes[index].clone().unwrap_or_default();
        stage.fields.values_mut().for_each(|term| renumber(term, &positions));
        stage
    };
    let placed = order.iter().map(|index| place(*index)).collect();
    (placed, positions.into_values().collect())
}

/// Every output of another stage that a term names.
pub fn outputs(term: &Term) -> Box<dyn Iterator<Item = &Output> + '_> {
    match term {
        Term::Output(output) => Box::new(std::iter::once(output)),
        Term::Objective(objective) => {
            Box::new(objective.modules.iter().flat_map(|module| outputs(&module.term)))
        }
        _ => Box::new(std::iter::empty()),
    }
}

/// Names other stages by other numbers, which `positions` has for each of them.
pub(super) fn renumber(term: &mut Term, positions: &BTreeMap<usize, usize>) {
    match term {
        Term::Output(output) => output.stage = positions[&output.stage],
        Term::Objective(objective) => {
            objective.modules.iter_mut().for_each(|module| renumber(&mut module.term, positions));
        }
        _ => {}
    }
}
