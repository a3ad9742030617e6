//! What stands between brackets, one to a line or all on one, and its columns.

use super::doc::Doc;
use super::print::STEP;
use super::trivia::Comment;
use super::{Formatter, is, own_lines, parts};
use crate::syntax::lossless::{Node, SyntaxKind};

/// Columns wider than this are not aligned: the blanks would part what belongs together.
const WIDEST: usize = 40;

/// How a list is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `(a, b)`, and a comma behind each line.
    Parentheses,
    /// `{ a, b }`, and a comma behind each line.
    Outputs,
    /// `{ a, b }`, and no commas between lines.
    Fields,
    /// Always on several lines.
    Block,
}

/// An element: cells that may be aligned with those of its neighbours, and the rest of it.
pub struct Row<'t> {
    /// Only rows of the same name are aligned.
    pub name: &'t str,
    pub docs: Vec<Doc<'t>>,
    pub cells: Vec<Doc<'t>>,
    pub rest: Doc<'t>,
}

/// A row and what stands around it.
struct Line<'t> {
    /// Whether a blank line stands before it.
    blank: bool,
    above: Vec<Doc<'t>>,
    row: Row<'t>,
    pads: Vec<usize>,
    behind: Option<&'t str>,
}

impl<'t> Row<'t> {
    /// One that is not aligned.
    pub fn plain(docs: Vec<Doc<'t>>, rest: Doc<'t>) -> Self {
        Row { name: "", docs, cells: Vec::new(), rest }
    }
}

impl<'t> Formatter<'t> {
    /// A node that begins and ends with a bracket.
    pub fn list(
        &mut self,
        node: Node<'t>,
        style: Style,
        row: impl FnMut(&mut Self, Node<'t>) -> Row<'t>,
    ) -> Doc<'t> {
        let mut inner: Vec<Node<'t>> = parts(node).collect();
        // The grammar has brackets around each list.
        let (Some(close), false) = (inner.pop(), inner.is_empty()) else {
            return Doc::Verbatim(node.text());
        };
        let open = inner.remove(0);
        let is_begun = inner.first().is_some_and(|first| self.trivia.before(*first).begins_line);
        let (mut lines, closing) = self.lines(&inner, close, row);
        let open = self.token(open);
        let Some(last) = lines.len().checked_sub(1) else {
            return self.empty(open, &closing, close);
        };
        align(&mut lines);
        let begin = || match style {
            Style::Parentheses => Doc::Soft,
            _ => Doc::Line,
        };
        let mut content = Vec::new();
        for (position, line) in lines.into_iter().enumerate() {
            content.push(match (position, line.blank) {
                (0, _) => begin(),
                (_, false) => Doc::Line,
                (_, true) => Doc::Blank,
            });
            content.extend(line.above);
            content.push(cells(line.row, line.pads));
            content.push(match (style, position == last) {
                (Style::Parentheses | Style::Outputs, false) => Doc::Text(","),
                (Style::Parentheses | Style::Outputs, true) => Doc::IfBroken(","),
                (_, false) => Doc::IfFlat(","),
                (_, true) => Doc::All(Vec::new()),
            });
            content.extend(line.behind.map(Doc::Behind));
        }
        if let Some(first) = closing.first() {
            content.push(if first.blank { Doc::HardBlank } else { Doc::Hard });
            content.extend(own_lines(&closing));
        }
        let is_broken = is_begun || style == Style::Block;
        let close = self.token(close);
        Doc::group_if(is_broken, vec![open, Doc::Nest(STEP, content), begin(), close])
    }

    fn empty(&mut self, open: Doc<'t>, closing: &[Comment<'t>], close: Node<'t>) -> Doc<'t> {
        let close = self.token(close);
        let mut parts = vec![open];
        if !closing.is_empty() {
            let inner = std::iter::once(Doc::Hard).chain(own_lines(closing));
            parts.push(Doc::Nest(STEP, inner.collect()));
        }
        if parts.iter().any(Doc::breaks) {
            parts.push(Doc::Hard);
        }
        parts.push(close);
        Doc::group(parts)
    }

    /// The elements with the comments around them and their commas, and the comments above the
    /// bracket that closes.
    fn lines(
        &mut self,
        inner: &[Node<'t>],
        close: Node<'t>,
        mut row: impl FnMut(&mut Self, Node<'t>) -> Row<'t>,
    ) -> (Vec<Line<'t>>, Vec<Comment<'t>>) {
        let mut lines: Vec<Line<'t>> = Vec::new();
        // Comments between an element and its comma belong to what follows.
        let mut carried: Vec<Comment<'t>> = Vec::new();
        for part in inner.iter().copied().chain([close]) {
            let around = self.trivia.before(part);
            let blank = around.blank;
            carried.append(&mut around.above);
            if part == close {
                break;
            }
            if is(part, ",") {
                let free = lines.last_mut().filter(|line| line.behind.is_none());
                match (around.behind.take(), free.filter(|_| carried.is_empty())) {
                    (behind @ Some(_), Some(line)) => line.behind = behind,
                    (behind, _) => {
                        carried.extend(behind.map(|text| Comment { text, blank: false }));
                    }
                }
                continue;
            }
            let comments = std::mem::take(&mut carried);
            let mut above = own_lines(&comments);
            if blank && !above.is_empty() {
                above.push(Doc::HardBlank);
            }
            let blank = comments.first().map_or(blank, |first| first.blank);
            let behind = self.trivia.after(part).behind.take();
            let row = row(self, part);
            lines.push(Line { blank, above, row, pads: Vec::new(), behind });
        }
        (lines, carried)
    }

    /// The documentation of a node, each line of it with its end.
    pub fn docs(&mut self, node: Node<'t>) -> Vec<Doc<'t>> {
        let docs = parts(node).take_while(|part| part.kind() == SyntaxKind::Doc);
        docs.flat_map(|doc| [self.token(doc), Doc::Hard]).collect()
    }
}

fn cells<'t>(row: Row<'t>, pads: Vec<usize>) -> Doc<'t> {
    let mut parts = row.docs;
    let pads = pads.into_iter().chain(std::iter::repeat(0));
    for (cell, pad) in row.cells.into_iter().zip(pads) {
        parts.extend([cell, Doc::Pad(pad), Doc::Space]);
    }
    parts.push(row.rest);
    Doc::All(parts)
}

/// Finds how far each cell is filled: to the widest of its column, in rows that follow each other
/// without blank lines.
fn align(lines: &mut [Line<'_>]) {
    let columns = lines.iter().map(|line| line.row.cells.len()).max().unwrap_or_default();
    for column in 0..columns {
        let has = |line: &Line<'_>| line.row.cells.len() > column;
        let follows =
            |a: &Line<'_>, b: &Line<'_>| !b.blank && has(a) && has(b) && a.row.name == b.row.name;
        for run in lines.chunk_by_mut(follows) {
            let width_of = |line: &Line<'_>| {
                let cell = line.row.cells.get(column)?;
                cell.width().filter(|width| *width <= WIDEST)
            };
            let widths: Vec<Option<usize>> = run.iter().map(width_of).collect();
            let widest = widths.iter().flatten().max().copied().unwrap_or_default();
            for (line, width) in run.iter_mut().zip(widths).filter(|(line, _)| has(line)) {
                line.pads.push(width.map_or(0, |width| widest - width));
            }
        }
    }
}
