//! Objectives that every network satisfies by giving one answer to all.

use std::collections::BTreeSet;

use super::compare::{Pair, pushes, readers};
use super::operations::{is, is_among, named, over, representations, scaled};
use super::{Objective, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Makers;
use crate::term::objective::Op;

/// Of a loss that only pulls representations together, the two sides must differ: one that does not
/// learn, and on the other a predictor of its own. Grill et al. 2020, arXiv:2006.07733, table 5;
/// Chen and He 2020, arXiv:2011.10566, section 4.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    if keeps_apart(objective) {
        return;
    }
    let mut places = BTreeSet::new();
    for pair in objective.pairs.iter().filter(|own| !own.is_of_one_view(objective)) {
        let Some((message, help)) = fault(objective, pair) else { continue };
        let place = objective.subject.places.nodes[pair.nodes[0]].place;
        if places.insert(place) {
            let warning = Diagnostic::new(findings::ONLY_ATTRACTION, place, message);
            found.push(warning.label("this only attracts").help(help));
        }
    }
}

/// What lets a network give one answer to all, and what to do.
fn fault(objective: &Objective<'_>, pair: &Pair) -> Option<(&'static str, &'static str)> {
    let graph = objective.graph;
    let [one, other] = pair.sides;
    let learns = |input: usize| graph.nodes[input].gradient;
    let (online, target) = match (learns(one), learns(other)) {
        (true, true) => {
            return Some((
                "nothing keeps the representations of different images apart: both sides learn",
                "stop the gradient of one side, `detach(…)` or an average by `ema(…)`, and give the \
                 other a predictor; or contrast with negatives",
            ));
        }
        (false, false) => return None,
        (true, false) => (one, other),
        (false, true) => (other, one),
    };
    let [online, target] = [online, target].map(|side| Makers::of(graph, side).modules);
    online.iter().all(|module| target.contains(module)).then_some((
        "nothing keeps the representations of different images apart: the side that learns has no \
         predictor",
        "put a network of its own behind it, `predictor(online(a))`, or contrast with negatives",
    ))
}

/// Whether something that the loss needs may keep representations apart: an operation that does so,
/// a comparison that the loss makes less alike, one of each with each, or a statistic over a batch.
fn keeps_apart(objective: &Objective<'_>) -> bool {
    let Objective { graph, flow, pairs, .. } = objective;
    if pushes(graph, flow) {
        return true;
    }
    let compared: BTreeSet<usize> = pairs.iter().flat_map(|pair| &pair.nodes).copied().collect();
    let readers = readers(graph, flow);
    // What a network has made, whether or not it has been compared since.
    let (mut made, mut bare) = (Vec::new(), Vec::new());
    for (index, node) in graph.nodes.iter().enumerate() {
        let is_output = matches!(node.op, Op::Apply(_));
        made.push(is_output || node.inputs.iter().any(|input| made[*input]));
        let some = node.inputs.iter().any(|input| bare[*input]);
        bare.push(is_output || some && !compared.contains(&index));
    }
    let is_of =
        |kept: &[bool], index: usize| graph.nodes[index].inputs.iter().all(|input| kept[*input]);
    let held = representations(graph);
    // Probabilities of what a network says are no choice among rows: one answer to all is the surest.
    let is_told = |index: usize| {
        let is_softmax = is_among(graph, index, named::PROBABILITIES);
        is_softmax && graph.nodes[index].inputs.iter().all(|input| held[*input])
    };
    let mut needed = (0..graph.nodes.len()).filter(|index| flow.reaches_loss[*index]);
    needed.any(|index| {
        let declaration = declared(&graph.nodes[index].op);
        let input = graph.nodes[index].inputs.first();
        let is_of_rows = input.is_some_and(|input| graph.nodes[*input].shape.len() > 1);
        declaration.is_some_and(|own| own.is("spreads")) && !is_told(index)
            || declaration.is_some_and(|own| own.named("keeps") == Some("mean"))
            || is_among(graph, index, named::MATMULS)
                && is_of(&made, index)
                && !is_read_as_diagonal(objective, &readers, index)
            || declaration.is_some_and(|own| own.named("reduces").is_some())
                && over(graph, index) == Some("first")
                && is_of_rows
                && is_of(&bare, index)
    })
}

/// Whether of the products of each row with each other only those with the same row are read.
fn is_read_as_diagonal(
    objective: &Objective<'_>,
    readers: &[Vec<usize>],
    mut product: usize,
) -> bool {
    let graph = objective.graph;
    while let &[reader] = &readers[product][..] {
        if scaled(graph, reader).is_none() {
            return is(graph, reader, named::DIAGONAL);
        }
        product = reader;
    }
    false
}
