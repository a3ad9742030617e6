//! Numbers of rows that meet the columns of a matrix.

use std::collections::BTreeSet;

use super::operations::{is, is_among, is_number, named, over, unscaled};
use super::{Objective, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::term::objective::{ObjectiveGraph, Op};

/// What is summed up over each row of a square matrix is one number a row, and stands for the
/// columns where it meets the matrix again: nothing else than its size speaks against it, which is
/// the same.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    for (index, node) in graph.nodes.iter().enumerate().filter(|own| flow.reaches_loss[own.0]) {
        let (Op::Add | Op::Subtract | Op::Multiply | Op::Divide, &[a, b]) =
            (&node.op, &node.inputs[..])
        else {
            continue;
        };
        let is_crossed = [[a, b], [b, a]].into_iter().any(|[matrix, rows]| {
            let summed = of_rows(graph, rows);
            summed.is_some_and(|summed| is_square(graph, matrix) && meets(graph, matrix, summed))
        });
        if is_crossed {
            let place = subject.places.nodes[index].place;
            let message = "a number of each row meets the columns of its matrix here";
            let warning = Diagnostic::new(findings::ROWS_FOR_COLUMNS, place, message);
            found.push(warning.help(
                "turn the matrix for it, `transpose(transpose(p) / sum(p, over: last))`, or use \
                 `softmax` and `log_softmax`, which are of rows",
            ));
        }
    }
}

/// The square matrix of which something is one number a row.
fn of_rows(graph: &ObjectiveGraph, mut node: usize) -> Option<usize> {
    loop {
        node = unscaled(graph, node);
        let input = *graph.nodes[node].inputs.first()?;
        let reduces =
            declared(&graph.nodes[node].op).is_some_and(|own| own.named("reduces").is_some());
        if reduces && over(graph, node) == Some("last") {
            return is_square(graph, input).then_some(input);
        }
        if !is_unary(graph, node) {
            return None;
        }
        node = input;
    }
}

fn is_square(graph: &ObjectiveGraph, node: usize) -> bool {
    matches!(&graph.nodes[node].shape[..], [rows, columns] if rows == columns)
}

/// Whether both are made, element by element, of one matrix whose columns are not its rows.
fn meets(graph: &ObjectiveGraph, matrix: usize, summed: usize) -> bool {
    let [one, other] = [matrix, summed].map(|node| elements(graph, node));
    let mut common = one.intersection(&other);
    common.next().is_some() && !(is_symmetric(graph, matrix) && is_symmetric(graph, summed))
}

/// A matrix and those of its size that it is made of element by element.
fn elements(graph: &ObjectiveGraph, root: usize) -> BTreeSet<usize> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(node) = waiting.pop() {
        if is_square(graph, node) && seen.insert(node) && is_by_element(graph, node) {
            waiting.extend(&graph.nodes[node].inputs);
        }
    }
    seen
}

fn is_by_element(graph: &ObjectiveGraph, node: usize) -> bool {
    let op = &graph.nodes[node].op;
    matches!(op, Op::Add | Op::Subtract | Op::Multiply | Op::Divide) || is_unary(graph, node)
}

fn is_unary(graph: &ObjectiveGraph, node: usize) -> bool {
    is_among(graph, node, named::RISING)
        || is_among(graph, node, named::DISTANCES)
        || is(graph, node, named::DETACH)
}

/// Whether a matrix is its own transpose: of rows with themselves, by a measure without an order.
fn is_symmetric(graph: &ObjectiveGraph, root: usize) -> bool {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(node) = waiting.pop() {
        let own = &graph.nodes[node];
        if is_number(graph, node) || !seen.insert(node) {
            continue;
        }
        let is_one = match &own.inputs[..] {
            &[a, b] if is(graph, node, named::MATMUL) => {
                let columns = unscaled(graph, b);
                let rows = graph.nodes[columns].inputs.first().map(|rows| unscaled(graph, *rows));
                is(graph, columns, named::TRANSPOSE) && rows == Some(unscaled(graph, a))
            }
            [a, b] if is_among(graph, node, named::SAME) => a == b,
            inputs if is_by_element(graph, node) => {
                let scalars = inputs.iter().filter(|own| graph.nodes[**own].shape.is_empty());
                let squares = inputs.iter().filter(|own| is_square(graph, **own));
                let are_all = scalars.count() + squares.clone().count() == inputs.len();
                waiting.extend(squares);
                are_all
            }
            _ => false,
        };
        if !is_one {
            return false;
        }
    }
    true
}
