//! `cpipe run`

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use super::{BAD_INPUT, FAILED, Selected, output};
use crate::Compiled;
use crate::check::StageKind;
use crate::device;
use crate::diagnostics::{Diagnostic, Label, findings, visible};
use crate::graph::Graph;
use crate::interrupt::Interrupt;
use crate::report::results;
use crate::report::terminal::{self, Terminal};
use crate::run::folder::RunFolder;
use crate::run::{Contents, Failure, Locations, Run, home, record};
use crate::source::Sources;
use crate::store::Store;
use crate::store::error::RunError;
use crate::store::events::{Event, Events};
use crate::term::objective::ObjectiveGraph;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Where another run computes a stage of this one, fail instead of waiting for its result.
    #[arg(long)]
    no_wait: bool,
    /// Only warnings and the results.
    #[arg(short, long)]
    quiet: bool,
}

/// What is to be run, and where.
#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    pub setup: Setup,
    /// Where the record of the run goes, in a folder of its own.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub output: PathBuf,
    /// Where finished stages are kept [default: store in $CPIPE_HOME or the user's cache].
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

/// What is computed, and where.
#[derive(clap::Args)]
pub struct Setup {
    #[command(flatten)]
    pub selected: Selected,
    /// From which everything random follows: a whole number from 0 to 2^64-1.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
    pub seed: u64,
    /// Where to compute: auto, flex (embedded), libtorch, libtorch-cpu, libtorch-cuda[:N].
    #[arg(long, default_value = "auto")]
    pub device: String,
    #[command(flatten)]
    pub data: Data,
}

/// Where datasets come from.
#[derive(clap::Args)]
pub struct Data {
    /// Where datasets lie, in the place of CPIPE_DATA and the cache.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Never download a dataset.
    #[arg(long)]
    offline: bool,
}

impl Setup {
    /// The compiled pipeline and the device; says what is wrong where there is none.
    pub fn open(&self) -> Option<(Compiled, Sources, device::Selected)> {
        let (compiled, sources) = self.selected.compile()?;
        let device = device::select(&self.device).map_err(|error| {
            let fault = Diagnostic::general(findings::DEVICE_UNAVAILABLE, error.message);
            report(fault.help(error.help), &sources);
        });
        Some((compiled, sources, device.ok()?))
    }
}

impl Options {
    pub fn store(&self) -> PathBuf {
        self.store.clone().unwrap_or_else(|| home().join("store"))
    }
}

impl Data {
    pub fn locations(&self) -> Locations {
        Locations {
            data_dir: self.data_dir.clone(),
            environment: variable("CPIPE_DATA").map(PathBuf::from),
            cache: home().join("data"),
            offline: self.offline,
            mirror: variable("CPIPE_MIRROR"),
        }
    }
}

/// The seed of a run.
pub fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a seed is a whole number from 0 to 2^64-1".to_owned())
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let options = &arguments.options;
    let Some((compiled, sources, device)) = options.setup.open() else {
        return ExitCode::from(BAD_INPUT);
    };
    let opened = open(options);
    let (interrupt, store) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let failure = Failure::from(error);
            report(diagnostic(&failure, &compiled), &sources);
            return ExitCode::from(if failure.cause.is_full_disk() { FAILED } else { BAD_INPUT });
        }
    };
    let events = Events::new(vec![Box::new(Terminal::new(arguments.quiet))]);
    let farewell = events.clone();
    interrupt.on_exit(move || drop(farewell.emit(Event::Interrupted { stage: None })));
    let run = Run {
        graph: &compiled.graph,
        values: &compiled.resolved,
        seed: options.setup.seed,
        device,
        store,
        locations: options.setup.data.locations(),
        contents: Contents::default(),
        events: events.clone(),
        interrupt: interrupt.clone(),
        wait: !arguments.no_wait,
    };
    let Err(failure) = start(options, &run, &compiled, &sources) else {
        return ExitCode::SUCCESS;
    };
    if failure.cause.is_interrupt() {
        // Where this cannot be noted either, the exit code still says it.
        let _ = events.emit(Event::Interrupted { stage: failure.stage });
        return ExitCode::from(interrupt.exit_status());
    }
    let (name, message) = (failure.cause.finding().name.to_owned(), failure.cause.message());
    let _ = events.emit(Event::RunFailed { name, message });
    failed(&failure, &compiled, &sources)
}

/// Says why what was tried did not succeed. Gives the exit code of that.
pub fn failed(failure: &Failure, compiled: &Compiled, sources: &Sources) -> ExitCode {
    let error = diagnostic(failure, compiled);
    output::diagnostic(&error, sources);
    // A table, such as of tensors that do not fit, stands below.
    let message = failure.cause.message();
    let lines = message.lines().skip(1).map(|line| visible(line).into_owned() + "\n");
    output::error(&lines.collect::<String>());
    output::explanation(&[error]);
    ExitCode::from(if failure.cause.is_bad_input() { BAD_INPUT } else { FAILED })
}

/// Listens to Ctrl-C and the signals that end a process.
pub fn listen() -> Result<Interrupt, RunError> {
    Interrupt::install().map_err(|cause| RunError::SignalsUnavailable { cause: cause.to_string() })
}

/// What the command line names is there and can be written.
fn open(options: &Options) -> Result<(Interrupt, Store), RunError> {
    let interrupt = listen()?;
    // First what creates nothing.
    RunFolder::check(&options.output)?;
    let store = Store::open(options.store())?;
    Ok((interrupt, store))
}

fn start(
    options: &Options,
    run: &Run<'_>,
    compiled: &Compiled,
    sources: &Sources,
) -> Result<(), Failure> {
    let graph = &compiled.graph;
    let prepared = run.prepare(&options.output)?;
    let folder = RunFolder::create(&options.output, &graph.name, SystemTime::now())?;
    record::beginning(&folder, run, sources)?;
    run.events.add(Box::new(folder.events()?));
    let found = run.execute(prepared, &folder)?;
    let out = io::stdout();
    let (style, width) = match terminal::is_capable(&out) {
        true => (results::Style::Unicode, terminal::columns(terminal_size::terminal_size_of(&out))),
        false => (results::Style::Ascii, output::PLAIN_WIDTH),
    };
    let text = results::render(&found, style, width) + &ending(graph, &folder);
    let mut out = out.lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let folder = folder.path().to_owned();
    Ok(written.map_err(|cause| RunError::OutputUnwritable { folder, cause })?)
}

/// Where everything lies, and how the run is repeated.
fn ending(graph: &Graph, folder: &RunFolder) -> String {
    let mut text = format!("\nrecord   {}\n", folder.path().display());
    for position in &graph.written {
        let Some(stage) = graph.stage(*position) else { continue };
        let outputs = match stage.kind {
            StageKind::Pretrain => stage.objective().map_or(vec![], ObjectiveGraph::encoders),
            StageKind::Finetune => vec!["model"],
            StageKind::Evaluate => continue,
        };
        for output in outputs {
            let path = folder.path().join(format!("{}.{output}.safetensors", stage.name));
            text += &format!("{output:<7}  {}\n", path.display());
        }
    }
    let words = std::env::args_os().map(|word| quoted(&word.to_string_lossy()));
    text + &format!("again    {}\n", words.collect::<Vec<_>>().join(" "))
}

/// A word as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Shows why the run ends, and how to learn more.
pub fn report(error: Diagnostic, sources: &Sources) {
    output::diagnostic(&error, sources);
    output::explanation(&[error]);
}

/// A failure at the stage in which it arose.
pub fn diagnostic(failure: &Failure, compiled: &Compiled) -> Diagnostic {
    let message = failure.cause.message();
    let first = message.lines().next().unwrap_or_default().trim_end_matches(':');
    let error = Diagnostic::general(failure.cause.finding(), first);
    let mut error = with_help(error, failure.cause.help());
    let (stage, field) = failure.cause.place();
    let spans = compiled.stages.get(failure.stage.as_deref().or(stage).unwrap_or_default());
    let Some(spans) = spans else { return error };
    let label = |span, text: &str| Label { span, text: text.to_owned() };
    match field.and_then(|field| spans.fields.get(field)) {
        Some(span) => {
            error.primary = Some(label(*span, ""));
            error.also(spans.stage, "in this stage")
        }
        None => {
            error.primary = Some(label(spans.stage, "in this stage"));
            error
        }
    }
}

fn with_help(error: Diagnostic, help: Option<String>) -> Diagnostic {
    match help {
        Some(help) => error.help(help),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        let words = ["run", "epochs=3 epochs", "", "it's", "a*b"].map(quoted);
        assert_eq!(words, ["run", "'epochs=3 epochs'", "''", r"'it'\''s'", "'a*b'"]);
    }
}
