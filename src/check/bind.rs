//! Arguments bound to the parameters of a signature.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use super::accept::accept;
use super::bound::holds;
use super::construct::OPEN;
use super::shape::Shape;
use super::signature::TypedSignature;
use super::stages::StageKind;
use super::types::{Type, TypeName};
use super::unify::Solution;
use super::value::{Kind, Value};
use super::{Checker, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::ModuleId;
use crate::source::Span;
use crate::syntax::tree::{Argument, Expr, ExprKind, Name, Parameter};
use crate::term::Term;

/// The arguments of a call, checked, by parameter name.
pub(super) struct Arguments {
    pub values: BTreeMap<String, Value>,
    /// What the names of sizes in the signature stand for.
    pub solution: Solution,
    /// Whether all of them are right. Those that are not are poison, and so are those of a stage that
    /// another name may have been meant for.
    pub are_right: bool,
}

impl Arguments {
    /// The whole number that is given for a parameter, where it is known.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.values.get(name).map(|value| &value.kind) {
            Some(Kind::Int(size)) => size.as_constant(),
            _ => None,
        }
    }
}

/// What is being bound: it decides the words of the messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// Of a call, or without one what a parameter is by itself.
    Argument { of: Option<&'a str> },
    /// Of a stage of that kind. One of which a part could not be read may have any field.
    Field { stage: StageKind, whole: bool },
}

impl What<'_> {
    fn is_partial(self) -> bool {
        matches!(self, What::Field { whole: false, .. })
    }
}

/// A value offered for a parameter that the text leaves out, such as the classes of a head.
pub(super) struct Fill {
    pub name: &'static str,
    pub value: Value,
}

impl Checker<'_> {
    /// Evaluates and checks arguments against a signature. `owner` is the module of a define, in
    /// whose scope defaults are evaluated. `None` where an argument is wrong or missing; a stage gets
    /// those that are right, for what has to hold between them.
    #[expect(clippy::too_many_arguments, reason = "a call is all of these")]
    pub(super) fn bind(
        &mut self,
        signature: &TypedSignature<'_>,
        arguments: &[Argument],
        span: Span,
        what: What<'_>,
        scope: &Scope,
        path: Option<&str>,
        owner: Option<ModuleId>,
        mut fill: Option<Fill>,
    ) -> Option<Arguments> {
        if self.is_exhausted() {
            return None;
        }
        let errors = self.errors();
        let mut given = self.assign(signature, arguments, what);
        let is_misnamed = self.errors() > errors;
        let mut solution = Solution::default();
        // The values so far, in sight of the defaults after them.
        let mut values = Scope::new(owner.unwrap_or(scope.module), BTreeMap::new());
        for (parameter, kind) in signature.parameters() {
            if self.is_exhausted() {
                return None;
            }
            let name = parameter.name.text.as_str();
            let own_path = path.map(|path| format!("{path}.{name}"));
            // What is kept of it for the record of a run costs more than to evaluate it.
            self.steps += own_path.as_ref().map_or(0, |_| 4);
            let overridden = own_path.as_deref().and_then(|path| self.state.take_override(path));
            let completing = match what {
                What::Field { stage, .. } => stage.fill(name, &values.locals, span),
                What::Argument { .. } => None,
            };
            let is_field = matches!(what, What::Field { .. });
            if let (true, Some(stage), Some(compared)) = (is_field, path, &self.compared)
                && !compared.may_differ(stage, name, given.get(name).copied())
            {
                if given.remove(name).is_some() || parameter.default.is_some() {
                    values.locals.insert(name.to_owned(), Value::poison(span));
                }
                continue;
            }
            let is_clear = overridden.is_some() || given.contains_key(name) || !is_misnamed;
            let value = if let Some(over) = overridden {
                let value = self.eval_override(&over, Some(kind), completing);
                self.state.resolve(own_path.as_deref(), &value, over.origin);
                value
            } else if let Some(expr) = given.remove(name) {
                let path = own_path.as_deref();
                let value = self.eval_filled(expr, scope, Some(kind), path, completing);
                self.resolve_text(path, &value);
                value
            } else if let Some(fill) = fill.take_if(|fill| fill.name == name) {
                fill.value
            } else if let Some(default) = &parameter.default {
                let value = self.eval(default, &values, Some(kind), own_path.as_deref());
                self.state.resolve_default(own_path.as_deref(), &value, signature.name());
                value
            } else if parameter.optional {
                if is_field && !is_clear {
                    values.locals.insert(name.to_owned(), Value::poison(span));
                }
                continue;
            } else {
                self.missing(signature, parameter, kind, span, what, scope);
                continue;
            };
            let mut value = self.fit(value, parameter, kind, &mut solution, what);
            if let (Kind::Int(size), Some(symbol)) = (&value.kind, signature.symbol(name))
                && !solution.give(symbol, size)
            {
                let known = solution.size(symbol).cloned().unwrap_or_default();
                let message =
                    format!("`{name}` is {size} here, and {known} by the tensors before it");
                let error = self.blame(findings::SHAPE_MISMATCH, &value, message);
                self.report(error.also(parameter.span, "declared here"));
                value = Value::poison(value.span);
            }
            if is_field && !is_clear {
                value = Value::poison(value.span);
            }
            if let (true, Some(stage), Some(compared)) = (is_field, path, &mut self.compared)
                && compared.field(stage, name, &value)
            {
                return None;
            }
            values.locals.insert(name.to_owned(), value);
        }
        self.settle(signature, &values.locals, &mut solution, span, what);
        let values = values.locals;
        let poisoned = values.values().any(Value::is_poison);
        let are_right = self.errors() == errors && !poisoned;
        let is_wanted = are_right || matches!(what, What::Field { .. });
        is_wanted.then_some(Arguments { values, solution, are_right })
    }

    /// Looks again at sizes that several arguments tell together.
    fn settle(
        &mut self,
        signature: &TypedSignature<'_>,
        values: &BTreeMap<String, Value>,
        solution: &mut Solution,
        span: Span,
        what: What<'_>,
    ) {
        if solution.settle() || values.values().any(Value::is_poison) {
            return;
        }
        for (parameter, kind) in signature.parameters() {
            let Some(value) = values.get(&parameter.name.text) else { continue };
            if accept(value, kind, solution).is_none() {
                self.mismatch(value, kind, solution, parameter, what);
                return;
            }
        }
        let message = format!("these shapes do not tell the sizes of `{}`", signature.name());
        let error = Diagnostic::new(findings::SHAPE_MISMATCH, span, message);
        self.report(error.also(signature.tree.span, "its signature"));
    }

    /// Evaluates an expression which, where it is a call, what stands around it completes.
    pub(super) fn eval_filled(
        &mut self,
        expr: &Expr,
        scope: &Scope,
        wanted: Option<&Type>,
        path: Option<&str>,
        fill: Option<Fill>,
    ) -> Value {
        match (&expr.kind, fill) {
            (ExprKind::Call(callee, arguments), Some(fill)) => {
                self.call_filled(expr, callee, arguments, scope, path, Some(fill))
            }
            _ => self.eval(expr, scope, wanted, path),
        }
    }

    /// Sorts arguments to parameters by position and name.
    fn assign<'e>(
        &mut self,
        signature: &TypedSignature<'_>,
        arguments: &'e [Argument],
        what: What<'_>,
    ) -> BTreeMap<String, &'e Expr> {
        let mut given: BTreeMap<String, &Expr> = BTreeMap::new();
        // Not for every call of a long signature that names nothing.
        let mut names: HashSet<&str> = HashSet::new();
        if arguments.iter().any(|argument| argument.name.is_some()) {
            names.extend(
                signature.tree.parameters.iter().map(|parameter| parameter.name.text.as_str()),
            );
        }
        let mut named = false;
        for (position, argument) in arguments.iter().enumerate() {
            let name = match &argument.name {
                Some(name) => {
                    named = true;
                    if !names.contains(name.text.as_str()) {
                        self.unknown_argument(signature, name, what);
                        continue;
                    }
                    name.text.clone()
                }
                None if named => {
                    let error = Diagnostic::new(
                        findings::UNKNOWN_ARGUMENT,
                        argument.value.span,
                        "an argument without a name stands after named ones",
                    );
                    self.report(error.help("name this one too"));
                    continue;
                }
                None => match signature.tree.parameters.get(position) {
                    Some(parameter) => parameter.name.text.clone(),
                    None => {
                        let count = signature.tree.parameters.len();
                        let message = format!(
                            "`{}` takes {count} argument{}",
                            signature.name(),
                            if count == 1 { "" } else { "s" }
                        );
                        let error = Diagnostic::new(
                            findings::UNKNOWN_ARGUMENT,
                            argument.value.span,
                            message,
                        );
                        self.report(
                            error.label("one too many").also(signature.tree.span, "its signature"),
                        );
                        continue;
                    }
                },
            };
            match given.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(&argument.value);
                }
                Entry::Occupied(first) => {
                    let span = argument.name.as_ref().map_or(argument.value.span, |name| name.span);
                    let message = format!("`{}` is given twice", first.key());
                    self.error(findings::DUPLICATE_NAME, span, message);
                }
            }
        }
        given
    }

    fn unknown_argument(&mut self, signature: &TypedSignature<'_>, name: &Name, what: What) {
        if what.is_partial() {
            return;
        }
        let callee = signature.name();
        let (finding, message) = match what {
            What::Argument { .. } => {
                (findings::UNKNOWN_ARGUMENT, format!("`{callee}` takes no `{}`", name.text))
            }
            What::Field { .. } => {
                (findings::UNKNOWN_FIELD, format!("`{callee}` has no field `{}`", name.text))
            }
        };
        let names = signature.tree.parameters.iter().map(|parameter| parameter.name.text.as_str());
        let error =
            Diagnostic::new(finding, name.span, message).also(signature.tree.span, "its signature");
        self.report(match self.diagnostics.wants_suggestions() {
            true => error.misspelled(&name.text, names),
            false => error,
        });
    }

    fn missing(
        &mut self,
        signature: &TypedSignature<'_>,
        parameter: &Parameter,
        kind: &Type,
        span: Span,
        what: What<'_>,
        scope: &Scope,
    ) {
        if what.is_partial() {
            return;
        }
        let (callee, name) = (signature.name(), &parameter.name.text);
        let (finding, message) = match what {
            What::Argument { .. } => {
                (findings::MISSING_ARGUMENT, format!("`{callee}` needs `{name}`"))
            }
            What::Field { .. } => {
                (findings::MISSING_FIELD, format!("`{callee}` needs the field `{name}`"))
            }
        };
        let error = Diagnostic::new(finding, span, message);
        let error = error.label(format!("`{name}: {kind}` is missing"));
        let error = error.also(parameter.span, "declared here, without a default");
        // Its first letter, if nothing else has that name.
        let own = name.get(..1).filter(|own| !scope.locals.contains_key(*own)).unwrap_or(name);
        self.report(match self.giving(own, Some(kind), scope) {
            Some(help) => error.help(help),
            None => error,
        });
    }

    /// Checks a value against a parameter's type and bound.
    pub(super) fn fit(
        &mut self,
        value: Value,
        parameter: &Parameter,
        kind: &Type,
        solution: &mut Solution,
        what: What<'_>,
    ) -> Value {
        let name = &parameter.name.text;
        let value = self.broadcast(value, kind);
        if let (Some(TypeName::Float | TypeName::Schedule), Kind::Int(size)) =
            (kind.name(), &value.kind)
            && size.is_open()
        {
            let message = format!("`{name}` is a number, and this is {size}");
            let error = self.blame_use(findings::TYPE_MISMATCH, &value, message);
            self.report(error.help(OPEN));
            return Value::poison(value.span);
        }
        let Some(value) = accept(&value, kind, solution) else {
            self.mismatch(&value, kind, solution, parameter, what);
            return Value::poison(value.span);
        };
        let bound = parameter.bound.as_ref();
        if let Some(number) = value.numbers().into_iter().find(|own| !holds(bound, kind, *own)) {
            let found = match &value.kind {
                Kind::Schedule(Some(Term::Call(_))) => {
                    format!("the schedule is {number} somewhere")
                }
                Kind::Schedule(_) => number.to_string(),
                _ => value.describe(),
            };
            let message = format!("`{name}` is out of its range: {found}");
            let error = self.blame(findings::OUT_OF_RANGE, &value, message);
            self.report(error.also(parameter.span, "its range is declared here"));
            return Value::poison(value.span);
        }
        value
    }

    /// A number where a tensor is wanted that may be one, and an encoder where any network will do.
    pub(super) fn broadcast(&mut self, value: Value, kind: &Type) -> Value {
        if let (Kind::Encoder(_), true, true) =
            (&value.kind, self.builder.is_some(), kind.is(TypeName::Network))
        {
            let network = self.as_network(&value).map(Kind::Network);
            return network.map_or(value.clone(), |kind| Value { kind, ..value });
        }
        let is_number = matches!(value.kind, Kind::Int(_) | Kind::Float(_));
        let takes_one = |shape: &Shape| shape.is_scalar() || shape.is_any();
        let is_wanted = kind.is(TypeName::Tensor) && kind.shape().is_some_and(takes_one);
        if !(is_number && is_wanted && self.builder.is_some()) {
            return value;
        }
        let (span, origin) = (value.span, value.origin);
        let tensor = self.as_tensor(value).map(Kind::Tensor);
        tensor.map_or(Value::poison(span), |kind| Value { kind, span, origin })
    }

    fn mismatch(
        &mut self,
        value: &Value,
        kind: &Type,
        solution: &Solution,
        parameter: &Parameter,
        what: What<'_>,
    ) {
        let (name, found, wanted) = (&parameter.name.text, value.describe(), solution.show(kind));
        // The right kind of value, and sizes that do not fit.
        let is_shape = kind.name().is_some()
            && value.kind.type_of().is_some_and(|own| own.name() == kind.name());
        let finding = if is_shape { findings::SHAPE_MISMATCH } else { findings::TYPE_MISMATCH };
        let place = match what {
            What::Argument { of: Some(callee) } => format!("argument `{name}` of `{callee}`"),
            What::Argument { of: None } => format!("argument `{name}`"),
            What::Field { .. } => format!("field `{name}`"),
        };
        let message = format!("{place} wants {wanted}, not {found}");
        let error = self.blame_use(finding, value, message).label(format!("this is {found}"));
        let error = error.also(parameter.span, "declared here");
        let Some((help, number)) = advice(kind, value) else {
            self.report(error);
            return;
        };
        let error = error.help(help);
        let place = error.place().filter(|place| self.is_number(*place));
        self.report(match (place, number) {
            (Some(place), Some((number, true))) => error.safe_edit(place, number),
            (Some(place), Some((number, false))) => error.likely_edit(place, number),
            _ => error,
        });
    }
}

/// What would be right in the place of a value of the wrong type; for a number, how it would be
/// written, and whether it is the same number.
fn advice(kind: &Type, value: &Value) -> Option<(String, Option<(String, bool)>)> {
    let written = |number: String, is_same| (format!("write `{number}`"), Some((number, is_same)));
    Some(match (kind.name()?, &value.kind) {
        (TypeName::Duration, Kind::Int(_) | Kind::Float(_)) => {
            let number = value.number().unwrap_or(200.0);
            let help = format!("a length has a unit: `{number} epochs` or `{number} steps`");
            (help, Some((format!("{number} epochs"), false)))
        }
        (TypeName::Percent, Kind::Int(_)) => {
            // A share of one is all.
            let number = value.number().map(|own| if own == 1.0 { 100.0 } else { own });
            written(format!("{}%", number.unwrap_or(10.0)), false)
        }
        (TypeName::Percent, Kind::Float(Some(share))) => {
            // Without the digits that the product alone brings in.
            let percent = (share * 1e11).round() / 1e9;
            written(format!("{percent}%"), percent / 100.0 == *share)
        }
        (TypeName::Float | TypeName::Schedule, Kind::Percent(Some(percent))) => {
            // Without the digits that the quotient alone brings in.
            written(((percent * 1e9).round() / 1e11).to_string(), true)
        }
        (TypeName::Split, Kind::Dataset(_)) => {
            ("name a part of it: `.train`, `.test` or `.train.unlabeled`".to_owned(), None)
        }
        (TypeName::Tensor, Kind::Tensor(own)) if own.shape.is_scalar() => (
            "of a tensor `t` of that shape, `0 * t + 0.5` is one number everywhere".to_owned(),
            None,
        ),
        (TypeName::Tensor, Kind::Network(_) | Kind::Encoder(_)) => {
            ("apply it to a view first: `query(a)`".to_owned(), None)
        }
        (TypeName::Schedule | TypeName::Float | TypeName::Int, Kind::Tensor(_)) => {
            let help =
                "what an objective computes is a tensor, and this is given as it is: a number";
            let or_more =
                if kind.name() == Some(TypeName::Schedule) { ", or a schedule" } else { "" };
            (format!("{help}{or_more}"), None)
        }
        (TypeName::Model | TypeName::Encoder, Kind::Stage(_)) => {
            ("name an output of the stage, such as `.encoder`".to_owned(), None)
        }
        _ => return None,
    })
}
