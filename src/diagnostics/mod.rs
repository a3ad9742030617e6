//! What an error is: a stable name, a message, the places it is about, and what would be right.

mod amount;
pub mod edit;
mod excerpt;
pub mod findings;
pub mod formats;
mod levels;
mod render;
pub mod suggest;
mod visible;

pub use amount::amount;
pub use edit::Edit;
pub use findings::Finding;
pub use levels::Levels;
pub use render::{Style, render, render_all};
pub use visible::visible;

use std::collections::HashSet;

use crate::source::Span;

/// Nobody reads more advice than this.
const MOST_SUGGESTIONS: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Warning,
    Error,
}

impl Severity {
    /// `error` or `warning`.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One thing wrong, or doubtful, in a text.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub finding: &'static Finding,
    /// What the table of findings says, or what the user has chosen.
    severity: Severity,
    pub message: String,
    /// The place it is about, and a few words at that place.
    pub primary: Option<Label>,
    pub secondary: Vec<Label>,
    /// What would be right.
    pub help: Option<String>,
    /// The change that makes it so, where it is known.
    pub edit: Option<Edit>,
}

#[derive(Clone, Debug)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

impl Diagnostic {
    /// A finding at a place.
    pub fn new(finding: &'static Finding, span: Span, message: impl Into<String>) -> Self {
        let primary = Some(Label { span, text: String::new() });
        Diagnostic { primary, ..Self::general(finding, message) }
    }

    /// A finding that is about no place in a text, such as a file that cannot be read.
    pub fn general(finding: &'static Finding, message: impl Into<String>) -> Self {
        Diagnostic {
            finding,
            severity: finding.severity,
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            help: None,
            edit: None,
        }
    }

    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The place it is about.
    pub fn place(&self) -> Option<Span> {
        self.primary.as_ref().map(|label| label.span)
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

    /// A change after which it is not found any more, and the program is right.
    pub fn safe_edit(mut self, place: Span, text: impl Into<String>) -> Self {
        self.edit = Some(Edit { place, text: text.into(), is_safe: true });
        self
    }

    /// A change that may be what was meant.
    pub fn likely_edit(mut self, place: Span, text: impl Into<String>) -> Self {
        self.edit = Some(Edit { place, text: text.into(), is_safe: false });
        self
    }

    /// Offers the nearest of `candidates` in the place of the name, if one is near.
    pub fn misspelled<'a>(self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        let (place, nearest) = (self.place(), suggest::nearest(name, candidates));
        let (Some(place), Some(candidate)) = (place, nearest) else { return self };
        let error = self.help(format!("did you mean `{candidate}`?"));
        // What stands around the name stays.
        match place.end - place.start == name.len() {
            true => error.likely_edit(place, candidate),
            false => error,
        }
    }

    /// Offers the nearest of `candidates`, if one is near.
    pub fn nearest<'a>(self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match suggest::nearest(name, candidates) {
            Some(candidate) => self.help(format!("did you mean `{candidate}`?")),
            None => self,
        }
    }
}

/// Diagnostics in the order in which they were found, each place, name and message once.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    all: Vec<Diagnostic>,
    seen: HashSet<(&'static str, Option<Span>, String)>,
    errors: usize,
}

impl Diagnostics {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let key = (diagnostic.finding.name, diagnostic.place(), diagnostic.message.clone());
        if self.seen.insert(key) {
            self.errors += usize::from(diagnostic.severity() == Severity::Error);
            self.all.push(diagnostic);
        }
    }

    pub fn extend(&mut self, other: Diagnostics) {
        other.all.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many of them are errors.
    pub fn errors(&self) -> usize {
        self.errors
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.all.iter()
    }

    /// Whether one more is worth a nearest name, which takes a comparison with every name in sight.
    pub fn wants_suggestions(&self) -> bool {
        self.all.len() < MOST_SUGGESTIONS
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// By file and place.
    pub fn sorted(mut self) -> Vec<Diagnostic> {
        self.all.sort_by_key(Diagnostic::place);
        self.all
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(diagnostic);
        diagnostics
    }
}
