//! The values of a pipeline, and where each came from.

use super::Checker;
use super::value::Value;
use crate::source::{Sources, Span};

/// A value of the pipeline and where it came from.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub path: String,
    pub value: String,
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug)]
pub enum Origin {
    Text(Span),
    /// A name in the text, whose value came from there.
    Named(Span, Box<Origin>),
    Profile(String, Span),
    /// `-o` on the command line.
    Override,
    /// The default of the named signature.
    Default(String, Span),
}

impl Origin {
    /// Where it came from through whatever names.
    pub fn root(&self) -> &Origin {
        match self {
            Origin::Named(_, from) => from.root(),
            origin => origin,
        }
    }

    pub fn show(&self, sources: &Sources) -> String {
        match self {
            Origin::Text(span) => sources.place(*span),
            Origin::Named(span, from) => {
                let from = match **from {
                    // In the same text, line and column say enough.
                    Origin::Text(place) if place.file == span.file => {
                        let (line, column) = sources.position(place);
                        format!("{line}:{column}")
                    }
                    ref from => from.show(sources),
                };
                format!("{}, from {from}", sources.place(*span))
            }
            Origin::Profile(name, span) => format!("profile {name}, {}", sources.place(*span)),
            Origin::Override => "-o".to_owned(),
            Origin::Default(name, span) => format!("default of {name}, {}", sources.place(*span)),
        }
    }
}

impl Checker<'_> {
    /// Records a value of the text, through whatever names it came there.
    pub(super) fn resolve_text(&mut self, path: Option<&str>, value: &Value) {
        if path.is_none() || self.compared.is_some() {
            return;
        }
        let written = self.written(value);
        let cause = self.state.cause(written);
        let origin = match written == value.span {
            true => cause,
            false => Origin::Named(value.span, Box::new(cause)),
        };
        self.state.resolve(path, value, origin);
    }
}
