//! A tree as bytes, apart from its text: what the build makes of the library.

use std::sync::Arc;

use super::{Record, SyntaxKind, Tree};
use crate::source::FileId;

/// The bytes of a record: its kind, where it ends, and the record after all that it holds. A node
/// begins where the leaf before it ends.
const SIZE: usize = 9;

impl Tree {
    /// Itself, for [`Tree::read`].
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.records.len() * SIZE);
        for record in &self.records {
            bytes.push(record.kind as u8);
            bytes.extend(record.end.to_le_bytes());
            bytes.extend(record.next.to_le_bytes());
        }
        bytes
    }

    /// The tree of a text from its bytes; none where they are no tree.
    pub fn read(text: Arc<str>, file: FileId, bytes: &[u8]) -> Option<Tree> {
        let mut records: Vec<Record> = Vec::with_capacity(bytes.len() / SIZE);
        // The nodes that hold what comes next, the outermost first.
        let mut open: Vec<usize> = Vec::new();
        let mut position = 0;
        for bytes in bytes.chunks_exact(SIZE) {
            let (kind, numbers) = bytes.split_first()?;
            let (end, next) = numbers.split_first_chunk()?;
            let kind = *SyntaxKind::ALL.get(usize::from(*kind))?;
            let end = u32::from_le_bytes(*end) as usize;
            let next = u32::from_le_bytes(next.try_into().ok()?) as usize;
            let index = records.len();
            while open.last().is_some_and(|node| records[*node].next() <= index) {
                open.pop();
            }
            records.push(Record::new(kind, position..end, open.last().copied(), next));
            match kind.is_token() {
                true => position = end,
                false => open.push(index),
            }
        }
        (!records.is_empty() && position == text.len()).then_some(Tree { text, file, records })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{SyntaxKind, Tree};
    use crate::source::{self, FileId};
    use crate::syntax::grammar::{self, Rule};

    #[test]
    fn the_library_is_stored_as_it_reads() {
        for (file, source) in source::library() {
            let read = grammar::read(&source.text, file, Rule::file).unwrap();
            let stored = source::embedded_tree(&source.text).unwrap();
            let stored = Tree::read(Arc::clone(&source.text), file, stored).unwrap();
            assert!(read.records == stored.records, "{}", source.name);
        }
    }

    #[test]
    fn kinds_have_the_places_of_their_numbers() {
        let places = SyntaxKind::ALL.iter().enumerate();
        assert!(places.clone().all(|(place, kind)| *kind as usize == place));
        assert_eq!(SyntaxKind::ALL.last(), Some(&SyntaxKind::Punctuation));
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let text: Arc<str> = "use std.a\n".into();
        let tree = grammar::read(&text, FileId(0), Rule::file).unwrap();
        let bytes = tree.write();
        assert!(Tree::read(Arc::clone(&text), FileId(0), &bytes).is_some());
        assert!(Tree::read(Arc::clone(&text), FileId(0), &[]).is_none());
        assert!(Tree::read(Arc::clone(&text), FileId(0), &[255; 9]).is_none());
        assert!(Tree::read("use std.ab\n".into(), FileId(0), &bytes).is_none());
    }
}
