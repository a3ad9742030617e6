//! A comparison as text.

use std::collections::BTreeSet;

use super::arms::{Arm, Comparison, Row};
use crate::diagnostics::visible;
use crate::table::{self, Align, Style};

/// What stands where an arm has nothing of that name.
const NONE: &str = "–";

/// More letters of a value are not shown: the page has them.
const LONGEST: usize = 14;

/// The runs, what differs between them, and the numbers that they have found, no wider than `width`.
pub fn render(comparison: &Comparison, style: Style, width: usize) -> String {
    let none = if style == Style::Ascii { "-" } else { NONE };
    let mut text = String::new();
    let say = |text: &mut String, line: &str| {
        for line in table::wrap(&visible(line), width) {
            text.extend([line.as_str(), "\n"]);
        }
    };
    for doubt in &comparison.doubts {
        say(&mut text, &format!("! {doubt}"));
    }
    if !comparison.doubts.is_empty() {
        text.push('\n');
    }
    for arm in &comparison.arms {
        say(&mut text, &format!("{}  {}", arm.name, runs(arm)));
    }
    let names = comparison.arms.iter().map(|arm| (arm.name.as_str(), Align::Right));
    if !comparison.differences.is_empty() {
        let heading: Vec<_> =
            [("what differs", Align::Left)].into_iter().chain(names.clone()).collect();
        let rows = comparison.differences.iter().map(|own| {
            let cells = [own.name.clone()].into_iter().chain(cuts(&own.values, none, style));
            cells.map(|cell| visible(&cell).into_owned()).collect::<Vec<_>>()
        });
        text.push('\n');
        text += &table::render(&heading, &rows.collect::<Vec<_>>(), style, width);
    }
    if comparison.rows.is_empty() {
        text += "\nnone of them has evaluated anything\n";
        return text;
    }
    let heading = [("stage", Align::Left), ("what", Align::Left)].into_iter().chain(names);
    let is_marked = comparison.rows.iter().any(has_best);
    let mut protocols: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for row in &comparison.rows {
        let cells = row.cells.iter().map(|cell| match cell {
            None => none.to_owned(),
            Some(cell) if cell.is_best => format!("{} *", ascii(cell.shown(&row.unit), style)),
            // The place of the mark is left, so that digits stand below each other.
            Some(cell) if is_marked => format!("{}  ", ascii(cell.shown(&row.unit), style)),
            Some(cell) => ascii(cell.shown(&row.unit), style),
        });
        rows.push(
            [row.stage.clone(), row.what.clone()].into_iter().chain(cells).collect::<Vec<_>>(),
        );
        for cell in row.cells.iter().flatten() {
            let protocol = cell.said();
            if !protocols.contains(&protocol) {
                protocols.push(protocol);
            }
        }
    }
    text.push('\n');
    text += &table::render(&heading.collect::<Vec<_>>(), &rows, style, width);
    text.push('\n');
    say(&mut text, &ascii(legend(comparison), style));
    for protocol in protocols {
        for (index, line) in
            table::wrap(&visible(&protocol), width.saturating_sub(2)).iter().enumerate()
        {
            text.extend([if index == 0 { "- " } else { "  " }, line, "\n"]);
        }
    }
    text
}

/// The values of a row, as much of each as a column of several takes: what tells them apart.
fn cuts(values: &[Option<String>], none: &str, style: Style) -> Vec<String> {
    let values: Vec<&str> = values.iter().map(|value| value.as_deref().unwrap_or(none)).collect();
    let short: Vec<String> = values.iter().map(|value| cut(value, style)).collect();
    let kinds = |all: Vec<&str>| all.into_iter().collect::<BTreeSet<_>>().len();
    if kinds(short.iter().map(String::as_str).collect()) == kinds(values.clone()) {
        return short;
    }
    // From the argument in which they part.
    let same = |at: usize| values.iter().all(|own| own.get(..at) == values[0].get(..at));
    let most = values[0].len();
    let parts = (0..=most).take_while(|at| same(*at)).last().unwrap_or(0);
    let start = values[0].get(..parts).and_then(|own| own.rfind(['(', ','])).map_or(0, |at| at + 1);
    let more = if style == Style::Ascii { "..." } else { "…" };
    let rest = |value: &&str| match value.get(start..) {
        Some(rest) if start > 0 => format!("{more}{}", cut(rest.trim_start(), style)),
        _ => cut(value, style),
    };
    values.iter().map(rest).collect()
}

/// A value, as much of it as a column of several takes.
fn cut(value: &str, style: Style) -> String {
    let more = if style == Style::Ascii { "..." } else { "…" };
    match value.char_indices().nth(LONGEST) {
        None => value.to_owned(),
        Some((end, _)) => value[..end].trim_end().to_owned() + more,
    }
}

fn has_best(row: &Row) -> bool {
    row.cells.iter().flatten().any(|cell| cell.is_best)
}

fn ascii(text: String, style: Style) -> String {
    if style == Style::Ascii { text.replace('±', "+-") } else { text }
}

fn legend(comparison: &Comparison) -> String {
    let mut parts = Vec::new();
    if comparison.rows.iter().any(|row| row.unit == "share") {
        parts.push("in percent");
    }
    if comparison
        .rows
        .iter()
        .flat_map(|row| &row.cells)
        .flatten()
        .any(|own| own.deviation.is_some())
    {
        parts.push("± the standard deviation over the seeds");
    }
    if comparison.rows.iter().any(has_best) {
        parts.push("* the best of what was measured in one way");
    }
    parts.push("measured so:");
    parts.join("; ")
}

/// `moco_cifar10 on flex, seeds 0 and 1: runs/a, runs/b`.
fn runs(arm: &Arm) -> String {
    format!("{} on {}, {}: {}", arm.pipeline, arm.device, seeds(arm), arm.folders.join(", "))
}

pub fn seeds(arm: &Arm) -> String {
    let numbers: Vec<String> = arm.seeds.iter().map(u64::to_string).collect();
    match numbers.as_slice() {
        [one] => format!("seed {one}"),
        [most @ .., last] => format!("seeds {} and {last}", most.join(", ")),
        [] => String::new(),
    }
}
