//! Source texts and places in them.

use std::sync::{Arc, OnceLock};

/// A text by its position in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A range of bytes of one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// From the start of this span to the end of `other`; this span where `other` stands in another
    /// text.
    pub fn to(self, other: Span) -> Span {
        match self.file == other.file {
            true => Span { end: other.end.max(self.end), ..self },
            false => self,
        }
    }
}

/// A text and the name under which it is shown.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub text: Arc<str>,
    /// Where each line starts, found when it is first asked for.
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    /// Where each line starts.
    pub fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let newlines = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect()
        })
    }

    /// The line that a byte stands on, from zero.
    pub fn line(&self, at: usize) -> usize {
        // The first line starts at zero, so that there is always one before.
        self.lines().partition_point(|start| *start <= at).saturating_sub(1)
    }
}

/// Every text that a compilation has read, signatures and overrides included.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let lines = OnceLock::new();
        self.0.push(Source { name: name.into(), text: text.into(), lines });
        FileId(self.0.len() as u32 - 1)
    }

    pub fn get(&self, file: FileId) -> &Source {
        // A `FileId` is only made by `add`, and nothing is ever removed.
        &self.0[file.0 as usize]
    }

    /// The text under a span.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file).text.get(span.start..span.end).unwrap_or_default()
    }

    /// Line and column of a span's start, both from one; the column counts characters.
    pub fn position(&self, span: Span) -> (usize, usize) {
        let source = self.get(span.file);
        let line = source.line(span.start);
        let before = source.text.get(source.lines()[line]..span.start).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }

    /// `file:line:column`.
    pub fn place(&self, span: Span) -> String {
        let (line, column) = self.position(span);
        format!("{}:{line}:{column}", self.get(span.file).name)
    }
}
