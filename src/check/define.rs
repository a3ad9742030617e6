//! Defines, expanded where they are called.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::accept::accept;
use super::bind::Arguments;
use super::given::gives_labels;
use super::objective::Builder;
use super::signature::TypedSignature;
use super::types::TypeName;
use super::value::{Kind, ObjectiveValue, TensorValue, Value};
use super::{Checker, Frame, MOST_EXPANSIONS, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::ModuleId;
use crate::source::Span;
use crate::syntax::tree::{
    Binding, Define, Expr, ExprKind, Given, Parameter, Statement, TypeArgument, TypeExpr, TypeKind,
};

impl Checker<'_> {
    /// The value of a define's body for the given arguments.
    pub(super) fn expand(
        &mut self,
        module: ModuleId,
        index: usize,
        arguments: Arguments,
        call: Option<Span>,
    ) -> Value {
        let program = self.program;
        let define = program.define(module, index);
        let name = &define.signature.name;
        let span = call.unwrap_or(name.span);
        if self.compared.as_ref().is_some_and(|own| !own.has_objectives())
            && makes_an_objective(define)
        {
            return Value::poison(span);
        }
        if !define.whole || self.broken.contains(&(module, index)) {
            // What uses it is wrong for that reason alone.
            self.silent += 1;
            return Value::poison(span);
        }
        if self.stack.iter().any(|frame| frame.define == (module, index)) {
            let message = format!("`{}` is defined by itself", name.text);
            let error = Diagnostic::new(findings::RECURSIVE_DEFINE, span, message);
            self.report(
                error.help("a define is expanded where it is used, so it cannot use itself"),
            );
            return Value::poison(span);
        }
        // A check of its own is none: there is one for each define.
        self.expansions += usize::from(call.is_some());
        if self.expansions > MOST_EXPANSIONS {
            let message = format!("this program expands more than {MOST_EXPANSIONS} defines");
            let help = "a define that uses another twice doubles it";
            self.exceed(findings::TOO_MANY_EXPANSIONS, span, message, help);
            return Value::poison(span);
        }
        self.stack.push(Frame { define: (module, index), name: name.text.clone(), call });
        let signature = self.signature(&define.signature);
        let is_objective = signature.result.is(TypeName::Objective) && !is_preset(define);
        let value = match is_objective {
            true => self.expand_objective(define, module, arguments.values, span, call.is_none()),
            false => self.expand_value(define, &signature, module, arguments, span, call.is_none()),
        };
        self.stack.pop();
        value
    }

    fn expand_value(
        &mut self,
        define: &Define,
        signature: &TypedSignature<'_>,
        module: ModuleId,
        arguments: Arguments,
        span: Span,
        alone: bool,
    ) -> Value {
        let errors = self.errors();
        let Arguments { values, mut solution, .. } = arguments;
        let mut scope = Scope::new(module, values);
        scope.sizes = signature.sizes(&solution);
        let mut result = None;
        for (position, statement) in define.body.iter().enumerate() {
            match statement {
                Statement::Let(binding) => self.let_(&mut scope, binding),
                Statement::Result(expr) if position + 1 == define.body.len() => {
                    result = Some(self.eval(expr, &scope, Some(&signature.result), None));
                }
                Statement::Result(expr) => {
                    let error = Diagnostic::new(
                        findings::UNUSED_VALUE,
                        expr.span,
                        "this value goes nowhere",
                    );
                    self.report(error.help(match is_return(expr) {
                        true => "the last line is the value of a define: leave `return` out",
                        false => "the last line is the value of a define; name others with `let`",
                    }));
                }
                Statement::Given(Given { span, .. }) => self.objective_only("given", *span),
                Statement::Minimize(expr) => self.objective_only("minimize", expr.span),
                Statement::Report(binding) => self.objective_only("report", binding.name.span),
                Statement::Export(binding) => self.objective_only("export", binding.name.span),
            }
        }
        if alone {
            self.unused(define, &scope, errors);
        }
        let Some(result) = result else {
            let message = format!("`{}` has no value", define.signature.name.text);
            let error =
                Diagnostic::new(findings::MISSING_RESULT, define.signature.name.span, message);
            self.report(error.help("its last line is its value"));
            return Value::poison(span);
        };
        let result = self.broadcast(result, &signature.result);
        match accept(&result, &signature.result, &mut solution) {
            Some(value) => self.origins.expanded(value, span),
            None => {
                let wanted = solution.show(&signature.result);
                let message = format!(
                    "`{}` makes {}, and says {wanted}",
                    define.signature.name.text,
                    result.describe()
                );
                let error = Diagnostic::new(findings::TYPE_MISMATCH, result.span, message);
                self.report(error.also(define.signature.result.span, "declared here"));
                Value::poison(span)
            }
        }
    }

    fn objective_only(&mut self, word: &str, span: Span) {
        let error = Diagnostic::new(
            findings::OUTSIDE_OBJECTIVE,
            span,
            format!("`{word}` belongs in an objective"),
        );
        self.report(error.help("declare the define as `-> Objective`"));
    }

    fn let_(&mut self, scope: &mut Scope, binding: &Binding) {
        let name = &binding.name;
        let value = self.eval(&binding.value, scope, None, None);
        if let Some(first) = scope.locals.get(&name.text) {
            let error = Diagnostic::new(
                findings::DUPLICATE_NAME,
                name.span,
                format!("`{}` already has a value", name.text),
            );
            let first = first.span;
            self.report(error.also(first, "the first one"));
            return;
        }
        scope.locals.insert(name.text.clone(), value);
    }

    fn expand_objective(
        &mut self,
        define: &Define,
        module: ModuleId,
        arguments: BTreeMap<String, Value>,
        span: Span,
        alone: bool,
    ) -> Value {
        if self.builder.is_some() {
            self.error(
                findings::TYPE_MISMATCH,
                span,
                "an objective cannot stand inside of another",
            );
            return Value::poison(span);
        }
        let errors = self.errors();
        let encoder = define.signature.parameters.iter().find_map(|parameter| {
            match arguments.get(&parameter.name.text).map(|value| &value.kind) {
                Some(Kind::Encoder(encoder)) => Some(encoder.clone()),
                _ => None,
            }
        });
        self.builder = Some(Builder::default());
        let mut scope = Scope::new(module, arguments);
        let mut minimized: Option<Span> = None;
        for (position, statement) in define.body.iter().enumerate() {
            match statement {
                Statement::Let(binding) => self.let_(&mut scope, binding),
                Statement::Given(given) => self.given(&mut scope, given),
                Statement::Export(binding) => self.export(binding, &scope),
                Statement::Report(binding) => {
                    let is_same = |own: &&Statement| matches!(own, Statement::Report(own) if own.name.text == binding.name.text);
                    if let Some(Statement::Report(first)) =
                        define.body[..position].iter().find(is_same)
                    {
                        let message = format!("`{}` is reported twice", binding.name.text);
                        let span = binding.name.span;
                        let error = Diagnostic::new(findings::DUPLICATE_NAME, span, message);
                        self.report(error.also(first.name.span, "the first time"));
                    }
                    if let Some(node) = self.scalar(&binding.value, &scope, "a reported value")
                        && let Some(builder) = &mut self.builder
                    {
                        builder.reports.push((binding.name.text.clone(), node.node));
                    }
                }
                Statement::Minimize(expr) => match minimized {
                    Some(first) => {
                        let error = Diagnostic::new(
                            findings::DUPLICATE_NAME,
                            expr.span,
                            "an objective minimizes one value",
                        );
                        self.report(
                            error
                                .also(first, "the first one")
                                .help("add the two: `minimize a + b`"),
                        );
                    }
                    None => {
                        minimized = Some(expr.span);
                        self.minimize(expr, &scope);
                    }
                },
                Statement::Result(expr) => {
                    let error = Diagnostic::new(
                        findings::UNUSED_VALUE,
                        expr.span,
                        "this value goes nowhere",
                    );
                    let before = position.checked_sub(1).and_then(|at| define.body.get(at));
                    let is_of_labels = before.is_some_and(gives_labels);
                    self.report(error.help(match is_return(expr) {
                        true => "an objective ends in `minimize`, in the place of `return`",
                        false if is_of_labels => {
                            "labels come behind the views: `given views a, b and label y`"
                        }
                        false => "an objective ends in `minimize`",
                    }));
                }
            }
        }
        let builder = self.builder.take().unwrap_or_default();
        let name = &define.signature.name;
        if minimized.is_none() {
            let message = format!("`{}` minimizes nothing", name.text);
            let error = Diagnostic::new(findings::MISSING_RESULT, name.span, message);
            self.report(error.help("end it with `minimize …`"));
        }
        if alone {
            self.unused(define, &scope, errors);
        }
        if self.errors() > errors {
            return Value::poison(span);
        }
        let objective = ObjectiveValue { name: name.text.clone(), builder, encoder };
        Value::new(Kind::Objective(Rc::new(objective)), span)
    }

    fn minimize(&mut self, expr: &Expr, scope: &Scope) {
        let Some(loss) = self.scalar(expr, scope, "what is minimized") else { return };
        if !loss.gradient {
            let error = Diagnostic::new(
                findings::NO_GRADIENT,
                expr.span,
                "no gradient reaches a trained network from here",
            );
            self.report(error.label("nothing would be learned").help(
                "at least one side must come from a network that is not averaged or detached",
            ));
        }
        if let Some(builder) = &mut self.builder {
            builder.loss = Some(loss.node);
        }
    }

    /// A value that has to be a single number.
    fn scalar(&mut self, expr: &Expr, scope: &Scope, what: &str) -> Option<TensorValue> {
        let value = self.eval(expr, scope, None, None);
        match value.kind {
            Kind::Poison => None,
            Kind::Tensor(tensor) if tensor.shape.is_scalar() => Some(tensor),
            Kind::Int(_) | Kind::Float(_) | Kind::Schedule(_) => self.as_tensor(value),
            _ => {
                let found = value.describe();
                let message = format!("{what} is a single number, Tensor[], not {found}");
                self.error(findings::SHAPE_MISMATCH, value.span, message);
                None
            }
        }
    }

    /// Warns of parameters and names that nothing reads.
    fn unused(&mut self, define: &Define, scope: &Scope, errors: usize) {
        // What was not understood may have read them.
        if self.errors() > errors || self.with_defaults {
            return;
        }
        let used = scope.used.borrow();
        let (read, unread): (Vec<&Parameter>, Vec<_>) =
            define.signature.parameters.iter().partition(|own| used.contains(&own.name.text));
        // A size may be all that is read of a tensor.
        let is_told = |size: &String| read.iter().any(|own| sizes(&own.kind).contains(&size));
        let is_measured = |own: &&Parameter| {
            sizes(&own.kind).into_iter().any(|size| used.contains(size) && !is_told(size))
        };
        let parameters = unread.into_iter().filter(|own| !is_measured(own));
        let parameters = parameters.map(|parameter| &parameter.name);
        let lets = define.body.iter().filter_map(|statement| match statement {
            Statement::Let(binding) => Some(&binding.name),
            _ => None,
        });
        let given = define.body.iter().flat_map(|statement| match statement {
            Statement::Given(given) => given.labels.iter().chain(&given.indices).collect(),
            _ => Vec::new(),
        });
        for name in parameters.chain(lets).chain(given) {
            if !used.contains(&name.text) && !name.text.starts_with('_') {
                let message = format!("`{}` is never used", name.text);
                self.report(
                    Diagnostic::new(findings::UNUSED_NAME, name.span, message).help("remove it"),
                );
            }
        }
    }
}

/// Whether it gives an objective that another define makes, with arguments of its own.
fn is_preset(define: &Define) -> bool {
    let is_plain = |own: &Statement| matches!(own, Statement::Let(_) | Statement::Result(_));
    define.body.iter().all(is_plain) && matches!(define.body.last(), Some(Statement::Result(_)))
}

fn makes_an_objective(define: &Define) -> bool {
    let result = &define.signature.result.kind;
    matches!(result, TypeKind::Named(name, _) if name == TypeName::Objective.text())
}

fn is_return(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Name(name) if name == "return")
}

/// The names of sizes that a type gives.
fn sizes(kind: &TypeExpr) -> Vec<&String> {
    let arguments = match &kind.kind {
        TypeKind::Named(_, Some(arguments)) => arguments.as_slice(),
        _ => &[],
    };
    let mut waiting: Vec<&Expr> = Vec::new();
    waiting.extend(arguments.iter().filter_map(|argument| match argument {
        TypeArgument::Size(size) => Some(size),
        _ => None,
    }));
    let mut names = Vec::new();
    while let Some(size) = waiting.pop() {
        match &size.kind {
            ExprKind::Name(name) => names.push(name),
            ExprKind::Binary(first, rest) => {
                waiting.push(first);
                waiting.extend(rest.iter().map(|(_, operand)| operand));
            }
            _ => {}
        }
    }
    names
}
