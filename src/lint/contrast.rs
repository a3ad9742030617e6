//! What is contrasted with what, and how strongly.

use super::{Objective, Subject, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Makers;
use crate::resolve::Declaration;
use crate::source::Span;
use crate::term::Term;
use crate::term::objective::{ObjectiveGraph, Op};

/// Temperatures that are in use lie between 0.05 and 0.5, and seldom beyond these.
const TEMPERATURES: std::ops::RangeInclusive<f64> = 0.01..=1.0;

/// What a batch of 8 gives: published contrasts have tens of negatives at the least.
const LEAST_NEGATIVES: usize = 14;

pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject } = objective;
    for (index, node) in graph.nodes.iter().enumerate() {
        let (true, Some(declaration)) = (flow.reaches_loss[index], declared(&node.op)) else {
            continue;
        };
        let written = &subject.places.nodes[index];
        if declaration.keeps_rows() {
            queue(subject, index, graph, found);
        }
        if declaration.named("compares") == Some("unit") {
            let inputs = node.inputs.iter().zip(declaration.tensors());
            // Labels have no length.
            let bare = inputs.filter(|(input, _)| {
                graph.nodes[**input].op != Op::Labels && !is_unit(graph, **input)
            });
            if let Some((input, parameter)) = bare.into_iter().next() {
                let name = &parameter.name.text;
                let message = format!("`{name}` is compared without its length being one");
                let warning = Diagnostic::new(
                    findings::FEATURES_NOT_NORMALIZED,
                    written.argument(name),
                    message,
                );
                let made = subject.places.nodes[*input].place;
                found.push(warning.also(made, "made here").help(
                    "write `normalize(…)`: otherwise the loss grows with the lengths, and the \
                     temperature means nothing",
                ));
            }
        }
        if let Some(Term::Float(temperature)) = node.args.get("temperature")
            && !TEMPERATURES.contains(temperature)
        {
            let message = format!("a temperature of {temperature} is far from any in use");
            let place = written.argument("temperature");
            let warning = Diagnostic::new(findings::UNUSUAL_TEMPERATURE, place, message);
            found.push(warning.help("published ones lie between 0.05 and 0.5"));
        }
        if declaration.is("attracts") {
            same_view(subject, index, graph, found);
        }
        if declaration.is("attracts") && declaration.is("repels") {
            negatives(subject, index, graph, found);
        }
    }
}

/// A queue that reaches back beyond an epoch holds earlier keys of the example itself, which are
/// told apart from it.
fn queue(subject: &Subject<'_>, index: usize, graph: &ObjectiveGraph, found: &mut Diagnostics) {
    let rows = graph.nodes[index].shape.first().filter(|rows| rows.batch == 0);
    let (Some(rows), Some(examples)) = (rows, subject.examples()) else { return };
    if rows.constant > examples {
        let message =
            format!("a queue of {} is longer than an epoch of {examples} examples", rows.constant);
        let place = kept_size(subject, index, graph);
        let warning = Diagnostic::new(findings::QUEUE_LARGER_THAN_DATA, place, message);
        let warning = warning.also(subject.places.field("data"), "these examples");
        found.push(
            warning.help(
                "an image would be told apart from its own earlier keys: take a shorter queue",
            ),
        );
    }
}

/// Where all sides have a row for each example, a view is told from the others of the batch; else
/// from the rows of the longest.
fn negatives(subject: &Subject<'_>, index: usize, graph: &ObjectiveGraph, found: &mut Diagnostics) {
    let Some(batch) = subject.batch() else { return };
    let inputs = graph.nodes[index].inputs.iter();
    let sides = inputs.filter_map(|input| {
        let rows = graph.nodes[*input].shape.first()?;
        let count = rows.constant.saturating_add(rows.batch.saturating_mul(batch as usize));
        Some((count, *input, rows.constant == 0))
    });
    let Some((rows, longest, is_in_batch)) = sides.max_by_key(|(rows, ..)| *rows) else { return };
    let count = if is_in_batch { rows.saturating_mul(2).saturating_sub(2) } else { rows };
    if count >= LEAST_NEGATIVES {
        return;
    }
    let (place, help) = match is_in_batch {
        true => (
            subject.places.field("batch"),
            "take a larger batch, a queue (`fifo`), or an objective without negatives",
        ),
        false => (kept_size(subject, longest, graph), "take a longer queue"),
    };
    let message = format!("each view is told from only {count} others");
    found.push(Diagnostic::new(findings::FEW_NEGATIVES, place, message).help(help));
}

/// The text that says how many rows a node keeps, or else the node's.
fn kept_size(subject: &Subject<'_>, node: usize, graph: &ObjectiveGraph) -> Span {
    let written = &subject.places.nodes[node];
    let size = declared(&graph.nodes[node].op).and_then(Declaration::first_size);
    size.map_or(written.place, |name| written.argument(name))
}

/// Whether every row of a tensor has the length one.
fn is_unit(graph: &ObjectiveGraph, mut node: usize) -> bool {
    loop {
        let Some(declaration) = declared(&graph.nodes[node].op) else { return false };
        if declaration.named("yields") == Some("unit") {
            return true;
        }
        let passed = declaration.named("passes");
        let position =
            passed.and_then(|passed| declaration.tensors().position(|own| own.name.text == passed));
        match position.and_then(|position| graph.nodes[node].inputs.get(position)) {
            Some(input) => node = *input,
            None => return false,
        }
    }
}

/// Two sides of one view are alike whatever the network has learned.
fn same_view(subject: &Subject<'_>, index: usize, graph: &ObjectiveGraph, found: &mut Diagnostics) {
    let [one, other, ..] = graph.nodes[index].inputs[..] else { return };
    let (one, other) = (Makers::of(graph, one).views, Makers::of(graph, other).views);
    if one == other && one.len() == 1 {
        let place = subject.places.nodes[index].place;
        let message = "both sides are made of the same view";
        let warning = Diagnostic::new(findings::SAME_VIEW, place, message);
        found.push(warning.help("give one side the other view: nothing is learned of changes"));
    }
}
