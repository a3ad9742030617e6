//! How many others a view is told from.

use std::collections::BTreeSet;

use super::compare::{Product, are_drawn_near, keeps_rows};
use super::contrast::kept_size;
use super::operations::{handed_on, is, is_among, named, over, passed, unscaled};
use super::{Objective, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Makers;
use crate::resolve::Declaration;
use crate::term::objective::{Extent, ObjectiveGraph, Op};

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
        let Some((matrix, positive)) = beside(graph, index) else { continue };
        let Some(negative) = product(matrix).filter(|own| own.columns.is_some()) else { continue };
        let Some((message, help)) = among(objective, negative, positive, product(positive)) else {
            continue;
        };
        let place = subject.places.nodes[negative.node].place;
        let warning = Diagnostic::new(findings::POSITIVE_AMONG_NEGATIVES, place, message);
        found.push(warning.help(help));
    }
}

/// The likeness to all negatives, and that to the positive beside it.
fn beside(graph: &ObjectiveGraph, index: usize) -> Option<(usize, usize)> {
    let inputs = &graph.nodes[index].inputs;
    if is(graph, index, named::SOFTPLUS) {
        let difference = &graph.nodes[*inputs.first()?];
        let &[negative, positive] = &difference.inputs[..] else { return None };
        let is_summed = difference.op == Op::Subtract && is(graph, negative, named::LOG_SUM_EXP);
        return Some((*graph.nodes[negative].inputs.first().filter(|_| is_summed)?, positive));
    }
    let &[a, b] = &inputs[..] else { return None };
    let turns = [(a, b), (b, a)].into_iter().filter(|_| is(graph, index, named::CONCAT_COLUMNS));
    let mut turns = turns.filter(|(positive, _)| is(graph, *positive, named::COLUMN));
    let (column, matrix) = turns.next()?;
    Some((matrix, *graph.nodes[column].inputs.first()?))
}

/// What is among the negatives of a row that is none, and what to do.
fn among(
    objective: &Objective<'_>,
    negative: &Product,
    positive: usize,
    product: Option<&Product>,
) -> Option<(&'static str, &'static str)> {
    let Objective { graph, firsts, .. } = objective;
    const POSITIVE: (&str, &str) = (
        "the positive of each row is among its negatives as well",
        "take the rows of earlier steps, `fifo(…)`, or `batch_info_nce`, which counts each key of \
         the batch once",
    );
    let positive = unscaled(graph, positive);
    if is(graph, positive, named::DIAGONAL) {
        let matrix = unscaled(graph, *graph.nodes[positive].inputs.first()?);
        return (firsts[matrix] == firsts[negative.node]).then_some(POSITIVE);
    }
    let sides = product.filter(|own| own.columns.is_none())?.sides;
    // A negative may be appended as well.
    if !are_drawn_near(objective, sides) {
        return None;
    }
    let [query, others] = negative.sides;
    let rows = rows_of(objective, others, Rows::All);
    let is_among = |side: usize| !rows_of(objective, side, Rows::Some).is_disjoint(&rows);
    let same = |side: &usize| objective.rows(*side) == objective.rows(query);
    if sides.into_iter().filter(|side| !same(side)).any(is_among) {
        return Some(POSITIVE);
    }
    if is_among(query) {
        return Some((
            "each row is among its own negatives",
            "take the rows of earlier steps, `fifo(…)`, or `nt_xent`, which compares no row with \
             itself",
        ));
    }
    is_of_its_image(objective, query, sides, &rows).then_some((
        "among the negatives of each row is one of its own image",
        "take the rows of earlier steps, `fifo(…)`: those of other images",
    ))
}

/// Whether there are rows of this batch among the negatives, one for each image, that are made of the
/// views which are compared. What another view holds may be meant to be told apart.
fn is_of_its_image(
    objective: &Objective<'_>,
    query: usize,
    sides: [usize; 2],
    rows: &BTreeSet<usize>,
) -> bool {
    let graph = objective.graph;
    let is_of_each_image = |node: usize| {
        let shape = &graph.nodes[node].shape;
        let is_batch = shape.first().is_some_and(|rows| *rows == Extent::batches(1));
        shape.len() == 2 && is_batch && keeps_rows(graph, node)
    };
    let compared = Makers::of_all(graph, sides).views;
    let is_of_these = |node: usize| {
        let views = Makers::of(graph, node).views;
        !views.is_empty() && views.iter().all(|view| compared.contains(view))
    };
    let mut rows = rows.iter().copied();
    is_of_each_image(query) && rows.any(|node| is_of_each_image(node) && is_of_these(node))
}

#[derive(Clone, Copy, PartialEq)]
enum Rows {
    /// Of tensors all of whose rows are there.
    All,
    /// Of those of which some are.
    Some,
}

/// The tensors whose rows of this step make up another, whatever their length.
fn rows_of(objective: &Objective<'_>, root: usize, which: Rows) -> BTreeSet<usize> {
    let Objective { graph, firsts, .. } = objective;
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(node) = waiting.pop() {
        let node = unscaled(graph, node);
        let declaration = declared(&graph.nodes[node].op);
        let keeps = declaration.is_some_and(Declaration::keeps_state);
        let is_part = which == Rows::All && is_among(graph, node, named::PARTS);
        if !seen.insert(firsts[node]) || keeps || is_part {
            continue;
        }
        match declaration.and_then(|own| own.named("yields")) {
            Some("unit") => waiting.extend(graph.nodes[node].inputs.first()),
            _ => waiting.extend(passed(graph, node)),
        }
    }
    seen
}

/// Judges the elements that a choice has in a row.
fn judge(objective: &Objective<'_>, product: &Product, choice: usize, found: &mut Diagnostics) {
    let Objective { graph, subject, .. } = objective;
    let Some(batch) = subject.batch() else { return };
    let chosen = graph.nodes[choice].inputs.first().map(|x| &graph.nodes[*x]);
    let Some(columns) = chosen.and_then(|own| own.shape.last()) else { return };
    let count = match columns.batches_alone() {
        // Of each view of the batch all rows but those of the example itself.
        Some(batches) => batches.saturating_mul((batch as usize).saturating_sub(1)),
        None => columns.number(batch as usize, subject.examples().unwrap_or(usize::MAX)),
    };
    let kept = kept(graph, product.sides[1]);
    // To tell so many classes is no contrast.
    let are_classes = graph.labels && kept.is_none() && !columns.is_in_batches();
    if count >= LEAST_NEGATIVES || are_classes {
        return;
    }
    let (place, help) = match kept {
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
