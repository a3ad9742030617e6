//! What an error is: a stable name, a message, the places it is about, and what would be right.

mod render;
pub mod suggest;

pub use render::{render, render_all};

use crate::syntax::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

/// One thing wrong, or doubtful, in a text.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Kebab-case and stable: what users search for and tests hold.
    pub name: &'static str,
    pub severity: Severity,
    pub message: String,
    /// The place it is about, and a few words at that place.
    pub primary: Option<Label>,
    pub secondary: Vec<Label>,
    /// What would be right.
    pub help: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(name: &'static str, span: Span, message: impl Into<String>) -> Self {
        let primary = Some(Label { span, text: String::new() });
        Diagnostic { primary, ..Self::general(name, message) }
    }

    /// An error that is about no place in a text, such as a file that cannot be read.
    pub fn general(name: &'static str, message: impl Into<String>) -> Self {
        Diagnostic {
            name,
            severity: Severity::Error,
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            help: None,
        }
    }

    pub fn warning(name: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Self::error(name, span, message) }
    }

    /// The words shown at the primary place.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(primary) = &mut self.primary {
            primary.text = text.into();
        }
        self
    }

    /// Another place that matters, such as the signature.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Offers the nearest of `candidates`, if one is near.
    pub fn nearest<'a>(self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match suggest::nearest(name, candidates) {
            Some(candidate) => self.help(format!("did you mean `{candidate}`?")),
            None => self,
        }
    }
}

/// Diagnostics in the order of the text, each place and name once.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let place = |d: &Diagnostic| d.primary.as_ref().map(|label| label.span);
        let seen = |d: &Diagnostic| {
            d.name == diagnostic.name
                && place(d) == place(&diagnostic)
                && d.message == diagnostic.message
        };
        if !self.0.iter().any(seen) {
            self.0.push(diagnostic);
        }
    }

    pub fn extend(&mut self, other: Diagnostics) {
        other.0.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// By file and place.
    pub fn sorted(mut self) -> Vec<Diagnostic> {
        let place = |d: &Diagnostic| d.primary.as_ref().map(|label| label.span);
        self.0.sort_by_key(place);
        self.0
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics(vec![diagnostic])
    }
}
