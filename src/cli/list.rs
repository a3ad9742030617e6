//! `cpipe list`

use std::process::ExitCode;

use super::{BAD_INPUT, output};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::catalog::{self, Category, Entry};
use crate::source::Sources;

#[derive(clap::Args)]
pub struct Arguments {
    /// One kind alone: stages, datasets, augmentations, encoders, heads, objectives, operations,
    /// optimizers, schedules, protocols or pipelines.
    kind: Option<String>,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let kinds: Vec<Category> = match &arguments.kind {
        None => Category::ALL.to_vec(),
        Some(wanted) => match Category::ALL.iter().find(|kind| is_called(**kind, wanted)) {
            Some(kind) => vec![*kind],
            None => {
                output::diagnostic(&unknown(wanted), &Sources::default());
                return ExitCode::from(BAD_INPUT);
            }
        },
    };
    let entries = catalog::entries();
    let width = output::width();
    let mut text = String::new();
    for kind in kinds {
        let mut own: Vec<&Entry> =
            entries.iter().filter(|entry| entry.named.kind == kind).collect();
        own.sort_by_key(|entry| (!entry.is_in_scope, entry.path()));
        text += &group(kind, &own, width);
    }
    text += "A name with a path is had by `use PATH`; `cpipe doc NAME` says more of it.\n";
    output::write(&text)
}

/// By several or by one: `datasets`, `dataset`.
fn is_called(kind: Category, word: &str) -> bool {
    kind.plural() == word || kind.plural().strip_suffix('s') == Some(word)
}

fn unknown(wanted: &str) -> Diagnostic {
    let words = || Category::ALL.iter().map(|kind| kind.plural());
    let message = format!("there is no kind of name `{wanted}`");
    Diagnostic::general(findings::UNKNOWN_KIND, message)
        .help(format!("the kinds are {}", words().collect::<Vec<_>>().join(", ")))
        .nearest(wanted, words())
}

/// The names of a kind, each with as much of what it says of itself as fits the line.
fn group(kind: Category, entries: &[&Entry], width: usize) -> String {
    let mut text = format!("{}\n", kind.plural());
    let label = |entry: &Entry| match entry.is_in_scope {
        true => entry.named.name.to_owned(),
        false => entry.path(),
    };
    let longest = entries.iter().map(|entry| label(entry).len()).max().unwrap_or_default();
    for entry in entries {
        let line = format!("  {:<longest$}  {}", label(entry), entry.named.summary());
        text += &output::cut(line.trim_end(), width);
        text.push('\n');
    }
    text.push('\n');
    text
}
