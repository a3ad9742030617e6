//! In what order defines are checked on their own.

use std::collections::BTreeSet;

use crate::resolve::{Item, ModuleId, Program};
use crate::syntax::tree::{self, Define, Statement};

/// The defines of the user's modules, each behind those that it uses: what is wrong with one is
/// said of it, and not of what uses it.
pub(super) fn callees_first(program: &Program) -> Vec<(ModuleId, usize)> {
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
    let all = users.iter().flat_map(|module| {
        (0..program.module(*module).tree.defines.len()).map(|index| (*module, index))
    });
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    for first in all {
        // What waits for others waits here and not on the stack: a row of defines may be long.
        let mut open = Vec::new();
        if seen.insert(first) {
            open.push((first, used(first)));
        }
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
    order
}

fn exprs(define: &Define) -> impl Iterator<Item = &tree::Expr> {
    let defaults = define.signature.parameters.iter().filter_map(|own| own.default.as_ref());
    defaults.chain(define.body.iter().flat_map(Statement::exprs))
}
