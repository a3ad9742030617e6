//! A run on the terminal: one line that is drawn again and again, and one that is kept of each epoch.
//!
//! All of it goes to standard error. Where that is no terminal, or a dumb one, there are the kept
//! lines alone, without control characters.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::line::{self, Training, duration};
use crate::diagnostics::findings;
use crate::store::error::RunError;
use crate::store::events::{Event, Measured, Record, Sink, metric};
use crate::watch::{Counted, Work};

/// A feature spread under this means that the encoder has stopped telling images apart.
const COLLAPSED: f64 = 0.1;

/// Goes to the start of the line and empties it (ECMA-48, EL).
const REDRAW: &str = "\r\x1b[K";

/// How wide a line is where there is no terminal to fit.
const UNBOUNDED: usize = 200;
/// How wide a terminal is that does not say.
const USUAL: usize = 80;

/// The sink that shows a run to whoever started it.
///
/// Quiet, it shows the warnings. A terminal that went away does not stop the run: failures to write
/// are ignored.
pub struct Terminal {
    progress: Box<dyn Write + Send>,
    /// Where a line can be drawn again and again.
    screen: Option<Screen>,
    quiet: bool,
    /// The stage that is running.
    stage: Option<StageProgress>,
    /// What it does besides training, and when it began to.
    work: Option<(String, Instant)>,
}

struct Screen {
    /// What its last line shows.
    drawn: String,
    width: fn() -> usize,
}

struct StageProgress {
    name: String,
    steps: Option<u64>,
    epochs: Option<u64>,
    /// When the first of this run's steps was made, in milliseconds, and which one it was.
    first_step: Option<(u64, u64)>,
    /// Whether the features have been apart: before training, they may not be yet.
    was_spread: bool,
    warned_of_collapse: bool,
    warned_of_loss: bool,
}

/// Whether a stream shows what control characters do.
pub fn is_capable(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The columns of what [`terminal_size::terminal_size_of`] was asked about.
pub fn columns(size: Option<(terminal_size::Width, terminal_size::Height)>) -> usize {
    size.map_or(USUAL, |(width, _)| usize::from(width.0))
}

impl Terminal {
    /// Writes to this process's standard error.
    pub fn new(quiet: bool) -> Self {
        let width = || columns(terminal_size::terminal_size_of(io::stderr()));
        let screen =
            (is_capable(&io::stderr()) && !quiet).then(|| Screen { drawn: String::new(), width });
        Terminal { screen, ..Terminal::plain(io::stderr(), quiet) }
    }

    /// Writes plain lines to `progress`.
    pub fn plain(progress: impl Write + Send + 'static, quiet: bool) -> Self {
        Terminal { progress: Box::new(progress), screen: None, quiet, stage: None, work: None }
    }

    /// The columns of a line. The last of a terminal's stays free: some break the line there.
    fn width(&self) -> usize {
        self.screen.as_ref().map_or(UNBOUNDED, |screen| (screen.width)().saturating_sub(1))
    }

    /// Writes a line above the one that is drawn: in as many as it takes on a screen.
    fn line(&mut self, text: &str) {
        let text = match &self.screen {
            Some(_) => line::between_words(text, self.width()),
            None => text.to_owned(),
        };
        let drawn = self.screen.as_ref().map_or("", |screen| &screen.drawn);
        let start = if drawn.is_empty() { "" } else { REDRAW };
        let _ = write!(self.progress, "{start}{text}\n{drawn}");
        let _ = self.progress.flush();
    }

    /// Writes a line unless asked to be quiet.
    fn say(&mut self, text: &str) {
        if !self.quiet {
            self.line(text);
        }
    }

    /// Shows `text` in the place of the line that is drawn; nothing where it is empty.
    fn draw(&mut self, text: String) {
        if let Some(screen) = self.screen.as_mut().filter(|screen| screen.drawn != text) {
            let _ = write!(self.progress, "{REDRAW}{text}");
            let _ = self.progress.flush();
            screen.drawn = text;
        }
    }

    fn start(&mut self, name: &str, steps: Option<u64>, epochs: Option<u64>) {
        self.stage = Some(StageProgress {
            name: name.to_owned(),
            steps,
            epochs,
            first_step: None,
            was_spread: false,
            warned_of_collapse: false,
            warned_of_loss: false,
        });
    }

    /// Takes the drawn line away.
    fn end_stage(&mut self) {
        self.stage = None;
        self.draw(String::new());
    }

    fn step(&mut self, time: u64, name: &str, measured: &Measured, images_per_second: f64) {
        let width = self.width();
        let Some(stage) = self.stage.as_mut().filter(|stage| stage.name == name) else { return };
        stage.first_step.get_or_insert((time, measured.step));
        let text = stage.training(time, measured, images_per_second).progress(width);
        self.draw(text);
        self.watch(measured, false);
    }

    fn epoch(&mut self, time: u64, name: &str, measured: &Measured, images_per_second: f64) {
        let width = self.width();
        let Some(stage) = self.stage.as_ref().filter(|stage| stage.name == name) else { return };
        let text = stage.training(time, measured, images_per_second).kept(width);
        self.say(&text);
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
            let (finding, spread) = (findings::COLLAPSE.name, spread.unwrap_or(f64::NAN));
            self.line(&format!(
                "warning[{finding}]: {name}: the feature spread is {spread:.2} at step {step} \
                 (1: even, 0: collapsed); the encoder gives nearly the same features to every image"
            ));
        }
        if diverged {
            let loss = measured.loss;
            let finding = findings::DIVERGENCE.name;
            self.line(&format!("warning[{finding}]: {name}: the loss is {loss} at step {step}"));
        }
    }
}

impl StageProgress {
    fn training<'a>(
        &'a self,
        time: u64,
        measured: &'a Measured,
        images_per_second: f64,
    ) -> Training<'a> {
        Training {
            stage: &self.name,
            measured,
            steps: self.steps,
            epochs: self.epochs,
            images_per_second,
            left: self.left(time, measured.step),
        }
    }

    /// How long the stage goes on at the pace of this run's steps so far.
    fn left(&self, time: u64, step: u64) -> Option<Duration> {
        let (first_time, first_step) = self.first_step?;
        let left = self.steps?.checked_sub(step)?;
        let done = step.checked_sub(first_step).filter(|done| *done > 0)?;
        let seconds = time.saturating_sub(first_time) as f64 / 1000.0;
        let left = (left > 0).then(|| seconds / done as f64 * left as f64)?;
        Duration::try_from_secs_f64(left).ok()
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
            Event::StageWaiting { stage, holder } => {
                let who = if holder.is_empty() { "another process" } else { holder };
                self.say(&format!("{stage}: waits for {who}, which computes it"));
            }
            Event::StageCached { stage, kind } => {
                self.say(&format!("{stage}: {kind}, taken from the store"));
            }
            Event::StageResumed { stage, step, epoch } => {
                self.say(&format!("{stage}: goes on after step {step}, epoch {epoch}"));
            }
            Event::Step { stage, measured, images_per_second } => {
                self.step(record.time, stage, measured, *images_per_second);
            }
            Event::Epoch { stage, measured, images_per_second } => {
                self.epoch(record.time, stage, measured, *images_per_second);
            }
            Event::CheckpointSaved { .. } => {}
            Event::EncoderJudged { stage, what, value, unit }
            | Event::EvaluationResult { stage, what, value, unit, .. } => {
                self.say(&format!("{stage}: {what} {}", unit.show(*value)));
            }
            Event::StageFinished { stage, seconds } => {
                self.end_stage();
                self.say(&format!("{stage}: finished in {}", duration(*seconds)));
            }
            Event::Warning { stage, name, message } => {
                let stage = stage.as_ref().map_or(String::new(), |stage| format!("{stage}: "));
                self.line(&format!("warning[{name}]: {stage}{message}"));
            }
            Event::Interrupted { stage } => {
                let running = self.stage.as_ref().map(|stage| stage.name.clone());
                self.end_stage();
                let place = stage.clone().or(running);
                let place = place.map_or(String::new(), |stage| format!(" in {stage}"));
                self.line(&format!("interrupted{place}; the same command goes on from there"));
            }
            // Whoever started the run shows the error, in the format that was asked for.
            Event::RunFailed { .. } => self.end_stage(),
            Event::RunFinished { seconds } => {
                self.end_stage();
                self.say(&format!("finished in {}", duration(*seconds)));
            }
        }
        Ok(())
    }

    fn work(&mut self, work: Option<&Work>) {
        let Some(work) = work else {
            self.work = None;
            return self.draw(String::new());
        };
        let started = match &self.work {
            Some((what, started)) if *what == work.what => *started,
            _ => {
                let now = Instant::now();
                self.work = Some((work.what.clone(), now));
                // Short work is not worth a flicker. A download may stall before its next word.
                if work.unit != Counted::Bytes {
                    return;
                }
                now
            }
        };
        let share = work.total.map(|total| work.done as f64 / total.max(1) as f64);
        let left =
            share.filter(|share| (0.0..1.0).contains(share) && *share > 0.0).and_then(|share| {
                let seconds = started.elapsed().as_secs_f64() * (1.0 - share) / share;
                Duration::try_from_secs_f64(seconds).ok()
            });
        let stage = self.stage.as_ref().map(|stage| stage.name.as_str());
        let text = line::work(stage, work, left, self.width());
        self.draw(text);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::evaluate::{Better, Quantity};

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

    /// What a run shows on standard error. Events are a minute apart.
    fn show(events: &[Event], quiet: bool, screen: Option<Screen>) -> String {
        let page = Page::default();
        let mut terminal = Terminal { screen, ..Terminal::plain(page.clone(), quiet) };
        for (minute, event) in events.iter().enumerate() {
            terminal
                .receive(&Record { time: 60_000 * minute as u64, event: event.clone() })
                .unwrap();
        }
        page.text()
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
        let (value, unit, better) = (percent / 100.0, Quantity::Share, Better::Higher);
        Event::EvaluationResult { stage, what, value, unit, better, protocol }
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

    #[test]
    fn a_log_has_one_line_an_epoch() {
        let expected = "\
moco on flex, seed 7, recorded in runs/moco-1
base: pretrain for 2 epochs, 4 steps (not in the store)
base epoch 1/2  loss 4.500  accuracy 43.2%  spread 0.85  1234 img/s  4:00 left  lr 0.0600
base epoch 2/2  loss 2.500  accuracy 43.2%  spread 0.90  1234 img/s  lr 0.0600
base: finished in 1:02:05
neighbours: kNN top-1 81.23%
classifier: finetune, taken from the store
accuracy: top-1 9.50%
finished in 12.3 s
";
        assert_eq!(show(&run(), false, None), expected);
    }

    #[test]
    fn quiet_leaves_the_warnings() {
        let mut events = run();
        let error =
            RunError::CheckpointDamaged { path: "/s/ab.partial/c".into(), what: "short".into() };
        events.insert(2, Event::warning("base", &error));
        let expected = "warning[checkpoint-damaged]: base: the checkpoint `/s/ab.partial/c` is \
                        damaged: short; remove `/s/ab.partial` to start the stage from its beginning\n";
        assert_eq!(show(&events, true, None), expected);
    }

    /// What a terminal of `width` columns shows in the end, and every line it has drawn meanwhile.
    fn seen(text: &str) -> (Vec<String>, Vec<String>) {
        let drawn = text.split(['\r', '\n']).map(|line| line.trim_start_matches("\x1b[K"));
        let kept = text.split('\n').map(|line| line.rsplit(REDRAW).next().unwrap_or(""));
        (kept.map(str::to_owned).collect(), drawn.map(str::to_owned).collect())
    }

    #[test]
    fn lines_fit_the_terminal_and_one_is_kept_of_each_epoch() {
        let widths: [fn() -> usize; 4] = [|| 60, || 80, || 120, || 200];
        for width in widths {
            let screen = Screen { drawn: String::new(), width };
            let (kept, drawn) = seen(&show(&run(), false, Some(screen)));
            let told = kept.iter().filter(|line| line.starts_with("base epoch")).count();
            assert_eq!(told, 2, "{kept:?}");
            assert!(kept.iter().all(|line| !line.contains("[=")), "{kept:?}");
            let bars: Vec<&String> = drawn.iter().filter(|line| line.contains("[=")).collect();
            assert!(bars.len() >= 4, "{drawn:?}");
            assert!(bars.iter().all(|line| line.chars().count() < width()), "{bars:?}");
            assert!(kept[2..4].iter().all(|line| line.chars().count() < width()), "{kept:?}");
        }
    }

    #[test]
    fn other_work_is_drawn_and_leaves_nothing() {
        let page = Page::default();
        let screen = Screen { drawn: String::new(), width: || 60 };
        let mut terminal =
            Terminal { screen: Some(screen), ..Terminal::plain(page.clone(), false) };
        let unit = crate::watch::Counted::Images;
        let work = |done| Work { what: "reading".into(), done, total: Some(10), unit };
        for done in [0, 4, 8] {
            terminal.work(Some(&work(done)));
        }
        terminal.work(None);
        let (kept, drawn) = seen(&page.text());
        assert!(
            drawn.iter().any(|line| line.starts_with("reading  [==>   ]  4 of 10 images")),
            "{drawn:?}"
        );
        assert_eq!(kept, [""]);
    }

    #[test]
    fn collapse_is_said_once() {
        let warnings = |events: &[Event]| -> Vec<String> {
            show(events, true, None).lines().map(str::to_owned).collect()
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
        let progress = show(&events, true, None);
        assert_eq!(progress, "warning[divergence]: base: the loss is NaN at step 1\n");
    }

    #[test]
    fn an_interruption_says_how_to_go_on() {
        let events = [
            started(),
            Event::StageResumed { stage: "base".into(), step: 2, epoch: 1 },
            Event::Interrupted { stage: Some("base".into()) },
        ];
        let expected = "\
base: pretrain for 2 epochs, 4 steps (not in the store)
base: goes on after step 2, epoch 1
interrupted in base; the same command goes on from there
";
        assert_eq!(show(&events, false, None), expected);
    }
}
