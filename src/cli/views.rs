//! `cpipe views`

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::run::{self, Data, seed};
use super::training::training;
use super::{BAD_INPUT, FAILED, Selected, output, rewrite};
use crate::diagnostics::{Diagnostic, findings, visible};
use crate::graph::Stage;
use crate::report::grid::Layout;
use crate::report::terminal::Terminal;
use crate::run::views::{Seen, seen};
use crate::source::Sources;
use crate::store::events::Events;
use crate::watch::Watch;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    selected: Selected,
    /// Write the picture there, as a PNG. The same as `-o FILE.png`.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The training whose views are shown [default: the first].
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// How many examples: the first that the training sees.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=MOST))]
    examples: u16,
    /// In how many epochs [default: as many as make about eight views].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MOST))]
    epochs: Option<u16>,
    /// From which everything random follows: a whole number from 0 to 2^64-1.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_parser = seed)]
    seed: u64,
    #[command(flatten)]
    data: Data,
}

/// More examples, or epochs, than a picture shows.
const MOST: i64 = 50;

/// The views of an example, where the epochs are not said.
const VIEWS: usize = 8;

/// Lines of a terminal that are left for what is said beside the picture.
const BESIDE: usize = 5;

pub fn run(arguments: &Arguments) -> ExitCode {
    let mut selected = arguments.selected.clone();
    // An override has a `=`.
    let (overrides, pictures): (Vec<_>, Vec<_>) =
        selected.overrides.into_iter().partition(|given| given.contains('='));
    selected.overrides = overrides;
    let mut files: Vec<PathBuf> = pictures.into_iter().map(PathBuf::from).collect();
    files.extend(arguments.output.clone());
    if let Err(error) = check_output(&files) {
        return said(*error, &Sources::default(), BAD_INPUT);
    }
    if files.is_empty() && !draws() {
        let what = "standard output is no terminal of 24-bit colours";
        output::error(&format!("error: {what}: write the picture to a file, `-o grid.png`\n"));
        return ExitCode::from(BAD_INPUT);
    }
    let Some((compiled, sources)) = selected.compile() else {
        return ExitCode::from(BAD_INPUT);
    };
    let stage = match training(&compiled, arguments.stage.as_deref()) {
        Ok(stage) => stage,
        Err(error) => return said(*error, &sources, BAD_INPUT),
    };
    let interrupt = match run::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => return run::failed(&error.into(), &compiled, &sources),
    };
    let views = stage.objective().map_or(1, |objective| objective.views.max(1));
    let epochs = arguments.epochs.map_or((VIEWS / views).max(1), usize::from);
    let shape = [usize::from(arguments.examples), epochs];
    let events = Events::new(vec![Box::new(Terminal::new(false))]);
    let tell = |work| events.work(work);
    let found = seen(
        stage,
        arguments.seed,
        shape,
        &arguments.data.locations(),
        Watch::new(&interrupt, &tell),
    );
    match found {
        Ok(seen) => show(arguments, stage, &seen, files.first().map(PathBuf::as_path)),
        Err(failure) if failure.is_interrupt() => ExitCode::from(interrupt.exit_status()),
        Err(failure) => run::failed(&failure, &compiled, &sources),
    }
}

/// At most one picture, which is a PNG and has a folder to lie in.
fn check_output(files: &[PathBuf]) -> Result<(), Box<Diagnostic>> {
    let wrong = |message: &str, help: &str| {
        Err(Box::new(Diagnostic::general(findings::BAD_OVERRIDE, visible(message)).help(help)))
    };
    let extension = |file: &PathBuf| file.extension().map(|own| own.to_ascii_lowercase());
    match files {
        [] => Ok(()),
        [file] if extension(file).is_some_and(|own| own == "png") => match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
                let message = format!("there is no folder `{}`", folder.display());
                let error = Diagnostic::general(findings::IO_ERROR, visible(&message));
                Err(Box::new(error.help("make it, or write the picture to another one")))
            }
            _ => Ok(()),
        },
        [file] => wrong(
            &format!("`{}` is neither `name=value` nor a PNG", file.display()),
            "give the name of the picture: `-o grid.png`",
        ),
        _ => wrong("there is one picture, and several files are named", "name one of them"),
    }
}

/// Whether standard output shows 24-bit colours.
fn draws() -> bool {
    let is = |name: &str, values: &[&str]| {
        std::env::var(name).is_ok_and(|value| values.iter().any(|own| value.ends_with(own)))
    };
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let colours = is("COLORTERM", &["truecolor", "24bit"]) || is("TERM", &["-direct"]);
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && colours
}

/// Draws the views, writes them, and says what they are.
fn show(arguments: &Arguments, stage: &Stage, seen: &[Seen], file: Option<&Path>) -> ExitCode {
    let mut text = String::new();
    if draws() {
        let (layout, fitting) = fitting(seen);
        text += &layout.draw(&fitting).blocks();
        if file.is_none() {
            text += &described(arguments, stage, &fitting);
        }
    }
    if let Some(file) = file {
        let picture = Layout::whole(seen).draw(seen);
        let shown = visible(&file.to_string_lossy()).into_owned();
        let bytes = picture.png().map_err(std::io::Error::other);
        if let Err(reason) = bytes.and_then(|bytes| rewrite::write(file, &bytes)) {
            let message = format!("cannot write {shown}: {reason}");
            let error = Diagnostic::general(findings::IO_ERROR, visible(&message));
            return said(error, &Sources::default(), FAILED);
        }
        text += &described(arguments, stage, seen);
        text += &format!("{shown}: {} x {} pixels\n", picture.width, picture.height);
    }
    output::write(&text)
}

/// As many rows and epochs as the terminal has room for.
fn fitting(seen: &[Seen]) -> (Layout, Vec<Seen>) {
    let size = terminal_size::terminal_size_of(std::io::stdout());
    let lines = size.map_or(24, |(_, height)| usize::from(height.0)).saturating_sub(BESIDE);
    let epochs = seen.first().map_or(0, |row| row.epochs.len());
    let first = |epochs: usize| {
        let few = |row: &Seen| Seen { epochs: row.epochs[..epochs].to_vec(), ..row.clone() };
        let few: Vec<Seen> = seen.iter().map(few).collect();
        (Layout::within(&few, output::width()), few)
    };
    // Fewer epochs where all of them would make the views smaller.
    let mut best = first(epochs);
    for epochs in (1..epochs).rev() {
        let fewer = first(epochs);
        if fewer.0.scale > best.0.scale {
            best = fewer;
        }
    }
    let (layout, mut few) = best;
    let each = few.first().map_or(1, |row| layout.lines(row)).max(1);
    few.truncate((lines / each).max(1));
    (layout, few)
}

/// What a row and a column are.
fn described(arguments: &Arguments, stage: &Stage, seen: &[Seen]) -> String {
    let views = seen.first().and_then(|row| row.epochs.first()).map_or(0, Vec::len);
    let epochs = seen.first().map_or(0, |row| row.epochs.len());
    let its = match views {
        1 => "its view".to_owned(),
        views => format!("its {views} views"),
    };
    let when = match epochs {
        1 => "the first epoch".to_owned(),
        epochs => format!("each of the first {epochs} epochs"),
    };
    let indices: Vec<String> = seen.iter().map(|row| row.index.to_string()).collect();
    let text = format!(
        "`{}`, seed {}: a row has an example as it is, then {its} in {when}; the examples are {}",
        stage.name,
        arguments.seed,
        indices.join(", "),
    );
    output::reflow(&text, output::width())
}

fn said(error: Diagnostic, sources: &Sources, code: u8) -> ExitCode {
    run::report(error, sources);
    ExitCode::from(code)
}
