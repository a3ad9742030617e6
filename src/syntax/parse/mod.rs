//! Text to syntax tree. Only this module names pest.

mod brackets;
mod errors;
mod limits;
mod lower;

pub use limits::{LARGEST, too_large};

use std::ops::Range;

use pest::Parser as _;

use super::tree;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::source::{FileId, Sources, Span};

#[derive(pest_derive::Parser)]
#[grammar = "grammar/cpipe.pest"]
struct Grammar;

type Pair<'i> = pest::iterators::Pair<'i, Rule>;

/// Reads a file. What could be read is returned beside every syntax error found on the way.
pub fn file(sources: &Sources, id: FileId) -> (tree::File, Diagnostics) {
    read(sources, id, Rule::file, |lower, pair| lower.file(pair))
        .unwrap_or_else(|diagnostic| (tree::File::default(), (*diagnostic).into()))
}

/// Reads one expression at `range` of a text, such as the value of an override.
pub fn expression(
    sources: &Sources,
    id: FileId,
    range: Range<usize>,
) -> Result<tree::Expr, Diagnostics> {
    let text = alone(&sources.get(id).text, range);
    whole(read_text(&text, id, Rule::expression, |lower, pair| lower.expression_file(pair)))
}

/// Reads a dotted path at `range` of a text, such as the name of an override.
pub fn path(
    sources: &Sources,
    id: FileId,
    range: Range<usize>,
) -> Result<Vec<tree::Name>, Diagnostics> {
    let text = alone(&sources.get(id).text, range);
    whole(read_text(&text, id, Rule::path_only, |lower, pair| lower.path_file(pair)))
}

/// A range of a text after as much white space as stands before it, so that its places are those
/// of the text.
fn alone(text: &str, range: Range<usize>) -> String {
    let inside = text.get(range.clone()).unwrap_or_default();
    format!("{}{inside}", " ".repeat(range.start))
}

fn whole<T>(read: Result<(T, Diagnostics), Box<Diagnostic>>) -> Result<T, Diagnostics> {
    match read {
        Ok((tree, diagnostics)) if diagnostics.is_empty() => Ok(tree),
        Ok((_, diagnostics)) => Err(diagnostics),
        Err(diagnostic) => Err((*diagnostic).into()),
    }
}

fn read<T>(
    sources: &Sources,
    id: FileId,
    rule: Rule,
    lower: impl FnOnce(&mut lower::Lower<'_>, Pair<'_>) -> T,
) -> Result<(T, Diagnostics), Box<Diagnostic>> {
    read_text(&sources.get(id).text, id, rule, lower)
}

fn read_text<T>(
    text: &str,
    id: FileId,
    rule: Rule,
    lower: impl FnOnce(&mut lower::Lower<'_>, Pair<'_>) -> T,
) -> Result<(T, Diagnostics), Box<Diagnostic>> {
    limits::check(text, id)?;
    let mut pairs =
        Grammar::parse(rule, text).map_err(|_| Box::new(errors::explain(text, id, 0, rule)))?;
    let pair = pairs.next().expect("an entry rule yields one pair");
    let mut lowering = lower::Lower::new(text, id);
    let tree = lower(&mut lowering, pair);
    Ok((tree, lowering.diagnostics))
}

fn span(id: FileId, pair: &Pair<'_>) -> Span {
    let start = pair.as_span().start();
    // A rule that ends in something optional has passed the white space before it.
    Span { file: id, start, end: start + pair.as_str().trim_end().len() }
}
