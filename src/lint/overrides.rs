//! Values given beside the text that leave everything as it is.

use std::collections::BTreeMap;

use crate::check::{Again, Fields, Origin, Override, Resolved, Selection, TypedPipeline};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::{self, Graph, Minimized};
use crate::parallel;
use crate::resolve::Program;

/// A pipeline and what was given beside its text, apart from all that is made of it.
pub struct Given {
    name: String,
    profile: Option<String>,
    overrides: Vec<Override>,
    resolved: Vec<Resolved>,
    fields: Fields,
    minimized: BTreeMap<String, Minimized>,
    hash: String,
}

impl Given {
    /// Of a pipeline that was given something. `graph` is its own.
    pub fn of(typed: &TypedPipeline, graph: &Graph) -> Option<Self> {
        (!typed.overrides.is_empty()).then(|| Given {
            name: typed.name.clone(),
            profile: typed.profile.clone(),
            overrides: typed.overrides.clone(),
            resolved: typed.resolved.clone(),
            fields: Fields::of(typed),
            minimized: (typed.stages.iter())
                .filter_map(|stage| Some((stage.name.clone(), Minimized::by(stage)?)))
                .collect(),
            hash: graph.hash(),
        })
    }

    /// Judges each `-o`; where there is none, each setting of the profile.
    ///
    /// Whatever it is that one may change, it changes the graph: the pipeline is compiled without it.
    pub fn check(&self, again: &mut Again<'_>) -> Diagnostics {
        let mut found = Diagnostics::default();
        let is_given = |over: &&Override| matches!(over.origin, Origin::Override);
        let given: Vec<&Override> = self.overrides.iter().filter(is_given).collect();
        // What the profile has set returns when the `-o` in its place goes.
        let (mut left, profile) = match given.is_empty() {
            true => (self.overrides.iter().collect(), None),
            false => (given, self.profile.as_deref()),
        };
        // One after the other, and those that were found left out: of two that say the same thing,
        // one is needed.
        let mut position = 0;
        while position < left.len() && again.may_check() {
            let over = left.remove(position);
            let overrides = left.iter().map(|over| (*over).clone()).collect();
            let pipeline = Some(self.name.as_str());
            let selection = Selection { pipeline, profile, overrides, required: true };
            // What most change is told from a part of a check.
            let changes = again.changes_a_field(over, selection.clone(), &self.fields)
                || self.changes_an_objective(again, over, selection.clone());
            let without = if changes { None } else { again.check(selection) };
            match without.filter(|without| graph::build(without).0.hash() == self.hash) {
                Some(without) => found.push(warning(over, &self.resolved, &without.resolved)),
                None => {
                    left.insert(position, over);
                    position += 1;
                }
            }
        }
        found
    }

    fn changes_an_objective(
        &self,
        again: &mut Again<'_>,
        without: &Override,
        selection: Selection<'_>,
    ) -> bool {
        let found = again.objectives(without, selection);
        let mut known =
            found.iter().filter_map(|(stage, own)| Some((self.minimized.get(stage)?, own)));
        known.any(|(before, own)| before.differs(own))
    }
}

/// Judges what was given to each of these pipelines of a program.
pub fn check(program: &Program, given: &[Given]) -> Diagnostics {
    let judge = |own: &Given| own.check(&mut Again::new(program, given.len()));
    let mut found = Diagnostics::default();
    parallel::map(given, judge).into_iter().for_each(|more| found.extend(more));
    found
}

fn warning(over: &Override, with: &[Resolved], without: &[Resolved]) -> Diagnostic {
    let path = over.dotted();
    let own = |all: &[Resolved]| all.iter().find(|own| own.path == path).cloned();
    let same = own(without).filter(|before| own(with).is_some_and(|now| now.value == before.value));
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
