//! Runs beside each other: which are the same but for the seed, what differs between the others,
//! and what each has found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::record::{Made, Number, Record};
use crate::check::types::TypeName;
use crate::resolve::declaration;

/// What a comparison says.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub arms: Vec<Arm>,
    /// Values that are not the same in all arms.
    pub differences: Vec<Difference>,
    pub rows: Vec<Row>,
    /// What keeps numbers from being compared as they stand.
    pub doubts: Vec<String>,
}

/// Runs of one graph on one kind of device, which differ in their seeds alone.
#[derive(Debug, Serialize)]
pub struct Arm {
    /// `A`, `B`, … in the order in which they were named.
    pub name: String,
    pub pipeline: String,
    pub device: String,
    pub seeds: Vec<u64>,
    pub folders: Vec<String>,
    /// The places of its runs among all.
    #[serde(skip)]
    pub runs: Vec<usize>,
}

/// A value, as each arm has it; `None` where it has none of that name.
#[derive(Debug, Serialize)]
pub struct Difference {
    pub name: String,
    pub values: Vec<Option<String>>,
}

/// One number, as each arm has found it.
#[derive(Debug, Serialize)]
pub struct Row {
    pub stage: String,
    pub what: String,
    pub unit: String,
    pub better: String,
    pub cells: Vec<Option<Cell>>,
}

/// A number over the seeds of an arm.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    pub mean: f64,
    /// The sample's standard deviation, of two seeds or more.
    pub deviation: Option<f64>,
    pub seeds: usize,
    pub protocol: String,
    /// Whether it is the best of those that were measured in the same way.
    pub is_best: bool,
}

impl Comparison {
    /// Puts runs beside each other.
    pub fn of(records: &[Record]) -> Self {
        let mut doubts = Vec::new();
        let arms = arms(records, &mut doubts);
        let differences = differences(records, &arms);
        let has_one_dataset = has_one_dataset(records, &arms, &mut doubts);
        let rows = rows(records, &arms, has_one_dataset, &mut doubts);
        Comparison { arms, differences, rows, doubts }
    }
}

fn arms(records: &[Record], doubts: &mut Vec<String>) -> Vec<Arm> {
    let mut arms: Vec<Arm> = Vec::new();
    for (place, record) in records.iter().enumerate() {
        let made = &record.made;
        let is_own = |arm: &&mut Arm| {
            let first = &records[arm.runs[0]].made;
            (&first.graph, &first.device, &first.cpipe) == (&made.graph, &made.device, &made.cpipe)
                && reads_the_same(first, made)
        };
        if let Some(arm) = arms.iter_mut().find(is_own) {
            if let Some(same) = arm.seeds.iter().position(|seed| *seed == made.seed) {
                // What was stopped is finished by a run of the same seed.
                let mut left_out = place;
                if !records[arm.runs[same]].has_finished && record.has_finished {
                    left_out = std::mem::replace(&mut arm.runs[same], place);
                    arm.folders[same].clone_from(&record.place);
                }
                doubts.push(format!(
                    "{} is of the seed of another run of {}: it is left out",
                    records[left_out].place, arm.name
                ));
                continue;
            }
            arm.seeds.push(made.seed);
            arm.folders.push(record.place.clone());
            arm.runs.push(place);
            continue;
        }
        arms.push(Arm {
            name: name(arms.len()),
            pipeline: made.pipeline.clone(),
            device: made.device.clone(),
            seeds: vec![made.seed],
            folders: vec![record.place.clone()],
            runs: vec![place],
        });
    }
    for record in arms.iter().flat_map(|arm| &arm.runs).map(|run| &records[*run]) {
        if !record.has_finished {
            doubts.push(format!("{} has not finished: what is missing is not there", record.place));
        }
        for number in &record.numbers {
            if let Some(warning) = &number.warning {
                doubts.push(format!("{} of {}: {}", number.stage, record.place, warning.message));
            }
        }
    }
    arms
}

/// `A` to `Z`, then `AA`.
fn name(place: usize) -> String {
    let letter = char::from(b'A' + (place % 26) as u8);
    match place / 26 {
        0 => letter.to_string(),
        more => name(more - 1) + &letter.to_string(),
    }
}

/// Whether no folder or file that both have read is known to have been another one.
fn reads_the_same(one: &Made, other: &Made) -> bool {
    let is_same = |(text, own)| other.contents.get(text).is_none_or(|other| other == own);
    one.contents.iter().all(is_same)
}

/// In the order in which the first arm that has a value names it.
fn differences(records: &[Record], arms: &[Arm]) -> Vec<Difference> {
    let of = |arm: &Arm| {
        let made = &records[arm.runs[0]].made;
        let own = [
            ("pipeline", made.pipeline.clone()),
            ("device", made.device.clone()),
            ("cpipe", made.cpipe.clone()),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        let held = made.contents.iter();
        let held = held.map(|(call, own)| {
            (format!("what {} holds", named(call)), own.chars().take(12).collect())
        });
        let own = own.chain(held);
        let values = made.values.iter().map(|own| (own.name.clone(), own.value.clone()));
        own.chain(values).collect::<Vec<_>>()
    };
    let all: Vec<Vec<(String, String)>> = arms.iter().map(of).collect();
    let mut names: Vec<&String> = Vec::new();
    let mut known = BTreeSet::new();
    for (name, _) in all.iter().flatten() {
        if known.insert(name) {
            names.push(name);
        }
    }
    let by_name: Vec<BTreeMap<&String, &String>> =
        all.iter().map(|own| own.iter().map(|(name, value)| (name, value)).collect()).collect();
    // What is made of others says no more than what made it: they are values of their own.
    let outlines = |name: &String| -> Vec<Option<String>> {
        by_name.iter().map(|own| own.get(name).map(|value| outline(value))).collect()
    };
    let differs = |values: &[Option<String>]| values.iter().any(|own| *own != values[0]);
    let difference = |name: &String| {
        let values = outlines(name);
        differs(&values).then(|| Difference { name: name.clone(), values })
    };
    let mut found: Vec<Difference> = names.iter().filter_map(|name| difference(name)).collect();
    found.extend(formulas(records, arms));
    if !found.is_empty() || arms.len() < 2 {
        return found;
    }
    let whole = names.into_iter().map(|name| Difference {
        name: name.clone(),
        values: by_name.iter().map(|own| own.get(name).map(|value| (*value).clone())).collect(),
    });
    whole.filter(|own| differs(&own.values)).collect()
}

/// What no value tells: of the same ones, defines compute something else.
fn formulas(records: &[Record], arms: &[Arm]) -> Option<Difference> {
    let made: Vec<&Made> = arms.iter().map(|arm| &records[arm.runs[0]].made).collect();
    let is_other = |(place, one): (usize, &&Made)| {
        made[..place].iter().any(|other| one.graph != other.graph && one.values == other.values)
    };
    let mut others = made.iter().enumerate().filter(|own| is_other(*own));
    others.next()?;
    let digest = |made: &&Made| Some(made.graph.chars().take(12).collect());
    let name = "what the defines compute".to_owned();
    Some(Difference { name, values: made.iter().map(digest).collect() })
}

/// A value without the arguments of what it calls: `sgd`, `random_resized_crop >> gaussian_blur`.
fn outline(value: &str) -> String {
    let (mut depth, mut kept) = (0_usize, String::new());
    for letter in value.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => kept.push(letter),
            _ => {}
        }
    }
    kept
}

/// Whether all arms are of the same images; a doubt is added where they are not.
fn has_one_dataset(records: &[Record], arms: &[Arm], doubts: &mut Vec<String>) -> bool {
    let data: Vec<Datasets> = arms.iter().map(|arm| datasets(&records[arm.runs[0]].made)).collect();
    if data.iter().all(|own| are_the_same(&data[0], own)) {
        return true;
    }
    let names = data.iter().map(|own| own.keys().map(String::as_str).collect::<Vec<_>>());
    let names: BTreeSet<String> = names.map(|own| own.join(" and ")).collect();
    let names: Vec<String> = names.into_iter().collect();
    let what = match names.as_slice() {
        [same] => format!("{same} held other images in some"),
        others => format!("some are of {}", others.join(", others ")),
    };
    doubts.push(format!("{what}: their numbers say nothing of each other"));
    false
}

/// The digest of a dataset's images, where it is known, by its name and, where it has one, its path.
type Datasets = BTreeMap<String, Option<String>>;

/// Images are the same by their digests, and by their names where a digest is not known.
fn are_the_same(ones: &Datasets, others: &Datasets) -> bool {
    let is_same = |(name, own): (&String, &Option<String>)| match own {
        Some(own) if others.values().flatten().any(|other| other == own) => true,
        _ => others.get(name).is_some_and(|other| own.is_none() || other.is_none()),
    };
    ones.len() == others.len() && ones.iter().all(is_same)
}

/// The datasets among the values of a run.
fn datasets(made: &Made) -> Datasets {
    let is_dataset = |text: &&str| {
        let made_by = text.split('(').next().and_then(declaration);
        made_by.is_some_and(|own| own.makes(TypeName::Dataset.text()))
    };
    let calls = made.values.iter().map(|own| own.value.as_str());
    let calls = calls.filter(|text| text.contains('(')).filter(is_dataset);
    let told = |text| {
        let name = named(text);
        let digest = made.contents.iter().find(|(own, _)| named(own) == name);
        (name, digest.map(|(_, own)| own.clone()))
    };
    calls.map(told).collect()
}

/// A call by its name and, where it has one, its path.
fn named(call: &str) -> String {
    let (name, arguments) = call.split_once('(').unwrap_or((call, ""));
    match arguments.split('"').nth(1) {
        Some(path) => format!("{name}(\"{path}\")"),
        None => name.to_owned(),
    }
}

fn rows(
    records: &[Record],
    arms: &[Arm],
    has_one_dataset: bool,
    doubts: &mut Vec<String>,
) -> Vec<Row> {
    let mut keys: Vec<(String, String)> = Vec::new();
    let runs = arms.iter().flat_map(|arm| &arm.runs);
    for number in runs.flat_map(|run| &records[*run].numbers) {
        let key = (number.stage.clone(), number.what.clone());
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let row = |(stage, what): (String, String)| {
        let found = |run: &usize| {
            let mut own = records[*run].numbers.iter();
            own.find(|own| own.stage == stage && own.what == what)
        };
        let of = |arm: &Arm| arm.runs.iter().filter_map(found).collect::<Vec<&Number>>();
        let all: Vec<Vec<&Number>> = arms.iter().map(of).collect();
        let first = all.iter().flatten().next().expect("a key is that of a number");
        let (unit, better) = (first.unit.clone(), first.better.clone());
        let mut cells: Vec<Option<Cell>> = all.iter().map(|own| cell(own)).collect();
        let ways: BTreeSet<Vec<&str>> =
            all.iter().flatten().map(|own| way(&own.protocol)).collect();
        if has_one_dataset && ways.len() == 1 {
            mark(&mut cells, &better);
        }
        if ways.len() > 1 {
            doubts.push(format!(
                "`{stage}` is not measured in the same way in all of them, which its protocols say: \
                 compare its numbers only where they are alike"
            ));
        }
        Row { stage, what, unit, better, cells }
    };
    keys.into_iter().map(row).collect()
}

/// The parts of a protocol that two numbers have to share: not the width of the features, nor the
/// steps that a fit took, nor a penalty that it chose.
fn way(protocol: &str) -> Vec<&str> {
    let has_chosen = protocol.contains("chosen on ");
    let found = |part: &str| {
        part.contains(" features")
            || part.contains("converged in")
            || (has_chosen && part.starts_with("L2 penalty "))
    };
    let parts = protocol.split("; ").flat_map(|part| part.split(", "));
    parts.filter(|part| !found(part)).collect()
}

fn cell(numbers: &[&Number]) -> Option<Cell> {
    let first = numbers.first()?;
    let count = numbers.len() as f64;
    let mean = numbers.iter().map(|own| own.value).sum::<f64>() / count;
    let squares = numbers.iter().map(|own| (own.value - mean).powi(2)).sum::<f64>();
    let deviation = (numbers.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
    let protocol = first.protocol.clone();
    Some(Cell { mean, deviation, seeds: numbers.len(), protocol, is_best: false })
}

/// Marks the best, where there are several.
fn mark(cells: &mut [Option<Cell>], better: &str) {
    let there: Vec<&Cell> = cells.iter().flatten().collect();
    if there.len() < 2 {
        return;
    }
    let means = there.iter().map(|cell| cell.mean);
    let best = match better {
        "lower" => means.fold(f64::INFINITY, f64::min),
        _ => means.fold(f64::NEG_INFINITY, f64::max),
    };
    if there.iter().all(|cell| cell.mean == best) {
        return;
    }
    cells.iter_mut().flatten().for_each(|cell| cell.is_best = cell.mean == best);
}

impl Cell {
    /// The protocol without the steps that a fit took, which are other ones for each run.
    pub fn said(&self) -> String {
        let parts = self.protocol.split(", ").filter(|part| !part.contains("converged in"));
        parts.collect::<Vec<_>>().join(", ")
    }

    /// `86.62 ± 0.40`, in percent where it is a share.
    pub fn shown(&self, unit: &str) -> String {
        let number = |value: f64| match unit {
            "share" => format!("{:.2}", 100.0 * value),
            _ => significant(value),
        };
        match self.deviation {
            Some(deviation) => format!("{} ± {}", number(self.mean), number(deviation)),
            None => number(self.mean),
        }
    }
}

/// A number in four digits.
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    format!("{value:.digits$}")
}
