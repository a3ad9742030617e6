//! What the commands write for people.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use crate::Compilation;
use crate::diagnostics::{Diagnostic, Severity, Style, render, render_all, visible};
use crate::docs::markdown::{self, Block};
use crate::source::Sources;

/// The columns of what goes to a file or a pipe.
pub const PLAIN_WIDTH: usize = 100;

/// Narrower than this no message can be read.
const NARROWEST: usize = 40;

/// How standard error shows diagnostics: as wide as its terminal is.
pub fn style() -> Style {
    let terminal = terminal_size::terminal_size_of(io::stderr());
    let width = terminal.map_or(Style::default().width, |(width, _)| usize::from(width.0));
    Style { color: color(), width: width.max(NARROWEST) }
}

/// Whether standard error shows colours: on a terminal that has some, unless `NO_COLOR` is set.
pub fn color() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// Shows one diagnostic on standard error.
pub fn diagnostic(diagnostic: &Diagnostic, sources: &Sources) {
    error(&(render(diagnostic, sources, style()) + "\n"));
}

/// Shows every diagnostic on standard error.
pub fn diagnostics(compilation: &Compilation) {
    let text = render_all(&compilation.diagnostics, &compilation.sources, style());
    error(&text);
}

/// Says how to learn more of the first error, if there is one.
pub fn explanation<'d>(diagnostics: impl IntoIterator<Item = &'d Diagnostic>) {
    let mut all = diagnostics.into_iter();
    if let Some(first) = all.find(|own| own.severity() == Severity::Error) {
        error(&format!("`cpipe explain {}` says more\n", first.finding.name));
    }
}

/// Writes to standard error; where that is closed there is nobody left to tell.
pub fn error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The columns of standard output: of its terminal, or [`PLAIN_WIDTH`].
pub fn width() -> usize {
    let terminal = terminal_size::terminal_size_of(io::stdout());
    terminal.map_or(PLAIN_WIDTH, |(width, _)| usize::from(width.0)).max(NARROWEST)
}

/// A line that is no wider.
pub fn cut(line: &str, width: usize) -> String {
    match line.char_indices().nth(width) {
        None => line.to_owned(),
        Some(_) => {
            let kept: String = line.chars().take(width.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end())
        }
    }
}

/// Paragraphs broken anew for a width; what stands between fences stays as it is.
pub fn reflow(doc: &str, width: usize) -> String {
    let mut text = String::new();
    for block in markdown::blocks(doc) {
        match block {
            Block::Blank => text.push('\n'),
            Block::Heading(level, title) => {
                fill(&mut text, &["#".repeat(level), title.to_owned()], width)
            }
            Block::Paragraph(lines) => fill(&mut text, &lines, width),
            Block::Item(marker, lines) => fill(&mut text, &[&[marker], &lines[..]].concat(), width),
            Block::Code(_, lines) => {
                for line in lines {
                    text += &format!("    {}\n", visible(line));
                }
            }
        }
    }
    text
}

/// Appends the words of some lines, broken anew.
fn fill(text: &mut String, lines: &[impl AsRef<str>], width: usize) {
    let mut column = 0;
    for word in lines.iter().flat_map(|line| line.as_ref().split_whitespace()) {
        let word = visible(word);
        let length = word.chars().count();
        if column > 0 {
            let is_full = column + 1 + length > width;
            text.push(if is_full { '\n' } else { ' ' });
            column = if is_full { 0 } else { column + 1 };
        }
        *text += &word;
        column += length;
    }
    text.push('\n');
}

/// Writes what a command was asked for.
pub fn write(text: &str) -> ExitCode {
    match out(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            error(&format!("cannot write to standard output: {cause}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Writes to standard output. A closed pipe is no fault: `cpipe graph … | head` has read enough.
pub fn out(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::reflow;

    #[test]
    fn paragraphs_are_broken_and_formulas_are_not() {
        let doc = "one two three\nfour\n\n```text\na  b  c  d  e  f\n```\nlast";
        assert_eq!(reflow(doc, 9), "one two\nthree\nfour\n\n    a  b  c  d  e  f\nlast\n");
    }
}
