//! What is contrasted with what.

use std::collections::BTreeSet;

use super::compare::{Pair, repelled};
use super::{Objective, Subject, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Makers;
use crate::resolve::Declaration;
use crate::source::Span;
use crate::term::Term;
use crate::term::objective::{Extent, NetworkBody, NetworkNode, ObjectiveGraph};

pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    for (index, node) in graph.nodes.iter().enumerate().filter(|own| flow.reaches_loss[own.0]) {
        if declared(&node.op).is_some_and(Declaration::keeps_rows) {
            queue(subject, index, graph, found);
        }
    }
    statistics(objective, found);
    if let Some(node) = repelled(objective) {
        let place = subject.places.nodes[node].place;
        let message = "the loss falls as two views of one image become less alike";
        let warning = Diagnostic::new(findings::ONLY_REPULSION, place, message);
        found.push(warning.label("compared here").help("turn the sign of what is minimized"));
    }
    // Two sides of one view are alike whatever the network has learned.
    for pair in objective.pairs.iter().filter(|own| own.is_of_one_view(objective)) {
        let place = subject.places.nodes[pair.nodes[0]].place;
        let message = "both sides are made of the same view";
        let warning = Diagnostic::new(findings::SAME_VIEW, place, message);
        found.push(warning.help("give one side the other view: nothing is learned of changes"));
    }
}

impl Pair {
    /// Whether both sides are made of the same single view. What another stage has trained has more
    /// to say of a view than that it is the same: Fang et al. 2021, arXiv:2101.04731.
    pub(super) fn is_of_one_view(&self, objective: &Objective<'_>) -> bool {
        let Objective { graph, flow, .. } = objective;
        let [one, other] =
            [0, 1].map(|side| Makers::of_all(graph, self.stems[side].iter().copied()));
        let teaches = |module: &usize| {
            matches!(graph.modules[*module].term, Term::Output(_)) && !flow.trained[*module]
        };
        let taught = |own: &Makers| own.modules.iter().any(teaches);
        // What is hidden of an image, or lies elsewhere in it, is to be told.
        let change = |index: usize| {
            let node = &graph.nodes[index];
            let declaration = declared(&node.op)?;
            // No two draws are the same.
            let draw = declaration.is("draws").then_some(index);
            let is_change = draw.is_some() || declaration.is("cuts");
            is_change.then(|| format!("{draw:?} {} {:?}", declaration.name(), node.args))
        };
        let [changed, changed_other] = self.sides.map(|side| {
            let nodes = Makers::of(graph, side).nodes.into_iter();
            nodes.filter_map(change).collect::<BTreeSet<_>>()
        });
        one.views.len() == 1
            && one.views == other.views
            && taught(&one) == taught(&other)
            && changed == changed_other
    }
}

/// A queue that reaches back beyond an epoch holds earlier rows of the example itself, which are
/// told apart from it, or found as its neighbours.
fn queue(subject: &Subject<'_>, index: usize, graph: &ObjectiveGraph, found: &mut Diagnostics) {
    let rows = graph.nodes[index].shape.first().and_then(Extent::constant);
    let (Some(rows), Some(examples)) = (rows, subject.examples()) else { return };
    if rows > examples {
        let message = format!("a queue of {rows} is longer than an epoch of {examples} examples");
        let place = kept_size(subject, index, graph);
        let warning = Diagnostic::new(findings::QUEUE_LARGER_THAN_DATA, place, message);
        let warning = warning.also(subject.places.field("data"), "these examples");
        found.push(
            warning.help("an image would meet its own earlier rows in it: take a shorter queue"),
        );
    }
}

/// Of a query and its key, the statistics of the group that both lie in tell that they belong
/// together; the keys of a queue were made with others. He et al. 2019, arXiv:1911.05722, section 3.3.
fn statistics(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    let grouped = |network: &NetworkNode, dealt: bool| matches!(network.body, NetworkBody::Grouped { groups, shuffle, .. } if shuffle == dealt && groups > 1);
    let reads = |index: usize| flow.reaches_loss[index];
    let has_queue = graph.nodes.iter().enumerate().any(|(index, node)| {
        reads(index) && declared(&node.op).is_some_and(Declaration::keeps_rows)
    });
    if !has_queue || graph.networks.iter().any(|own| grouped(own, true)) {
        return;
    }
    let Some(first) = graph.networks.iter().position(|own| grouped(own, false)) else { return };
    let place = subject.places.networks[first].place;
    let message =
        "a query and its key share the statistics of a group, and no key of the queue does";
    let warning = Diagnostic::new(findings::BATCH_NORM_LEAK, place, message);
    found
        .push(warning.help(
            "write `shuffle: true` for the keys, so that other examples lie in their groups",
        ));
}

/// The text that says how many rows a node keeps, or else the node's.
pub(super) fn kept_size(subject: &Subject<'_>, node: usize, graph: &ObjectiveGraph) -> Span {
    let written = &subject.places.nodes[node];
    let size = declared(&graph.nodes[node].op).and_then(Declaration::first_size);
    size.map_or(written.place, |name| written.argument(name))
}
