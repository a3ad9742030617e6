//! How the classes were told apart, as tables of the page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::arms::Comparison;
use super::page::{COLOURS, chip, small, table};
use super::record::{Counts, Record};
use crate::docs::escape;

/// Of more, a matrix is no picture, and not every confusion is kept.
const MOST: usize = 32;

/// How much of an arm's colour is behind what is always given, in percent, so that it can be read.
const DARKEST: f64 = 55.0;

/// How many of each class were given their own, where that was counted, and which others were given.
pub(super) fn classes(comparison: &Comparison, records: &[Record]) -> String {
    let mut html = String::new();
    for row in &comparison.rows {
        let of = |run: &usize| {
            let numbers = records[*run].numbers.iter().filter(|own| own.stage == row.stage);
            numbers.filter_map(|own| own.counts.as_ref()).next_back()
        };
        let counts: Vec<Vec<_>> =
            comparison.arms.iter().map(|arm| arm.runs.iter().filter_map(of).collect()).collect();
        let most = counts.iter().flatten().map(|own| own.classes.len()).max().unwrap_or_default();
        let already = html.contains(&format!("<summary>{} by class", escape(&row.stage)));
        if most == 0 || already {
            continue;
        }
        let share = |class: usize, runs: &Vec<&Counts>| {
            let found = runs.iter().filter_map(|own| own.classes.get(class));
            let [correct, total] = found
                .fold([0, 0], |[correct, total], own| [correct + own.correct, total + own.total]);
            if total == 0 {
                return "–".to_owned();
            }
            let percent = |count: u64| format!("{:.1}", 100.0 * count as f64 / total as f64);
            let others = mistaken(runs, class).into_iter();
            let others = others.map(|(given, count)| format!("as {given} {}", percent(count)));
            let others = others.collect::<Vec<_>>().join(", ");
            let below = if others.is_empty() { others } else { small(&others) };
            percent(correct) + &below
        };
        let line = |class: usize| {
            (class.to_string(), counts.iter().map(|runs| share(class, runs)).collect())
        };
        let rows: Vec<_> = (0..most).map(line).collect();
        let _ = write!(
            html,
            "<details><summary>{} by class, in percent</summary>\n{}{}</details>\n",
            escape(&row.stage),
            table(comparison, "class", &rows),
            matrices(comparison, &counts)
        );
    }
    match html.is_empty() {
        true => html,
        false => format!("<section>\n<h2>By class</h2>\n{html}</section>\n"),
    }
}

/// The classes that a class was most often mistaken for, at most two, with how often over all runs.
fn mistaken(runs: &[&Counts], class: usize) -> Vec<(usize, u64)> {
    let mut all: BTreeMap<usize, u64> = BTreeMap::new();
    for own in runs.iter().flat_map(|own| &own.confused).filter(|own| own.class == class) {
        *all.entry(own.given).or_default() += own.count;
    }
    let mut all: Vec<(usize, u64)> = all.into_iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all.truncate(2);
    all
}

/// For each arm what its classes were given, over all of its runs: a row is a class.
fn matrices(comparison: &Comparison, counts: &[Vec<&Counts>]) -> String {
    let mut html = String::new();
    for (place, (arm, runs)) in comparison.arms.iter().zip(counts).enumerate() {
        let Some(matrix) = confusion(runs) else { continue };
        let _ = write!(
            html,
            "<figure class=\"wide\">\n<figcaption>{} what each class was given: its row, in \
             percent</figcaption>\n<table class=\"matrix\">\n<tr><th></th>",
            chip(place, &arm.name)
        );
        for given in 0..matrix.len() {
            let _ = write!(html, "<th scope=\"col\">{given}</th>");
        }
        html += "</tr>\n";
        for (class, row) in matrix.iter().enumerate() {
            let _ = write!(html, "<tr><th scope=\"row\">{class}</th>");
            let total = row.iter().sum::<u64>().max(1) as f64;
            for count in row {
                let share = *count as f64 / total;
                let shown = if *count == 0 { "·".to_owned() } else { percent(share) };
                let _ = write!(
                    html,
                    "<td style=\"background: color-mix(in srgb, var(--arm{}) {:.1}%, transparent)\">\
                     {shown}</td>",
                    place % COLOURS,
                    DARKEST * share
                );
            }
            html += "</tr>\n";
        }
        html += "</table></figure>\n";
    }
    match html.is_empty() {
        true => html,
        false => format!("<div class=\"charts\">\n{html}</div>\n"),
    }
}

/// A share without digits behind the point, and what is less than one as such.
fn percent(share: f64) -> String {
    match 100.0 * share {
        some if some < 1.0 => "&lt;1".to_owned(),
        some => some.round().to_string(),
    }
}

/// How often each class was given each, over all runs; `None` of too many classes, and where runs
/// have not kept all.
fn confusion(runs: &[&Counts]) -> Option<Vec<Vec<u64>>> {
    let classes = runs.iter().map(|own| own.classes.len()).max().filter(|own| *own <= MOST)?;
    let mut matrix = vec![vec![0; classes]; classes];
    let mut totals = vec![0; classes];
    for run in runs {
        for (class, own) in run.classes.iter().enumerate() {
            matrix[class][class] += own.correct;
            totals[class] += own.total;
        }
        for own in &run.confused {
            *matrix.get_mut(own.class)?.get_mut(own.given)? += own.count;
        }
    }
    let is_whole = matrix.iter().zip(totals).all(|(row, total)| row.iter().sum::<u64>() == total);
    is_whole.then_some(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::record::{Class, Confused};

    fn counts(correct: [u64; 2], confused: &[[u64; 3]]) -> Counts {
        let confused = confused.iter().map(|[class, given, count]| Confused {
            class: *class as usize,
            given: *given as usize,
            count: *count,
        });
        Counts {
            classes: correct.map(|correct| Class { correct, total: 10 }).into(),
            confused: confused.collect(),
        }
    }

    #[test]
    fn confusions_of_all_runs_are_added_where_all_are_there() {
        let one = counts([8, 10], &[[0, 1, 2]]);
        let other = counts([10, 7], &[[1, 0, 3]]);
        assert_eq!(confusion(&[&one, &other]), Some(vec![vec![18, 2], vec![3, 17]]));
        // As runs of earlier versions are, and those of very many classes.
        assert_eq!(confusion(&[&one, &counts([8, 10], &[])]), None);
        assert_eq!(confusion(&[&counts([8, 10], &[[0, 2, 2]])]), None);
        assert_eq!(confusion(&[]), None);
    }

    #[test]
    fn shares_are_whole_percents() {
        let shown = [1.0, 0.996, 0.12, 0.025, 0.01, 0.009, 0.001].map(percent);
        assert_eq!(shown, ["100", "100", "12", "3", "1", "&lt;1", "&lt;1"]);
    }
}
