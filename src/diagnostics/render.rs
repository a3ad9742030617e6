//! Diagnostics as text for people, drawn by miette.

use std::collections::BTreeMap;
use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};

use super::excerpt::Excerpt;
use super::{Diagnostic, Label, Severity, visible};
use crate::source::{FileId, Source, Sources};

/// Errors of one file that are shown, and as many warnings.
const MOST: usize = 100;

/// How diagnostics are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    pub color: bool,
    /// Columns.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Style { color: false, width: 100 }
    }
}

/// Draws one diagnostic.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, style: Style) -> String {
    let theme = match style.color {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_links(false).with_width(style.width);
    let shown = Shown::new(diagnostic, sources);
    let mut out = String::new();
    match handler.render_report(&mut out, &shown) {
        Ok(()) => out,
        // A span outside its text would be our bug; the message still has to be seen.
        Err(fmt::Error) => format!("{}: {}\n", diagnostic.finding.name, shown.message),
    }
}

/// Draws several, each followed by a blank line: of each file the first, and how many more there
/// are.
pub fn render_all(diagnostics: &[Diagnostic], sources: &Sources, style: Style) -> String {
    let mut out = String::new();
    let mut counts: BTreeMap<(Option<FileId>, Severity), usize> = BTreeMap::new();
    for diagnostic in diagnostics {
        let file = diagnostic.place().map(|span| span.file);
        let count = counts.entry((file, diagnostic.severity())).or_default();
        *count += 1;
        if *count <= MOST {
            out += &render(diagnostic, sources, style);
            out.push('\n');
        }
    }
    for ((file, severity), count) in counts {
        let Some(more) = count.checked_sub(MOST).filter(|more| *more > 0) else { continue };
        let word = severity.word();
        let plural = if more == 1 { "" } else { "s" };
        let place = file.map(|file| format!(" in {}", visible(&sources.get(file).name)));
        out += &format!("and {more} more {word}{plural}{}\n\n", place.unwrap_or_default());
    }
    out
}

/// A diagnostic with the texts that its labels point into. miette draws one text for each report,
/// so labels in other texts become related reports.
#[derive(Debug)]
struct Shown {
    name: Option<&'static str>,
    severity: miette::Severity,
    message: String,
    source: Option<Excerpt>,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
    related: Vec<Shown>,
}

impl Shown {
    fn new(diagnostic: &Diagnostic, sources: &Sources) -> Self {
        let severity = match diagnostic.severity() {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        };
        let mut shown = Shown {
            name: Some(diagnostic.finding.name),
            severity,
            message: visible(&diagnostic.message).into_owned(),
            source: None,
            labels: Vec::new(),
            help: diagnostic.help.as_deref().map(|help| visible(help).into_owned()),
            related: Vec::new(),
        };
        let Some(primary) = &diagnostic.primary else { return shown };
        let file = primary.span.file;
        let (own, others): (Vec<&Label>, Vec<&Label>) =
            diagnostic.secondary.iter().partition(|label| label.span.file == file);
        let labels: Vec<&Label> = std::iter::once(primary).chain(own).collect();
        (shown.source, shown.labels) = labelled(&labels, sources.get(file));
        for label in others {
            let place = Label { text: String::new(), ..label.clone() };
            let (source, labels) = labelled(&[&place], sources.get(label.span.file));
            shown.related.push(Shown {
                name: None,
                severity: miette::Severity::Advice,
                message: visible(&label.text).into_owned(),
                source,
                labels,
                help: None,
                related: Vec::new(),
            });
        }
        shown
    }
}

/// The lines that labels of one text point at, and the labels in them, the first as the primary.
fn labelled(labels: &[&Label], source: &Source) -> (Option<Excerpt>, Vec<LabeledSpan>) {
    let spans: Vec<(usize, usize)> = labels.iter().map(|label| range(label, source)).collect();
    let excerpt = Excerpt::new(source, &spans);
    let one = |(index, (label, span)): (usize, (&&Label, &(usize, usize)))| {
        let words = (!label.text.is_empty()).then(|| visible(&label.text).into_owned());
        let place = excerpt.place(source, *span);
        match index {
            0 => LabeledSpan::new_primary_with_span(words, place),
            _ => LabeledSpan::new_with_span(words, place),
        }
    };
    let labels = labels.iter().zip(&spans).enumerate().map(one).collect();
    (Some(excerpt), labels)
}

/// The bytes of a label, one character at least. miette drops an empty span at the end of a text: it
/// is moved onto the last character.
fn range(label: &Label, source: &Source) -> (usize, usize) {
    let text = &source.text;
    let mut start = text.floor_char_boundary(label.span.start);
    let end = text.ceil_char_boundary(label.span.end);
    if start >= end && start == text.len() {
        start = text.trim_end().char_indices().next_back().map_or(0, |(index, _)| index);
    }
    let character = text[start..].chars().next().map_or(0, char::len_utf8);
    (start, end.max(start + character))
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl miette::Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.name.map(|name| Box::new(name) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(self.related.iter().map(|shown| shown as &dyn miette::Diagnostic)))
    }
}
