//! Changes of a text that answer a finding.

use crate::source::Span;

/// A part of a text and what would stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty where something is added.
    pub place: Span,
    pub text: String,
    /// Whether the program means the same after it, or could mean nothing else. Otherwise it is a
    /// guess, which somebody has to look at.
    pub is_safe: bool,
}

/// A text after edits of it. Where two overlap, the first is made: what the other answers is found
/// again in the new text.
pub fn apply<'e>(text: &str, edits: impl IntoIterator<Item = &'e Edit>) -> String {
    let mut edits: Vec<&Edit> = edits.into_iter().collect();
    edits.sort_by_key(|edit| (edit.place.start, edit.place.end));
    let mut edited = String::with_capacity(text.len());
    let mut done = 0;
    let mut last: Option<&Edit> = None;
    for edit in edits {
        let Span { start, end, .. } = edit.place;
        let (true, Some(between)) = (last != Some(edit), text.get(done..start)) else { continue };
        edited.push_str(between);
        edited.push_str(&edit.text);
        done = end;
        last = Some(edit);
    }
    edited.push_str(text.get(done..).unwrap_or_default());
    edited
}

#[cfg(test)]
mod tests {
    use super::{Edit, apply};
    use crate::source::{Sources, Span};

    #[test]
    fn edits_are_made_in_the_order_of_the_text() {
        let file = Sources::default().add("a", "");
        let edit = |start, end, text: &str| Edit {
            place: Span { file, start, end },
            text: text.to_owned(),
            is_safe: true,
        };
        let text = "one two three";
        assert_eq!(apply(text, &[edit(8, 13, "3"), edit(0, 3, "1")]), "1 two 3");
        assert_eq!(
            apply(text, &[edit(0, 0, "zero "), edit(13, 13, " four")]),
            "zero one two three four"
        );
        let twice = [edit(0, 7, "12"), edit(0, 7, "12"), edit(4, 13, "23")];
        assert_eq!(apply(text, &twice), "12 three");
        assert_eq!(apply(text, &[]), text);
    }
}
