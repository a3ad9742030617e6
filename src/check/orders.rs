//! Permutations against the pieces that they are of.

use std::collections::BTreeSet;

use super::Checker;
use super::objective::{Builder, DraftNode};
use super::size::Size;
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::{Declaration, declaration};
use crate::term::Term;
use crate::term::objective::Op;

impl Checker<'_> {
    /// Of more permutations than there are, several are the same, which nothing tells apart; and
    /// what follows an order is given one, where any tensor of its shape would be taken.
    pub(super) fn check_orders(&mut self, builder: &Builder) {
        for node in &builder.nodes {
            let Op::Primitive(name) = &node.op else { continue };
            if let Some(error) = declaration(name).and_then(|own| no_order(builder, node, own)) {
                self.report(error);
            }
            let Some(count) = declaration(name).and_then(|own| own.named("orders")) else {
                continue;
            };
            let wanted = match node.args.as_ref().and_then(|args| args.get(count)) {
                Some(Term::Int(wanted)) => *wanted,
                _ => continue,
            };
            let pieces = node.inputs.first().and_then(|own| builder.nodes[*own].shape.first());
            let Some(pieces) = pieces.and_then(Size::as_constant) else { continue };
            // Too many to count are enough.
            let Some(all) = (2..=pieces).try_fold(1_i64, i64::checked_mul) else { continue };
            if wanted > all {
                let message = format!("{pieces} pieces have {all} orders, not {wanted}");
                let place = node.written.argument(count);
                let error = Diagnostic::new(findings::OUT_OF_RANGE, place, message);
                let error = match place.holds(node.span) || node.span.holds(place) {
                    true => error,
                    false => error.also(node.span, "found here"),
                };
                self.report(error.help("ask for fewer, or cut the images into more pieces"));
            }
        }
    }
}

/// What an operation follows that is no order of places.
fn no_order(builder: &Builder, node: &DraftNode, of: &Declaration) -> Option<Diagnostic> {
    let followed = of.named("follows")?;
    let mut tensors = of.tensors().zip(&node.inputs);
    let (_, &given) = tensors.find(|(own, _)| own.name.text == followed)?;
    if is_order(builder, given, followed) {
        return None;
    }
    let message =
        format!("`{followed}` of `{}` is an order of places, and this is none", of.name());
    let error = Diagnostic::new(findings::TYPE_MISMATCH, node.written.argument(followed), message);
    Some(error.help("`random_order(x)` makes one, and `random_blocks` of an image"))
}

/// Whether a tensor is an order, or of rows of some.
fn is_order(builder: &Builder, root: usize, order: &str) -> bool {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(node) = waiting.pop() {
        let DraftNode { op: Op::Primitive(name), inputs, shape, .. } = &builder.nodes[node] else {
            return false;
        };
        let Some(own) = declaration(name) else { return false };
        if own.named("yields") == Some(order) || !seen.insert(node) {
            continue;
        }
        let passed: Vec<usize> = own.passed(inputs).collect();
        // Rows of as many places, of this step: what is kept begins with others.
        let is_row = |input: &usize| {
            let given = &builder.nodes[*input].shape;
            given.0.len() == 2 && shape.0.len() == 2 && given.0.last() == shape.0.last()
        };
        if own.keeps_state() || passed.is_empty() || !passed.iter().all(is_row) {
            return false;
        }
        waiting.extend(passed);
    }
    true
}
