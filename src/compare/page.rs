//! A comparison as one page of HTML that needs nothing else.

use std::fmt::Write as _;

use super::arms::{Cell, Comparison, Row};
use super::classes::classes;
use super::curves::charts;
use super::record::Record;
use super::text::seeds;
use crate::docs::escape;

const STYLE: &str = include_str!("page.css");

/// The colours that the style has for arms; of more, some are alike.
pub const COLOURS: usize = 8;

/// Nothing is loaded from anywhere but the page itself, and nothing runs.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
                      base-uri 'none'; form-action 'none'";

/// The page.
pub fn page(comparison: &Comparison, records: &[Record]) -> String {
    let mut main = String::new();
    if !comparison.doubts.is_empty() {
        main += "<section class=\"doubts\">\n<h2>To be known first</h2>\n<ul>\n";
        for doubt in &comparison.doubts {
            let _ = writeln!(main, "<li>{}</li>", escape(doubt));
        }
        main += "</ul>\n</section>\n";
    }
    main += "<section>\n<h2>Runs</h2>\n<ul class=\"arms\">\n";
    for (place, arm) in comparison.arms.iter().enumerate() {
        let _ = writeln!(
            main,
            "<li>{} <b>{}</b> on {}, {} {}</li>",
            chip(place, &arm.name),
            escape(&arm.pipeline),
            escape(&arm.device),
            seeds(arm),
            arm.folders.iter().map(|own| small(own)).collect::<String>()
        );
    }
    main += "</ul>\n</section>\n";
    main += &numbers(comparison);
    let charts = charts(comparison, records);
    if !charts.is_empty() {
        main += "<section>\n<h2>Curves</h2>\n<div class=\"charts\">\n";
        for chart in &charts {
            let _ = writeln!(
                main,
                "<figure>\n<figcaption><b>{}</b> of {}</figcaption>\n{}</figure>",
                escape(&chart.quantity),
                escape(&chart.stage),
                chart.svg()
            );
        }
        main += "</div>\n</section>\n";
    }
    main += &differences(comparison);
    main += &classes(comparison, records);
    main += &maps(comparison, records);
    main += &times(comparison, records);
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>cpipe: a comparison of runs</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>A comparison of runs <small>cpipe {version}</small></h1></header>\n\
         <main>\n{main}</main>\n</body>\n</html>\n"
    )
}

/// The name of an arm in its colour.
pub(super) fn chip(place: usize, name: &str) -> String {
    format!("<span class=\"chip arm{}\">{}</span>", place % COLOURS, escape(name))
}

/// What stands below something, smaller.
pub(super) fn small(text: &str) -> String {
    format!("<small class=\"below\">{}</small>", escape(text))
}

/// A table whose columns are the arms.
pub(super) fn table(
    comparison: &Comparison,
    first: &str,
    rows: &[(String, Vec<String>)],
) -> String {
    let mut html = format!("<div class=\"wide\"><table>\n<tr><th>{}</th>", escape(first));
    for (place, arm) in comparison.arms.iter().enumerate() {
        let _ = write!(html, "<th>{}</th>", chip(place, &arm.name));
    }
    html += "</tr>\n";
    for (title, cells) in rows {
        let _ = write!(html, "<tr><th scope=\"row\">{title}</th>");
        for cell in cells {
            let _ = write!(html, "<td>{cell}</td>");
        }
        html += "</tr>\n";
    }
    html + "</table></div>\n"
}

fn differences(comparison: &Comparison) -> String {
    if comparison.differences.is_empty() {
        return String::new();
    }
    let value = |own: &Option<String>| own.as_deref().map_or("–".to_owned(), escape);
    let row = |own: &super::arms::Difference| {
        let title = format!("<code>{}</code>", escape(&own.name));
        (title, own.values.iter().map(value).collect())
    };
    let rows: Vec<_> = comparison.differences.iter().map(row).collect();
    format!(
        "<section class=\"values\">\n<h2>What differs</h2>\n{}</section>\n",
        table(comparison, "value", &rows)
    )
}

fn numbers(comparison: &Comparison) -> String {
    let mut html = String::from("<section>\n<h2>Numbers</h2>\n");
    if comparison.rows.is_empty() {
        return html + "<p>None of them has evaluated anything.</p>\n</section>\n";
    }
    let cell = |row: &Row, cell: &Option<Cell>| match cell {
        None => "–".to_owned(),
        Some(cell) => {
            let shown = escape(&cell.shown(&row.unit));
            let shown = if cell.is_best { format!("<b>{shown}</b>") } else { shown };
            match cell.seeds {
                1 => shown,
                seeds => format!("{shown} <small>of {seeds}</small>"),
            }
        }
    };
    let row = |row: &Row| {
        let unit = if row.unit == "share" { ", %" } else { "" };
        let title = format!(
            "{}{}",
            escape(&row.stage),
            small(&format!("{}{unit}, {} is better", row.what, row.better))
        );
        (title, row.cells.iter().map(|own| cell(row, own)).collect())
    };
    let rows: Vec<_> = comparison.rows.iter().map(row).collect();
    html += &table(comparison, "stage", &rows);
    html += "<p>Behind ± is the standard deviation over the seeds. The best of what was measured in \
             one way is bold.</p>\n<details><summary>How they were measured</summary>\n<ul>\n";
    for row in &comparison.rows {
        let mut said: Vec<String> = Vec::new();
        for (cell, arm) in row.cells.iter().zip(&comparison.arms) {
            let Some(cell) = cell else { continue };
            let protocol = cell.said();
            if !said.contains(&protocol) {
                let (stage, name) = (escape(&row.stage), escape(&arm.name));
                let _ = writeln!(html, "<li>{stage}, {name}: {}</li>", escape(&protocol));
                said.push(protocol);
            }
        }
    }
    html + "</ul>\n</details>\n</section>\n"
}

/// Where images lie by their features: of each arm as its first run has drawn it.
fn maps(comparison: &Comparison, records: &[Record]) -> String {
    let mut html = String::new();
    let mut shown: Vec<&str> = Vec::new();
    for Row { stage, .. } in &comparison.rows {
        if shown.contains(&stage.as_str()) {
            continue;
        }
        shown.push(stage);
        let mut figures = String::new();
        for (place, arm) in comparison.arms.iter().enumerate() {
            let run = arm.runs.iter().find_map(|run| Some((run, records[*run].maps.get(stage)?)));
            let Some((run, drawn)) = run else { continue };
            let _ = writeln!(
                figures,
                "<figure>\n<figcaption>{} seed {}</figcaption>\n{drawn}</figure>",
                chip(place, &arm.name),
                records[*run].made.seed
            );
        }
        if !figures.is_empty() {
            let _ = write!(
                html,
                "<details open><summary>{}</summary>\n<div class=\"charts\">\n{figures}</div>\n\
                 </details>\n",
                escape(stage)
            );
        }
    }
    match html.is_empty() {
        true => html,
        false => format!(
            "<section>\n<h2>Where images lie</h2>\n<p>Images that were judged, in the colour of their \
             class: at the two first principal components of their features, and below so that \
             neighbours stay neighbours, by t-SNE. Point at one to see it.</p>\n{html}</section>\n"
        ),
    }
}

/// How long the stages took that were computed in these runs, not taken from a store or taken up.
fn times(comparison: &Comparison, records: &[Record]) -> String {
    let mut stages: Vec<&String> = Vec::new();
    for run in comparison.arms.iter().flat_map(|arm| &arm.runs) {
        for stage in records[*run].seconds.keys() {
            if !stages.contains(&stage) {
                stages.push(stage);
            }
        }
    }
    if stages.is_empty() {
        return String::new();
    }
    let row = |stage: &&String| {
        let mean = |runs: &Vec<usize>| {
            let all: Vec<f64> =
                runs.iter().filter_map(|run| records[*run].seconds.get(*stage).copied()).collect();
            match all.len() {
                0 => "–".to_owned(),
                count => format!("{:.1}", all.iter().sum::<f64>() / count as f64),
            }
        };
        (escape(stage), comparison.arms.iter().map(|arm| mean(&arm.runs)).collect())
    };
    let rows: Vec<_> = stages.iter().map(row).collect();
    format!(
        "<section>\n<h2>Seconds</h2>\n{}<p>What was taken from a store, and what was taken \
         up where an earlier run had left it, is not among them.</p>\n</section>\n",
        table(comparison, "stage", &rows)
    )
}
