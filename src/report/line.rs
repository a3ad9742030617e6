//! Lines that fit a terminal.

use std::time::Duration;

use crate::diagnostics::amount;
use crate::evaluate::grouped;
use crate::store::events::{Measured, metric};
pub use crate::table::between_words;
use crate::watch::{Counted, Work};

/// What a line is made of, in the order of need: of what does not fit, the last goes first.
#[derive(Default)]
pub struct Line {
    parts: Vec<String>,
}

impl Line {
    pub fn add(&mut self, part: impl Into<String>) {
        self.parts.push(part.into());
    }

    /// As many parts as fit into `width` columns, and at least the first, cut where it must be.
    pub fn fit(&self, width: usize) -> String {
        let mut line = String::new();
        for part in &self.parts {
            let gap = if line.is_empty() { 0 } else { 2 };
            if length(&line) + gap + length(part) > width {
                break;
            }
            line.extend([" ".repeat(gap).as_str(), part]);
        }
        match (line.is_empty(), self.parts.first()) {
            (true, Some(first)) => first.chars().take(width).collect(),
            _ => line,
        }
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// `[===>  ]`, of a width that suits a line of `width` columns.
fn bar(done: u64, total: u64, width: usize) -> String {
    let cells = match width {
        ..100 => 6,
        100..160 => 12,
        _ => 24,
    };
    let done = u128::from(done.min(total)) * cells as u128;
    let full = usize::try_from(done / u128::from(total.max(1))).unwrap_or(cells);
    let head = if full < cells { ">" } else { "" };
    format!("[{:<cells$}]", "=".repeat(full) + head)
}

/// Where a training stands.
pub struct Training<'a> {
    pub stage: &'a str,
    pub measured: &'a Measured,
    /// The training's length, where it is known.
    pub steps: Option<u64>,
    pub epochs: Option<u64>,
    pub images_per_second: f64,
    pub left: Option<Duration>,
}

impl Training<'_> {
    /// The line that is drawn again and again.
    pub fn progress(&self, width: usize) -> String {
        let mut line = Line::default();
        line.add(self.stage);
        if let Some(steps) = self.steps {
            line.add(bar(self.measured.step, steps, width));
        }
        self.add_numbers(&mut line);
        line.add(self.epoch());
        line.add(format!("lr {}", short(self.measured.lr)));
        line.fit(width)
    }

    /// The line that is kept of an epoch.
    pub fn kept(&self, width: usize) -> String {
        let mut line = Line::default();
        line.add(format!("{} {}", self.stage, self.epoch()));
        self.add_numbers(&mut line);
        line.add(format!("lr {}", short(self.measured.lr)));
        line.fit(width)
    }

    fn epoch(&self) -> String {
        let of = self.epochs.map_or(String::new(), |epochs| format!("/{epochs}"));
        format!("epoch {}{of}", self.measured.epoch)
    }

    fn add_numbers(&self, line: &mut Line) {
        let Measured { loss, metrics, .. } = self.measured;
        line.add(format!("loss {loss:.3}"));
        if let Some(accuracy) = metrics.get(metric::ACCURACY) {
            line.add(format!("accuracy {:.1}%", 100.0 * accuracy));
        }
        if let Some(spread) = metrics.get(metric::SPREAD) {
            line.add(format!("spread {spread:.2}"));
        }
        line.add(format!("{:.0} img/s", self.images_per_second));
        if let Some(left) = self.left {
            line.add(format!("{} left", clock(left)));
        }
        let known = [metric::ACCURACY, metric::SPREAD];
        for (name, value) in metrics.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            line.add(format!("{name} {}", short(*value)));
        }
    }
}

/// Where another piece of work stands, within a stage or before any.
pub fn work(stage: Option<&str>, work: &Work, left: Option<Duration>, width: usize) -> String {
    let Work { what, done, total, unit } = work;
    let mut line = Line::default();
    line.add(stage.map_or(what.clone(), |stage| format!("{stage}: {what}")));
    if let Some(total) = total {
        line.add(bar(*done, *total, width));
    }
    let count = |number: u64| match unit {
        Counted::Bytes => amount(u128::from(number)),
        _ => grouped(number as usize),
    };
    let unit = match unit {
        Counted::Bytes => "",
        Counted::Images => " images",
        Counted::Files => " files",
        Counted::Steps => " steps",
        Counted::Seconds => " s",
    };
    line.add(match total {
        Some(total) => format!("{} of {}{unit}", count(*done), count(*total)),
        None => format!("{}{unit}", count(*done)),
    });
    if let Some(left) = left {
        line.add(format!("{} left", clock(left)));
    }
    line.fit(width)
}

/// A number of unknown size with the digits that matter.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || (1e-3..1e5).contains(&value.abs()) {
        format!("{value:.4}")
    } else {
        format!("{value:.2e}")
    }
}

/// `h:mm:ss` or `m:ss`
fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// How long something took: seconds with one decimal, and from a minute on `m:ss` or `h:mm:ss`.
pub fn duration(seconds: f64) -> String {
    if (0.0..59.95).contains(&seconds) {
        return format!("{seconds:.1} s");
    }
    // A negative or NaN time reads 0.
    clock(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn measured() -> Measured {
        let metrics = [(metric::ACCURACY, 0.4321), (metric::SPREAD, 0.85), ("entropy", 2.5)];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
        Measured { step: 3, epoch: 1, loss: 4.5, lr: 0.06, metrics: BTreeMap::from(metrics) }
    }

    #[test]
    fn a_line_holds_what_fits_in_the_order_of_need() {
        let measured = measured();
        let training = Training {
            stage: "base",
            measured: &measured,
            steps: Some(6),
            epochs: Some(2),
            images_per_second: 1234.5,
            left: Some(Duration::from_secs(83)),
        };
        let widths = [8, 40, 60, 80, 120, 200].map(|width| training.progress(width));
        assert_eq!(
            widths,
            [
                "base",
                "base  [===>  ]  loss 4.500",
                "base  [===>  ]  loss 4.500  accuracy 43.2%  spread 0.85",
                "base  [===>  ]  loss 4.500  accuracy 43.2%  spread 0.85  1234 img/s  1:23 left",
                "base  [======>     ]  loss 4.500  accuracy 43.2%  spread 0.85  1234 img/s  \
                 1:23 left  entropy 2.5000  epoch 1/2",
                "base  [============>           ]  loss 4.500  accuracy 43.2%  spread 0.85  \
                 1234 img/s  1:23 left  entropy 2.5000  epoch 1/2  lr 0.0600",
            ]
        );
        let expected = "base epoch 1/2  loss 4.500  accuracy 43.2%  spread 0.85  1234 img/s  \
                        1:23 left";
        assert_eq!(training.kept(80), expected);
    }

    #[test]
    fn other_work_fits_as_well() {
        let what = "downloading cifar-10-binary.tar.gz".to_owned();
        let half = Work { what, done: 1 << 20, total: Some(1 << 21), unit: Counted::Bytes };
        let left = Some(Duration::from_secs(3661));
        let shown = [20, 60, 80].map(|width| work(None, &half, left, width));
        assert_eq!(
            shown,
            [
                "downloading cifar-10",
                "downloading cifar-10-binary.tar.gz  [===>  ]",
                "downloading cifar-10-binary.tar.gz  [===>  ]  1.0 MiB of 2.0 MiB  1:01:01 left",
            ]
        );
        let some =
            Work { what: "reading x".into(), done: 1200, total: None, unit: Counted::Images };
        assert_eq!(work(Some("knn"), &some, None, 60), "knn: reading x  1,200 images");
    }

    #[test]
    fn texts_are_broken_between_words_alone() {
        let text = "warning: `/a/long/path/to/a/file` is short";
        assert_eq!(between_words(text, 12), "warning:\n`/a/long/path/to/a/file`\nis short");
        assert_eq!(between_words(text, 80), text);
        assert_eq!(between_words("", 80), "");
    }

    #[test]
    fn bars_begin_empty_and_end_full() {
        let bars = [(0, 6), (1, 6), (6, 6), (9, 6), (0, 0)].map(|(done, of)| bar(done, of, 80));
        assert_eq!(bars, ["[>     ]", "[=>    ]", "[======]", "[======]", "[>     ]"]);
    }

    #[test]
    fn numbers_and_durations() {
        let shorts = [0.06, 0.0, 1e-6, -250.0, f64::NAN].map(short);
        assert_eq!(shorts, ["0.0600", "0.0000", "1.00e-6", "-250.0000", "NaN"]);
        let durations = [0.04, 59.94, 59.96, 3599.6, -1.0].map(duration);
        assert_eq!(durations, ["0.0 s", "59.9 s", "1:00", "1:00:00", "0:00"]);
    }
}
