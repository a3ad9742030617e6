//! Text to syntax trees: the lossless one, and the typed one that is read off it.

mod brackets;
mod errors;
mod limits;
mod lower;

pub use limits::{LARGEST, too_large};

use std::ops::Range;
use std::sync::Arc;

use super::grammar::{self, Rule};
use super::{lossless, tree};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::source::{self, FileId, Sources, Span};

/// What a text says.
pub struct Parsed {
    /// All of the text; one error where none of it could be read.
    pub lossless: lossless::Tree,
    /// What could be read.
    pub file: tree::File,
    /// Every syntax error found on the way.
    pub diagnostics: Diagnostics,
}

/// Reads a file.
pub fn file(sources: &Sources, id: FileId) -> Parsed {
    let text = &sources.get(id).text;
    let stored = || lossless::Tree::read(Arc::clone(text), id, source::embedded_tree(text)?);
    match stored().map_or_else(|| lossless(text, id, Rule::file), Ok) {
        Ok(lossless) => {
            let mut lower = lower::Lower::new(text, id);
            let file = lower.file(lossless.root());
            let mut diagnostics = lower.diagnostics;
            if let Some(error) = lone_return(text, id) {
                diagnostics.push(error);
            }
            Parsed { file, diagnostics, lossless }
        }
        Err(diagnostic) => Parsed {
            lossless: lossless::Tree::unread(Arc::clone(text), id),
            file: tree::File::default(),
            diagnostics: (*diagnostic).into(),
        },
    }
}

/// The error of a line that a carriage return alone is to end. It does not: what follows a comment
/// there would belong to it.
fn lone_return(text: &str, file: FileId) -> Option<Diagnostic> {
    let alone = |at: &usize| text.as_bytes().get(at + 1) != Some(&b'\n');
    let start = text.match_indices('\r').map(|(at, _)| at).find(alone)?;
    let span = Span { file, start, end: start + 1 };
    let message = "a carriage return alone ends no line";
    let error = Diagnostic::new(findings::SYNTAX_ERROR, span, message);
    Some(error.help("save the text with line feeds at the ends of its lines"))
}

/// Reads one expression at `range` of a text, such as the value of an override.
pub fn expression(
    sources: &Sources,
    id: FileId,
    range: Range<usize>,
) -> Result<tree::Expr, Diagnostics> {
    alone(sources, id, range, Rule::expression, |lower, root| lower.expression_file(root))
}

/// Reads a dotted path at `range` of a text, such as the name of an override.
pub fn path(
    sources: &Sources,
    id: FileId,
    range: Range<usize>,
) -> Result<Vec<tree::Name>, Diagnostics> {
    alone(sources, id, range, Rule::path_only, |lower, root| lower.path_file(root))
}

/// Reads a range of a text that has to fit whole.
fn alone<T>(
    sources: &Sources,
    id: FileId,
    range: Range<usize>,
    rule: Rule,
    lower: impl FnOnce(&mut lower::Lower<'_>, lossless::Node<'_>) -> T,
) -> Result<T, Diagnostics> {
    let inside = sources.get(id).text.get(range.clone()).unwrap_or_default();
    // As much white space as stands before it keeps its places those of the text.
    let text = format!("{}{inside}", " ".repeat(range.start)).into();
    let lossless =
        lossless(&text, id, rule).map_err(|diagnostic| Diagnostics::from(*diagnostic))?;
    let mut lowering = lower::Lower::new(&text, id);
    let read = lower(&mut lowering, lossless.root());
    match lowering.diagnostics.is_empty() {
        true => Ok(read),
        false => Err(lowering.diagnostics),
    }
}

fn lossless(text: &Arc<str>, id: FileId, rule: Rule) -> Result<lossless::Tree, Box<Diagnostic>> {
    limits::check(text, id)?;
    grammar::read(text, id, rule).ok_or_else(|| Box::new(errors::explain(text, id, 0, rule)))
}
