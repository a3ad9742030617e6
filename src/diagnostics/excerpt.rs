//! The lines of a text that labels point at, made fit to be shown.

use std::collections::BTreeMap;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::visible;
use crate::source::Source;

/// Lines shown before and after a label. miette's own number.
const CONTEXT: usize = 1;
/// Lines that a label may cover; a longer one is shown on its first line.
const TALLEST: usize = 40;
/// Lines left out between two labels, where they are shown as one piece.
const LARGEST_GAP: usize = 3;
/// Bytes of a line that are shown before and after the start of a label, where it has more.
const BEFORE: usize = 100;
const AFTER: usize = 300;

/// Pieces of a text around its labels. Offsets are its own, and count pictures and cuts.
#[derive(Debug)]
pub(super) struct Excerpt {
    name: String,
    pieces: Vec<Piece>,
    /// For the start and end of every label: where it is in the excerpt.
    places: BTreeMap<usize, usize>,
    /// For places in the excerpt: the column in the text, from zero.
    columns: BTreeMap<usize, usize>,
}

#[derive(Debug)]
struct Piece {
    /// From zero.
    first_line: usize,
    /// Where it begins in the excerpt.
    start: usize,
    text: String,
}

impl Excerpt {
    /// The lines around `spans`, ranges of bytes of the text.
    pub fn new(source: &Source, spans: &[(usize, usize)]) -> Self {
        let spans: Vec<(usize, usize)> = spans.iter().map(|span| trimmed(source, *span)).collect();
        let mut excerpt = Excerpt {
            name: visible::visible(&source.name).into_owned(),
            pieces: Vec::new(),
            places: BTreeMap::new(),
            columns: BTreeMap::new(),
        };
        let mut marks: Vec<usize> = spans.iter().flat_map(|(start, end)| [*start, *end]).collect();
        marks.sort_unstable();
        marks.dedup();
        let mut offset = 0;
        for (first, last) in ranges(source, &spans) {
            let mut piece = Piece { first_line: first, start: offset, text: String::new() };
            for line in first..=last {
                excerpt.line(source, line, &marks, &mut piece);
            }
            // A gap that belongs to no piece, so that no span can reach from one into the next.
            offset += piece.text.len() + 2;
            excerpt.pieces.push(piece);
        }
        excerpt
    }

    /// Where a range of the text is in the excerpt: its start and its length.
    pub fn place(&self, source: &Source, span: (usize, usize)) -> (usize, usize) {
        let (start, end) = trimmed(source, span);
        // Every start and end was marked when the excerpt was made.
        let at = |mark: usize| self.places.get(&mark).copied().unwrap_or_default();
        (at(start), at(end).saturating_sub(at(start)).max(1))
    }

    /// Appends one line, and notes where the marks on it have gone.
    fn line(&mut self, source: &Source, line: usize, marks: &[usize], piece: &mut Piece) {
        let lines = source.lines();
        let start = lines[line];
        let next = lines.get(line + 1).copied().unwrap_or(source.text.len());
        let text = source.text[start..next].trim_end_matches(['\n', '\r']);
        let ends = text.len() < next - start;
        let marks = &marks[marks.partition_point(|mark| *mark < start)..];
        let marks = &marks[..marks.partition_point(|mark| *mark <= next)];
        let mut window = (0, text.len());
        if text.len() > BEFORE + AFTER {
            let focus = marks.first().map_or(0, |mark| mark - start).min(text.len());
            window = (
                text.floor_char_boundary(focus.saturating_sub(BEFORE)),
                text.ceil_char_boundary(focus + AFTER),
            );
        }
        let mut marks = marks.iter().peekable();
        let mut column = text[..window.0].chars().count();
        let mut note = |upto: usize, at: usize, column: usize| {
            while let Some(mark) = marks.next_if(|mark| **mark - start <= upto) {
                self.places.entry(*mark).or_insert(at);
                self.columns.entry(at).or_insert(column);
            }
        };
        if window.0 > 0 {
            piece.text.push('…');
        }
        for (index, c) in text[window.0..window.1].char_indices() {
            note(window.0 + index, piece.start + piece.text.len(), column);
            visible::push(&mut piece.text, c);
            column += 1;
        }
        if window.1 < text.len() {
            note(window.1, piece.start + piece.text.len(), column);
            piece.text.push('…');
        }
        // A mark on the start of the next line belongs to that line.
        let last = if ends { next - start - 1 } else { next - start };
        note(last, piece.start + piece.text.len(), column);
        if ends {
            piece.text.push('\n');
        }
    }
}

/// A span that ends with its first line, where it would cover too many.
fn trimmed(source: &Source, (start, end): (usize, usize)) -> (usize, usize) {
    let first = source.line(start);
    if source.line(end.max(start + 1) - 1) - first < TALLEST {
        return (start, end);
    }
    let next = source.lines().get(first + 1).copied().unwrap_or(source.text.len());
    (start, end.min(next.saturating_sub(1)).max(start))
}

/// The first and last line of each piece: those of every span and around it, in order, with what
/// lies close together in one.
fn ranges(source: &Source, spans: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut lines: Vec<(usize, usize)> = spans
        .iter()
        .map(|(start, end)| (source.line(*start), source.line((*end).max(start + 1) - 1)))
        .collect();
    lines.sort_unstable();
    let last_line = source.lines().len() - 1;
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (first, last) in lines {
        let range = (first.saturating_sub(CONTEXT), (last + CONTEXT).min(last_line));
        match ranges.last_mut() {
            Some(before) if range.0 <= before.1 + LARGEST_GAP => before.1 = before.1.max(range.1),
            _ => ranges.push(range),
        }
    }
    ranges
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let following = self.pieces.partition_point(|piece| piece.start <= span.offset());
        let piece = following.checked_sub(1).and_then(|index| self.pieces.get(index));
        let piece = piece.ok_or(MietteError::OutOfBounds)?;
        let inside = (span.offset() - piece.start, span.len()).into();
        let contents = piece.text.as_str().read_span(&inside, before, after)?;
        let range = (piece.start + contents.span().offset(), contents.span().len()).into();
        let column = match before {
            0 => self.columns.get(&span.offset()).copied().unwrap_or(contents.column()),
            _ => contents.column(),
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            range,
            piece.first_line + contents.line(),
            column,
            // miette joins labels whose lines meet. Those of one piece always do, and a span over
            // two pieces cannot be read, which it takes for an answer.
            usize::MAX / 2,
        )))
    }
}
