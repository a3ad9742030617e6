//! Numbers that say less than they seem to, since what is judged has seen more than it should.

use super::Subject;
use crate::check::{StageKind, examples_of};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::{Graph, Places, inputs};
use crate::resolve::declaration;
use crate::term::{Share, Split, Term};

/// `graph` and `places` are those that the stage belongs to.
pub(super) fn check(
    subject: &Subject<'_>,
    graph: &Graph,
    places: &Places,
    found: &mut Diagnostics,
) {
    match subject.stage.kind {
        StageKind::Evaluate => own_examples(subject, graph, places, found),
        StageKind::Finetune => more_labels(subject, graph, places, found),
        StageKind::Pretrain => {}
    }
}

/// A classifier is judged on the examples that it was tuned on. Where a protocol learns from
/// examples of its own, the checker sees to it, and what looks at no class may be taken of those that
/// were trained on, as Garrido et al. 2022, arXiv:2210.02885, eq. 1, take it.
fn own_examples(subject: &Subject<'_>, graph: &Graph, places: &Places, found: &mut Diagnostics) {
    let fields = &subject.stage.fields;
    let (Some(Term::Split(on)), Some(Term::Output(model)), Some(Term::Call(protocol)), None) =
        (fields.get("on"), fields.get("model"), fields.get("protocol"), fields.get("fit"))
    else {
        return;
    };
    if !declaration(&protocol.name).is_some_and(|own| own.is("labels")) {
        return;
    }
    let tuning = graph.stage(model.stage).and_then(|stage| stage.data());
    let (Some(data), Some(tuned)) = (tuning, places.0.get(model.stage)) else { return };
    if !is_same_part(data, on) {
        return;
    }
    let message = "the model is judged on examples that it was trained on";
    let place = subject.places.field("on");
    let warning = Diagnostic::new(findings::JUDGED_ON_TRAINING_EXAMPLES, place, message);
    let warning = warning.also(tuned.field("data"), "trained on these");
    found.push(warning.help("judge it `on` the `.test`"));
}

/// The labels of a sample are all that a classifier is to learn from, and what made its encoder has
/// read those of more.
fn more_labels(subject: &Subject<'_>, graph: &Graph, places: &Places, found: &mut Diagnostics) {
    let Some(sample) = subject.stage.data() else { return };
    let mut seen = Vec::new();
    let mut waiting = inputs(subject.stage);
    while let Some(position) = waiting.pop() {
        let (Some(stage), Some(places)) = (graph.stage(position), places.0.get(position)) else {
            continue;
        };
        if seen.contains(&position) {
            continue;
        }
        seen.push(position);
        waiting.extend(inputs(stage));
        let Some(read) = stage.data().filter(|own| own.labeled) else { continue };
        if !is_same_part(read, sample) || takes_no_more(read, sample) {
            continue;
        }
        let message = format!(
            "the encoder has learned from the labels of {} of these examples, not of {}",
            read.share(),
            sample.share()
        );
        let warning =
            Diagnostic::new(findings::MORE_LABELS_SEEN, subject.places.field("data"), message);
        let warning = warning.also(places.field("data"), "from these labels");
        found.push(warning.help("give both the same sample, or pre-train without labels"));
        return;
    }
}

/// Where the classes are not known to be as large, by what is asked of each.
fn takes_no_more(one: &Split, other: &Split) -> bool {
    if let (Some(one), Some(other)) = (examples_of(one), examples_of(other)) {
        return one <= other;
    }
    let [one, other] = [one.share(), other.share()];
    let most = |share: Share| share.each.unwrap_or(usize::MAX);
    one.percent <= other.percent && most(one) <= most(other)
}

fn is_same_part(one: &Split, other: &Split) -> bool {
    one.dataset == other.dataset && one.part == other.part
}
