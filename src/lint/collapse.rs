//! Objectives that every network satisfies by giving one answer to all.

use std::collections::BTreeSet;

use super::Objective;
use super::compare::{Pair, attracts, pushed, readers, slopes};
use super::guards::{Effect, Guard, guards};
use super::operations::{is, is_among, named, unscaled};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Makers;

/// Of a loss that only pulls representations together, the two sides must differ: one that does not
/// learn, and on the other a predictor of its own. Grill et al. 2020, arXiv:2006.07733, table 5;
/// Chen and He 2020, arXiv:2011.10566, section 4.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    if redundant(objective, found) {
        return;
    }
    let guards = guards(objective);
    let of = |effect: Effect| guards.iter().filter(move |own| own.effect == effect);
    if of(Effect::Keeps).next().is_some() {
        return;
    }
    // A comparison that the loss makes less alike may keep representations apart as well.
    let pushed = pushed(objective);
    if !pushed.is_empty() {
        // One that stands in what has the wrong sign, as the positive of a turned contrast, does not.
        if pushed.iter().all(|node| is_choice(objective, &guards, *node)) {
            turned(objective, of(Effect::Turned), found);
        }
        return;
    }
    if turned(objective, of(Effect::Turned), found) {
        return;
    }
    let idle: Vec<_> = of(Effect::Unlearned)
        .map(|own| (own.node, "this would keep them apart, but no gradient comes through it"))
        .chain(
            of(Effect::Weightless)
                .map(|own| (own.node, "this would keep them apart, but it is multiplied by zero")),
        )
        .collect();
    let mut places = BTreeSet::new();
    for pair in objective.pairs.iter().filter(|own| !own.is_of_one_view(objective)) {
        let Some((message, help)) = fault(objective, pair) else { continue };
        let place = objective.subject.places.nodes[pair.nodes[0]].place;
        if places.insert(place) {
            let mut warning = Diagnostic::new(findings::ONLY_ATTRACTION, place, message);
            let mut told = BTreeSet::from([place]);
            for (node, text) in &idle {
                let own = objective.subject.places.nodes[*node].place;
                if told.insert(own) {
                    warning = warning.also(own, *text);
                }
            }
            found.push(warning.label("this only attracts").help(help));
        }
    }
}

/// Whether a comparison is among those of which a log-sum-exp with the wrong sign is taken.
fn is_choice(objective: &Objective<'_>, guards: &[Guard], node: usize) -> bool {
    let Objective { graph, firsts, .. } = objective;
    let mut turned = guards.iter().filter(|own| own.effect == Effect::Turned);
    turned.any(|own| {
        is(graph, own.node, named::LOG_SUM_EXP)
            && Makers::of(graph, own.node).nodes.iter().any(|own| firsts[*own] == firsts[node])
    })
}

/// Tells of covariances of different dimensions that the loss makes larger, and whether there are
/// such: every published loss makes them small. Zbontar et al. 2021, arXiv:2103.03230, eq. 1.
fn redundant(objective: &Objective<'_>, found: &mut Diagnostics) -> bool {
    let Objective { graph, flow, subject, .. } = objective;
    let (slopes, readers) = (slopes(graph), readers(graph, flow));
    let is_rewarded = |index: usize| {
        let Some(&matrix) = graph.nodes[index].inputs.first() else { return false };
        let matrix = unscaled(graph, matrix);
        let is_of_dimensions = is(graph, index, named::OFF_DIAGONAL)
            && (is_among(graph, matrix, named::MATMULS)
                || is(graph, matrix, named::CROSS_COVARIANCE))
            && graph.nodes[matrix].shape.iter().all(|size| size.constant().is_some());
        let is_learned = graph.nodes[index].gradient && flow.differentiated[index];
        let mut readers = readers[index].iter();
        is_of_dimensions
            && is_learned
            && readers.len() > 0
            && readers.all(|&reader| {
                let way = slopes[reader];
                is_among(graph, reader, named::DISTANCES) && way.falls && !way.rises
            })
    };
    let Some(first) =
        (0..graph.nodes.len()).find(|own| flow.reaches_loss[*own] && is_rewarded(*own))
    else {
        return false;
    };
    let place = subject.places.nodes[first].place;
    let message = "the loss falls as the dimensions of the representations become alike";
    let warning = Diagnostic::new(findings::COLLAPSE_REWARDED, place, message);
    found.push(warning.label("this has the wrong sign").help(
        "turn its sign: what two dimensions have in common is to be small, as in `redundancy(…)`",
    ));
    true
}

/// Tells of what the loss makes smaller although it would keep representations apart, and whether
/// there is such. Where they are apart by two sides that differ, or are to say something else, as the
/// pixels of an image, it may be meant.
fn turned<'g>(
    objective: &Objective<'_>,
    guards: impl Iterator<Item = &'g Guard>,
    found: &mut Diagnostics,
) -> bool {
    let Objective { graph, flow, pairs, subject, .. } = objective;
    let is_meant = match pairs.is_empty() {
        true => attracts(graph, flow),
        false => !pairs.iter().any(|pair| fault(objective, pair).is_some()),
    };
    if is_meant {
        return false;
    }
    let places: BTreeSet<_> = guards.map(|own| subject.places.nodes[own.node].place).collect();
    let mut places = places.into_iter();
    let Some(first) = places.next() else { return false };
    let message = "the loss falls as the representations of different images become alike";
    let warning = Diagnostic::new(findings::COLLAPSE_REWARDED, first, message);
    let warning = warning.label("this has the wrong sign").help(
        "turn its sign: nothing else in the loss keeps representations of different images apart",
    );
    found.push(places.fold(warning, |warning, place| warning.also(place, "and this")));
    true
}

/// What lets a network give one answer to all, and what to do.
fn fault(objective: &Objective<'_>, pair: &Pair) -> Option<(&'static str, &'static str)> {
    let graph = objective.graph;
    let [one, other] = pair.sides;
    let learns = |input: usize| graph.nodes[input].gradient;
    let (online, target) = match (learns(one), learns(other)) {
        (true, true) => {
            return Some((
                "nothing keeps the representations of different images apart: both sides learn",
                "stop the gradient of one side, `detach(…)` or an average by `ema(…)`, and give the \
                 other a predictor; or contrast with negatives",
            ));
        }
        (false, false) => return None,
        (true, false) => (one, other),
        (false, true) => (other, one),
    };
    let [online, target] = [online, target].map(|side| Makers::of(graph, side).modules);
    online.iter().all(|module| target.contains(module)).then_some((
        "nothing keeps the representations of different images apart: the side that learns has no \
         predictor",
        "put a network of its own behind it, `predictor(online(a))`, or contrast with negatives",
    ))
}
