//! Calls: of constructors, of defines, and of networks on tensors.

use super::bind::{Fill, What};
use super::shape::{Dimension, Shape};
use super::value::{Kind, Value};
use super::{Checker, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::Item;
use crate::source::Span;
use crate::syntax::tree::{Argument, Expr, ExprKind};
use crate::term::objective::Op;

impl<'a> Checker<'a> {
    pub(super) fn call(
        &mut self,
        expr: &Expr,
        callee: &Expr,
        arguments: &[Argument],
        scope: &Scope,
        path: Option<&str>,
    ) -> Value {
        self.call_filled(expr, callee, arguments, scope, path, None)
    }

    /// A call, one of whose arguments may be filled in by what stands around it.
    pub(super) fn call_filled(
        &mut self,
        expr: &Expr,
        callee: &Expr,
        arguments: &[Argument],
        scope: &Scope,
        path: Option<&str>,
        fill: Option<Fill>,
    ) -> Value {
        let span = expr.span;
        let name = match &callee.kind {
            ExprKind::Name(name) => name,
            ExprKind::Access(base, method) if matches!(method.text.as_str(), "sample" | "few") => {
                return self.sample(base, method, arguments, scope, span);
            }
            _ => {
                let network = self.eval(callee, scope, None, None);
                return self.apply(&network, arguments, scope, span);
            }
        };
        if self.is_hidden(name, callee.span, scope) {
            return Value::poison(span);
        }
        let is_value =
            scope.locals.contains_key(name) || (scope.in_pipeline && self.state.declares(name));
        if is_value {
            let network = self.eval(callee, scope, None, None);
            return self.apply(&network, arguments, scope, span);
        }
        match self.callable(name, scope) {
            Some(Item::Extern(declaration)) => {
                let signature = self.signature(declaration.signature());
                let what = What::Argument { of: Some(name) };
                let bound = self.bind(&signature, arguments, span, what, scope, path, None, fill);
                match bound {
                    Some(bound) => self.construct(declaration, bound, span),
                    None => Value::poison(span),
                }
            }
            Some(Item::Define(module, index)) => {
                let program = self.program;
                let signature = self.signature(&program.define(module, index).signature);
                let owner = Some(module);
                let bound = self.bind(
                    &signature,
                    arguments,
                    span,
                    What::Argument { of: Some(name) },
                    scope,
                    path,
                    owner,
                    fill,
                );
                match bound {
                    Some(bound) => self.expand(module, index, bound, Some(span)),
                    None => Value::poison(span),
                }
            }
            Some(Item::Pipeline(..)) => {
                let message = format!("`{name}` is a pipeline: it is run, not called");
                self.error(findings::TYPE_MISMATCH, callee.span, message);
                Value::poison(span)
            }
            None => {
                self.unknown(name, callee.span, scope, None);
                Value::poison(span)
            }
        }
    }

    /// The only argument of what has no signature, and so no name for it.
    pub(super) fn unnamed<'e>(
        &mut self,
        argument: &'e Argument,
        callee: &str,
        right: &str,
    ) -> Option<&'e Expr> {
        let Some(name) = &argument.name else { return Some(&argument.value) };
        let message = format!("{callee} takes no `{}`", name.text);
        let error = Diagnostic::new(findings::UNKNOWN_ARGUMENT, name.span, message);
        self.report(error.help(format!("its argument has no name: write {right}")));
        None
    }

    /// A network applied to a view or to features.
    fn apply(
        &mut self,
        callee: &Value,
        arguments: &[Argument],
        scope: &Scope,
        span: Span,
    ) -> Value {
        if callee.is_poison() {
            return Value::poison(span);
        }
        let Some(network) = self.as_network(callee) else {
            if !matches!(callee.kind, Kind::Encoder(_) | Kind::Head(_)) {
                let message = format!("{} cannot be called", callee.describe());
                self.error(findings::TYPE_MISMATCH, callee.span, message);
            }
            return Value::poison(span);
        };
        let [argument] = arguments else {
            self.error(findings::UNKNOWN_ARGUMENT, span, "a network is applied to one tensor");
            return Value::poison(span);
        };
        let Some(argument) = self.unnamed(argument, "a network", "a tensor, as in `query(a)`")
        else {
            return Value::poison(span);
        };
        let input = self.eval(argument, scope, None, None);
        let tensor = match input.kind {
            Kind::Poison => return Value::poison(span),
            Kind::Tensor(tensor) => tensor,
            _ => {
                let message = format!("a network is applied to a tensor, not {}", input.describe());
                let error = self.blame_use(findings::TYPE_MISMATCH, &input, message);
                self.report(error);
                return Value::poison(span);
            }
        };
        let Some(mut sizes) = self.feeds(&network, &tensor, input.span) else {
            return Value::poison(span);
        };
        sizes.push(Dimension::Size(network.output.clone()));
        let trained =
            self.builder.as_ref().is_some_and(|builder| builder.is_trained(network.network));
        // Through an averaged network no gradient flows at all.
        let gradient = trained;
        let shape = Shape(sizes);
        self.tensor(
            Op::Apply(network.network),
            vec![tensor.node],
            Some(Default::default()),
            shape,
            gradient,
            span,
        )
    }
}
