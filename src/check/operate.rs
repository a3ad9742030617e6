//! Operators: of numbers, of lengths and of tensors.

use super::construct::OPEN;
use super::shape::Shape;
use super::types::{Type, arithmetic};
use super::value::{Kind, TensorValue, Value, duration, tensor};
use super::{Checker, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::source::Span;
use crate::syntax::tree::{Expr, ExprKind, Operator};
use crate::term::Term;
use crate::term::objective::{Extent, Op};

impl Checker<'_> {
    pub(super) fn range(&mut self, low: &Expr, high: &Expr, scope: &Scope, span: Span) -> Value {
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
    pub(super) fn negatable(&mut self, inner: &Value, span: Span) -> bool {
        match &inner.kind {
            Kind::Poison | Kind::Int(_) | Kind::Float(_) | Kind::Tensor(_) => return true,
            Kind::Schedule(_) if self.builder.is_some() => return true,
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

    pub(super) fn operate(&mut self, operator: Operator, left: Value, right: Value) -> Value {
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
            // How many examples a batch has is known to the run alone.
            (Kind::Int(size), Kind::Float(_)) | (Kind::Float(_), Kind::Int(size))
                if size.is_open() && self.builder.is_some() =>
            {
                return self.operate_tensors(operator, left, right);
            }
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
                    Some((amount, unit)) => self.length(amount, unit, span),
                    None => Kind::Duration(None),
                }
            }
            (
                Kind::Tensor(_),
                Kind::Tensor(_) | Kind::Int(_) | Kind::Float(_) | Kind::Schedule(_),
            )
            | (Kind::Int(_) | Kind::Float(_) | Kind::Schedule(_), Kind::Tensor(_)) => {
                return self.operate_tensors(operator, left, right);
            }
            // What a schedule is, each step of an objective tells.
            (Kind::Schedule(_), Kind::Int(_) | Kind::Float(_) | Kind::Schedule(_))
            | (Kind::Int(_) | Kind::Float(_), Kind::Schedule(_))
                if self.builder.is_some() =>
            {
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
        if matches!(operator, Operator::Divide) && right.number() == Some(0.0) {
            self.error(findings::OUT_OF_RANGE, span, "this divides by zero");
            return Value::poison(span);
        }
        let (Some(left), Some(right)) = (self.as_tensor(left), self.as_tensor(right)) else {
            return Value::poison(span);
        };
        // One that has the last sizes of the other is combined with each part of it; a single number
        // with every element.
        let shape = if left.shape.ends_with(&right.shape) {
            left.shape.clone()
        } else if right.shape.ends_with(&left.shape) {
            right.shape.clone()
        } else {
            let [left, right] = [&left, &right].map(|side| tensor(&side.shape));
            let message = format!("{left} and {right} have different shapes");
            let error = Diagnostic::new(findings::SHAPE_MISMATCH, span, message);
            self.report(error.help(
                "they have one shape, or one has the last sizes of the other, or is a number",
            ));
            return Value::poison(span);
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

    /// A tensor, or a number or a schedule as a scalar tensor. Only inside of an objective.
    pub(super) fn as_tensor(&mut self, value: Value) -> Option<TensorValue> {
        let written = self.written(&value);
        let mut counts = None;
        let op = match value.kind {
            Kind::Tensor(tensor) => return Some(tensor),
            Kind::Schedule(Some(term)) if !matches!(term, Term::Float(_)) => Op::Scheduled(term),
            Kind::Int(ref size) if size.is_open() && size.is_counted() => {
                counts = Some(size.clone());
                Op::Count(Extent::default())
            }
            Kind::Int(ref size) if size.is_open() => {
                let message = format!("how many `{size}` is, is not known here");
                let error = Diagnostic::new(findings::TYPE_MISMATCH, value.span, message);
                self.report(
                    error.help("for a fraction write a number of it with a point: `1.0 / n`"),
                );
                return None;
            }
            _ => match value.number() {
                Some(number) => Op::Constant(number),
                // Any number will do in a define that is checked on its own.
                None if self.is_alone => Op::Constant(1.0),
                None => {
                    let message = "this number is not known before the run";
                    self.error(findings::TYPE_MISMATCH, value.span, message);
                    return None;
                }
            },
        };
        let shape = Shape::default();
        let made = self.tensor(op, Vec::new(), Some(Default::default()), shape, false, value.span);
        let Kind::Tensor(tensor) = made.kind else { return None };
        if let Some(builder) = &mut self.builder {
            let node = &mut builder.nodes[tensor.node];
            (node.written.place, node.counts) = (written, counts);
        }
        Some(tensor)
    }

    /// Whether two values are equal. A bare name beside a choice is one of its names.
    pub(super) fn same(&mut self, [left, right]: &[Expr; 2], scope: &Scope, span: Span) -> Kind {
        let is_bare = |side: &Expr| match &side.kind {
            ExprKind::Name(name) => !scope.locals.contains_key(name),
            _ => false,
        };
        let is_turned = is_bare(left) && !is_bare(right);
        let mut sides = [left, right];
        if is_turned {
            sides.reverse();
        }
        let first = self.eval(sides[0], scope, None, None);
        let choices = match &first.kind {
            Kind::Choice(_, choices) => Some(Type::Choices(choices.clone())),
            _ => None,
        };
        let second = self.eval(sides[1], scope, choices.as_ref(), None);
        let [left, right] = if is_turned { [second, first] } else { [first, second] };
        let is_same = match (&left.kind, &right.kind) {
            (Kind::Poison, _) | (_, Kind::Poison) => return Kind::Poison,
            (Kind::Choice(left, _), Kind::Choice(right, _))
            | (Kind::Text(left), Kind::Text(right)) => {
                left.as_ref().zip(right.as_ref()).map(|(left, right)| left == right)
            }
            (Kind::Bool(left), Kind::Bool(right)) => {
                left.zip(*right).map(|(left, right)| left == right)
            }
            (Kind::Int(one), Kind::Int(other)) => {
                if let Some(open) = [one, other].into_iter().find(|size| size.is_open()) {
                    let message = format!("`==` compares numbers, and this is {open}");
                    let place = if one.is_open() { left.span } else { right.span };
                    let error = Diagnostic::new(findings::TYPE_MISMATCH, place, message);
                    self.report(error.help(OPEN));
                    return Kind::Poison;
                }
                let numbers = one.as_constant().zip(other.as_constant());
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
}
