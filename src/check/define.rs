//! Defines: expanded where they are called, and checked once on their own with unknown arguments.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::accept::accept;
use super::bind::{Arguments, What};
use super::objective::{Builder, ViewGroup};
use super::shape::{Dimension, Shape};
use super::signature::TypedSignature;
use super::size::{Known, Size, Symbol, SymbolKind};
use super::types::{Type, TypeName, arithmetic};
use super::unify::Solution;
use super::value::{
    AugmentValue, DatasetValue, EncoderValue, HeadValue, Kind, Made, ObjectiveValue, SplitValue,
    TensorValue, Value,
};
use super::{Checker, Frame, MOST_EXPANSIONS, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::ModuleId;
use crate::source::Span;
use crate::syntax::tree::{Define, Given, Name, Operator, Parameter, Statement, TypeKind, Views};
use crate::term::Part;
use crate::term::objective::Op;

/// How many views may have one name: no recipe of the field has as many crops.
const MOST_VIEWS: i64 = 1024;

impl<'a> Checker<'a> {
    /// Checks a define with unknown arguments, so that its mistakes are found although no pipeline
    /// uses it, and once.
    pub(super) fn define_alone(&mut self, module: ModuleId, index: usize) {
        let errors = self.errors();
        let program = self.program;
        let define = program.define(module, index);
        let signature = self.signature(&define.signature);
        define.signature.parameters.iter().for_each(|parameter| self.not_detached(parameter));
        self.report_types(&signature.faults);
        if self.errors() == errors && define.whole {
            let is_objective = signature.result.is(TypeName::Objective);
            // A helper over tensors is checked inside of an objective of its own.
            let is_helper = !is_objective && takes_tensors(&signature);
            for with_defaults in [false, true] {
                let has_defaults =
                    define.signature.parameters.iter().any(|own| own.default.is_some());
                if self.errors() > errors || (with_defaults && !has_defaults) {
                    break;
                }
                self.with_defaults = with_defaults;
                self.is_alone = true;
                self.builder = is_helper.then(Builder::default);
                let arguments = self.unknown_arguments(module, &signature, with_defaults);
                if self.errors() == errors {
                    self.expand(module, index, arguments, None);
                }
                self.builder = None;
                self.is_alone = false;
            }
        }
        if self.errors() > errors {
            self.broken.insert((module, index));
        }
    }

    /// Arguments of which nothing more is known than their types, or than their defaults.
    fn unknown_arguments(
        &mut self,
        module: ModuleId,
        signature: &TypedSignature<'a>,
        with_defaults: bool,
    ) -> Arguments {
        let mut scope = Scope::new(module, BTreeMap::new());
        let mut solution = signature.alone();
        for (parameter, kind) in signature.parameters() {
            let name = &parameter.name.text;
            let default = parameter.default.as_ref().map(|default| {
                let value = self.eval(default, &scope, Some(kind), None);
                self.fit(value, parameter, kind, &mut Solution::default(), What::Argument)
            });
            let value = match default.filter(|_| with_defaults) {
                Some(value) => value,
                None => self.unknown_value(signature, parameter, kind, &solution),
            };
            if let (Kind::Int(size), Some(symbol)) = (&value.kind, signature.symbol(name)) {
                solution.set(symbol, size);
            }
            scope.locals.insert(name.clone(), value);
        }
        Arguments { values: scope.locals, solution, are_right: true }
    }

    /// Reports a parameter that is `detached` where only a body says what becomes of it.
    pub(super) fn not_detached(&mut self, parameter: &Parameter) {
        if let Some(span) = parameter.detached {
            let name = &parameter.name.text;
            let message = "only an `extern` of the library has detached parameters";
            let error = Diagnostic::new(findings::EXTERN_OUTSIDE_LIBRARY, span, message);
            self.report(error.help(format!("stop the gradient in the body: `detach({name})`")));
        }
    }

    /// A value of the parameter's type of which nothing more is known.
    fn unknown_value(
        &mut self,
        signature: &TypedSignature<'_>,
        parameter: &Parameter,
        kind: &Type,
        solution: &Solution,
    ) -> Value {
        let name = &parameter.name.text;
        let span = parameter.name.span;
        let given = |suffix: &str| Size::fresh(&format!("{name}{suffix}"), SymbolKind::Given);
        // What the signature says of the sizes, and otherwise a number that each use gives.
        let shape = |part| kind.part(part).and_then(|shape| solution.apply_to_shape(shape));
        let first = |part| shape(part).and_then(|shape| shape.first().cloned());
        let dataset = || {
            let sizes = shape(TypeName::Image).and_then(|shape| {
                let sizes = shape.sizes()?.into_iter().cloned().collect::<Vec<_>>();
                <[Size; 3]>::try_from(sizes).ok()
            });
            DatasetValue {
                call: None,
                image: sizes.unwrap_or_else(|| [".channels", ".height", ".width"].map(given)),
                classes: first(TypeName::Label).unwrap_or_else(|| given(".classes")),
            }
        };
        let width = || first(TypeName::Feature).unwrap_or_else(|| given(".width"));
        let type_name = match kind {
            Type::Unknown => return Value::poison(span),
            Type::Choices(choices) => {
                return Value::new(Kind::Choice(None, choices.clone()), span);
            }
            Type::Named(name, _) => *name,
        };
        let kind = match type_name {
            TypeName::Int => {
                let known = signature.symbol(name).and_then(|symbol| solution.size(symbol));
                Kind::Int(known.cloned().unwrap_or_else(|| given("")))
            }
            TypeName::Float => Kind::Float(None),
            TypeName::Percent => Kind::Percent(None),
            TypeName::Bool => Kind::Bool(None),
            TypeName::Range => Kind::Range(None),
            TypeName::Text => Kind::Text(None),
            TypeName::Duration => Kind::Duration(None),
            TypeName::Dataset => Kind::Dataset(dataset()),
            TypeName::Split => Kind::Split(SplitValue {
                dataset: dataset(),
                part: Part::Train,
                labeled: true,
                share: None,
            }),
            TypeName::Augment => Kind::Augment(Rc::new(AugmentValue {
                term: None,
                sizes: Vec::new(),
                by_view: None,
            })),
            TypeName::Encoder | TypeName::Model => {
                let id = self.fresh_id();
                Kind::Encoder(EncoderValue {
                    term: None,
                    channels: None,
                    features: width(),
                    id,
                    made: Rc::new(Made {
                        parameters: None,
                        grid: None,
                        place: span,
                        written: self.written_at(span),
                    }),
                })
            }
            TypeName::Network => {
                let id = self.fresh_id();
                let output = width();
                Kind::Head(HeadValue { term: None, output, id, made: span, place: span })
            }
            TypeName::Optimizer => Kind::Optimizer(None),
            TypeName::Schedule => Kind::Schedule(None),
            TypeName::Protocol => Kind::Protocol(None),
            TypeName::Tensor | TypeName::Labels | TypeName::Index => {
                let any = || Shape(vec![Dimension::Rest(Symbol::fresh(name, SymbolKind::Rigid))]);
                let shape = shape(type_name).unwrap_or_else(any);
                let value = self.tensor(Op::View(0), Vec::new(), None, shape, true, span);
                match (type_name, value.kind) {
                    (TypeName::Labels, Kind::Tensor(tensor)) => Kind::Labels(tensor),
                    (TypeName::Index, Kind::Tensor(tensor)) => Kind::Index(tensor),
                    (_, kind) => kind,
                }
            }
            TypeName::Objective
            | TypeName::History
            | TypeName::Image
            | TypeName::Label
            | TypeName::Feature => {
                let message = format!("a parameter cannot have the type `{}`", type_name.text());
                self.error(findings::TYPE_MISMATCH, parameter.kind.span, message);
                Kind::Poison
            }
        };
        let value = Value::new(kind, span);
        match (&value.kind, self.builder.is_some()) {
            (Kind::Head(_), true) => {
                let network = self.as_network(&value);
                network
                    .map_or(Value::poison(span), |network| Value::new(Kind::Network(network), span))
            }
            _ => value,
        }
    }

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
                    self.report(
                        error
                            .help("the last line is the value of a define; name others with `let`"),
                    );
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

    fn let_(&mut self, scope: &mut Scope, binding: &crate::syntax::tree::Binding) {
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
                    self.report(error.help(match before.is_some_and(gives_labels) {
                        true => "labels come behind the views: `given views a, b and label y`",
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

    fn given(&mut self, scope: &mut Scope, given: &Given) {
        let counts: Vec<Option<Size>> =
            given.views.iter().map(|views| self.count(scope, views)).collect();
        let Some(builder) = &mut self.builder else { return };
        let first = builder.views;
        // One whose number each use gives stands for as many.
        let number = |count: &Option<Size>| match count.as_ref().and_then(Size::as_constant) {
            Some(count) => usize::try_from(count).unwrap_or(1),
            None => 1,
        };
        builder.views += counts.iter().map(number).sum::<usize>();
        // Views that are named together are of one size.
        let group = ViewGroup::new(first, builder.views - first);
        let sides = group.sides.clone().map(Size::symbol);
        builder.groups.push(group);
        builder.labels = builder.labels.or(given.labels.first().map(|name| name.span));
        builder.index = builder.index.or(given.indices.first().map(|name| name.span));
        let mut next = first;
        for (views, count) in given.views.iter().zip(&counts) {
            let (first, number) = (next, number(count));
            next += number;
            let rows = match count {
                None => Some(Size::batch()),
                Some(count) => arithmetic(Operator::Multiply, count, &Size::batch()),
            };
            let op = match number {
                1 => Op::View(first),
                count => Op::Views { first, count },
            };
            let rows = rows.unwrap_or_else(Size::batch);
            let sizes = [rows, Known::Channels.size()].into_iter().chain(sides.clone());
            self.input(scope, &views.name, op, Shape::of(sizes), Kind::Tensor);
        }
        for name in &given.labels {
            self.input(scope, name, Op::Labels, Shape::of([Size::batch()]), Kind::Labels);
        }
        for name in &given.indices {
            let shape = Shape::of([Size::batch(), Known::Examples.size()]);
            self.input(scope, name, Op::Index, shape, Kind::Index);
        }
    }

    /// How many views are under one name, where the text says so. What is no such number is told,
    /// and taken for one.
    fn count(&mut self, scope: &Scope, views: &Views) -> Option<Size> {
        let expr = views.count.as_ref()?;
        let value = self.eval(expr, scope, None, None);
        let name = &views.name.text;
        match &value.kind {
            Kind::Poison => {}
            Kind::Int(size) => match size.as_constant() {
                None => return Some(size.clone()),
                Some(count) if (1..=MOST_VIEWS).contains(&count) => return Some(size.clone()),
                Some(count) => {
                    let message = format!("`{name}` cannot be {count} views");
                    let error = self.blame(findings::OUT_OF_RANGE, &value, message);
                    self.report(error.help(format!("between 1 and {MOST_VIEWS}")));
                }
            },
            _ => {
                let found = value.describe();
                let message = format!("how many views `{name}` is, is a whole number, not {found}");
                let error = self.blame_use(findings::TYPE_MISMATCH, &value, message);
                self.report(error);
            }
        }
        None
    }

    /// Something that a batch has, under the name that the objective gives to it.
    fn input(
        &mut self,
        scope: &mut Scope,
        name: &Name,
        op: Op,
        shape: Shape,
        kind: impl Fn(TensorValue) -> Kind,
    ) {
        if scope.locals.contains_key(&name.text) {
            let message = format!("`{}` already has a value", name.text);
            self.error(findings::DUPLICATE_NAME, name.span, message);
            return;
        }
        let value = self.tensor(op, Vec::new(), Some(Default::default()), shape, false, name.span);
        if let Kind::Tensor(tensor) = value.kind {
            scope.locals.insert(name.text.clone(), Value::new(kind(tensor), name.span));
        }
    }

    fn minimize(&mut self, expr: &crate::syntax::tree::Expr, scope: &Scope) {
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
    fn scalar(
        &mut self,
        expr: &crate::syntax::tree::Expr,
        scope: &Scope,
        what: &str,
    ) -> Option<TensorValue> {
        let value = self.eval(expr, scope, None, None);
        match value.kind {
            Kind::Poison => None,
            Kind::Tensor(tensor) if tensor.shape.is_scalar() => Some(tensor),
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
        let parameters = define.signature.parameters.iter().map(|parameter| &parameter.name);
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

/// Whether what is given last is called as if it were labels: `given views a, labels y` is read as
/// two views and a value behind them.
fn gives_labels(statement: &Statement) -> bool {
    match statement {
        Statement::Given(given) => {
            let last = given.names().last();
            last.is_some_and(|name| ["label", "labels"].contains(&name.text.as_str()))
        }
        _ => false,
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

fn takes_tensors(signature: &TypedSignature<'_>) -> bool {
    signature.types.iter().chain([&signature.result]).any(Type::is_tensor)
}
