//! A run on the terminal: a progress line for each training, and a table of results at the end.
//!
//! Progress goes to standard error and the table to standard output. Where standard error is no
//! terminal there is one plain line an epoch instead, without control characters.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table::{self, Align, Style};
use crate::run::error::RunError;
use crate::run::events::{Event, Measured, Record, Sink, metric};

/// A feature spread under this means that the encoder has stopped telling images apart.
const COLLAPSED: f64 = 0.1;

/// The sink that shows a run to whoever started it.
///
/// Quiet, it shows the warnings and the table of results. A terminal that went away does not stop
/// the run: failures to write are ignored.
pub struct Terminal {
    progress: Box<dyn Write + Send>,
    results: Box<dyn Write + Send>,
    style: Style,
    /// Draw progress lines, instead of writing one plain line an epoch.
    bars: bool,
    quiet: bool,
    /// The stage that is running.
    stage: Option<Stage>,
    rows: Vec<[String; 4]>,
}

struct Stage {
    name: String,
    steps: Option<u64>,
    epochs: Option<u64>,
    bar: Option<ProgressBar>,
    /// When the first of this run's steps was made, in milliseconds, and which one it was.
    first_step: Option<(u64, u64)>,
    last: Option<String>,
    /// Whether the features have been apart: before training, they may not be yet.
    was_spread: bool,
    warned_of_collapse: bool,
    warned_of_loss: bool,
}

impl Terminal {
    /// Writes to this process's standard streams.
    pub fn new(quiet: bool) -> Self {
        let style = if io::stdout().is_terminal() { Style::Unicode } else { Style::Ascii };
        let bars = !ProgressDrawTarget::stderr().is_hidden();
        let (progress, results) = (Box::new(io::stderr()), Box::new(io::stdout()));
        Terminal { progress, results, style, bars, quiet, stage: None, rows: Vec::new() }
    }

    /// Writes plain lines to `progress` and a plain table to `results`.
    pub fn plain(
        progress: impl Write + Send + 'static,
        results: impl Write + Send + 'static,
        quiet: bool,
    ) -> Self {
        let (progress, results) = (Box::new(progress), Box::new(results));
        let (style, bars) = (Style::Ascii, false);
        Terminal { progress, results, style, bars, quiet, stage: None, rows: Vec::new() }
    }

    /// Writes a line above the progress line.
    fn line(&mut self, text: &str) {
        let progress = &mut self.progress;
        let mut write = || {
            let _ = writeln!(progress, "{text}");
        };
        match self.stage.as_ref().and_then(|stage| stage.bar.as_ref()) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Writes a line unless asked to be quiet.
    fn say(&mut self, text: &str) {
        if !self.quiet {
            self.line(text);
        }
    }

    fn start(&mut self, name: &str, steps: Option<u64>, epochs: Option<u64>) {
        self.end_stage();
        let bar = steps.filter(|_| self.bars && !self.quiet).map(|steps| {
            let template = "{prefix} [{bar:20}] {percent:>3}%, {eta_precise} left, {wide_msg}";
            let style = ProgressStyle::with_template(template).expect("a constant template");
            let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
            bar.with_style(style.progress_chars("=> ")).with_prefix(name.to_owned())
        });
        self.stage = Some(Stage {
            name: name.to_owned(),
            steps,
            epochs,
            bar,
            first_step: None,
            last: None,
            was_spread: false,
            warned_of_collapse: false,
            warned_of_loss: false,
        });
    }

    /// Takes the progress line away, and tells what it last said.
    fn end_stage(&mut self) -> Option<String> {
        let stage = self.stage.take()?;
        let bar = stage.bar?;
        bar.finish_and_clear();
        stage.last
    }

    fn step(&mut self, time: u64, name: &str, measured: &Measured, images_per_second: f64) {
        let Some(stage) = self.stage.as_mut().filter(|stage| stage.name == name) else { return };
        stage.first_step.get_or_insert((time, measured.step));
        if let Some(bar) = &stage.bar {
            let text = describe(measured, stage.epochs);
            bar.set_message(format!("{text}, {images_per_second:.0} images/s"));
            bar.set_position(measured.step);
            stage.last = Some(text);
        }
        self.watch(measured, false);
    }

    fn epoch(&mut self, time: u64, name: &str, measured: &Measured, images_per_second: f64) {
        let Some(stage) = self.stage.as_mut().filter(|stage| stage.name == name) else { return };
        let mut text = describe(measured, stage.epochs);
        if stage.bar.is_some() {
            stage.last = Some(text);
        } else {
            text = format!("{name}: {text}, {images_per_second:.0} images/s");
            if let Some(left) = stage.seconds_left(time, measured.step) {
                text = format!("{text}, {} left", duration(left));
            }
            self.say(&text);
        }
        self.watch(measured, true);
    }

    /// Warns, once for each stage and kind, of a training that has gone wrong.
    fn watch(&mut self, measured: &Measured, whole_epoch: bool) {
        let Some(stage) = &mut self.stage else { return };
        let (name, step) = (stage.name.clone(), measured.step);
        let spread = measured.metrics.get(metric::SPREAD).copied();
        let is_under = spread.is_some_and(|spread| spread < COLLAPSED);
        stage.was_spread |= spread.is_some_and(|spread| spread >= COLLAPSED);
        // A fresh encoder's features lie close together too, but not for a whole epoch.
        let collapsed = is_under && (stage.was_spread || whole_epoch) && !stage.warned_of_collapse;
        stage.warned_of_collapse |= collapsed;
        let diverged = !measured.loss.is_finite() && !stage.warned_of_loss;
        stage.warned_of_loss |= diverged;
        if collapsed {
            let spread = spread.unwrap_or(f64::NAN);
            self.line(&format!(
                "warning[collapse]: {name}: the feature spread is {spread:.2} at step {step} \
                 (1: even, 0: collapsed); the encoder gives nearly the same features to every image"
            ));
        }
        if diverged {
            let loss = measured.loss;
            self.line(&format!("warning[divergence]: {name}: the loss is {loss} at step {step}"));
        }
    }

    fn show_results(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        let heading = [
            ("stage", Align::Left),
            ("what", Align::Left),
            ("result", Align::Right),
            ("protocol", Align::Left),
        ];
        let table = table::render(heading, &self.rows, self.style);
        let _ = self.results.write_all(table.as_bytes()).and_then(|()| self.results.flush());
    }
}

impl Stage {
    /// How long the stage goes on at the pace of this run's steps so far.
    fn seconds_left(&self, time: u64, step: u64) -> Option<f64> {
        let (first_time, first_step) = self.first_step?;
        let left = self.steps?.checked_sub(step)?;
        let done = step.checked_sub(first_step).filter(|done| *done > 0)?;
        let seconds = time.saturating_sub(first_time) as f64 / 1000.0;
        (left > 0).then(|| seconds / done as f64 * left as f64)
    }
}

impl Sink for Terminal {
    fn receive(&mut self, record: &Record) -> Result<(), RunError> {
        match &record.event {
            Event::RunStarted { pipeline, device, seed, folder, .. } => {
                let folder = folder.display();
                self.say(&format!("{pipeline} on {device}, seed {seed}, recorded in {folder}"));
            }
            Event::StageStarted { stage, kind, reason, steps, epochs } => {
                let length = match (steps, epochs) {
                    (Some(steps), Some(epochs)) => format!(" for {epochs} epochs, {steps} steps"),
                    (Some(steps), None) => format!(" for {steps} steps"),
                    _ => String::new(),
                };
                self.start(stage, *steps, *epochs);
                self.say(&format!("{stage}: {kind}{length} ({reason})"));
            }
            Event::StageCached { stage, kind } => {
                self.say(&format!("{stage}: {kind}, taken from the store"));
            }
            Event::StageResumed { stage, step, epoch } => {
                self.say(&format!("{stage}: goes on after step {step}, epoch {epoch}"));
                if let Some(bar) = self.stage.as_ref().and_then(|stage| stage.bar.as_ref()) {
                    bar.set_position(*step);
                    bar.reset_eta();
                }
            }
            Event::Step { stage, measured, images_per_second } => {
                self.step(record.time, stage, measured, *images_per_second);
            }
            Event::Epoch { stage, measured, images_per_second } => {
                self.epoch(record.time, stage, measured, *images_per_second);
            }
            Event::CheckpointSaved { .. } => {}
            Event::EvaluationResult { stage, what, percent, protocol } => {
                let percent = format!("{percent:.2}%");
                self.say(&format!("{stage}: {what} {percent}"));
                self.rows.push([stage.clone(), what.clone(), percent, protocol.clone()]);
            }
            Event::StageFinished { stage, seconds } => {
                let seconds = duration(*seconds);
                let last = self.end_stage().map_or(String::new(), |last| format!(": {last}"));
                self.say(&format!("{stage}: finished in {seconds}{last}"));
            }
            Event::Warning { stage, name, message } => {
                let stage = stage.as_ref().map_or(String::new(), |stage| format!("{stage}: "));
                self.line(&format!("warning[{name}]: {stage}{message}"));
            }
            Event::Interrupted { stage } => {
                self.end_stage();
                let place = stage.as_ref().map_or(String::new(), |stage| format!(" in {stage}"));
                self.line(&format!("interrupted{place}; the same command goes on from there"));
            }
            // Whoever started the run shows the error, in the format that was asked for.
            Event::RunFailed { .. } => {
                self.end_stage();
            }
            Event::RunFinished { seconds } => {
                self.end_stage();
                self.say(&format!("finished in {}", duration(*seconds)));
                self.show_results();
            }
        }
        Ok(())
    }
}

/// `epoch 3/200, loss 4.1234, accuracy 45.2%, spread 0.83, lr 0.0600`
fn describe(measured: &Measured, epochs: Option<u64>) -> String {
    let of = epochs.map_or(String::new(), |epochs| format!("/{epochs}"));
    let mut parts =
        vec![format!("epoch {}{of}", measured.epoch), format!("loss {:.4}", measured.loss)];
    for (name, value) in &measured.metrics {
        parts.push(match name.as_str() {
            metric::ACCURACY => format!("accuracy {:.1}%", 100.0 * value),
            metric::SPREAD => format!("spread {value:.2}"),
            _ => format!("{name} {}", short(*value)),
        });
    }
    parts.push(format!("lr {}", short(measured.lr)));
    parts.join(", ")
}

/// A number of unknown size with the digits that matter.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || (1e-3..1e5).contains(&value.abs()) {
        format!("{value:.4}")
    } else {
        format!("{value:.2e}")
    }
}

/// `h:mm:ss`, and under a minute seconds with one decimal.
fn duration(seconds: f64) -> String {
    if !(0.0..59.95).contains(&seconds) {
        let seconds = seconds.round() as u64; // a negative or NaN time reads 0
        return format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    format!("{seconds:.1} s")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// What a run shows on its two streams. Events are a minute apart.
    fn show(events: &[Event], quiet: bool, bars: bool) -> (String, String) {
        let (progress, results) = (Page::default(), Page::default());
        let mut terminal = Terminal::plain(progress.clone(), results.clone(), quiet);
        terminal.bars = bars;
        for (minute, event) in events.iter().enumerate() {
            terminal
                .receive(&Record { time: 60_000 * minute as u64, event: event.clone() })
                .unwrap();
        }
        (progress.text(), results.text())
    }

    fn measured(step: u64, epoch: u64, loss: f64, spread: f64) -> Measured {
        let metrics = [(metric::ACCURACY, 0.4321), (metric::SPREAD, spread)];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
        Measured { step, epoch, loss, lr: 0.06, metrics: BTreeMap::from(metrics) }
    }

    fn step(step: u64, epoch: u64, loss: f64, spread: f64) -> Event {
        let measured = measured(step, epoch, loss, spread);
        Event::Step { stage: "base".into(), measured, images_per_second: 1234.5 }
    }

    fn epoch(step: u64, epoch: u64, loss: f64, spread: f64) -> Event {
        let measured = measured(step, epoch, loss, spread);
        Event::Epoch { stage: "base".into(), measured, images_per_second: 1234.5 }
    }

    fn started() -> Event {
        Event::StageStarted {
            stage: "base".into(),
            kind: "pretrain".into(),
            reason: "not in the store".into(),
            steps: Some(4),
            epochs: Some(2),
        }
    }

    fn result(stage: &str, what: &str, percent: f64, protocol: &str) -> Event {
        let [stage, what, protocol] = [stage, what, protocol].map(str::to_owned);
        Event::EvaluationResult { stage, what, percent, protocol }
    }

    fn run() -> Vec<Event> {
        vec![
            Event::RunStarted {
                pipeline: "moco".into(),
                graph: "ab12".into(),
                device: "flex".into(),
                seed: 7,
                version: "0.1.0".into(),
                folder: "runs/moco-1".into(),
            },
            started(),
            step(1, 1, 5.0, 0.8),
            step(2, 1, 4.0, 0.9),
            epoch(2, 1, 4.5, 0.85),
            Event::CheckpointSaved { stage: "base".into(), step: 2 },
            step(3, 2, 3.0, 0.9),
            step(4, 2, 2.0, 0.9),
            epoch(4, 2, 2.5, 0.9),
            Event::StageFinished { stage: "base".into(), seconds: 3725.2 },
            result("neighbours", "kNN top-1", 81.234, "knn(k: 200), 10000 test images"),
            Event::StageCached { stage: "classifier".into(), kind: "finetune".into() },
            result("accuracy", "top-1", 9.5, "top1()"),
            Event::RunFinished { seconds: 12.34 },
        ]
    }

    const TABLE: &str = "\
stage       what       result  protocol
----------  ---------  ------  ------------------------------
neighbours  kNN top-1  81.23%  knn(k: 200), 10000 test images
accuracy    top-1       9.50%  top1()
";

    #[test]
    fn a_log_has_one_line_an_epoch() {
        let (progress, results) = show(&run(), false, false);
        let expected = "\
moco on flex, seed 7, recorded in runs/moco-1
base: pretrain for 2 epochs, 4 steps (not in the store)
base: epoch 1/2, loss 4.5000, accuracy 43.2%, spread 0.85, lr 0.0600, 1234 images/s, 0:04:00 left
base: epoch 2/2, loss 2.5000, accuracy 43.2%, spread 0.90, lr 0.0600, 1234 images/s
base: finished in 1:02:05
neighbours: kNN top-1 81.23%
classifier: finetune, taken from the store
accuracy: top-1 9.50%
finished in 12.3 s
";
        assert_eq!(progress, expected);
        assert_eq!(results, TABLE);
    }

    #[test]
    fn quiet_leaves_the_results_and_the_warnings() {
        let mut events = run();
        let error =
            RunError::CheckpointDamaged { path: "/s/ab.partial/c".into(), what: "short".into() };
        events.insert(2, Event::warning("base", &error));
        let (progress, results) = show(&events, true, false);
        let expected = "warning[checkpoint-damaged]: base: the checkpoint `/s/ab.partial/c` is \
                        damaged: short; remove `/s/ab.partial` to start the stage from its beginning\n";
        assert_eq!(progress, expected);
        assert_eq!(results, TABLE);
    }

    #[test]
    fn with_a_progress_line_an_epoch_is_no_line() {
        let (progress, _) = show(&run(), false, true);
        assert!(!progress.contains("images/s"), "{progress}");
        let finished = "base: finished in 1:02:05: epoch 2/2, loss 2.5000, accuracy 43.2%, \
                        spread 0.90, lr 0.0600\n";
        assert!(progress.contains(finished), "{progress}");
    }

    #[test]
    fn collapse_is_said_once() {
        let warnings = |events: &[Event]| -> Vec<String> {
            let (progress, _) = show(events, true, false);
            progress.lines().map(str::to_owned).collect()
        };
        let falls = [
            started(),
            step(1, 1, 5.0, 0.02),
            step(2, 1, 5.0, 0.6),
            step(3, 1, 5.0, 0.0421),
            step(4, 1, 5.0, 0.04),
            epoch(4, 1, 5.0, 0.04),
        ];
        let expected = "warning[collapse]: base: the feature spread is 0.04 at step 3 (1: even, \
                        0: collapsed); the encoder gives nearly the same features to every image";
        assert_eq!(warnings(&falls), [expected]);
        // Close together at the start, and apart by the end of the epoch.
        let fresh =
            [started(), step(1, 1, 5.0, 0.02), step(2, 1, 5.0, 0.03), epoch(2, 1, 5.0, 0.3)];
        assert!(warnings(&fresh).is_empty());
        let never =
            [started(), step(1, 1, 5.0, 0.02), epoch(2, 1, 5.0, 0.03), epoch(4, 2, 5.0, 0.03)];
        assert_eq!(warnings(&never).len(), 1);
    }

    #[test]
    fn a_loss_that_is_no_number_is_said_once() {
        let events = [started(), step(1, 1, f64::NAN, f64::NAN), step(2, 1, f64::NAN, f64::NAN)];
        let (progress, _) = show(&events, true, false);
        assert_eq!(progress, "warning[divergence]: base: the loss is NaN at step 1\n");
    }

    #[test]
    fn an_interruption_says_how_to_go_on() {
        let events = [
            started(),
            Event::StageResumed { stage: "base".into(), step: 2, epoch: 1 },
            Event::Interrupted { stage: Some("base".into()) },
        ];
        let (progress, results) = show(&events, false, false);
        let expected = "\
base: pretrain for 2 epochs, 4 steps (not in the store)
base: goes on after step 2, epoch 1
interrupted in base; the same command goes on from there
";
        assert_eq!(progress, expected);
        assert_eq!(results, "");
    }

    #[test]
    fn numbers_and_durations() {
        let shorts = [0.06, 0.0, 1e-6, -250.0, f64::NAN].map(short);
        assert_eq!(shorts, ["0.0600", "0.0000", "1.00e-6", "-250.0000", "NaN"]);
        let durations = [0.04, 59.94, 59.96, 3599.6, -1.0].map(duration);
        assert_eq!(durations, ["0.0 s", "59.9 s", "0:01:00", "1:00:00", "0:00:00"]);
    }
}
