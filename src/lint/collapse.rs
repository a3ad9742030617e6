//! Objectives that every network satisfies by giving one answer to all.

use super::{Objective, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Makers;

/// Of a loss that only pulls representations together, the two sides must differ: one that does not
/// learn, and on the other a predictor of its own. Grill et al. 2020, arXiv:2006.07733, table 5;
/// Chen and He 2020, arXiv:2011.10566, section 4.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject } = objective;
    let needed = |index: &usize| flow.reaches_loss[*index];
    let states =
        |index: usize, fact: &str| declared(&graph.nodes[index].op).is_some_and(|own| own.is(fact));
    let nodes = || (0..graph.nodes.len()).filter(needed);
    if nodes().any(|index| states(index, "repels")) {
        return;
    }
    for index in nodes().filter(|index| states(*index, "attracts")) {
        let node = &graph.nodes[index];
        let [one, other, ..] = node.inputs[..] else { continue };
        let learns = |input: usize| graph.nodes[input].gradient;
        let (message, help) = match (learns(one), learns(other)) {
            (true, true) => (
                "nothing keeps the representations of different images apart: both sides learn",
                "stop the gradient of one side, `detach(…)` or an average by `ema(…)`, and give the \
                 other a predictor; or contrast with negatives",
            ),
            (false, false) => continue,
            (one_learns, _) => {
                let (online, target) = if one_learns { (one, other) } else { (other, one) };
                let (online, target) =
                    (Makers::of(graph, online).modules, Makers::of(graph, target).modules);
                if online.iter().any(|module| !target.contains(module)) {
                    continue;
                }
                (
                    "nothing keeps the representations of different images apart: the side that \
                     learns has no predictor",
                    "put a network of its own behind it, `predictor(online(a))`, or contrast with \
                     negatives",
                )
            }
        };
        let place = subject.places.nodes[index].place;
        let warning = Diagnostic::new(findings::ONLY_ATTRACTION, place, message);
        found.push(warning.label("this only attracts").help(help));
    }
}
