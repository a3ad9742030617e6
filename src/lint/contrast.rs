//! What is contrasted with what, and how strongly.

use super::{Objective, Subject, declared};
use crate::check::declared_size;
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Makers;
use crate::resolve::{Declaration, examples};
use crate::term::objective::{ObjectiveGraph, Op};
use crate::term::{Term, sampled};

/// Temperatures that are in use lie between 0.05 and 0.5, and seldom beyond these.
const TEMPERATURES: std::ops::RangeInclusive<f64> = 0.01..=1.0;

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
    }
}

/// A queue that reaches back beyond an epoch holds earlier keys of the example itself, which are
/// told apart from it.
fn queue(subject: &Subject<'_>, index: usize, graph: &ObjectiveGraph, found: &mut Diagnostics) {
    let rows = graph.nodes[index].shape.first().filter(|rows| rows.batch == 0);
    let examples = subject.data().and_then(|split| {
        let classes = declared_size(&split.dataset, "Label")?;
        Some(sampled(examples(&split.dataset, split.part)?, classes, split.percent))
    });
    let (Some(rows), Some(examples)) = (rows, examples) else { return };
    if rows.constant > examples {
        let message =
            format!("a queue of {} is longer than an epoch of {examples} examples", rows.constant);
        let written = &subject.places.nodes[index];
        let argument = declared(&graph.nodes[index].op).and_then(Declaration::first_size);
        let place = argument.map_or(written.place, |name| written.argument(name));
        let warning = Diagnostic::new(findings::QUEUE_LARGER_THAN_DATA, place, message);
        let warning = warning.also(subject.places.field("data"), "these examples");
        found.push(
            warning.help(
                "an image would be told apart from its own earlier keys: take a shorter queue",
            ),
        );
    }
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
