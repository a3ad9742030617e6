//! Uses of what its own documentation gives up.

use std::collections::BTreeSet;

use super::names::signature_of;
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::resolve::{ModuleId, Program};
use crate::source::{Sources, Span};
use crate::syntax::tree::{self, Expr, ExprKind, Signature, Statement};

/// What begins the paragraph of a documentation that says what to take instead.
const MARK: &str = "Deprecated:";

/// Judges every call that the user's modules make.
pub fn check(program: &Program, sources: &Sources, found: &mut Diagnostics) {
    for id in program.users() {
        let tree = &program.module(id).tree;
        for define in &tree.defines {
            let lets = define.body.iter().filter_map(|own| match own {
                Statement::Let(binding) => Some(&binding.name),
                _ => None,
            });
            let parameters = &define.signature.parameters;
            let locals = parameters.iter().map(|own| &own.name).chain(lets);
            let locals = locals.map(|name| name.text.as_str()).collect();
            let defaults = parameters.iter().filter_map(|own| own.default.as_ref());
            let exprs = defaults.chain(define.body.iter().flat_map(Statement::exprs));
            let uses = Uses { program, sources, id, locals };
            exprs.for_each(|expr| uses.check(expr, found));
        }
        for pipeline in &tree.pipelines {
            let defaults = pipeline.parameters.iter().filter_map(|own| own.default.as_ref());
            let exprs = defaults.chain(pipeline.members.iter().flat_map(tree::Member::exprs));
            // None of its names can be called: what is called is in scope of the file.
            let uses = Uses { program, sources, id, locals: BTreeSet::new() };
            exprs.for_each(|expr| uses.check(expr, found));
        }
    }
}

struct Uses<'p> {
    program: &'p Program,
    sources: &'p Sources,
    id: ModuleId,
    locals: BTreeSet<&'p str>,
}

impl Uses<'_> {
    fn check(&self, expr: &Expr, found: &mut Diagnostics) {
        tree::each(expr, |part| {
            if let ExprKind::Call(callee, _) = &part.kind
                && let ExprKind::Name(name) = &callee.kind
                && !self.locals.contains(name.as_str())
            {
                found.extend(self.call(name, callee.span));
            }
        });
    }

    fn call(&self, name: &str, place: Span) -> Diagnostics {
        let signature = |name: &str| {
            self.program.item(self.id, name).and_then(|own| signature_of(self.program, own))
        };
        let Some(given_up) = signature(name) else { return Diagnostics::default() };
        let Some(reason) = deprecation(&given_up.doc) else { return Diagnostics::default() };
        let message = format!("`{name}` is deprecated");
        let mut warning = Diagnostic::new(findings::DEPRECATED, place, message)
            .also(given_up.name.span, "declared here");
        if !reason.is_empty() {
            warning = warning.help(reason.clone());
        }
        // The first name that it quotes.
        if let Some(instead) = reason.split('`').nth(1)
            && let Some(other) = signature(instead)
            && self.parameters(given_up) == self.parameters(other)
        {
            // Another graph perhaps, so that a user has to want it.
            warning = warning.likely_edit(place, instead);
        }
        warning.into()
    }

    /// The parameters as they are written, whatever the space between them.
    fn parameters(&self, signature: &Signature) -> Vec<String> {
        let written = signature.parameters.iter().map(|own| self.sources.text(own.span));
        written.map(|text| text.split_whitespace().collect()).collect()
    }
}

/// What a documentation says behind the mark, on one line.
fn deprecation(doc: &str) -> Option<String> {
    let mut lines = doc.lines().map(str::trim).skip_while(|line| !line.starts_with(MARK));
    let first = lines.next()?.strip_prefix(MARK)?.trim();
    let rest = lines.take_while(|line| !line.is_empty());
    let words: Vec<&str> =
        std::iter::once(first).chain(rest).filter(|own| !own.is_empty()).collect();
    let text = words.join(" ");
    Some(text.strip_suffix('.').map_or_else(|| text.clone(), str::to_owned))
}
