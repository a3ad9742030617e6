//! How a stage differs from what the store holds of earlier runs, in the words of its text.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::Run;
use crate::check::{Origin, Resolved};
use crate::graph::{Graph, Stage};
use crate::store::{Lineage, Lineages};

/// Makes the graph that the same text has where more values are overridden: names and values as `-o`
/// takes them. `None` where that is no program.
pub type Otherwise<'o> = &'o dyn Fn(&[(&str, &str)]) -> Option<Graph>;

/// What is known of earlier runs of a stage whose result is not stored.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Whether a stage of this name and kind, of a pipeline of this name, is stored; unknown where
    /// stages are stored that do not say so.
    pub has_run: Option<bool>,
    /// How it differs from the nearest of those, the most telling first.
    pub changes: Vec<Change>,
    /// The stages whose outputs it takes and that are other ones now.
    pub inputs: Vec<String>,
}

/// A value that was another one.
#[derive(Clone, Debug)]
pub struct Change {
    /// As `-o` takes it, or `seed`, `device` or `cpipe`.
    pub name: String,
    /// Absent where nothing was given.
    pub before: Option<String>,
    pub after: Option<String>,
    /// Where the value now comes from; absent for what is no value of the text.
    pub cause: Option<Origin>,
}

impl Run<'_> {
    /// Compares a stage with the nearest of those that are stored.
    pub(super) fn history(
        &self,
        stage: &Stage,
        lineages: &Lineages,
        otherwise: Otherwise<'_>,
    ) -> History {
        let now = self.lineage(stage);
        let alike = lineages.known.iter().filter(|made| {
            let made = &made.lineage;
            made.pipeline == now.pipeline && made.stage == now.stage && made.kind == now.kind
        });
        let nearest = alike.min_by_key(|made| (distance(&made.lineage, &now), Reverse(made.when)));
        let Some(nearest) = nearest else {
            let has_run = (lineages.unknown == 0).then_some(false);
            return History { has_run, ..History::default() };
        };
        let before = &nearest.lineage;
        let mut changes = surroundings(before, &now);
        changes.extend(self.values_changed(stage, before, otherwise));
        let is_other = |name: &&String| before.inputs.get(*name) != now.inputs.get(*name);
        let inputs = now.inputs.keys().filter(is_other).cloned().collect();
        History { has_run: Some(true), changes, inputs }
    }

    /// The values on which the work of the stage itself depends and that were other ones.
    fn values_changed(
        &self,
        stage: &Stage,
        before: &Lineage,
        otherwise: Otherwise<'_>,
    ) -> Vec<Change> {
        let stages: BTreeSet<&str> = self.graph.ordered().map(|own| own.name.as_str()).collect();
        let is_others = |path: &str| {
            let (first, _) = path.split_once('.').unwrap_or((path, ""));
            first != stage.name && stages.contains(first)
        };
        let own = |graph: &Graph| {
            graph.ordered().find(|other| other.name == stage.name).map(|other| graph.own(other))
        };
        let (now, mut then) = (own(self.graph), None);
        // A value of no stage matters to this one where the old value would make it another; where
        // that does not fit the other new values, where the new one would among the old ones.
        let mut matters = |path: &str, old: &str| {
            if let Some(graph) = otherwise(&[(path, old)]) {
                return Some(own(&graph) != now);
            }
            let olds = self.olds(before);
            let then = then.get_or_insert_with(|| otherwise(&olds)).as_ref()?;
            let others: Vec<(&str, &str)> =
                olds.iter().filter(|(name, _)| *name != path).copied().collect();
            Some(own(&otherwise(&others)?) != own(then))
        };
        let (mut changes, mut doubtful) = (Vec::new(), Vec::new());
        for Resolved { path, value, origin } in self.values {
            let old = before.values.get(path);
            if old == Some(value) || is_others(path) {
                continue;
            }
            let is_own = path.starts_with(&format!("{}.", stage.name));
            let matters =
                if is_own { Some(true) } else { old.map_or(Some(false), |old| matters(path, old)) };
            let change = Change {
                name: path.clone(),
                before: old.cloned(),
                after: Some(value.clone()),
                cause: Some(origin.clone()),
            };
            match matters {
                Some(true) => changes.push(change),
                Some(false) => {}
                None => doubtful.push(change),
            }
        }
        let given: BTreeSet<&str> = self.values.iter().map(|own| own.path.as_str()).collect();
        let dropped = before.values.iter().filter(|(path, _)| {
            path.starts_with(&format!("{}.", stage.name)) && !given.contains(path.as_str())
        });
        changes.extend(dropped.map(|(path, old)| Change {
            name: path.clone(),
            before: Some(old.clone()),
            after: None,
            cause: None,
        }));
        // What is not known to matter is better than nothing.
        if changes.is_empty() && before.inputs == self.lineage(stage).inputs {
            changes = doubtful;
        }
        telling(changes)
    }

    /// The values of an earlier run that are others now, but for those that hold others.
    fn olds<'b>(&self, before: &'b Lineage) -> Vec<(&'b str, &'b str)> {
        let differing = self.values.iter().filter_map(|own| {
            let (name, old) = before.values.get_key_value(&own.path)?;
            let is_plain = !old.contains('(') && !own.value.contains('(');
            (is_plain && *old != own.value).then_some((name.as_str(), old.as_str()))
        });
        differing.collect()
    }
}

/// What matters to every stage and is no value of the text.
fn surroundings(before: &Lineage, now: &Lineage) -> Vec<Change> {
    let pairs = [
        ("seed", before.seed.to_string(), now.seed.to_string()),
        ("device", before.device.clone(), now.device.clone()),
        ("cpipe", before.version.clone(), now.version.clone()),
    ];
    let changed = pairs.into_iter().filter(|(_, before, now)| before != now);
    changed
        .map(|(name, before, now)| Change {
            name: name.to_owned(),
            before: Some(before),
            after: Some(now),
            cause: None,
        })
        .collect()
}

/// How many values differ.
fn distance(before: &Lineage, now: &Lineage) -> usize {
    let all: BTreeSet<&String> = before.values.keys().chain(now.values.keys()).collect();
    let differs = |name: &&&String| before.values.get(**name) != now.values.get(**name);
    let inputs = now.inputs.iter().filter(|(name, hash)| before.inputs.get(*name) != Some(*hash));
    all.iter().filter(differs).count() + inputs.count() + surroundings(before, now).len()
}

/// The changes from which the others follow.
fn telling(changes: Vec<Change>) -> Vec<Change> {
    let leaves: Vec<&Change> = changes.iter().filter(|own| !own.is_composite()).collect();
    let is_explained = |own: &Change| own.is_composite() && own.follows(&leaves);
    let whole: Vec<&Change> =
        changes.iter().filter(|own| own.is_composite() && !is_explained(own)).collect();
    let below = |own: &Change, other: &Change| {
        own.name.strip_prefix(&other.name).is_some_and(|rest| rest.starts_with('.'))
    };
    // A value that came here by a name is told where it was given.
    let is_told = |own: &Change| {
        matches!(own.cause, Some(Origin::Named(..)))
            && changes.iter().any(|other| {
                other.name != own.name
                    && !matches!(other.cause, Some(Origin::Named(..)))
                    && (&other.before, &other.after) == (&own.before, &own.after)
                    && same_root(own.cause.as_ref(), other.cause.as_ref())
            })
    };
    let kept = changes.iter().filter(|own| {
        !is_explained(own) && !is_told(own) && !whole.iter().any(|other| below(own, other))
    });
    kept.cloned().collect()
}

impl Change {
    /// Whether it is of a value with values of its own.
    fn is_composite(&self) -> bool {
        [&self.before, &self.after].into_iter().flatten().any(|value| value.contains('('))
    }

    /// Whether it is the same value but for what other changes say.
    fn follows(&self, leaves: &[&Change]) -> bool {
        let (Some(before), Some(after)) = (&self.before, &self.after) else { return false };
        let (before, after) = (words(before), words(after));
        if before.len() != after.len() {
            return false;
        }
        let differing = before.iter().zip(&after).enumerate().filter(|(_, (old, new))| old != new);
        let mut is_some = false;
        for (index, (old, new)) in differing {
            is_some = true;
            let label = if index > 0 { before[index - 1] } else { "" };
            let is_said = leaves.iter().any(|leaf| {
                let is_below = leaf.name.starts_with(&format!("{}.", self.name));
                let is_same = leaf.before.as_deref().is_some_and(|own| is_equal(own, old))
                    && leaf.after.as_deref().is_some_and(|own| is_equal(own, new));
                // `tune_lr` may be what an argument `lr` is given.
                is_below || is_same && leaf.name.ends_with(label)
            });
            if !is_said {
                return false;
            }
        }
        is_some
    }
}

/// Names, numbers and words, without what stands between them.
fn words(value: &str) -> Vec<&str> {
    let between = |c: char| c.is_whitespace() || "(),:>".contains(c);
    value.split(between).filter(|word| !word.is_empty()).collect()
}

/// Whether two texts are one value: `0` is `0.0`.
fn is_equal(one: &str, other: &str) -> bool {
    let first = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    let number = |text: &str| text.parse::<f64>().ok();
    one == other
        || first(one) == other
        || number(one).is_some_and(|number_of| number(other) == Some(number_of))
}

fn same_root(one: Option<&Origin>, other: Option<&Origin>) -> bool {
    match (one.map(Origin::root), other.map(Origin::root)) {
        (Some(Origin::Override), Some(Origin::Override)) => true,
        (Some(Origin::Text(one)), Some(Origin::Text(other)))
        | (Some(Origin::Profile(_, one)), Some(Origin::Profile(_, other)))
        | (Some(Origin::Default(_, one)), Some(Origin::Default(_, other))) => one == other,
        _ => false,
    }
}
