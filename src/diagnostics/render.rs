//! Diagnostics as text for people, drawn by miette.

use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::{Diagnostic, Label, Severity};
use crate::syntax::Sources;

/// Draws one diagnostic, coloured or not.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(100);
    let mut out = String::new();
    match handler.render_report(&mut out, &Shown::new(diagnostic, sources)) {
        Ok(()) => out,
        // A span outside its text would be our bug; the message still has to be seen.
        Err(fmt::Error) => format!("{}: {}\n", diagnostic.name, diagnostic.message),
    }
}

/// Draws several, each followed by a blank line.
pub fn render_all(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    diagnostics.iter().map(|diagnostic| render(diagnostic, sources, color) + "\n").collect()
}

/// A diagnostic with the texts that its labels point into. miette draws one text for each report,
/// so labels in other texts become related reports.
#[derive(Debug)]
struct Shown {
    name: Option<&'static str>,
    severity: miette::Severity,
    message: String,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
    related: Vec<Shown>,
}

impl Shown {
    fn new(diagnostic: &Diagnostic, sources: &Sources) -> Self {
        let severity = match diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        };
        let mut shown = Shown {
            name: Some(diagnostic.name),
            severity,
            message: diagnostic.message.clone(),
            source: None,
            labels: Vec::new(),
            help: diagnostic.help.clone(),
            related: Vec::new(),
        };
        let Some(primary) = &diagnostic.primary else { return shown };
        shown.source = Some(named(primary, sources));
        shown.labels.push(place(primary, sources, true));
        for label in &diagnostic.secondary {
            if label.span.file == primary.span.file {
                shown.labels.push(place(label, sources, false));
            } else {
                shown.related.push(Shown {
                    name: None,
                    severity: miette::Severity::Advice,
                    message: label.text.clone(),
                    source: Some(named(label, sources)),
                    labels: vec![place(
                        &Label { text: String::new(), ..label.clone() },
                        sources,
                        true,
                    )],
                    help: None,
                    related: Vec::new(),
                });
            }
        }
        shown
    }
}

fn named(label: &Label, sources: &Sources) -> NamedSource<String> {
    let source = sources.get(label.span.file);
    NamedSource::new(&source.name, source.text.to_string())
}

/// miette drops an empty span at the end of a text: it is moved onto the last character.
fn place(label: &Label, sources: &Sources, primary: bool) -> LabeledSpan {
    let text = &sources.get(label.span.file).text;
    let (mut start, end) = (label.span.start.min(text.len()), label.span.end.min(text.len()));
    if start == end && start == text.len() {
        start = text.trim_end().char_indices().next_back().map_or(0, |(index, _)| index);
    }
    let character = text[start..].chars().next().map_or(0, char::len_utf8);
    let length = end.max(start + character) - start;
    let words = (!label.text.is_empty()).then(|| label.text.clone());
    match primary {
        true => LabeledSpan::new_primary_with_span(words, (start, length)),
        false => LabeledSpan::new_with_span(words, (start, length)),
    }
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
