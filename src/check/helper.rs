//! A define over tensors on its own: a loss without a pipeline around it.

use std::collections::BTreeMap;

use super::bind::Arguments;
use super::objective::Builder;
use super::shape::Shape;
use super::size::Size;
use super::types::TypeName;
use super::value::{Kind, TensorValue, Value};
use super::{Checker, Scope};
use crate::diagnostics::Diagnostics;
use crate::resolve::{Item, Program};
use crate::term::objective::Op;
use crate::term::{Args, Term};

/// What the define or operation called `name` computes of tensors of these shapes, which stand for
/// the views of an objective in the order of its signature; an `Index` has two sizes. Its value
/// stands in the place of the loss. Arguments that are not given have their defaults.
///
/// # Errors
///
/// What the checker says of such a call. Empty where the program has no such define or operation.
pub fn helper(
    program: &Program,
    name: &str,
    args: &Args,
    shapes: &[Vec<usize>],
) -> Result<Builder, Diagnostics> {
    let mut checker = Checker::new(program);
    let (module, signature) = match program.item(program.root, name) {
        Some(Item::Define(module, index)) => {
            (module, checker.signature(&program.define(module, index).signature))
        }
        Some(Item::Extern(declaration)) => {
            (program.root, checker.signature(declaration.signature()))
        }
        _ => return Err(Diagnostics::default()),
    };
    checker.builder = Some(Builder::default());
    let mut scope = Scope::new(module, BTreeMap::new());
    let mut solution = super::unify::Solution::default();
    let mut views = 0;
    for (parameter, kind) in signature.parameters() {
        let (text, span) = (&parameter.name.text, parameter.name.span);
        let value = match kind.name().filter(|own| own.is_tensor()) {
            Some(own) => {
                let sizes = shapes.get(views).into_iter().flatten();
                let shape = Shape::of(sizes.map(|size| Size::constant(*size as i64)));
                let (op, args) = (Op::View(views), Some(Args::default()));
                let is_float = own == TypeName::Tensor;
                views += 1;
                let value = checker.tensor(op, Vec::new(), args, shape, is_float, span);
                let kind = match (own, value.kind) {
                    (TypeName::Labels, Kind::Tensor(tensor)) => Kind::Labels(tensor),
                    (TypeName::Index, Kind::Tensor(tensor)) => Kind::Index(tensor),
                    (_, kind) => kind,
                };
                Value::new(kind, span)
            }
            None => match (args.get(text).map(known), &parameter.default) {
                (Some(kind), _) => Value::new(kind, span),
                (None, Some(default)) => checker.eval(default, &scope, Some(kind), None),
                (None, None) => continue,
            },
        };
        let Some(value) = super::accept::accept(&value, kind, &mut solution) else { continue };
        if let (Kind::Int(size), Some(symbol)) = (&value.kind, signature.symbol(text)) {
            solution.give(symbol, size);
        }
        scope.locals.insert(text.clone(), value);
    }
    let are_right = solution.settle();
    let bound = Arguments { values: scope.locals, solution, are_right };
    let span = signature.tree.span;
    let value = match program.item(program.root, name) {
        Some(Item::Define(module, index)) => checker.expand(module, index, bound, Some(span)),
        Some(Item::Extern(declaration)) => checker.construct(declaration, bound, span),
        _ => Value::poison(span),
    };
    let mut builder = checker.builder.take().unwrap_or_default();
    let node = match value.kind {
        Kind::Tensor(TensorValue { node, .. })
        | Kind::Labels(TensorValue { node, .. })
        | Kind::Index(TensorValue { node, .. }) => node,
        _ => return Err(checker.diagnostics),
    };
    (builder.loss, builder.views) = (Some(node), views);
    Ok(builder)
}

/// A value that a term stands for.
fn known(term: &Term) -> Kind {
    match term {
        Term::Int(value) => Kind::Int(Size::constant(*value)),
        Term::Float(value) => Kind::Float(Some(*value)),
        Term::Bool(value) => Kind::Bool(Some(*value)),
        Term::Symbol(choice) => Kind::Choice(Some(choice.clone()), [choice.clone()].into()),
        term => Kind::Schedule(Some(term.clone())),
    }
}
