//! `cpipe run`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use super::{BAD_INPUT, Selected, output};
use crate::Compiled;
use crate::device;
use crate::diagnostics::{Diagnostic, Label, render};
use crate::report::terminal::Terminal;
use crate::run::error::RunError;
use crate::run::events::{Event, Events};
use crate::run::folder::RunFolder;
use crate::run::interrupt::{EXIT_STATUS, Interrupt};
use crate::run::store::Store;
use crate::run::{Failure, Locations, Run, home, record};
use crate::syntax::Sources;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    selected: Selected,
    /// From which everything random follows.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to compute: auto, flex (embedded), libtorch, libtorch-cpu, libtorch-cuda[:N].
    #[arg(long, default_value = "auto")]
    device: String,
    /// Where datasets lie, before CPIPE_DATA and the cache are searched.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the record of the run goes, in a folder of its own.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    output: PathBuf,
    /// Where finished stages are kept [default: store in $CPIPE_HOME or the user's cache].
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Never download a dataset.
    #[arg(long)]
    offline: bool,
    /// Only warnings and the results.
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let Some((compiled, sources)) = arguments.selected.compile() else {
        return ExitCode::from(BAD_INPUT);
    };
    let selected = match device::select(&arguments.device) {
        Ok(selected) => selected,
        Err(error) => {
            show(
                &Diagnostic::general("device-unavailable", error.message).help(error.help),
                &sources,
            );
            return ExitCode::from(BAD_INPUT);
        }
    };
    match start(arguments, &compiled, &sources, selected) {
        Ok(code) => code,
        Err(error) => {
            let shown = Diagnostic::general(error.name(), error.message());
            show(&with_help(shown, error.help()), &sources);
            ExitCode::from(BAD_INPUT)
        }
    }
}

fn start(
    arguments: &Arguments,
    compiled: &Compiled,
    sources: &Sources,
    device: device::Selected,
) -> Result<ExitCode, RunError> {
    let interrupt = Interrupt::install()?;
    let root = arguments.store.clone().unwrap_or_else(|| home().join("store"));
    let store = Store::open(root)?;
    let folder = RunFolder::create(&arguments.output, &compiled.graph.name, SystemTime::now())?;
    record::beginning(
        &folder,
        &compiled.graph,
        &compiled.resolved,
        sources,
        arguments.seed,
        &device.kind,
    )?;
    let terminal = Terminal::new(arguments.quiet);
    let events = Events::new(vec![Box::new(folder.events()?), Box::new(terminal)]);
    let run = Run {
        graph: &compiled.graph,
        seed: arguments.seed,
        device,
        store,
        folder: &folder,
        locations: Locations {
            data_dir: arguments.data_dir.clone(),
            environment: std::env::var_os("CPIPE_DATA").map(PathBuf::from),
            cache: home().join("data"),
            offline: arguments.offline,
            quiet: arguments.quiet,
        },
        events: events.clone(),
        interrupt,
    };
    match run.execute() {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(failure) if failure.is_interrupt() => {
            events.emit(Event::Interrupted { stage: failure.stage })?;
            Ok(ExitCode::from(EXIT_STATUS as u8))
        }
        Err(failure) => {
            let (name, message) = (failure.cause.name().to_owned(), failure.cause.message());
            events.emit(Event::RunFailed { name, message })?;
            show(&diagnostic(&failure, compiled), sources);
            Ok(ExitCode::from(BAD_INPUT))
        }
    }
}

/// A failure at the stage in which it arose.
fn diagnostic(failure: &Failure, compiled: &Compiled) -> Diagnostic {
    let error = Diagnostic::general(failure.cause.name(), failure.cause.message());
    let error = with_help(error, failure.cause.help());
    let span = failure.stage.as_ref().and_then(|stage| compiled.stages.get(stage));
    let primary = span.map(|span| Label { span: *span, text: "in this stage".to_owned() });
    Diagnostic { primary, ..error }
}

fn with_help(error: Diagnostic, help: Option<String>) -> Diagnostic {
    match help {
        Some(help) => error.help(help),
        None => error,
    }
}

fn show(diagnostic: &Diagnostic, sources: &Sources) {
    output::error(&(render(diagnostic, sources, output::style()) + "\n"));
}
