//! What a run has found, as people read it.

use crate::run::record::Results;
pub use crate::table::Style;
use crate::table::{self, Align};

/// A table of the results, and below it how each was measured: one numbered note for each protocol.
/// Empty where there are none. Nothing is wider than `width`.
pub fn render(results: &Results, style: Style, width: usize) -> String {
    let entries = results.entries();
    if entries.is_empty() {
        return String::new();
    }
    let mut protocols: Vec<&str> = Vec::new();
    let mut rows: Vec<[String; 4]> = Vec::new();
    for entry in entries {
        let measured = &entry.measured;
        let known = protocols.iter().position(|protocol| *protocol == measured.protocol);
        let note = known.unwrap_or_else(|| {
            protocols.push(&measured.protocol);
            protocols.len() - 1
        });
        let doubt = if measured.warning.is_some() { " (!)" } else { "" };
        rows.push([
            entry.stage.clone(),
            measured.what.clone() + doubt,
            measured.shown(),
            format!("[{}]", note + 1),
        ]);
    }
    let heading = [
        ("stage", Align::Left),
        ("what", Align::Left),
        ("result", Align::Right),
        ("how", Align::Left),
    ];
    let mut text = table::render(&heading, &rows, style, width);
    text.push('\n');
    for (index, protocol) in protocols.iter().enumerate() {
        let number = format!("[{}] ", index + 1);
        let indent = " ".repeat(number.len());
        for (index, line) in
            table::wrap(protocol, width.saturating_sub(number.len())).iter().enumerate()
        {
            let start = if index == 0 { &number } else { &indent };
            text.extend([start, line.as_str(), "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{Better, Quantity, Warning};
    use crate::run::Measured;

    fn measured(what: &str, top1: f64, protocol: &str) -> Measured {
        let (what, protocol) = (what.to_owned(), protocol.to_owned());
        let (unit, better) = (Quantity::Share, Better::Higher);
        let (epoch, counts, warning) = (None, None, None);
        Measured { what, epoch, value: top1, unit, better, protocol, counts, warning }
    }

    fn results() -> Results {
        let knn = "weighted kNN, k 200, on the encoder's 64 features, plain images; fitted on the \
                   8,192 training examples";
        let mut results = Results::default();
        results.push("untrained", "ab", measured("kNN top-1", 0.24355, knn));
        results.push("neighbours", "cd", measured("kNN top-1 after epoch 1", 0.5, knn));
        let mut probe = measured("linear probe top-1", 0.5123, "linear probe");
        let (name, message) = ("probe-not-converged".to_owned(), "too few steps".to_owned());
        probe.warning = Some(Warning { name, message });
        results.push("probe", "ef", probe);
        results
    }

    #[test]
    fn each_protocol_is_said_once() {
        let expected = "\
stage       what                     result  how
----------  -----------------------  ------  ---
untrained   kNN top-1                24.36%  [1]
neighbours  kNN top-1 after epoch 1  50.00%  [1]
probe       linear probe top-1 (!)   51.23%  [2]

[1] weighted kNN, k 200, on the encoder's 64 features, plain
    images; fitted on the 8,192 training examples
[2] linear probe
";
        assert_eq!(render(&results(), Style::Ascii, 60), expected);
        assert_eq!(render(&Results::default(), Style::Ascii, 60), "");
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        for width in [30, 60, 80, 120, 200] {
            let text = render(&results(), Style::Unicode, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}:\n{text}");
        }
    }
}
