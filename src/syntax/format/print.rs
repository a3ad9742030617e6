//! Documents to text.

use super::doc::{Breaks, Doc, width};

/// The columns of a line.
pub const WIDTH: usize = 100;
/// The blanks of a level.
pub const STEP: usize = 2;

/// The text of a document, whose lines end as they are told to.
pub fn print(doc: &Doc<'_>, line_end: &'static str) -> String {
    let mut printer = Printer { line_end, ..Printer::default() };
    let mut stack = vec![Command { indent: 0, flat: false, doc }];
    while let Some(Command { indent, flat, doc }) = stack.pop() {
        match doc {
            Doc::Text(text) | Doc::Verbatim(text) => printer.text(text, indent),
            Doc::Space => printer.blanks += 1,
            Doc::IfBroken(text) if !flat => printer.text(text, indent),
            Doc::IfFlat(text) if flat => printer.text(text, indent),
            Doc::IfBroken(_) | Doc::IfFlat(_) => {}
            Doc::Pad(count) if !flat => printer.blanks += count,
            Doc::Pad(_) => {}
            Doc::Line | Doc::Blank if flat => printer.blanks += 1,
            Doc::Soft if flat => {}
            Doc::Line | Doc::Soft | Doc::Hard => printer.line(indent),
            Doc::Blank | Doc::HardBlank => {
                printer.line(indent);
                printer.end_line();
            }
            Doc::Behind(text) => printer.behind(text, indent),
            Doc::Own(text) => printer.own(text, indent),
            Doc::All(parts) => push(&mut stack, parts, indent, flat),
            Doc::Nest(more, parts) => push(&mut stack, parts, indent + more, flat),
            Doc::Group(parts, breaks) => {
                let fits = flat
                    || *breaks == Breaks::WhereTooLong
                        && fits(WIDTH.saturating_sub(printer.next_column(indent)), parts, &stack);
                push(&mut stack, parts, indent, fits);
            }
        }
    }
    printer.line(0);
    printer.finish()
}

#[derive(Clone, Copy)]
struct Command<'d, 't> {
    indent: usize,
    flat: bool,
    doc: &'d Doc<'t>,
}

fn push<'d, 't>(stack: &mut Vec<Command<'d, 't>>, parts: &'d [Doc<'t>], indent: usize, flat: bool) {
    stack.extend(parts.iter().rev().map(|doc| Command { indent, flat, doc }));
}

/// Whether a group without line breaks, and what follows it up to the next one, is no wider.
fn fits(mut space: usize, parts: &[Doc<'_>], rest: &[Command<'_, '_>]) -> bool {
    let mut stack: Vec<(bool, &Doc<'_>)> = parts.iter().rev().map(|doc| (true, doc)).collect();
    let mut rest = rest.iter().rev();
    loop {
        let (flat, doc) = match stack.pop() {
            Some(own) => own,
            None => match rest.next() {
                Some(command) => (command.flat, command.doc),
                None => return true,
            },
        };
        let taken = match doc {
            Doc::Text(text) | Doc::Verbatim(text) => {
                width(text.split('\n').next().unwrap_or_default())
            }
            Doc::Space => 1,
            Doc::IfBroken(text) if !flat => text.len(),
            Doc::IfFlat(text) if flat => text.len(),
            Doc::Pad(count) if !flat => *count,
            Doc::Line | Doc::Blank if flat => 1,
            Doc::Soft if flat => 0,
            Doc::IfBroken(_) | Doc::IfFlat(_) | Doc::Pad(_) => 0,
            Doc::Line | Doc::Soft | Doc::Blank | Doc::Hard | Doc::HardBlank => return true,
            Doc::Behind(_) | Doc::Own(_) => return true,
            Doc::All(parts) | Doc::Nest(_, parts) | Doc::Group(parts, _) => {
                stack.extend(parts.iter().rev().map(|doc| (flat, doc)));
                0
            }
        };
        match space.checked_sub(taken) {
            Some(left) => space = left,
            None => return false,
        }
    }
}

/// What has to be written before anything else.
#[derive(Clone, Copy)]
enum Pending<'t> {
    /// A comment behind the line.
    Comment(&'t str),
    /// A line break, after a comment on its own line, and how far the next line is indented.
    Break(usize),
}

#[derive(Default)]
struct Printer<'t> {
    line_end: &'static str,
    out: String,
    /// The line breaks so far.
    lines: usize,
    /// The columns of the line so far; none at its beginning.
    column: usize,
    /// How far the line is indented.
    indent: usize,
    /// Blanks that are written if something follows them on the line.
    blanks: usize,
    pending: Option<Pending<'t>>,
    behind: Vec<Behind>,
}

/// A comment behind a line.
struct Behind {
    /// Whether the line does no more than begin or end something.
    is_bracket: bool,
    line: usize,
    indent: usize,
    /// Where it begins in the text, in which column, and how wide it is.
    start: usize,
    column: usize,
    width: usize,
}

impl<'t> Printer<'t> {
    fn next_column(&self, indent: usize) -> usize {
        match (self.pending, self.column) {
            (Some(Pending::Break(indent)), _) => indent,
            (Some(Pending::Comment(_)), _) => indent + STEP,
            (None, 0) => self.indent + self.blanks,
            (None, column) => column + self.blanks,
        }
    }

    fn text(&mut self, text: &str, indent: usize) {
        match self.pending {
            Some(Pending::Comment(_)) => self.line(indent + STEP),
            Some(Pending::Break(indent)) => self.line(indent),
            None => {}
        }
        self.write(text);
    }

    fn write(&mut self, text: &str) {
        if self.column == 0 {
            self.blanks += self.indent;
        }
        self.out.extend(std::iter::repeat_n(' ', self.blanks));
        self.out.push_str(text);
        self.column += std::mem::take(&mut self.blanks);
        match text.rsplit_once('\n') {
            None => self.column += width(text),
            Some((before, last)) => {
                self.column = width(last);
                self.lines += 1 + before.matches('\n').count();
            }
        }
    }

    /// Ends the line.
    fn line(&mut self, indent: usize) {
        self.blanks = 0;
        if let Some(Pending::Comment(text)) = self.pending.take() {
            let begin = self.out.rfind('\n').map_or(0, |at| at + 1);
            let line = self.out[begin..].trim_start();
            let is_bracket = line.starts_with([')', '}']) || line.ends_with(['(', '{']);
            self.out.push_str("  ");
            self.behind.push(Behind {
                is_bracket,
                line: self.lines,
                indent: self.indent,
                start: self.out.len(),
                column: self.column + 2,
                width: width(text),
            });
            self.out.push_str(text);
        }
        self.end_line();
        (self.column, self.indent) = (0, indent);
    }

    fn end_line(&mut self) {
        self.out.push_str(self.line_end);
        self.lines += 1;
    }

    fn behind(&mut self, text: &'t str, indent: usize) {
        match self.pending.is_some() || self.column == 0 {
            // Nothing on the line that it could stand behind.
            true => self.own(text, indent),
            false => self.pending = Some(Pending::Comment(text)),
        }
    }

    fn own(&mut self, text: &str, indent: usize) {
        match self.pending {
            Some(Pending::Break(indent)) => self.line(indent),
            // In the midst of something.
            _ if self.column > 0 => self.line(indent + STEP),
            _ => {}
        }
        self.blanks = 0;
        self.write(text);
        self.pending = Some(Pending::Break(self.indent));
    }

    /// The text, with the comments behind consecutive lines in one column where there is room.
    fn finish(self) -> String {
        let follows = |a: &Behind, b: &Behind| {
            a.line + 1 == b.line && a.indent == b.indent && !a.is_bracket && !b.is_bracket
        };
        let mut text = String::with_capacity(self.out.len());
        let mut done = 0;
        for run in self.behind.chunk_by(follows) {
            let column = run.iter().map(|own| own.column).max().unwrap_or_default();
            let is_room = run.iter().all(|own| own.column == column || column + own.width <= WIDTH);
            for own in run.iter().filter(|_| is_room) {
                text.push_str(&self.out[done..own.start]);
                text.extend(std::iter::repeat_n(' ', column - own.column));
                done = own.start;
            }
        }
        text.push_str(&self.out[done..]);
        text
    }
}
