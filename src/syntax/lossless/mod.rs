//! The lossless syntax tree: all of a text, byte for byte, with the comments, blank lines, brackets
//! and spellings that [`super::tree`] leaves out.

mod build;
mod kind;
mod stored;

pub(super) use build::{Builder, is_white_space};
pub use kind::SyntaxKind;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::source::{FileId, Span};

/// What stands in a text. Its leaves follow each other without gaps: one after the other, they are
/// the text.
#[derive(Clone, Debug)]
pub struct Tree {
    text: Arc<str>,
    file: FileId,
    /// Each node stands before what it holds, and that before its next sibling; the root is first.
    records: Vec<Record>,
}

/// A node as it is kept: small, since the library has ten thousand of them.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    kind: SyntaxKind,
    start: u32,
    end: u32,
    /// For the root itself.
    parent: u32,
    next: u32,
}

impl Record {
    fn new(kind: SyntaxKind, range: Range<usize>, parent: Option<usize>, next: usize) -> Self {
        let [start, end] = [range.start, range.end].map(short);
        Record { kind, start, end, parent: short(parent.unwrap_or(0)), next: short(next) }
    }

    fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The position of the first record that the node does not hold.
    fn next(&self) -> usize {
        self.next as usize
    }
}

/// No text that is read is as long as this tells, and no tree has as many nodes.
fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Tree {
    /// The tree of a text that could not be read.
    pub fn unread(text: Arc<str>, file: FileId) -> Self {
        let end = text.len();
        let mut builder = Builder::new(text, file);
        builder.token(SyntaxKind::Error, 0..end);
        builder.finish()
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn root(&self) -> Node<'_> {
        Node { tree: self, index: 0 }
    }

    /// The leaf that the byte at `offset` belongs to.
    pub fn leaf_at(&self, offset: usize) -> Option<Node<'_>> {
        // Where it begins, whatever holds it has begun, and nothing that follows it has.
        let index =
            self.records.partition_point(|record| record.range().start <= offset).checked_sub(1)?;
        let leaf = Node { tree: self, index };
        (leaf.kind().is_token() && offset < leaf.range().end).then_some(leaf)
    }

    /// The smallest node that holds all of a range; the root where none does.
    pub fn covering(&self, range: Range<usize>) -> Node<'_> {
        let mut node = self.leaf_at(range.start).unwrap_or(self.root());
        while let (true, Some(parent)) = (node.range().end < range.end, node.parent()) {
            node = parent;
        }
        node
    }
}

/// A node of a tree.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    tree: &'t Tree,
    index: usize,
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.tree, other.tree) && self.index == other.index
    }
}

/// Without the rest of its tree.
impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.kind(), self.range(), self.text())
    }
}

impl<'t> Node<'t> {
    fn record(self) -> &'t Record {
        // A node is only made of the position of a record.
        &self.tree.records[self.index]
    }

    pub fn kind(self) -> SyntaxKind {
        self.record().kind
    }

    /// From its first to its last leaf; neither is trivia but in the root.
    pub fn range(self) -> Range<usize> {
        self.record().range()
    }

    pub fn span(self) -> Span {
        let Range { start, end } = self.range();
        Span { file: self.tree.file, start, end }
    }

    pub fn text(self) -> &'t str {
        self.tree.text.get(self.range()).unwrap_or_default()
    }

    pub fn parent(self) -> Option<Node<'t>> {
        (self.index > 0).then(|| Node { index: self.record().parent as usize, ..self })
    }

    /// What it is made of, trivia included, in order.
    pub fn children(self) -> impl Iterator<Item = Node<'t>> {
        let end = self.record().next();
        let node = move |index: usize| (index < end).then_some(Node { index, ..self });
        std::iter::successors(node(self.index + 1), move |child| node(child.record().next()))
    }

    /// It and all that it holds, each node before what that holds.
    pub fn descendants(self) -> impl DoubleEndedIterator<Item = Node<'t>> {
        (self.index..self.record().next()).map(move |index| Node { index, ..self })
    }

    /// The leaves below it, or itself where it is one.
    pub fn leaves(self) -> impl DoubleEndedIterator<Item = Node<'t>> {
        self.leaves_within(self.index..self.record().next())
    }

    /// The comments above it, or on its line before it. One that stands behind something else on
    /// the line of that belongs there.
    pub fn comments_before(self) -> Vec<Node<'t>> {
        let earlier = self.leaves_within(0..self.index).rev();
        let mut trivia: Vec<Node<'t>> =
            earlier.take_while(|leaf| leaf.kind().is_trivia()).collect();
        trivia.reverse();
        let is_first = trivia.first().is_some_and(|leaf| leaf.range().start == 0);
        let breaks =
            |leaf: &Node<'t>| leaf.kind() == SyntaxKind::Whitespace && leaf.text().contains('\n');
        // Up to the first line break they stand behind the token before.
        let begin = match is_first {
            true => Some(0),
            false => trivia.iter().position(breaks),
        };
        let own = trivia.into_iter().skip(begin.unwrap_or(usize::MAX));
        own.filter(|leaf| leaf.kind() == SyntaxKind::Comment).collect()
    }

    /// The comment behind it on its line, past a comma.
    pub fn comment_after(self) -> Option<Node<'t>> {
        for leaf in self.leaves_within(self.record().next()..self.tree.records.len()) {
            match leaf.kind() {
                SyntaxKind::Comment => return Some(leaf),
                SyntaxKind::Whitespace if !leaf.text().contains('\n') => {}
                SyntaxKind::Punctuation if leaf.text() == "," => {}
                _ => return None,
            }
        }
        None
    }

    fn leaves_within(self, indices: Range<usize>) -> impl DoubleEndedIterator<Item = Node<'t>> {
        let nodes = indices.map(move |index| Node { index, ..self });
        nodes.filter(|node| node.kind().is_token())
    }
}
