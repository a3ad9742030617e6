//! Objectives that every network satisfies by giving one answer to all.

use std::collections::BTreeSet;

use super::Objective;
use super::compare::{Pair, attracts, pushes};
use super::guards::{Effect, Guard, guards};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Makers;

/// Of a loss that only pulls representations together, the two sides must differ: one that does not
/// learn, and on the other a predictor of its own. Grill et al. 2020, arXiv:2006.07733, table 5;
/// Chen and He 2020, arXiv:2011.10566, section 4.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    // A comparison that the loss makes less alike may keep representations apart as well.
    if pushes(objective) {
        return;
    }
    let guards = guards(objective);
    let of = |effect: Effect| guards.iter().filter(move |own| own.effect == effect);
    if of(Effect::Keeps).next().is_some() {
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
