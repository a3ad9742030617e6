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

/// A network that begins with an encoder whose batch norms see rows in groups.
struct Normed<'g> {
    encoder: &'g str,
    rows: usize,
    groups: usize,
    /// Which network says in how many.
    grouped: usize,
}

impl Normed<'_> {
    /// How many rows each batch norm sees, where so many parts of a batch pass in so many groups;
    /// nothing where they do not divide, which `check` reports by itself.
    fn each(&self, parts: usize, groups: usize) -> Option<usize> {
        let all = parts.checked_mul(groups.div_ceil(parts))?;
        self.rows.is_multiple_of(all).then_some(self.rows / all)
    }
}

/// The parts of a batch, by `accumulate` or by groups, are each normalised by itself.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    let Some(batch) = subject.batch() else { return };
    let parts = parts(subject);
    let mut all = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        let Op::Apply(network) = node.op else { continue };
        let is_whole = graph.networks[network].section == Some(Section::Places);
        if is_whole || !flow.reaches_loss[index] {
            continue;
        }
        let rows = node.shape.first().map(|rows| rows.number(batch as usize, usize::MAX));
        let Some((encoder, rows)) = with_batch_norms(graph, network).zip(rows) else { continue };
        let (grouped, groups) = groups(graph, network);
        all.push(Normed { encoder, rows, groups, grouped });
    }
    let few = all.iter().filter(|own| parts > 1 || own.groups > 1);
    let few = few.filter_map(|own| Some((own.each(parts, own.groups)?, own)));
    let Some((each, own)) = few.min_by_key(|(each, _)| *each).filter(|(each, _)| *each < FEWEST)
    else {
        return;
    };
    let is_enough = |each: Option<usize>| each.is_some_and(|each| each >= FEWEST);
    let (place, help) = match parts >= own.groups {
        true => {
            let fits =
                |parts: &usize| all.iter().all(|own| is_enough(own.each(*parts, own.groups)));
            let help = match (2..parts).rev().find(fits) {
                Some(parts) => format!("`accumulate: {parts}` leaves each {FEWEST} or more"),
                None => "leave out `accumulate`, or take a larger batch".to_owned(),
            };
            (subject.places.field("accumulate"), help)
        }
        false => {
            let fits = |groups: &usize| is_enough(own.each(parts, *groups));
            let help = match (2..own.groups).rev().find(fits) {
                Some(groups) => format!("`groups: {groups}` leaves each {FEWEST} or more"),
                None => "leave out the groups, or take a larger batch".to_owned(),
            };
            (subject.places.networks[own.grouped].argument("groups"), help)
        }
    };
    let s = if each == 1 { "" } else { "s" };
    let message = format!("the batch norms of `{}` see {each} image{s} at a time", own.encoder);
    found.push(Diagnostic::new(findings::NORM_OF_FEW, place, message).help(help));
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
