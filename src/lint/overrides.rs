//! Values given beside the text that leave everything as it is.

use crate::check::{Again, Origin, Override, Resolved, Selection, TypedPipeline};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::{self, Graph};

/// Judges each `-o`; where there is none, each setting of the profile. `graph` is that of `typed`.
///
/// Whatever it is that one may change, it changes the graph: the pipeline is compiled without it.
pub fn check(typed: &TypedPipeline, graph: &Graph, again: &mut Again<'_>, found: &mut Diagnostics) {
    let is_given = |over: &&Override| matches!(over.origin, Origin::Override);
    let given: Vec<&Override> = typed.overrides.iter().filter(is_given).collect();
    // What the profile has set returns when the `-o` in its place goes.
    let (mut left, profile) = match given.is_empty() {
        true => (typed.overrides.iter().collect(), None),
        false => (given, typed.profile.as_deref()),
    };
    if left.is_empty() {
        return;
    }
    let hash = graph.hash();
    // One after the other, and those that were found left out: of two that say the same thing, one
    // is needed.
    let mut position = 0;
    while position < left.len() && again.may_check() {
        let over = left.remove(position);
        let overrides = left.iter().map(|over| (*over).clone()).collect();
        let pipeline = Some(typed.name.as_str());
        let selection = Selection { pipeline, profile, overrides, required: true };
        let without = again.check(selection);
        let without = without.filter(|without| graph::build(without).0.hash() == hash);
        match without {
            Some(without) => found.push(warning(over, typed, &without)),
            None => {
                left.insert(position, over);
                position += 1;
            }
        }
    }
}

fn warning(over: &Override, typed: &TypedPipeline, without: &TypedPipeline) -> Diagnostic {
    let path = over.dotted();
    let resolved = |of: &TypedPipeline| -> Option<Resolved> {
        of.resolved.iter().find(|own| own.path == path).cloned()
    };
    let same = resolved(without)
        .filter(|before| resolved(typed).is_some_and(|now| now.value == before.value));
    let finding = findings::OVERRIDE_CHANGES_NOTHING;
    let Some(before) = same else {
        let message = format!("`{path}` changes nothing that runs");
        return Diagnostic::new(finding, over.span(), message)
            .help("nothing that runs reads it, as everything else is: leave it out");
    };
    let message = format!("`{path}` is `{}` without this, too", before.value);
    let warning = Diagnostic::new(finding, over.value.span, message).help("leave it out");
    match before.origin.root() {
        Origin::Text(place) | Origin::Profile(_, place) => warning.also(*place, "it is that here"),
        Origin::Default(_, place) => warning.also(*place, "the default, declared here"),
        Origin::Override | Origin::Named(..) => warning,
    }
}
