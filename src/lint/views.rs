//! Views that differ in nothing, and views that nothing reads.

use super::operations::{is, named, unscaled};
use super::{Objective, declared};
use crate::check::has_chance;
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Makers;
use crate::resolve::declaration;
use crate::term::Term;
use crate::term::objective::{ObjectiveGraph, Op};

pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, subject, .. } = objective;
    grouped(objective, found);
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
        && is_one_picture(views, subject.image())
    {
        let place = subject.places.field("views");
        let message = "nothing in these views is left to chance, so that they are all the same";
        let warning = Diagnostic::new(findings::VIEWS_WITHOUT_CHANCE, place, message);
        found.push(
            warning.help("add a random step, such as `random_resized_crop(…)` or `color_jitter()`"),
        );
    }
}

/// Whether all views that a recipe makes of an image are the same.
fn is_one_picture(views: &Term, image: Option<[usize; 2]>) -> bool {
    let dealt: Vec<&Term> = match views {
        Term::Call(call)
            if declaration(&call.name).is_some_and(|own| own.named("deals").is_some()) =>
        {
            call.args
                .0
                .values()
                .filter(|own| matches!(own, Term::Call(_) | Term::Chain(_)))
                .collect()
        }
        _ => Vec::new(),
    };
    let is_of_one = dealt.windows(2).all(|own| own[0] == own[1]);
    is_of_one && !has_chance(views, image)
}

/// Views under one name come one after the other, each with all of its rows: as many of those that
/// follow each other as there are views are of one view, and of different images.
fn grouped(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    let views = whole_views(graph);
    for index in (0..graph.nodes.len()).filter(|index| flow.reaches_loss[*index]) {
        let node = &graph.nodes[index];
        let (true, Some(Term::Int(size)), Some(&rows)) =
            (is(graph, index, named::GROUP), node.args.get("size"), node.inputs.first())
        else {
            continue;
        };
        let views = views[rows].filter(|views| *views > 1);
        if views.and_then(|views| i64::try_from(views).ok()) == Some(*size) {
            let place = subject.places.nodes[index].place;
            let message =
                format!("these are {size} rows of one view, and not the views of an image");
            let warning = Diagnostic::new(findings::ROWS_OF_ONE_VIEW, place, message);
            found.push(warning.help(format!(
                "all rows of a view follow each other: the views of each image are \
                 `swap(chunk(x, parts: {size}))`"
            )));
        }
    }
}

/// For each node how many views follow each other in its rows, where it is made of whole views.
fn whole_views(graph: &ObjectiveGraph) -> Vec<Option<usize>> {
    let mut views: Vec<Option<usize>> = Vec::with_capacity(graph.nodes.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        let is_unit = declared(&node.op).and_then(|own| own.named("yields")) == Some("unit");
        let whole = unscaled(graph, index);
        views.push(match (&node.op, &node.inputs[..]) {
            _ if whole != index => views[whole],
            (Op::Views { count, .. }, _) => Some(*count),
            (Op::View(_), _) => Some(1),
            (Op::Apply(_), &[x]) => views[x],
            (_, &[x]) if is_unit || is(graph, index, named::DETACH) => views[x],
            (_, &[a, b]) if is(graph, index, named::CONCAT) => {
                views[a].zip(views[b]).map(|(a, b)| a.saturating_add(b))
            }
            _ => None,
        });
    }
    views
}
