//! Nodes in the order in which they stand to a tree.

use std::ops::Range;
use std::sync::Arc;

use super::{Record, SyntaxKind, Tree, short};
use crate::source::FileId;

/// Makes a tree from its root on. What is opened and taken has to follow in the order of the text;
/// what stands between becomes leaves by itself.
pub struct Builder {
    text: Arc<str>,
    file: FileId,
    records: Vec<Record>,
    /// The nodes that are not closed yet, the root first.
    open: Vec<usize>,
    /// The end of the last leaf.
    position: usize,
}

impl Builder {
    pub fn new(text: Arc<str>, file: FileId) -> Self {
        let mut builder =
            Builder { text, file, records: Vec::new(), open: Vec::new(), position: 0 };
        builder.begin(SyntaxKind::Root);
        builder
    }

    /// Begins a node at a place of the text.
    pub fn open(&mut self, kind: SyntaxKind, start: usize) {
        self.pass(start);
        self.begin(kind);
    }

    /// Ends the node that was opened last, with its last leaf: the trivia behind it is not its own.
    pub fn close(&mut self) {
        if let Some(index) = self.open.pop() {
            let next = self.records.len();
            let record = &mut self.records[index];
            (record.end, record.next) = (short(self.position), short(next));
        }
    }

    /// Takes a token.
    pub fn token(&mut self, kind: SyntaxKind, range: Range<usize>) {
        self.pass(range.start);
        self.leaf(kind, range.end);
    }

    pub fn finish(mut self) -> Tree {
        self.pass(self.text.len());
        while !self.open.is_empty() {
            self.close();
        }
        Tree { text: self.text, file: self.file, records: self.records }
    }

    /// Makes leaves of the text before `start`: trivia, and the signs that no rule names.
    fn pass(&mut self, start: usize) {
        let text = Arc::clone(&self.text);
        while let Some(rest) = text.get(self.position..start).filter(|rest| !rest.is_empty()) {
            let (kind, length) = first(rest);
            self.leaf(kind, self.position + length);
        }
    }

    fn leaf(&mut self, kind: SyntaxKind, end: usize) {
        // The end of a text is no leaf, nor is a text that is empty.
        if end > self.position {
            let next = self.records.len() + 1;
            let parent = self.open.last().copied();
            self.records.push(Record::new(kind, self.position..end, parent, next));
            self.position = end;
        }
    }

    fn begin(&mut self, kind: SyntaxKind) {
        let (start, index) = (self.position, self.records.len());
        let parent = self.open.last().copied();
        self.records.push(Record::new(kind, start..start, parent, index + 1));
        self.open.push(index);
    }
}

/// What a text that is not empty begins with, and how long that is.
fn first(text: &str) -> (SyntaxKind, usize) {
    let length_to = |end: Option<usize>| end.unwrap_or(text.len());
    match text.find(|c| !is_white_space(c)) {
        Some(0) if text.starts_with("//") => {
            let line = &text[..length_to(text.find('\n'))];
            (SyntaxKind::Comment, line.trim_end_matches(is_white_space).len())
        }
        Some(0) => {
            let blank = text.find(is_white_space);
            let comment = text.find("//");
            (SyntaxKind::Punctuation, length_to(blank.into_iter().chain(comment).min()))
        }
        end => (SyntaxKind::Whitespace, length_to(end)),
    }
}

/// What the grammar calls white space.
pub fn is_white_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
