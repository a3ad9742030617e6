//! How many others a view is told from.

use std::collections::BTreeSet;

use super::compare::Product;
use super::contrast::kept_size;
use super::operations::{handed_on, is, is_among, named, over, passed, unscaled};
use super::{Objective, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::resolve::Declaration;
use crate::term::objective::{ObjectiveGraph, Op};

/// What a batch of 8 gives: published contrasts have tens of negatives at the least.
const LEAST_NEGATIVES: usize = 14;

pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, products, .. } = objective;
    // For each node, the choice among its elements.
    let mut choices: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for index in (0..graph.nodes.len()).rev().filter(|own| objective.flow.reaches_loss[*own]) {
        let is_last = over(graph, index).is_none_or(|over| over == "last");
        if is_last && is_among(graph, index, named::CHOICES) {
            // What is chosen among stands first.
            graph.nodes[index].inputs.iter().take(1).for_each(|x| choices[*x] = Some(index));
        } else if let Some(choice) = choices[index] {
            handed_on(graph, index).into_iter().for_each(|x| choices[x] = Some(choice));
        }
    }
    for product in products.iter().filter(|own| own.columns.is_some()) {
        if let Some(choice) = choices[product.node] {
            judge(objective, product, choice, found);
        }
    }
    own_positives(objective, found);
}

/// Where a positive stands beside its negatives, as in InfoNCE with a queue, it is none of them.
/// van den Oord et al. 2018, arXiv:1807.03748, eq. 4, have it once.
fn own_positives(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, products, subject, .. } = objective;
    let product = |node: usize| products.iter().find(|own| own.node == unscaled(graph, node));
    for index in (0..graph.nodes.len()).filter(|index| flow.reaches_loss[*index]) {
        let Some(&difference) =
            graph.nodes[index].inputs.first().filter(|_| is(graph, index, named::SOFTPLUS))
        else {
            continue;
        };
        let (Op::Subtract, &[negative, positive]) =
            (&graph.nodes[difference].op, &graph.nodes[difference].inputs[..])
        else {
            continue;
        };
        let summed = graph.nodes[negative].inputs.first();
        let summed = summed.filter(|_| is(graph, negative, named::LOG_SUM_EXP));
        let (Some(negative), Some(positive)) =
            (summed.and_then(|own| product(*own)), product(positive))
        else {
            continue;
        };
        if positive.columns.is_some() || negative.columns.is_none() {
            continue;
        }
        let among = rows_of(graph, negative.sides[1]);
        let is_among = |side: &usize| among.contains(&unscaled(graph, *side));
        if positive.sides.iter().any(is_among) {
            let place = subject.places.nodes[negative.node].place;
            let message = "the positive of each row is among its negatives as well";
            let warning = Diagnostic::new(findings::POSITIVE_AMONG_NEGATIVES, place, message);
            found.push(warning.help(
                "take the rows of earlier steps, `fifo(…)`, or `batch_info_nce`, which counts each \
                 key of the batch once",
            ));
        }
    }
}

/// The tensors whose rows at hand make up another.
fn rows_of(graph: &ObjectiveGraph, root: usize) -> BTreeSet<usize> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(node) = waiting.pop() {
        let node = unscaled(graph, node);
        let keeps = declared(&graph.nodes[node].op).is_some_and(Declaration::keeps_state);
        if !keeps && seen.insert(node) {
            waiting.extend(passed(graph, node));
        }
    }
    seen
}

/// Judges the elements that a choice has in a row.
fn judge(objective: &Objective<'_>, product: &Product, choice: usize, found: &mut Diagnostics) {
    let Objective { graph, subject, .. } = objective;
    let Some(batch) = subject.batch() else { return };
    // To tell classes is no contrast.
    let reads_labels = |own: &usize| graph.nodes[*own].op == Op::Labels;
    if graph.nodes[choice].inputs.iter().any(reads_labels) {
        return;
    }
    let chosen = graph.nodes[choice].inputs.first().map(|x| &graph.nodes[*x]);
    let Some(columns) = chosen.and_then(|own| own.shape.last()) else { return };
    let count = match columns.batches_alone() {
        // Of each view of the batch all rows but those of the example itself.
        Some(batches) => batches.saturating_mul((batch as usize).saturating_sub(1)),
        None => columns.number(batch as usize, subject.examples().unwrap_or(usize::MAX)),
    };
    if count >= LEAST_NEGATIVES {
        return;
    }
    let (place, help) = match kept(graph, product.sides[1]) {
        Some(queue) => (kept_size(subject, queue, graph), "take a longer queue"),
        None if columns.is_in_batches() => (
            subject.places.field("batch"),
            "take a larger batch, a queue (`fifo`), or an objective without negatives",
        ),
        None => (subject.places.nodes[product.node].place, "compare with more"),
    };
    let message = format!("each view is told from only {count} others");
    found.push(Diagnostic::new(findings::FEW_NEGATIVES, place, message).help(help));
}

/// What keeps the rows of earlier steps that a tensor has.
fn kept(graph: &ObjectiveGraph, root: usize) -> Option<usize> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(node) = waiting.pop() {
        let node = unscaled(graph, node);
        if declared(&graph.nodes[node].op).is_some_and(Declaration::keeps_rows) {
            return Some(node);
        }
        if seen.insert(node) {
            waiting.extend(handed_on(graph, node));
        }
    }
    None
}
