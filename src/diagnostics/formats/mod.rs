//! Diagnostics in forms that other programs read.

mod concise;
mod github;
mod json;
mod sarif;

pub use concise::concise;
pub use github::github;
pub use json::json;
pub use sarif::sarif;

use super::Diagnostic;
use crate::source::{Source, Sources};

/// What the check of a file has found.
#[derive(Clone, Copy)]
pub struct Found<'c> {
    /// The file that was checked, as it was asked for: what is found may be about another one, or
    /// about no text at all.
    pub file: &'c str,
    pub diagnostic: &'c Diagnostic,
    pub sources: &'c Sources,
}

/// A place in a text, from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    line: usize,
    /// In characters.
    column: usize,
    /// In UTF-16 code units.
    units: usize,
}

fn position(source: &Source, at: usize) -> Position {
    let line = source.line(at);
    let at = source.text.floor_char_boundary(at);
    let before = source.text.get(source.lines()[line]..at).unwrap_or_default();
    let characters = before.chars().count();
    // A character of four bytes takes two units, every other one takes one.
    let pairs = before.bytes().filter(|byte| *byte >= 0xf0).count();
    Position { line: line + 1, column: characters + 1, units: characters + pairs + 1 }
}

#[cfg(test)]
mod tests {
    use super::{Position, position};
    use crate::source::Sources;

    #[test]
    fn columns_count_characters_and_units() {
        let mut sources = Sources::default();
        let file = sources.add("a", "é\n𝜏é x\n");
        let source = sources.get(file);
        assert_eq!(position(source, 0), Position { line: 1, column: 1, units: 1 });
        assert_eq!(position(source, 2), Position { line: 1, column: 2, units: 2 });
        assert_eq!(position(source, 3), Position { line: 2, column: 1, units: 1 });
        assert_eq!(position(source, 10), Position { line: 2, column: 4, units: 5 });
        assert_eq!(position(source, 12), Position { line: 3, column: 1, units: 1 });
    }
}
