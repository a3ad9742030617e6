//! What a run would do, as people and scripts read it.

use serde_json::{Value, json};

use super::line::duration;
use crate::check::Origin;
use crate::data::Supply;
use crate::diagnostics::{amount, visible};
use crate::run::plan::{Blocked, Change, Next, Plan, Planned, Training};
use crate::run::{Reason, Run};
use crate::source::Sources;
use crate::store::checkpoint::Standing;
pub use crate::table::Style;
use crate::table::{self, Align};

/// Of the JSON form. Grows when a field goes or changes its meaning; a new field leaves it as it is.
const VERSION: u32 = 1;

/// How many differences the table shows.
const SHOWN: usize = 3;
/// How many characters of a value the table shows.
const LONGEST: usize = 40;

/// A table of the stages in the order in which they would run, and below it what they take in all.
/// `verbose` adds every difference and number. Nothing but what is verbose is wider than `width`.
pub fn render(
    plan: &Plan<'_>,
    sources: &Sources,
    style: Style,
    width: usize,
    verbose: bool,
) -> String {
    let words = Words { sources, style, verbose };
    let rows: Vec<[String; 8]> = plan.stages.iter().map(|own| words.row(own)).collect();
    let is_measured = plan.stages.iter().any(|own| own.seconds.is_some());
    let heading = [
        ("stage", Align::Left),
        ("", Align::Left),
        ("steps", Align::Right),
        ("params", Align::Right),
        ("FLOPs", Align::Right),
        ("memory", Align::Right),
        (if is_measured { "time" } else { "" }, Align::Right),
        ("why", Align::Left),
    ];
    let mut lines = Vec::new();
    if verbose {
        plan.stages.iter().for_each(|own| lines.extend(words.details(own)));
    }
    lines.extend(summary(plan));
    let mut text = table::render(&heading, &rows, style, width);
    text.push('\n');
    for line in lines {
        for line in table::wrap(&visible(&line), width) {
            text.extend([line.as_str(), "\n"]);
        }
    }
    text
}

struct Words<'s> {
    sources: &'s Sources,
    style: Style,
    verbose: bool,
}

impl Words<'_> {
    fn row(&self, own: &Planned<'_>) -> [String; 8] {
        let known = |number: u128, text: String| if number > 0 { text } else { String::new() };
        let number = |text: Option<String>| match own.is_cached() {
            true => String::new(),
            false => text.unwrap_or_default(),
        };
        let steps = own.training.and_then(|training| training.steps).map(|steps| steps.to_string());
        let (room, operations) = (own.room, own.operations_left().unwrap_or(0));
        let memory = own.work.map_or(room.memory, |work| work.memory);
        [
            own.stage.name.clone(),
            word(&own.next).replace('-', " "),
            number(steps),
            number(Some(known(room.parameters, short(room.parameters)))),
            number(Some(known(operations, short(operations)))),
            number(Some(known(memory, amount(memory)))),
            number(own.seconds.map(duration)),
            visible(&self.why(own)).into_owned(),
        ]
    }

    fn why(&self, own: &Planned<'_>) -> String {
        if let Some(text) = stated(&own.next) {
            return text;
        }
        if let Next::Cached = own.next {
            return String::new();
        }
        let history = &own.history;
        match history.has_run {
            None => return Reason::Absent.to_string(),
            Some(false) => return "never run".to_owned(),
            Some(true) => {}
        }
        let mut parts: Vec<String> =
            own.waits_for.iter().map(|name| format!("`{name}` is to run")).collect();
        let others = history.inputs.iter().filter(|name| !own.waits_for.contains(&name.as_str()));
        parts.extend(others.map(|name| format!("`{name}` is another one")));
        let shown = if self.verbose { history.changes.len() } else { SHOWN };
        parts.extend(history.changes.iter().take(shown).map(|change| self.change(change)));
        match history.changes.len().saturating_sub(shown) {
            0 => {}
            more => parts.push(format!("and {more} more (-v)")),
        }
        if parts.is_empty() {
            parts.push("its text has changed".to_owned());
        }
        parts.join("; ")
    }

    /// `moco.temperature` 0.1 → 0.2, from -o
    fn change(&self, change: &Change) -> String {
        let arrow = match self.style {
            Style::Ascii => "->",
            Style::Unicode => "→",
        };
        let value = |value: &Option<String>| match value {
            None => "none".to_owned(),
            Some(value) if self.verbose => value.clone(),
            Some(value) => cut(value),
        };
        let from = cause(change, self.sources).map(|cause| format!(", from {cause}"));
        let (before, after) = (value(&change.before), value(&change.after));
        format!("`{}` {before} {arrow} {after}{}", change.name, from.unwrap_or_default())
    }

    /// The numbers of a stage that is to run.
    fn details(&self, own: &Planned<'_>) -> Option<String> {
        let Training { examples, batch, parts: passed, steps, epochs } =
            own.training.filter(|_| !own.is_cached())?;
        let mut parts = Vec::new();
        parts.extend(steps.map(|steps| format!("{steps} steps")));
        parts.extend(epochs.map(|epochs| format!("{epochs} epochs")));
        parts.extend(examples.map(|examples| format!("{examples} examples")));
        parts.push(match passed {
            1 => format!("batches of {batch}"),
            passed => format!("batches of {batch} in {passed} parts"),
        });
        let room = own.room;
        parts.push(format!("trains {} of {} parameters", room.trained, room.parameters));
        parts.extend(own.work.map(|work| format!("{} FLOPs a step", short(work.operations))));
        parts.push(format!("at least {} of memory", amount(room.memory)));
        parts.push(format!("{} kept", amount(room.outputs)));
        parts.push(format!("{} of checkpoints", amount(room.checkpoints)));
        Some(format!("{}: {}", own.stage.name, parts.join(", ")))
    }
}

/// Where the value of a change comes from.
fn cause(change: &Change, sources: &Sources) -> Option<String> {
    Some(match change.cause.as_ref()?.root() {
        Origin::Profile(name, _) => format!("profile {name}"),
        origin => origin.show(sources),
    })
}

/// What is to become of a stage, in one word.
fn word(next: &Next) -> &'static str {
    match next {
        Next::Cached | Next::SameAs(_) => "cached",
        Next::Run { .. } => "to-run",
        Next::Blocked(_) => "blocked",
    }
}

/// Why, where that is no difference from what is stored.
fn stated(next: &Next) -> Option<String> {
    match next {
        Next::Cached => None,
        Next::SameAs(name) => Some(format!("the same as `{name}`")),
        Next::Run { reason: Reason::Absent, .. } => None,
        Next::Run { reason, standing: Some(Standing { step, .. }) } => {
            Some(format!("{reason}; it goes on after step {step}"))
        }
        Next::Run { reason: reason @ Reason::Interrupted, standing: None } => {
            Some(format!("{reason}; it starts anew"))
        }
        Next::Run { reason, standing: None } => Some(reason.to_string()),
        Next::Blocked(Blocked::Elsewhere { holder }) if holder.is_empty() => {
            Some("another process computes it".to_owned())
        }
        Next::Blocked(Blocked::Elsewhere { holder }) => Some(format!("{holder}, computes it")),
        // Of a table, what it is of: the run shows it.
        Next::Blocked(Blocked::By(cause)) => {
            let first = cause.message().lines().next().unwrap_or_default().to_owned();
            Some(first.trim_end_matches(':').to_owned())
        }
    }
}

fn summary(plan: &Plan<'_>) -> Vec<String> {
    let count = |wanted: &str| plan.stages.iter().filter(|own| word(&own.next) == wanted).count();
    let mut counts =
        vec![format!("{} cached", count("cached")), format!("{} to run", count("to-run"))];
    match count("blocked") {
        0 => {}
        blocked => counts.push(format!("{blocked} blocked")),
    }
    let steps = plan.steps();
    if steps > 0 {
        counts.push(format!("{steps} steps"));
    }
    let operations = plan.operations();
    if operations > 0 {
        counts.push(format!("{} FLOPs", short(operations)));
    }
    counts.extend(plan.seconds().filter(|seconds| *seconds > 0.0).map(duration));
    let mut lines = vec![counts.join(", ")];
    let room = plan.room;
    if room.memory > 0 || room.disk > 0 {
        let memory = match (room.measured, room.expected) {
            (Some(measured), _) => amount(measured),
            (None, Some(expected)) => format!("about {}", amount(expected)),
            (None, None) => format!("at least {}", amount(room.memory)),
        };
        lines.push(format!("takes {memory} of memory and {} of disk", amount(room.disk)));
    }
    for (dataset, supply) in &plan.datasets {
        lines.push(match supply {
            Supply::Made => continue,
            Supply::Found(path) => format!("{dataset} is in {}", path.display()),
            Supply::Download { bytes } => {
                format!("{dataset} is to be downloaded: {}", amount(u128::from(*bytes)))
            }
        });
    }
    if let Some((stage, said)) = plan.obstacle() {
        let stage = stage.map(|stage| format!(" for `{stage}`")).unwrap_or_default();
        let mut said = said.lines();
        let first = said.next().unwrap_or_default();
        lines.push(format!("`run` would end before it begins{stage}: {first}"));
        // Of a table, its rows.
        lines.extend(said.map(str::to_owned));
    }
    lines
}

/// The start of a value that is long.
fn cut(value: &str) -> String {
    match value.char_indices().nth(LONGEST) {
        None => value.to_owned(),
        Some((at, _)) => format!("{}...", value[..at].trim_end()),
    }
}

/// A count: `11.2M`.
fn short(number: u128) -> String {
    let scales = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let number = number as f64;
    match scales.into_iter().find(|(scale, _)| number >= *scale) {
        None => format!("{number}"),
        Some((scale, letter)) => format!("{:.1}{letter}", number / scale),
    }
}

/// The plan as one object. Sizes are in bytes; what is not known is null.
pub fn json(plan: &Plan<'_>, run: &Run<'_>, sources: &Sources) -> String {
    let stages: Vec<Value> = plan.stages.iter().map(|own| stage(own, sources)).collect();
    let dataset = |(name, supply): (&String, &Supply)| match supply {
        Supply::Made => json!({ "dataset": name, "supply": "made" }),
        Supply::Found(path) => {
            json!({ "dataset": name, "supply": "found", "path": path.to_string_lossy() })
        }
        Supply::Download { bytes } => {
            json!({ "dataset": name, "supply": "download", "bytes": bytes })
        }
    };
    let object = json!({
        "version": VERSION,
        "pipeline": run.graph.name,
        "graph": run.graph.hash(),
        "seed": run.seed,
        "device": run.device.kind,
        "stages": stages,
        "datasets": plan.datasets.iter().map(dataset).collect::<Vec<_>>(),
        "steps": plan.steps(),
        "flops": number(plan.operations()),
        "seconds": plan.seconds(),
        "memory": number(plan.room.memory),
        "expected_memory": plan.room.expected.map(number),
        "measured_memory": plan.room.measured.map(number),
        "disk": number(plan.room.disk),
        "obstacle": plan.obstacle().map(|(_, said)| said),
    });
    serde_json::to_string_pretty(&object).expect("a plan is plain data")
}

fn stage(own: &Planned<'_>, sources: &Sources) -> Value {
    let history = &own.history;
    let change = |change: &Change| {
        json!({
            "name": change.name,
            "before": change.before,
            "after": change.after,
            "from": cause(change, sources),
        })
    };
    let (step, reason) = match &own.next {
        Next::Run { reason, standing } => {
            (standing.map(|standing| standing.step), Some(reason.to_string()))
        }
        next => (None, stated(next)),
    };
    let training = own.training.map(|training| {
        json!({
            "examples": training.examples,
            "batch": training.batch,
            "accumulate": training.parts,
            "steps": training.steps,
            "epochs": training.epochs,
            "parameters": number(own.room.parameters),
            "trained": number(own.room.trained),
            "memory": number(own.room.memory),
            "outputs": number(own.room.outputs),
            "checkpoints": number(own.room.checkpoints),
        })
    });
    json!({
        "name": own.stage.name,
        "kind": own.stage.kind.name(),
        "hash": own.stage.hash,
        "state": word(&own.next),
        "reason": reason,
        "from_step": step,
        "has_run": history.has_run,
        "changes": history.changes.iter().map(change).collect::<Vec<_>>(),
        "waits_for": own.waits_for,
        "inputs_changed": history.inputs,
        "training": training,
        "flops": own.operations_left().map(number),
        "expected_memory": own.work.map(|work| number(work.memory)),
        "seconds": own.seconds,
        "unmeasured": own.unmeasured,
    })
}

/// JSON's numbers end at 64 bits.
fn number(number: u128) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short() {
        let counts = [0, 999, 1000, 11_173_962, 2_000_000_000, 44_125_700_000_000_000].map(short);
        assert_eq!(counts, ["0", "999", "1.0k", "11.2M", "2.0G", "44.1P"]);
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        assert_eq!(cut("größe"), "größe");
        assert_eq!(cut(&"ö".repeat(50)), "ö".repeat(40) + "...");
    }
}
