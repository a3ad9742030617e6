//! One object, for scripts and editors. README.md describes it.

use serde::Serialize;

use super::{Found, position};
use crate::diagnostics::{Label, Severity};
use crate::source::{self, Sources, Span};

/// Grows when a field goes or changes its meaning; a new field leaves it as it is.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'c> {
    version: u32,
    /// Files that were checked.
    files: usize,
    errors: usize,
    warnings: usize,
    diagnostics: Vec<Entry<'c>>,
}

#[derive(Serialize)]
struct Entry<'c> {
    name: &'static str,
    level: &'static str,
    message: &'c str,
    help: Option<&'c str>,
    /// The file that was checked.
    file: &'c str,
    /// What it is about, where that is a place in a text.
    place: Option<Labelled<'c>>,
    /// Other places that matter.
    related: Vec<Labelled<'c>>,
    edit: Option<Change<'c>>,
    /// The command that says more.
    explain: String,
}

#[derive(Serialize)]
struct Labelled<'c> {
    #[serde(flatten)]
    place: Place<'c>,
    /// A few words about the place, or none.
    label: &'c str,
}

#[derive(Serialize)]
struct Place<'c> {
    file: &'c str,
    /// Whether `file` is a module of the library, and no path.
    library: bool,
    start: Position,
    /// Behind the last character.
    end: Position,
}

#[derive(Serialize)]
struct Position {
    /// From one.
    line: usize,
    /// From one, in characters.
    column: usize,
    /// From zero, in bytes.
    offset: usize,
}

#[derive(Serialize)]
struct Change<'c> {
    #[serde(flatten)]
    place: Place<'c>,
    replacement: &'c str,
    safe: bool,
}

/// All of them, of that many files.
pub fn json(found: &[Found<'_>], files: usize) -> serde_json::Result<String> {
    let count = |severity| found.iter().filter(|one| one.diagnostic.severity() == severity).count();
    let report = Report {
        version: VERSION,
        files,
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        diagnostics: found.iter().map(entry).collect(),
    };
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

fn entry<'c>(Found { file, diagnostic, sources }: &Found<'c>) -> Entry<'c> {
    let labelled =
        |label: &'c Label| Labelled { place: place(label.span, sources), label: &label.text };
    let edit = diagnostic.edit.as_ref().map(|edit| Change {
        place: place(edit.place, sources),
        replacement: &edit.text,
        safe: edit.is_safe,
    });
    Entry {
        name: diagnostic.finding.name,
        level: diagnostic.severity().word(),
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
        file,
        place: diagnostic.primary.as_ref().map(labelled),
        related: diagnostic.secondary.iter().map(labelled).collect(),
        edit,
        explain: format!("cpipe explain {}", diagnostic.finding.name),
    }
}

fn place<'c>(span: Span, sources: &'c Sources) -> Place<'c> {
    let source = sources.get(span.file);
    let position = |offset| {
        let found = position(source, offset);
        Position { line: found.line, column: found.column, offset }
    };
    Place {
        file: &source.name,
        library: source::is_embedded(span.file),
        start: position(span.start),
        end: position(span.end),
    }
}
