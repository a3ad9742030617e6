//! Logarithms of logarithms, and probabilities of one thing alone.

use super::operations::{handed_on, is, is_among, named, over, primitive, scaled};
use super::{Objective, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, Finding, findings};
use crate::term::Term;
use crate::term::objective::{Extent, ObjectiveGraph, Op};

pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    for (index, node) in graph.nodes.iter().enumerate().filter(|own| flow.reaches_loss[own.0]) {
        let Some(&input) = node.inputs.first() else { continue };
        let place = subject.places.nodes[index].place;
        let made = match is(graph, index, named::LOG) {
            true => logarithms(graph, input, true),
            false => Some(input)
                .filter(|_| is_last(graph, index))
                .and_then(|input| logarithms(graph, input, false)),
        };
        if let Some(made) = made {
            let (finding, message, help) = said(graph, index);
            let mut warning = Diagnostic::new(finding, place, message);
            let made = subject.places.nodes[made].place;
            if !place.holds(made) && !made.holds(place) {
                warning = warning.also(made, "these are logarithms of probabilities");
            }
            found.push(warning.help(help));
        }
        let is_alone = graph.nodes[input].shape.last().and_then(Extent::constant) == Some(1);
        if is_alone && is_among(graph, index, named::SOFTMAXES) {
            let message = "a softmax is taken here of one number at a time: it is always one";
            let warning = Diagnostic::new(findings::SOFTMAX_OF_ONE, place, message);
            found.push(warning.help("put what it is told from beside it: `concat_columns(…)`"));
        }
    }
}

/// Whether it takes a softmax over the last size and needs it as it is: a temperature of its own
/// makes another one of it.
fn is_last(graph: &ObjectiveGraph, index: usize) -> bool {
    let is_choice = is_among(graph, index, named::CHOICES);
    let has_own = graph.nodes[index].args.get("temperature");
    let is_as_it_is = has_own.is_none_or(|own| *own == Term::Float(1.0));
    is_choice && is_as_it_is && over(graph, index).is_none_or(|over| over == "last")
}

/// What is told of an operation that takes logarithms of probabilities for something else.
fn said(graph: &ObjectiveGraph, index: usize) -> (&'static Finding, &'static str, &'static str) {
    match primitive(graph, index) {
        Some(named::LOG) => (
            findings::LOGARITHM_OF_LOGARITHMS,
            "a logarithm is taken here of logarithms, none of which is above zero",
            "leave one of them out: `log_softmax` is the logarithm already",
        ),
        Some(named::LOG_SUM_EXP) => (
            findings::SOFTMAX_TWICE,
            "this is the logarithm of the sum of probabilities, which is one: it is zero",
            "give it the logits as they are",
        ),
        _ => (
            findings::SOFTMAX_TWICE,
            "a softmax is taken here of the logarithms of probabilities",
            "it changes nothing: give it the logits as they are",
        ),
    }
}

/// What has made the logarithms that a tensor holds as they are, or, with `whatever`, after what
/// leaves all of them at or below zero.
fn logarithms(graph: &ObjectiveGraph, mut node: usize, whatever: bool) -> Option<usize> {
    loop {
        let own = &graph.nodes[node];
        let declaration = declared(&own.op);
        if declaration.is_some_and(|own| own.named("yields") == Some("logarithms")) {
            return Some(node);
        }
        if !whatever {
            node = *own.inputs.first().filter(|_| is(graph, node, named::DETACH))?;
            continue;
        }
        if let Some((x, number)) = scaled(graph, node) {
            let is_positive = matches!(graph.nodes[number].op, Op::Constant(value) if value > 0.0);
            node = Some(x).filter(|_| is_positive)?;
            continue;
        }
        let is_element = !matches!(own.op, Op::Add | Op::Subtract | Op::Multiply | Op::Divide);
        let reduces =
            declaration.is_some_and(|own| own.named("reduces").is_some() && !own.states("spreads"));
        node = match handed_on(graph, node)[..] {
            [x] if is_element => x,
            _ if reduces => *own.inputs.first()?,
            _ => return None,
        };
    }
}
