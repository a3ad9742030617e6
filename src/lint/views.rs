//! Views that differ in nothing, and views that nothing reads.

use super::Objective;
use crate::check::has_chance;
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Makers;

pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, subject, .. } = objective;
    let read = Makers::of(graph, graph.loss).views;
    if read.len() < graph.views {
        let place = subject.places.field("objective");
        let message = match read.len() {
            1 => format!("the loss reads one of {} views", graph.views),
            some => format!("the loss reads {some} of {} views", graph.views),
        };
        let warning = Diagnostic::new(findings::UNUSED_VIEW, place, message);
        found.push(warning.help("name in `given` only the views that the loss compares"));
    }
    if let (true, Some(views)) = (read.len() > 1, subject.stage.fields.get("views"))
        && !has_chance(views)
    {
        let place = subject.places.field("views");
        let message = "nothing in these views is left to chance, so that they are all the same";
        let warning = Diagnostic::new(findings::VIEWS_WITHOUT_CHANCE, place, message);
        found.push(
            warning.help("add a random step, such as `random_resized_crop(…)` or `color_jitter()`"),
        );
    }
}
