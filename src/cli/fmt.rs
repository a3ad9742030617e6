//! `cpipe fmt`

use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;

use super::{BAD_INPUT, collect, output, rewrite};
use crate::diagnostics::{Diagnostic, Diagnostics, findings, render_all, visible};
use crate::resolve::{self, Disk};
use crate::source::Sources;
use crate::syntax::format;
use crate::syntax::parse::{self, Parsed};

/// Standard input, to standard output.
const STANDARD: &str = "-";

#[derive(clap::Args)]
pub struct Arguments {
    /// Files, folders (every .cpipe file below), or - for standard input to standard output.
    #[arg(required = true)]
    files: Vec<String>,
    /// Write nothing: list what is not formatted, with exit code 2 where something is not.
    #[arg(long)]
    check: bool,
    /// Write nothing: show what would change.
    #[arg(long)]
    diff: bool,
}

/// What has been found in all of the files.
#[derive(Default)]
struct Found {
    /// Whether something was wrong that is said already.
    is_wrong: bool,
    is_changed: bool,
    /// Whether a file could not be written.
    has_failed: bool,
    /// What goes to standard output.
    text: String,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let mut found = Found::default();
    for argument in &arguments.files {
        if argument == STANDARD {
            match read_standard() {
                Ok(text) => one(arguments, None, &text, &mut found),
                Err(error) => found.wrong(&error),
            }
            continue;
        }
        let files = match collect::programs(Path::new(argument)) {
            Ok(files) => files,
            Err(message) => {
                found.wrong(&Diagnostic::general(findings::FILE_UNREADABLE, message));
                continue;
            }
        };
        for file in files {
            match resolve::read(&Disk, &file) {
                Ok(text) => one(arguments, Some(&file), &text, &mut found),
                Err(error) => found.wrong(&error),
            }
        }
    }
    let written = output::write(&found.text);
    match found {
        Found { has_failed: true, .. } => ExitCode::FAILURE,
        Found { is_wrong: true, .. } => ExitCode::from(BAD_INPUT),
        Found { is_changed: true, .. } if arguments.check => ExitCode::from(BAD_INPUT),
        _ => written,
    }
}

impl Found {
    fn wrong(&mut self, diagnostic: &Diagnostic) {
        output::diagnostic(diagnostic, &Sources::default());
        self.is_wrong = true;
    }
}

/// Formats one text, of a file or of standard input.
fn one(arguments: &Arguments, file: Option<&Path>, text: &str, found: &mut Found) {
    let name = file.map_or("standard input".to_owned(), |file| file.display().to_string());
    let mut sources = Sources::default();
    let id = sources.add(name.as_str(), text);
    let Parsed { lossless, file: tree, diagnostics } = parse::file(&sources, id);
    if !tree.whole {
        let faults = Diagnostics::sorted(diagnostics);
        output::error(&render_all(&faults, &sources, output::style()));
        output::explanation(&faults);
        found.is_wrong = true;
        return;
    }
    let formatted = format::format(&lossless);
    let is_changed = formatted != text;
    found.is_changed |= is_changed;
    if arguments.diff && is_changed {
        found.text += &difference(&name, text, &formatted);
    }
    if arguments.check && is_changed && !arguments.diff {
        found.text += &format!("{}\n", visible(&name));
    }
    if arguments.check || arguments.diff {
        return;
    }
    match file {
        None => found.text += &formatted,
        Some(file) if is_changed => {
            if let Err(error) = rewrite::replace(file, text, &formatted) {
                output::error(&format!("{}\n", visible(&format!("cannot write {name}: {error}"))));
                found.has_failed = true;
            }
        }
        Some(_) => {}
    }
}

fn read_standard() -> Result<String, Box<Diagnostic>> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(parse::LARGEST as u64 + 1).read_to_end(&mut bytes);
    let text = read.and_then(|_| {
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    });
    text.map_err(|error| {
        let message = format!("cannot read standard input: {error}");
        Box::new(Diagnostic::general(findings::FILE_UNREADABLE, message))
    })
}

/// A unified diff.
fn difference(name: &str, old: &str, new: &str) -> String {
    let difference = similar::TextDiff::from_lines(old, new);
    let name = visible(name);
    difference.unified_diff().header(&name, &name).to_string()
}
