//! Expressions to values.

use super::objective::{Body, DraftModule, DraftNetwork, DraftNode};
use super::shape::Shape;
use super::size::{Relation, Size};
use super::types::{Type, arithmetic};
use super::value::{
    EncoderValue, HeadValue, Kind, Made, NetworkValue, SplitValue, TensorValue, Value, duration,
    tensor,
};
use super::{Checker, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::{self, Item};
use crate::source::Span;
use crate::syntax::tree::{Expr, ExprKind, Name, Operator};
use crate::term::objective::Op;
use crate::term::{Part, Unit};

impl Checker<'_> {
    /// Evaluates an expression. `wanted` tells bare names that are choices from names of values;
    /// `path` is the dotted name under which overrides reach the arguments of a call.
    pub(super) fn eval(
        &mut self,
        expr: &Expr,
        scope: &Scope,
        wanted: Option<&Type>,
        path: Option<&str>,
    ) -> Value {
        if !self.may_evaluate(expr.span) {
            return Value::poison(expr.span);
        }
        self.depth += 1;
        let value = self.evaluated(expr, scope, wanted, path);
        self.depth -= 1;
        value
    }

    fn evaluated(
        &mut self,
        expr: &Expr,
        scope: &Scope,
        wanted: Option<&Type>,
        path: Option<&str>,
    ) -> Value {
        let span = expr.span;
        let kind = match &expr.kind {
            ExprKind::Int(value) => Kind::Int(Size::constant(*value)),
            ExprKind::Float(value) => Kind::Float(Some(*value)),
            ExprKind::Percent(value) => Kind::Percent(Some(*value)),
            ExprKind::Quantity(value, unit) => self.quantity(*value, unit),
            ExprKind::Bool(value) => Kind::Bool(Some(*value)),
            ExprKind::Text(text) => Kind::Text(Some(text.clone())),
            ExprKind::Name(name) => return self.name(name, span, scope, wanted),
            ExprKind::Binary(first, rest) => {
                let mut total = self.eval(first, scope, None, None);
                for (operator, operand) in rest {
                    let right = self.eval(operand, scope, None, None);
                    total = self.operate(*operator, total, right);
                }
                return Value { span, ..total };
            }
            ExprKind::Pipe(parts) => match path {
                Some(path) => return self.named_chain(parts, scope, path, span),
                None => return self.chain(parts, scope, span),
            },
            ExprKind::Range(low, high) => return self.range(low, high, scope, span),
            ExprKind::Negate(inner) => {
                let inner = self.eval(inner, scope, None, None);
                if !self.negatable(&inner, span) {
                    return Value::poison(span);
                }
                let minus_one = Value::new(Kind::Int(Size::constant(-1)), span);
                let negative = self.operate(Operator::Multiply, minus_one, inner);
                return Value { span, ..negative };
            }
            ExprKind::Call(callee, arguments) => {
                return self.call(expr, callee, arguments, scope, path);
            }
            ExprKind::Access(base, name) => return self.access(base, name, scope, span),
            ExprKind::Same(sides) => self.same(sides, scope, span),
            ExprKind::If(condition, yes, no) => {
                return self.conditional(condition, yes, no, scope, wanted, path);
            }
        };
        Value::new(kind, span)
    }

    fn quantity(&mut self, value: f64, unit: &Name) -> Kind {
        match unit.text.as_str() {
            "epochs" | "epoch" => Kind::Duration(Some((value, Unit::Epochs))),
            "steps" | "step" => Kind::Duration(Some((value, Unit::Steps))),
            other => {
                let error = Diagnostic::new(
                    findings::UNKNOWN_UNIT,
                    unit.span,
                    format!("there is no unit `{other}`"),
                );
                let error =
                    error.help("the units are `epochs` and `steps`; a share is written `10%`");
                self.report(error.misspelled(other, ["epochs", "steps"]));
                Kind::Poison
            }
        }
    }

    // ------------------------------------------------------------ names

    fn name(&mut self, name: &str, span: Span, scope: &Scope, wanted: Option<&Type>) -> Value {
        if let Some(value) = scope.locals.get(name) {
            scope.used.borrow_mut().insert(name.to_owned());
            return self.origins.pass(value, span);
        }
        if scope.in_pipeline
            && let Some(value) = self.declared(name, span)
        {
            return value;
        }
        let choices = match wanted {
            Some(Type::Choices(choices)) => Some(choices),
            _ => None,
        };
        if let Some(choices) = choices
            && choices.iter().any(|choice| choice == name)
        {
            return Value::new(Kind::Choice(Some(name.to_owned()), choices.clone()), span);
        }
        if self.may_be_unread(scope) {
            return Value::poison(span);
        }
        if let Some(choices) = choices {
            let message = format!("`{name}` is none of the choices {}", choices.join(", "));
            let choices = choices.iter().map(String::as_str);
            self.report(
                Diagnostic::new(findings::UNKNOWN_NAME, span, message).misspelled(name, choices),
            );
            return Value::poison(span);
        }
        if self.program.module(scope.module).scope.contains_key(name)
            || resolve::constructor(name).is_some()
        {
            let message = format!("`{name}` is a constructor: it makes a value when it is called");
            let error = Diagnostic::new(findings::TYPE_MISMATCH, span, message);
            self.report(error.help(format!("write `{name}(…)`")));
            return Value::poison(span);
        }
        self.unknown(name, span, scope);
        Value::poison(span)
    }

    /// Reports a name that means nothing here, with the nearest that does.
    pub(super) fn unknown(&mut self, name: &str, span: Span, scope: &Scope) {
        // Its `use` was reported, and whatever depends on it is wrong for that reason alone.
        if self.program.module(scope.module).missing.contains(name) {
            self.silent += 1;
            return;
        }
        if self.may_be_unread(scope) {
            return;
        }
        let error = Diagnostic::new(
            findings::UNKNOWN_NAME,
            span,
            format!("nothing here is called `{name}`"),
        );
        let exported = match (resolve::constructor(name), self.diagnostics.wants_suggestions()) {
            (Some(declaration), _) => Some(declaration.path()),
            (None, true) => resolve::path_of(name),
            (None, false) => None,
        };
        if exported.is_some() && !self.unimported.insert((scope.module, name.to_owned())) {
            // One `use` is missing, however often the name is used.
            self.silent += 1;
            return;
        }
        let is_stage = resolve::declaration(name).is_some_and(|own| own.tree.outputs.is_some());
        let error = match exported {
            None if is_stage => {
                error.help(format!("it is a stage: write `{name} … {{ … }}` in a pipeline"))
            }
            Some(path) => {
                let mut error = error.help(format!("import it: `use {path}`"));
                let lossless = &self.program.module(scope.module).lossless;
                error.edit = resolve::imports::with(lossless, &path);
                error
            }
            None if !self.diagnostics.wants_suggestions() => error,
            None => {
                let program = self.program;
                let module = program.module(scope.module).scope.keys();
                let mut names: Vec<&str> = scope.locals.keys().map(String::as_str).collect();
                if scope.in_pipeline {
                    names.extend(self.state.names());
                }
                names.extend(module.map(String::as_str));
                names.extend(program.prelude().keys().map(String::as_str));
                error.misspelled(name, names)
            }
        };
        self.report(error);
    }

    /// What a name that is called stands for.
    pub(super) fn callable(&self, name: &str, scope: &Scope) -> Option<Item> {
        self.program.item(scope.module, name).or_else(|| {
            // Overrides are written on a command line, where nothing is imported.
            let declaration = resolve::constructor(name).filter(|_| self.state.in_override);
            declaration.map(Item::Extern)
        })
    }

    fn access(&mut self, base: &Expr, name: &Name, scope: &Scope, span: Span) -> Value {
        let value = self.eval(base, scope, None, None);
        let kind = self.member(&value, name);
        let origin = self.origins.computed(span, [&value]);
        Value { kind, span, origin }
    }

    /// What a value has under that name.
    fn member(&mut self, value: &Value, name: &Name) -> Kind {
        let known: &[&str] = match (&value.kind, name.text.as_str()) {
            (Kind::Poison, _) => return Kind::Poison,
            (Kind::Dataset(dataset), "train" | "test") => {
                let part = if name.text == "train" { Part::Train } else { Part::Test };
                return Kind::Split(SplitValue {
                    dataset: dataset.clone(),
                    part,
                    labeled: true,
                    percent: Some(100.0),
                });
            }
            (Kind::Dataset(dataset), "classes") => return Kind::Int(dataset.classes.clone()),
            (Kind::Dataset(_), _) => &["train", "test", "classes"],
            (Kind::Split(split), "unlabeled") => {
                return Kind::Split(SplitValue { labeled: false, ..split.clone() });
            }
            (Kind::Split(_), _) => &["unlabeled", "sample"],
            (Kind::Encoder(encoder), "width") => return Kind::Int(encoder.features.clone()),
            (Kind::Network(network), "width") => return Kind::Int(network.output.clone()),
            (Kind::Encoder(_) | Kind::Network(_), _) => &["width"],
            (Kind::Stage(stage), _) => return self.output(*stage, name),
            _ => &[],
        };
        let message = format!("{} has no `{}`", article(&value.describe()), name.text);
        let error = Diagnostic::new(findings::UNKNOWN_FIELD, name.span, message);
        let error = match known {
            [] => error,
            known => error.help(format!("it has {}", known.join(", "))),
        };
        self.report(error.misspelled(&name.text, known.iter().copied()));
        Kind::Poison
    }

    // ------------------------------------------------------------ operators

    fn range(&mut self, low: &Expr, high: &Expr, scope: &Scope, span: Span) -> Value {
        let ends = [self.eval(low, scope, None, None), self.eval(high, scope, None, None)];
        let origin = self.origins.computed(span, &ends);
        Value { kind: self.between(&ends), span, origin }
    }

    fn between(&mut self, ends: &[Value; 2]) -> Kind {
        for end in ends {
            if !matches!(end.kind, Kind::Int(_) | Kind::Float(_) | Kind::Poison) {
                let message = format!("an end of a range is a number, not {}", end.describe());
                let error = self.blame_use(findings::TYPE_MISMATCH, end, message);
                self.report(error);
                return Kind::Poison;
            }
        }
        if ends.iter().any(Value::is_poison) {
            return Kind::Poison;
        }
        match (ends[0].number(), ends[1].number()) {
            (Some(low), Some(high)) if low > high => {
                let span = ends[0].span.to(ends[1].span);
                let error = Diagnostic::new(findings::OUT_OF_RANGE, span, "this range is empty");
                self.report(error.help(format!("the smaller end comes first: `{high}..={low}`")));
                Kind::Poison
            }
            (Some(low), Some(high)) => Kind::Range(Some((low, high))),
            _ => Kind::Range(None),
        }
    }

    /// Whether a value has a negative; says so where it has none.
    fn negatable(&mut self, inner: &Value, span: Span) -> bool {
        match &inner.kind {
            Kind::Poison | Kind::Int(_) | Kind::Float(_) | Kind::Tensor(_) => return true,
            Kind::Duration(Some(length)) => {
                let length = duration(*length);
                let error =
                    Diagnostic::new(findings::OUT_OF_RANGE, span, "a length is not negative");
                self.report(error.help(format!("without the sign it is `{length}`")));
            }
            _ => {
                let message = format!("`-` does not negate {}", inner.describe());
                self.error(findings::TYPE_MISMATCH, span, message);
            }
        }
        false
    }

    fn operate(&mut self, operator: Operator, left: Value, right: Value) -> Value {
        let span = left.span.to(right.span);
        let origin = self.origins.computed(span, [&left, &right]);
        let apply = |a: f64, b: f64| {
            let value = match operator {
                Operator::Add => a + b,
                Operator::Subtract => a - b,
                Operator::Multiply => a * b,
                Operator::Divide => a / b,
            };
            // Zero has one form, so that equal numbers have equal hashes: -0.0 + 0.0 is 0.0.
            value + 0.0
        };
        let both = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| apply(a, b));
        let scales = matches!(operator, Operator::Multiply | Operator::Divide);
        let kind = match (&left.kind, &right.kind) {
            (Kind::Poison, _) | (_, Kind::Poison) => Kind::Poison,
            (Kind::Int(a), Kind::Int(b)) => match arithmetic(operator, a, b) {
                Some(size) => Kind::Int(size),
                None => {
                    let error =
                        |message: String| Diagnostic::new(findings::OUT_OF_RANGE, span, message);
                    let error = match (operator, a.as_constant().zip(b.as_constant())) {
                        (Operator::Divide, _) => {
                            error(format!("{a} and {b} cannot be combined to a whole number here"))
                                .help("for a fraction write one of them with a point, `1.0`")
                        }
                        (_, Some(_)) => error("this number is too large".to_owned())
                            .label("whole numbers lie between -2^63 and 2^63"),
                        (_, None) => error("this size is too large or too long".to_owned())
                            .help("a size is a short sum of short products"),
                    };
                    self.report(error);
                    Kind::Poison
                }
            },
            (Kind::Int(_) | Kind::Float(_), Kind::Int(_) | Kind::Float(_)) => {
                match both(left.number(), right.number()) {
                    Some(value) if !value.is_finite() => {
                        self.error(findings::OUT_OF_RANGE, span, "this is no finite number");
                        Kind::Poison
                    }
                    value => Kind::Float(value),
                }
            }
            (Kind::Duration(a), Kind::Int(_) | Kind::Float(_)) if scales => {
                let scaled =
                    a.zip(right.number()).map(|((amount, unit), by)| (apply(amount, by), unit));
                match scaled {
                    Some((amount, _)) if !amount.is_finite() || amount < 0.0 => {
                        self.error(findings::OUT_OF_RANGE, span, "this is no length");
                        Kind::Poison
                    }
                    scaled => Kind::Duration(scaled),
                }
            }
            (Kind::Tensor(_), Kind::Tensor(_) | Kind::Int(_) | Kind::Float(_))
            | (Kind::Int(_) | Kind::Float(_), Kind::Tensor(_)) => {
                return self.operate_tensors(operator, left, right);
            }
            _ => {
                let sign = match operator {
                    Operator::Add => '+',
                    Operator::Subtract => '-',
                    Operator::Multiply => '*',
                    Operator::Divide => '/',
                };
                let message = format!(
                    "`{sign}` does not combine {} and {}",
                    left.describe(),
                    right.describe()
                );
                self.error(findings::TYPE_MISMATCH, span, message);
                Kind::Poison
            }
        };
        Value { kind, span, origin }
    }

    fn operate_tensors(&mut self, operator: Operator, left: Value, right: Value) -> Value {
        let span = left.span.to(right.span);
        let (Some(left), Some(right)) = (self.as_tensor(left), self.as_tensor(right)) else {
            return Value::poison(span);
        };
        // A single number is combined with every element.
        let shape = match (left.shape.is_scalar(), right.shape.is_scalar()) {
            (true, _) => right.shape.clone(),
            (false, true) => left.shape.clone(),
            (false, false) if left.shape.relation(&right.shape) == Relation::Different => {
                let [left, right] = [&left, &right].map(|side| tensor(&side.shape));
                let message = format!("{left} and {right} have different shapes");
                self.error(findings::SHAPE_MISMATCH, span, message);
                return Value::poison(span);
            }
            (false, false) => left.shape.clone(),
        };
        let op = match operator {
            Operator::Add => Op::Add,
            Operator::Subtract => Op::Subtract,
            Operator::Multiply => Op::Multiply,
            Operator::Divide => Op::Divide,
        };
        let gradient = left.gradient || right.gradient;
        self.tensor(
            op,
            vec![left.node, right.node],
            Some(Default::default()),
            shape,
            gradient,
            span,
        )
    }

    /// A tensor, or a number as a scalar tensor. Only inside of an objective.
    pub(super) fn as_tensor(&mut self, value: Value) -> Option<TensorValue> {
        if let Kind::Tensor(tensor) = value.kind {
            return Some(tensor);
        }
        // An unknown number stands for one in a define that is checked on its own.
        let number = value.number().unwrap_or(1.0);
        match self
            .tensor(
                Op::Constant(number),
                Vec::new(),
                Some(Default::default()),
                Shape::default(),
                false,
                value.span,
            )
            .kind
        {
            Kind::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// Adds a node to the objective that is being built.
    pub(super) fn tensor(
        &mut self,
        op: Op,
        inputs: Vec<usize>,
        args: Option<crate::term::Args>,
        shape: Shape,
        gradient: bool,
        span: Span,
    ) -> Value {
        let written = self.written_at(span);
        let Some(builder) = &mut self.builder else {
            let error = Diagnostic::new(
                findings::OUTSIDE_OBJECTIVE,
                span,
                "tensors exist inside of an objective only",
            );
            self.report(error.help("write this in a `define … -> Objective`"));
            return Value::poison(span);
        };
        let shared = shape.clone();
        let node = DraftNode { op, inputs, args, shape: shared, gradient, span, written };
        let node = builder.node(node);
        Value::new(Kind::Tensor(TensorValue { node, shape, gradient }), span)
    }

    /// Fixes the size of what a module is given, or says that it is given two sizes.
    pub(super) fn feed(&mut self, module: usize, size: &Size, span: Span) -> bool {
        let Some(builder) = &mut self.builder else { return false };
        let module = &mut builder.modules[module];
        let (message, place) = match &module.input {
            Some(known) if known.relation(size) == Relation::Different => (
                format!("this network is given {size} features here and {known} elsewhere"),
                module.span,
            ),
            _ if module.encoder.is_some() => {
                (format!("an encoder takes images, not {size} features"), module.span)
            }
            _ => {
                module.input = Some(size.clone());
                return true;
            }
        };
        self.report(
            Diagnostic::new(findings::SHAPE_MISMATCH, span, message)
                .also(place, "the network is made here"),
        );
        false
    }

    /// An encoder or a head as a network of the objective that is being built.
    pub(super) fn as_network(&mut self, value: &Value) -> Option<NetworkValue> {
        let span = value.span;
        let module = match value.kind.clone() {
            Kind::Network(network) => return Some(network),
            Kind::Encoder(EncoderValue { term, features, id, made, .. }) => {
                let Made { parameters, place, written } = (*made).clone();
                DraftModule {
                    term,
                    input: None,
                    output: features,
                    encoder: Some(id),
                    parameters,
                    span,
                    place,
                    written,
                }
            }
            Kind::Head(HeadValue { term, output, place }) => DraftModule {
                term,
                input: None,
                output,
                encoder: None,
                parameters: None,
                span,
                place,
                written: self.written_at(span),
            },
            _ => return None,
        };
        let output = module.output.clone();
        let written = self.written_at(span);
        let Some(builder) = &mut self.builder else {
            let error = Diagnostic::new(
                findings::OUTSIDE_OBJECTIVE,
                value.span,
                "networks are joined inside of an objective only",
            );
            self.report(error.help("write this in a `define … -> Objective`"));
            return None;
        };
        let position = match module.encoder {
            Some(id) => builder.encoder(id, module),
            None => {
                builder.modules.push(module);
                builder.modules.len() - 1
            }
        };
        let network = builder.network(DraftNetwork {
            body: Body::Chain(vec![position]),
            written,
            output: output.clone(),
        });
        Some(NetworkValue { network, output })
    }

    /// Whether two values are equal. A bare name beside a choice is one of its names.
    fn same(&mut self, [left, right]: &[Expr; 2], scope: &Scope, span: Span) -> Kind {
        let left = self.eval(left, scope, None, None);
        let choices = match &left.kind {
            Kind::Choice(_, choices) => Some(Type::Choices(choices.clone())),
            _ => None,
        };
        let right = self.eval(right, scope, choices.as_ref(), None);
        let is_same = match (&left.kind, &right.kind) {
            (Kind::Poison, _) | (_, Kind::Poison) => return Kind::Poison,
            (Kind::Choice(left, _), Kind::Choice(right, _))
            | (Kind::Text(left), Kind::Text(right)) => {
                left.as_ref().zip(right.as_ref()).map(|(left, right)| left == right)
            }
            (Kind::Bool(left), Kind::Bool(right)) => {
                left.zip(*right).map(|(left, right)| left == right)
            }
            (Kind::Int(left), Kind::Int(right)) => {
                let numbers = left.as_constant().zip(right.as_constant());
                numbers.map(|(left, right)| left == right)
            }
            _ => {
                let [left, right] = [left, right].map(|side| side.describe());
                let message = format!("`==` does not compare {left} with {right}");
                let error = Diagnostic::new(findings::TYPE_MISMATCH, span, message);
                self.report(
                    error.help("it compares whole numbers, choices, texts and `true` or `false`"),
                );
                return Kind::Poison;
            }
        };
        Kind::Bool(is_same)
    }

    fn conditional(
        &mut self,
        condition: &Expr,
        yes: &Expr,
        no: &Expr,
        scope: &Scope,
        wanted: Option<&Type>,
        path: Option<&str>,
    ) -> Value {
        let value = self.eval(condition, scope, None, None);
        match value.kind {
            Kind::Bool(Some(true)) => self.eval(yes, scope, wanted, path),
            Kind::Bool(Some(false)) => self.eval(no, scope, wanted, path),
            Kind::Bool(None) => {
                let yes = self.eval(yes, scope, wanted, None);
                let no = self.eval(no, scope, wanted, None);
                let same = std::mem::discriminant(&yes.kind) == std::mem::discriminant(&no.kind);
                if !same && !yes.is_poison() && !no.is_poison() {
                    let message =
                        format!("one branch is {}, the other {}", yes.describe(), no.describe());
                    self.error(findings::TYPE_MISMATCH, yes.span.to(no.span), message);
                }
                yes
            }
            Kind::Poison => Value::poison(condition.span),
            _ => {
                let message = format!("a condition is a Bool, not {}", value.describe());
                self.error(findings::TYPE_MISMATCH, condition.span, message);
                Value::poison(condition.span)
            }
        }
    }
}

/// "a Split", "an Encoder"
fn article(text: &str) -> String {
    let vowel = text.starts_with(['A', 'E', 'I', 'O', 'U']);
    format!("{} {text}", if vowel { "an" } else { "a" })
}
