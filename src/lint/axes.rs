//! Numbers of rows that meet the columns of a matrix.

use std::collections::BTreeSet;

use super::alike::{Turned, is_by_element};
use super::operations::{is, named, over};
use super::{Objective, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::term::objective::{ObjectiveGraph, Op};

/// What is summed up over each row of a square matrix is one number a row, and stands for the
/// columns where it meets the matrix again: nothing else than its size speaks against it, which is
/// the same.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, firsts, .. } = objective;
    let mut turned = Turned::new(graph, firsts);
    for (index, node) in graph.nodes.iter().enumerate().filter(|own| flow.reaches_loss[own.0]) {
        let (Op::Add | Op::Subtract | Op::Multiply | Op::Divide, &[a, b]) =
            (&node.op, &node.inputs[..])
        else {
            continue;
        };
        let is_crossed = [[a, b], [b, a]].into_iter().any(|[matrix, rows]| {
            let summed = match is_square(graph, matrix) {
                true => of_rows(graph, rows),
                false => Vec::new(),
            };
            summed.into_iter().any(|summed| {
                let [one, other] = [matrix, summed].map(|own| elements(objective, own));
                let mut are_symmetric = [matrix, summed].into_iter();
                !one.is_disjoint(&other) && !are_symmetric.all(|own| turned.may_be_symmetric(own))
            })
        });
        if is_crossed {
            let place = subject.places.nodes[index].place;
            let message = "a number of each row meets the columns of its matrix here";
            let warning = Diagnostic::new(findings::ROWS_FOR_COLUMNS, place, message);
            found.push(warning.help(
                "`scale_rows`, `softmax` and `log_softmax` are of rows; others meet them in the \
                 transpose, `transpose(transpose(s) - r)`",
            ));
        }
    }
}

/// The square matrices of which something is one number a row.
fn of_rows(graph: &ObjectiveGraph, root: usize) -> Vec<usize> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    let mut summed = Vec::new();
    while let Some(node) = waiting.pop() {
        let own = &graph.nodes[node];
        let Some(&input) = own.inputs.first().filter(|_| seen.insert(node)) else { continue };
        let reduces = declared(&own.op).is_some_and(|own| own.named("reduces").is_some());
        if reduces && over(graph, node) == Some("last") {
            // Without its diagonal it is of the same rows.
            let whole = graph.nodes[input].inputs.first().copied();
            let matrix = whole.filter(|_| is(graph, input, named::OFF_DIAGONAL)).unwrap_or(input);
            summed.extend(Some(matrix).filter(|own| is_square(graph, *own)));
        } else if is_by_element(graph, node) {
            waiting.extend(&own.inputs);
        }
    }
    summed
}

fn is_square(graph: &ObjectiveGraph, node: usize) -> bool {
    matches!(&graph.nodes[node].shape[..], [rows, columns] if rows == columns)
}

/// A matrix and those of its size that it is made of element by element.
fn elements(objective: &Objective<'_>, root: usize) -> BTreeSet<usize> {
    let Objective { graph, firsts, .. } = objective;
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(node) = waiting.pop() {
        let is_new = is_square(graph, node) && seen.insert(firsts[node]);
        if is_new && is_by_element(graph, node) {
            waiting.extend(&graph.nodes[node].inputs);
        }
    }
    seen
}
