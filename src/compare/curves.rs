//! What trainings have noted at their steps, as drawings.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::arms::{Comparison, significant};
use super::record::{Record, Step};
use crate::docs::escape;

/// More points than this no drawing shows.
const MOST_POINTS: usize = 240;

/// Of the drawing, in its own units: its width and height, and what is left around the lines.
const SIZE: [f64; 2] = [480.0, 300.0];
const LEFT: f64 = 62.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 14.0;
const BELOW: f64 = 36.0;

/// One quantity of one stage over its steps.
pub struct Chart {
    pub stage: String,
    pub quantity: String,
    lines: Vec<Line>,
}

struct Line {
    /// The place of its arm, and what it is called.
    arm: usize,
    title: String,
    /// Steps and values.
    points: Vec<[f64; 2]>,
}

/// A drawing for every quantity that any of the runs has noted.
pub fn charts(comparison: &Comparison, records: &[Record]) -> Vec<Chart> {
    let runs = || {
        let arms = comparison.arms.iter().enumerate();
        arms.flat_map(|(place, arm)| arm.runs.iter().map(move |run| (place, arm, &records[*run])))
    };
    let mut keys: Vec<(String, String)> = Vec::new();
    for (_, _, record) in runs() {
        for (stage, steps) in &record.curves {
            let metrics: BTreeSet<&String> =
                steps.iter().flat_map(|own| own.metrics.keys()).collect();
            let loss = "loss".to_owned();
            for quantity in [&loss].into_iter().chain(metrics) {
                let key = (stage.clone(), quantity.clone());
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
    }
    let chart = |(stage, quantity): (String, String)| {
        let line = |(place, arm, record): (usize, &super::arms::Arm, &Record)| {
            let points = points(record.curves.get(&stage)?, &quantity);
            let title = format!("{}, seed {}", arm.name, record.made.seed);
            (!points.is_empty()).then_some(Line { arm: place, title, points })
        };
        let lines = runs().filter_map(line).collect();
        Chart { stage, quantity, lines }
    };
    let all = keys.into_iter().map(chart);
    all.filter(|chart| !chart.lines.is_empty()).collect()
}

/// The means of as many stretches of steps as a drawing shows.
fn points(steps: &[Step], quantity: &str) -> Vec<[f64; 2]> {
    let value = |step: &Step| match quantity {
        "loss" => step.loss,
        name => step.metrics.get(name).copied().flatten(),
    };
    let all: Vec<[f64; 2]> =
        steps.iter().filter_map(|own| Some([own.step as f64, value(own)?])).collect();
    let size = all.len().div_ceil(MOST_POINTS).max(1);
    let mean = |part: &[[f64; 2]]| {
        let of = |axis: usize| part.iter().map(|own| own[axis]).sum::<f64>() / part.len() as f64;
        [of(0), of(1)]
    };
    all.chunks(size).map(mean).collect()
}

impl Chart {
    /// As SVG, whose colours are those of the page.
    pub fn svg(&self) -> String {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let ends = |axis: usize| {
            let values = all().map(|own| own[axis]);
            let low = values.clone().fold(f64::INFINITY, f64::min);
            let high = values.fold(f64::NEG_INFINITY, f64::max);
            if low < high { [low, high] } else { [low - 0.5, high + 0.5] }
        };
        let (steps, values) = (ends(0), ends(1));
        let place = |[low, high]: [f64; 2], value: f64| (value - low) / (high - low);
        let x = |step: f64| LEFT + place(steps, step) * (SIZE[0] - LEFT - RIGHT);
        let y = |value: f64| TOP + (1.0 - place(values, value)) * (SIZE[1] - TOP - BELOW);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} of {} by step\">\n",
            SIZE[0],
            SIZE[1],
            escape(&self.quantity),
            escape(&self.stage)
        );
        for tick in ticks(values) {
            let (at, right) = (y(tick), SIZE[0] - RIGHT);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"></path><text x=\"{}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                at + 5.0,
                label(tick)
            );
        }
        for tick in ticks(steps) {
            // The last one ends where the drawing does.
            let is_last = x(tick) > SIZE[0] - RIGHT - 12.0;
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{}\">{}</text>",
                x(tick),
                SIZE[1] - 12.0,
                if is_last { "end" } else { "middle" },
                label(tick)
            );
        }
        for line in &self.lines {
            let mut path = String::new();
            for [step, value] in &line.points {
                let letter = if path.is_empty() { 'M' } else { 'L' };
                let _ = write!(path, "{letter}{:.1} {:.1}", x(*step), y(*value));
            }
            let last = line.points.last().map_or(0.0, |own| own[1]);
            let title = format!("{}: {} at the end", line.title, significant(last));
            let _ = writeln!(
                svg,
                "<path class=\"line arm{}\" d=\"{path}\"><title>{}</title></path>",
                line.arm % super::page::COLOURS,
                escape(&title)
            );
        }
        svg + "</svg>\n"
    }
}

/// Round numbers between two ends, six or fewer.
fn ticks([low, high]: [f64; 2]) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|own| own * power).into_iter().find(|own| *own >= rough);
    let step = step.unwrap_or(rough);
    let first = (low / step).ceil() as i64;
    (first..).map(|place| place as f64 * step).take_while(|tick| *tick <= high).take(6).collect()
}

/// A tick without digits that say nothing.
fn label(tick: f64) -> String {
    // What is left of a sum of tenths is no digit of it.
    let rounded = (tick * 1e9).round() / 1e9 + 0.0;
    match rounded.abs() {
        size if size >= 1e6 => format!("{rounded:e}"),
        _ => rounded.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{label, points, ticks};
    use crate::compare::record::Step;

    #[test]
    fn ticks_are_round_and_between_the_ends() {
        assert_eq!(ticks([0.0, 10.0]), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks([3.0, 897.0]), [200.0, 400.0, 600.0, 800.0]);
        assert_eq!(ticks([0.0, 390.0]), [0.0, 100.0, 200.0, 300.0]);
        let labels: Vec<String> = ticks([-0.31, 0.3]).into_iter().map(label).collect();
        assert_eq!(labels, ["-0.2", "0", "0.2"]);
        assert_eq!(label(2e7), "2e7");
        assert_eq!([label(1.5e6), label(-2.5e6)], ["1.5e6", "-2.5e6"]);
    }

    #[test]
    fn many_steps_are_means_and_what_is_no_number_is_left_out() {
        let step = |step: u64| Step {
            step,
            loss: (step != 3).then_some(step as f64),
            metrics: [("spread".to_owned(), None)].into(),
        };
        let steps: Vec<Step> = (1..=5).map(step).collect();
        assert_eq!(points(&steps, "loss"), [[1.0, 1.0], [2.0, 2.0], [4.0, 4.0], [5.0, 5.0]]);
        assert!(points(&steps, "spread").is_empty());
        let steps: Vec<Step> = (10..10 + 480).map(step).collect();
        let drawn = points(&steps, "loss");
        assert_eq!((drawn.len(), drawn[0]), (240, [10.5, 10.5]));
    }
}
