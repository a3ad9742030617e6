//! Batch norms that see too few images at a time.

use super::{Objective, Subject};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::chain;
use crate::resolve::{architecture, declaration};
use crate::term::Term;
use crate::term::objective::{NetworkBody, ObjectiveGraph, Op, Section};

/// The mean and the variance of fewer images say little of a set. A residual network of 50 layers
/// loses one point on ImageNet with 8 images a norm, four with 4, and eleven with 2: Wu and He 2018,
/// arXiv:1803.08494, table 2.
const FEWEST: usize = 8;

/// The parts of a batch, by `accumulate` or by groups, are each normalised by itself.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    let Some(batch) = subject.batch() else { return };
    let parts = parts(subject);
    for (index, node) in graph.nodes.iter().enumerate() {
        let Op::Apply(network) = node.op else { continue };
        let is_whole = graph.networks[network].section == Some(Section::Places);
        if is_whole || !flow.reaches_loss[index] {
            continue;
        }
        let Some(encoder) = with_batch_norms(graph, network) else { continue };
        let (grouped, groups) = groups(graph, network);
        let Some(rows) = node.shape.first().map(|rows| rows.number(batch as usize, usize::MAX))
        else {
            continue;
        };
        // What does not divide is told of by itself.
        let all = parts * groups.div_ceil(parts);
        if all < 2 || rows % all != 0 || rows / all >= FEWEST {
            continue;
        }
        let each = rows / all;
        let s = if each == 1 { "" } else { "s" };
        let message = format!("the batch norms of `{encoder}` see {each} image{s} at a time");
        let by_parts = parts >= groups;
        let place = match by_parts {
            true => subject.places.field("accumulate"),
            false => subject.places.networks[grouped].argument("groups"),
        };
        let most = (2..=rows / FEWEST).rev().find(|most| rows % most == 0);
        let help = match (most, by_parts) {
            (Some(most), true) => format!("`accumulate: {most}` leaves each {}", rows / most),
            (Some(most), false) => format!("`groups: {most}` leaves each {}", rows / most),
            (None, true) => "leave it out, or take a larger batch".to_owned(),
            (None, false) => "leave the groups out, or take a larger batch".to_owned(),
        };
        let warning = Diagnostic::new(findings::NORM_OF_FEW, place, message);
        found.push(warning.help(help));
        return;
    }
}

/// In how many parts the batch passes an encoder.
fn parts(subject: &Subject<'_>) -> usize {
    match subject.stage.fields.get("accumulate") {
        Some(Term::Int(parts)) => usize::try_from(*parts).unwrap_or(1).max(1),
        _ => 1,
    }
}

/// The encoder that a network begins with, where its batch norms see the batch.
fn with_batch_norms(graph: &ObjectiveGraph, network: usize) -> Option<&str> {
    let is_frozen = |body: &NetworkBody| matches!(body, NetworkBody::Frozen { .. });
    let mut made_of = std::iter::successors(Some(network), |own| graph.networks[*own].body.of());
    if made_of.any(|own| is_frozen(&graph.networks[own].body)) {
        return None;
    }
    let module = chain(graph, network).first().copied()?;
    let Term::Call(call) = architecture(&graph.modules[module].term) else { return None };
    declaration(&call.name)?.is("batch_norms").then_some(call.name.as_str())
}

/// In how many groups a network sees its rows, and which says so.
fn groups(graph: &ObjectiveGraph, network: usize) -> (usize, usize) {
    match graph.networks[network].body {
        NetworkBody::Grouped { groups, .. } => (network, groups.max(1)),
        NetworkBody::Encoder { of } => self::groups(graph, of),
        _ => (network, 1),
    }
}
