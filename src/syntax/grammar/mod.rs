//! The grammar: texts to lossless trees, by pest. Beside the words of its errors, only this module
//! names it. The build reads the library with it, so that nothing else of the crate stands in it.

mod pairs;

use std::sync::Arc;

use pest::Parser as _;

use super::lossless::Tree;
use crate::source::FileId;

#[derive(pest_derive::Parser)]
#[grammar = "grammar/cpipe.pest"]
pub struct Grammar;

type Pair<'i> = pest::iterators::Pair<'i, Rule>;

/// The tree of a text that has to fit an entry rule whole; none where it does not.
pub fn read(text: &Arc<str>, file: FileId, entry: Rule) -> Option<Tree> {
    let mut pairs = Grammar::parse(entry, text).ok()?;
    let entry = pairs.next().expect("an entry rule yields one pair");
    Some(pairs::tree(Arc::clone(text), file, entry))
}
