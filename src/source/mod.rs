//! Source texts, those of the embedded library among them, and places in them.

mod place;

pub use place::{FileId, Span};

use std::sync::{Arc, LazyLock, OnceLock};

include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// The texts of the library, `stdlib/` as `std.*` and `pipelines/` as `std.pipelines.*`, in the order
/// of their names.
static EMBEDDED: LazyLock<Vec<Source>> =
    LazyLock::new(|| LIBRARY.iter().map(|(name, text, _)| Source::new(*name, *text)).collect());

/// A text and the name under which it is shown.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub text: Arc<str>,
    /// Where each line starts, found when it is first asked for.
    lines: OnceLock<Vec<usize>>,
}

impl Source {
    fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Source { name: name.into(), text: text.into(), lines: OnceLock::new() }
    }

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

/// Every text that a compilation has read, the library and overrides included.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        self.0.push(Source::new(name, text));
        FileId((LIBRARY.len() + self.0.len()) as u32 - 1)
    }

    pub fn get(&self, file: FileId) -> &Source {
        // A `FileId` is only made by `add` and `embedded`, and nothing is ever removed.
        match EMBEDDED.get(file.0 as usize) {
            Some(source) => source,
            None => &self.0[file.0 as usize - LIBRARY.len()],
        }
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

/// The text of the library that has that name, such as `std.objectives.moco_v2`.
pub fn embedded(name: &str) -> Option<FileId> {
    // `build.rs` has sorted them.
    let position = LIBRARY.binary_search_by(|(own, ..)| (*own).cmp(name)).ok()?;
    Some(FileId(position as u32))
}

/// The tree of a text that is one of the library, wherever it was read, as it was written when the
/// library was embedded.
pub fn embedded_tree(text: &str) -> Option<&'static [u8]> {
    LIBRARY.iter().find(|(_, own, _)| *own == text).map(|(_, _, tree)| *tree)
}

/// Whether a text is one of the library.
pub fn is_embedded(file: FileId) -> bool {
    (file.0 as usize) < LIBRARY.len()
}

/// Every text of the library.
pub fn library() -> impl Iterator<Item = (FileId, &'static Source)> {
    EMBEDDED.iter().enumerate().map(|(position, source)| (FileId(position as u32), source))
}
