//! Negatives that the network which is being trained has left behind.

use std::collections::BTreeSet;

use super::compare::Product;
use super::operations::{is, is_among, named, stems, unscaled};
use super::{Objective, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::{chain, is_trained};
use crate::resolve::Declaration;
use crate::term::objective::{NetworkBody, Op};

/// Keys of a network that moves with every step do not fit each other in a queue: with a momentum
/// of zero MoCo does not train. He et al. 2019, arXiv:1911.05722, table in section 4.1.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, products, subject, .. } = objective;
    // By labels, and beside the rows of the batch, those of earlier steps are a memory of more.
    // Wang et al. 2019, arXiv:1912.06798.
    let mut needed = (0..graph.nodes.len()).filter(|index| flow.reaches_loss[*index]);
    if graph.labels || needed.any(|index| is_among(graph, index, named::TARGETS)) {
        return;
    }
    let crossed: Vec<&Product> = products.iter().filter(|own| own.columns.is_some()).collect();
    let has_batch = |sides: &[usize; 2]| sides.iter().any(|side| is_beside_batch(objective, *side));
    let queues: Vec<_> = crossed
        .iter()
        .filter(|own| !has_batch(&own.sides))
        .map(|own| own.sides.map(|side| queue(objective, side)))
        .collect();
    if queues.iter().any(|own| own.iter().all(Option::is_none)) {
        return;
    }
    let mut told = BTreeSet::new();
    for queue in queues.into_iter().flatten().flatten() {
        if is_of_the_learner(objective, queue) && told.insert(queue) {
            let place = subject.places.nodes[queue].place;
            let message = "this queue holds rows of the network that is being trained";
            let warning = Diagnostic::new(findings::QUEUE_OF_THE_LEARNER, place, message);
            found.push(warning.label("its rows are of the weights of many steps").help(
                "push the keys of an average, `ema(…)`, which moves slowly enough for them to fit \
                 each other",
            ));
        }
    }
}

/// The queue whose rows a side consists of, all or some.
fn queue(objective: &Objective<'_>, root: usize) -> Option<usize> {
    parts(objective, root).into_iter().find(|node| is_queue(objective, *node))
}

/// Whether the rows of a side are those of a queue and, beside them, some of the batch that a trained
/// network has made.
fn is_beside_batch(objective: &Objective<'_>, root: usize) -> bool {
    let graph = objective.graph;
    let stems = stems(graph);
    let parts = parts(objective, root);
    let is_learned = |stem: &usize| match graph.nodes[*stem].op {
        Op::Apply(network) => is_trained(graph, network),
        _ => false,
    };
    parts.iter().any(|node| is_queue(objective, *node))
        && parts.iter().any(|node| stems[*node].iter().any(is_learned))
}

fn is_queue(objective: &Objective<'_>, node: usize) -> bool {
    declared(&objective.graph.nodes[node].op).is_some_and(Declaration::keeps_rows)
}

/// The tensors whose rows together are those of a side.
fn parts(objective: &Objective<'_>, root: usize) -> Vec<usize> {
    let graph = objective.graph;
    let (mut waiting, mut seen, mut parts) = (vec![root], BTreeSet::new(), Vec::new());
    while let Some(node) = waiting.pop() {
        let node = unscaled(graph, node);
        let is_whole =
            [named::CONCAT, named::DETACH, named::NORMALIZE].iter().any(|own| is(graph, node, own));
        match is_whole {
            true => {
                waiting.extend(graph.nodes[node].inputs.iter().filter(|own| seen.insert(**own)));
            }
            false => parts.push(node),
        }
    }
    parts
}

/// Whether a queue is filled by a network that is trained, where an average of it is at hand, or where
/// its rows are keys that learn.
fn is_of_the_learner(objective: &Objective<'_>, queue: usize) -> bool {
    let Objective { graph, flow, pairs, .. } = objective;
    let Some(&pushed) = graph.nodes[queue].inputs.first() else { return false };
    let all = stems(graph);
    let learners: BTreeSet<usize> = all[pushed]
        .iter()
        .filter_map(|stem| match graph.nodes[*stem].op {
            Op::Apply(network) => Some(network),
            _ => None,
        })
        .collect();
    let trains = |network: &usize| {
        is_trained(graph, *network) && chain(graph, *network).iter().all(|own| flow.trained[*own])
    };
    if learners.is_empty() || !learners.iter().all(trains) {
        return false;
    }
    let has_average = graph.nodes.iter().enumerate().any(|(index, node)| {
        let Op::Apply(network) = node.op else { return false };
        let is_average = matches!(graph.networks[network].body, NetworkBody::Ema { .. });
        let is_of = |own: &usize| chain(graph, *own) == chain(graph, network);
        flow.reaches_loss[index] && is_average && learners.iter().any(is_of)
    });
    let rows = objective.rows(pushed);
    let is_key =
        pairs.iter().any(|pair| pair.sides.iter().any(|side| objective.rows(*side) == rows));
    has_average || is_key && graph.nodes[pushed].gradient
}
