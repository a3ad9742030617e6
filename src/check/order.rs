//! In what order defines are checked on their own.

use std::collections::BTreeSet;

use crate::resolve::{Item, ModuleId, Program};
use crate::syntax::tree::{self, Define, Statement};

/// The defines of the user's modules, each behind those that it uses: what is wrong with one is
/// said of it, and not of what uses it.
pub(super) fn callees_first(program: &Program) -> Vec<(ModuleId, usize)> {
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    for module in program.users() {
        for index in 0..program.module(module).tree.defines.len() {
            visit(program, (module, index), &mut seen, &mut order);
        }
    }
    order
}

/// Adds what a define uses, and then itself. It waits in a list of its own, and not on the stack:
/// a row of defines may be long.
fn visit(
    program: &Program,
    first: (ModuleId, usize),
    seen: &mut BTreeSet<(ModuleId, usize)>,
    order: &mut Vec<(ModuleId, usize)>,
) {
    let users: BTreeSet<ModuleId> = program.users().collect();
    let used = |(module, index): (ModuleId, usize)| {
        let mut names = BTreeSet::new();
        exprs(program.define(module, index)).for_each(|expr| tree::names(expr, &mut names));
        let defines = names.into_iter().filter_map(|name| match program.item(module, name)? {
            Item::Define(module, index) => Some((module, index)),
            _ => None,
        });
        defines.filter(|(module, _)| users.contains(module)).collect::<Vec<_>>()
    };
    if !seen.insert(first) {
        return;
    }
    let mut open = vec![(first, used(first))];
    while let Some((own, waiting)) = open.last_mut() {
        match waiting.pop() {
            Some(next) if seen.insert(next) => open.push((next, used(next))),
            Some(_) => {}
            None => {
                order.push(*own);
                open.pop();
            }
        }
    }
}

fn exprs(define: &Define) -> impl Iterator<Item = &tree::Expr> {
    let defaults = define.signature.parameters.iter().filter_map(|own| own.default.as_ref());
    defaults.chain(define.body.iter().filter_map(|statement| match statement {
        Statement::Let(binding) | Statement::Report(binding) => Some(&binding.value),
        Statement::Minimize(expr) | Statement::Result(expr) => Some(expr),
        Statement::Given(_) => None,
    }))
}
