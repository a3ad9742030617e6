//! Rows that are compared with themselves.

use std::collections::BTreeSet;

use super::compare::{Product, attracted, readers};
use super::operations::{bare, is, is_among, is_number, named, over, scaled, stems, unscaled};
use super::{Objective, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::term::objective::{ObjectiveGraph, Op};

/// Of a row of length one the likeness to itself is one, whatever is learned: it is none of the
/// others that a row is told from, Chen et al. 2020, arXiv:2002.05709, eq. 1, and no positive.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    // Two sides of one view are told as such.
    if objective.pairs.iter().any(|own| own.is_of_one_view(objective)) {
        return;
    }
    let readers = readers(objective.graph, &objective.flow);
    denominators(objective, &readers, found);
    positives(objective, &readers, found);
}

/// Whether two tensors hold the same rows, but for numbers and stopped gradients.
fn are_same(objective: &Objective<'_>, sides: [usize; 2]) -> bool {
    let [one, other] = sides.map(|mut side| {
        loop {
            side = unscaled(objective.graph, side);
            match objective.graph.nodes[side].inputs.first() {
                Some(&inner) if is(objective.graph, side, named::DETACH) => side = inner,
                _ => return objective.firsts[side],
            }
        }
    });
    one == other
}

/// The similarities of rows with each other whose diagonal a contrast reads.
fn denominators(objective: &Objective<'_>, readers: &[Vec<usize>], found: &mut Diagnostics) {
    let Objective { graph, products, subject, .. } = objective;
    // Without a positive it is a potential between all rows, and its diagonal is a constant.
    if objective.pairs.is_empty() && !graph.labels {
        return;
    }
    let is_of_batch = |product: &&Product| {
        let shape = &graph.nodes[product.node].shape;
        shape.len() == 2 && shape.iter().all(|size| size.is_in_batches())
    };
    let own = products.iter().filter(|own| own.columns.is_some()).filter(is_of_batch);
    for product in own.filter(|own| are_same(objective, own.sides)) {
        let place = subject.places.nodes[product.node].place;
        // Beside a positive it is told already.
        let is_told = found.iter().any(|own| {
            own.finding == findings::POSITIVE_AMONG_NEGATIVES && own.place() == Some(place)
        });
        let are_unit = product.sides.iter().all(|side| bare(graph, *side).is_none());
        let is_largest = are_unit && is_searched(graph, readers, product.node);
        if !is_told && (is_largest || is_contrasted(objective, readers, product.node)) {
            let message = "each row is told from itself too: its likeness to itself is among these";
            let warning = Diagnostic::new(findings::ROW_AGAINST_ITSELF, place, message);
            found.push(warning.help(
                "take the diagonal out, `off_diagonal(similarity(z, z))`, as `nt_xent` does",
            ));
        }
    }
}

/// Whether the largest of each row is taken for its own sake. One that the same rows are made smaller
/// by keeps exponentials small, and changes no sum of them.
fn is_searched(graph: &ObjectiveGraph, readers: &[Vec<usize>], matrix: usize) -> bool {
    let (mut waiting, mut seen) = (vec![matrix], BTreeSet::from([matrix]));
    let mut largest = Vec::new();
    while let Some(node) = waiting.pop() {
        for &reader in readers[node].iter().filter(|reader| seen.insert(**reader)) {
            if is(graph, reader, named::MAX) {
                largest.push(reader);
            }
            let is_scaled = scaled(graph, reader).is_some_and(|(_, number)| {
                matches!(graph.nodes[number].op, Op::Constant(number) if number > 0.0)
            });
            if is_scaled || is(graph, reader, named::TRANSPOSE) {
                waiting.push(reader);
            }
        }
    }
    !largest.into_iter().all(|node| is_taken_off(graph, readers, node, &seen))
}

/// Whether it is subtracted from one of those, as it is or without its gradient.
fn is_taken_off(
    graph: &ObjectiveGraph,
    readers: &[Vec<usize>],
    node: usize,
    from: &BTreeSet<usize>,
) -> bool {
    readers[node].iter().any(|&reader| {
        match (&graph.nodes[reader].op, &graph.nodes[reader].inputs[..]) {
            (Op::Subtract, [rows, own]) => *own == node && from.contains(rows),
            _ => is(graph, reader, named::DETACH) && is_taken_off(graph, readers, reader, from),
        }
    })
}

/// Whether a contrast reads a matrix with all that is in it.
fn is_contrasted(objective: &Objective<'_>, readers: &[Vec<usize>], matrix: usize) -> bool {
    let graph = objective.graph;
    let (mut waiting, mut seen) = (vec![matrix], BTreeSet::new());
    while let Some(node) = waiting.pop() {
        for &reader in readers[node].iter().filter(|reader| seen.insert(**reader)) {
            let own = &graph.nodes[reader];
            let mut others = own.inputs.iter().filter(|input| **input != node);
            let is_shifted = matches!(own.op, Op::Add | Op::Subtract)
                && others.all(|other| is_number(graph, *other));
            if scaled(graph, reader).is_some_and(|(x, _)| x == node)
                || is_shifted
                || is(graph, reader, named::TRANSPOSE)
                || is(graph, reader, named::CONCAT_COLUMNS)
            {
                waiting.push(reader);
            } else if is_summed_up(objective, readers, reader)
                || is_among(graph, reader, named::CHOICES)
                    && over(graph, reader).is_none_or(|over| over != "all")
                    && (!is(graph, reader, named::LOG_SOFTMAX)
                        || is_chosen_by_place(objective, readers, reader))
            {
                return true;
            }
        }
    }
    false
}

/// Whether it is the first step of a log-sum-exp that is written out, `log(sum(exp(s), over: last))`.
fn is_summed_up(objective: &Objective<'_>, readers: &[Vec<usize>], exponential: usize) -> bool {
    let graph = objective.graph;
    let is_sum = |node: usize| {
        is(graph, node, named::SUM) && over(graph, node).is_some_and(|over| over != "all")
    };
    let is_small = |node: &usize| matches!(graph.nodes[*node].op, Op::Constant(number) if (0.0..1e-3).contains(&number));
    let mut sums = readers[exponential].iter().copied().filter(|reader| is_sum(*reader));
    is(graph, exponential, named::EXP)
        && sums.any(|sum| {
            readers[sum].iter().any(|&reader| {
                let own = &graph.nodes[reader];
                let is_kept = own.op == Op::Add && own.inputs.iter().any(is_small);
                is(graph, reader, named::LOG)
                    || is_kept && readers[reader].iter().any(|next| is(graph, *next, named::LOG))
            })
        })
}

/// Whether of logarithms of probabilities those are read that labels or places name. Where they are
/// weighed with other probabilities, as relations that are to be the same, the diagonal is in both.
fn is_chosen_by_place(objective: &Objective<'_>, readers: &[Vec<usize>], node: usize) -> bool {
    let graph = objective.graph;
    let stems = stems(graph);
    readers[node].iter().any(|&reader| {
        let own = &graph.nodes[reader];
        let mut others = own.inputs.iter().filter(|input| **input != node);
        is(graph, reader, named::DIAGONAL)
            || own.op == Op::Multiply
                && others.all(|other| stems[*other].is_empty() && reads_targets(objective, *other))
    })
}

/// Whether something is made of labels, or of the places of examples.
fn reads_targets(objective: &Objective<'_>, root: usize) -> bool {
    let graph = objective.graph;
    let (mut waiting, mut seen) = (vec![root], BTreeSet::new());
    while let Some(node) = waiting.pop() {
        if is_among(graph, node, named::TARGETS) {
            return true;
        }
        waiting.extend(graph.nodes[node].inputs.iter().filter(|own| seen.insert(**own)));
    }
    false
}

/// What is made alike although it is one row.
fn positives(objective: &Objective<'_>, readers: &[Vec<usize>], found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    let mut places = BTreeSet::new();
    for (node, sides) in attracted(graph, flow) {
        let is_one = graph.nodes[node].op != Op::Subtract
            && is_made(objective, sides[0])
            && sides.iter().all(|side| bare(graph, *side).is_none());
        // Of a matrix the sides are rows and columns.
        let turned = unscaled(graph, sides[1]);
        let other = match graph.nodes[turned].inputs.first() {
            Some(&rows) if is(graph, turned, named::TRANSPOSE) => rows,
            _ => sides[1],
        };
        let place = subject.places.nodes[node].place;
        if is_one
            && are_same(objective, [sides[0], other])
            && !is_length(objective, readers, node)
            && places.insert(place)
        {
            let message = "each row is its own positive: its likeness to itself is always one";
            let warning = Diagnostic::new(findings::ROW_AGAINST_ITSELF, place, message);
            found.push(warning.help("take the row of the other view, `dot(a, b)`"));
        }
    }
}

/// Whether it is made of what networks say.
fn is_made(objective: &Objective<'_>, side: usize) -> bool {
    let graph = objective.graph;
    !stems(graph)[side].is_empty()
        && declared(&graph.nodes[side].op).is_none_or(|own| !own.keeps_state())
}

/// Whether it is added to a matrix, as the length of rows in the square of a distance.
fn is_length(objective: &Objective<'_>, readers: &[Vec<usize>], product: usize) -> bool {
    let graph = objective.graph;
    let (mut waiting, mut seen) = (vec![product], BTreeSet::new());
    while let Some(node) = waiting.pop() {
        for &reader in readers[node].iter().filter(|reader| seen.insert(**reader)) {
            let own = &graph.nodes[reader];
            let is_sum = matches!(own.op, Op::Add | Op::Subtract);
            if is_sum && own.shape.len() > graph.nodes[node].shape.len() {
                return true;
            }
            if is_sum || scaled(graph, reader).is_some() || is_among(graph, reader, named::SUMS) {
                waiting.push(reader);
            }
        }
    }
    false
}
