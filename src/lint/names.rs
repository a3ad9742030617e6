//! Names that mean something else than a reader knows them for.

use std::collections::BTreeMap;

use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::resolve::{Item, ModuleId, Program};
use crate::source::Span;
use crate::syntax::tree::{self, Define, Expr, ExprKind, Name, Signature, Statement};

/// Judges the user's modules of a program that is right.
pub fn check(program: &Program, found: &mut Diagnostics) {
    for id in program.users() {
        for define in &program.module(id).tree.defines {
            let name = &define.signature.name;
            let hidden = program.prelude().get(&name.text);
            // The library's own text, read as a file, hides nothing.
            if let Some(hidden) = hidden.filter(|_| !program.module(id).is_library) {
                let hidden = place_of(program, *hidden).filter(|place| *place != name.span);
                let message = format!("`{}` hides what has this name everywhere else", name.text);
                if let Some(hidden) = hidden {
                    found.push(warning(name, message, hidden));
                }
            }
            locals(program, id, define, found);
        }
    }
}

/// A parameter or a `let` is called like a callable that is in scope, and then called. A value that
/// is only read is no network, and nobody takes it for one.
fn locals(program: &Program, id: ModuleId, define: &Define, found: &mut Diagnostics) {
    // In the order in which they see one another.
    let parameters = define.signature.parameters.iter();
    let parameters = parameters.map(|own| (Some(&own.name), own.default.iter().collect()));
    let statements = define.body.iter().map(|own| match own {
        Statement::Let(binding) => (Some(&binding.name), own.exprs()),
        _ => (None, own.exprs()),
    });
    let all: Vec<(Option<&Name>, Vec<&Expr>)> = parameters.chain(statements).collect();
    let mut calls: BTreeMap<&str, Vec<(usize, Span)>> = BTreeMap::new();
    for (position, (_, exprs)) in all.iter().enumerate() {
        for expr in exprs {
            tree::each(expr, |part| {
                if let ExprKind::Call(callee, _) = &part.kind
                    && let ExprKind::Name(name) = &callee.kind
                {
                    calls.entry(name).or_default().push((position, callee.span));
                }
            });
        }
    }
    for (position, (name, _)) in all.iter().enumerate() {
        let Some(name) = name else { continue };
        let Some(calls) = calls.get(name.text.as_str()) else { continue };
        let after = calls.partition_point(|(own, _)| *own <= position);
        let hidden = program.item(id, &name.text).and_then(|own| place_of(program, own));
        if let (Some((_, call)), Some(hidden)) = (calls.get(after), hidden) {
            let message =
                format!("`{}` hides the operation of this name, and is called", name.text);
            let warning = warning(name, message, hidden);
            found.push(warning.also(*call, "this calls the one that hides it"));
        }
    }
}

fn warning(name: &Name, message: String, hidden: Span) -> Diagnostic {
    Diagnostic::new(findings::SHADOWED_NAME, name.span, message)
        .also(hidden, "the hidden one is declared here")
        .help(format!("give it a name of its own, such as `own_{}`", name.text))
}

/// Where what can be called is declared.
fn place_of(program: &Program, item: Item) -> Option<Span> {
    signature_of(program, item).map(|own| own.name.span)
}

/// The signature of what can be called.
pub(super) fn signature_of(program: &Program, item: Item) -> Option<&Signature> {
    match item {
        Item::Define(module, index) => Some(&program.define(module, index).signature),
        Item::Extern(own) => Some(own.signature()),
        Item::Pipeline(..) => None,
    }
}
