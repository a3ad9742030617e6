//! Values given beside the text: `-o name=value` and profiles.

use super::pipeline::Origin;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::tree::{Expr, Name};
use crate::syntax::{Sources, Span, parse};

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
    let Some((name, value)) = argument.split_once('=') else {
        let message = format!("`-o {argument}` is no `name=value`");
        let error = Diagnostic::general("bad-override", message);
        return Err(error
            .help("write `-o epochs=\"400 epochs\"` or `-o moco.temperature=0.2`")
            .into());
    };
    let file = sources.add(format!("-o {name}"), name);
    let path = parse::path(sources, file)?;
    let file = sources.add(format!("-o {name}"), value);
    let value = parse::expression(sources, file)?;
    Ok(Override { path, value, origin: Origin::Override })
}
