//! Values given beside the text: `-o name=value` and profiles.

use super::pipeline::Origin;
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::source::{Sources, Span};
use crate::syntax::parse;
use crate::syntax::tree::{Expr, Name};

/// A value for a parameter, an argument or a field, named by a dotted path.
#[derive(Clone, Debug)]
pub struct Override {
    pub path: Vec<Name>,
    pub value: Expr,
    pub origin: Origin,
}

impl Override {
    /// `moco.temperature`
    pub fn dotted(&self) -> String {
        dotted(&self.path)
    }

    /// Where its name stands.
    pub fn span(&self) -> Span {
        match self.path.as_slice() {
            [first, .., last] => first.span.to(last.span),
            [only] => only.span,
            [] => self.value.span,
        }
    }
}

pub fn dotted(path: &[Name]) -> String {
    path.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(".")
}

/// Reads `name=value` as it stands on a command line, by the grammar of the language.
pub fn parse(sources: &mut Sources, argument: &str) -> Result<Override, Diagnostics> {
    let file = sources.add("-o", argument);
    let wrong = |message: String| -> Diagnostics {
        let whole = Span { file, start: 0, end: argument.len() };
        let error = Diagnostic::new(findings::BAD_OVERRIDE, whole, message);
        error.help("write `-o epochs=\"400 epochs\"` or `-o moco.temperature=0.2`").into()
    };
    let Some(equals) = argument.find('=') else {
        return Err(wrong(format!("`-o {argument}` is no `name=value`")));
    };
    // The sign is one byte, so both ranges end at characters.
    let (name, value) = (0..equals, equals + 1..argument.len());
    if argument[name.clone()].trim().is_empty() {
        return Err(wrong(format!("`-o {argument}` names nothing to give a value to")));
    }
    if argument[value.clone()].trim().is_empty() {
        return Err(wrong(format!("`-o {argument}` gives no value")));
    }
    let path = parse::path(sources, file, name)?;
    let value = parse::expression(sources, file, value)?;
    Ok(Override { path, value, origin: Origin::Override })
}
