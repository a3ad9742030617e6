//! Expressions to values.

use super::size::Size;
use super::state::{Declared, Phase};
use super::tokens::stride;
use super::types::Type;
use super::value::{DatasetValue, Kind, SplitValue, Value};
use super::{Checker, Scope};
use crate::diagnostics::{Diagnostic, Finding, findings};
use crate::resolve::{self, Item};
use crate::source::Span;
use crate::syntax::tree::{Expr, ExprKind, Name, Operator, TypeKind};
use crate::term::objective::Section;
use crate::term::{Part, Share, Unit};

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
            ExprKind::Float(value) if value.is_infinite() => Kind::Poison,
            ExprKind::Float(value) => Kind::Float(Some(*value)),
            ExprKind::Percent(value) => Kind::Percent(Some(*value)),
            ExprKind::Quantity(value, unit) => self.quantity(*value, unit, span),
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

    fn quantity(&mut self, value: f64, unit: &Name, span: Span) -> Kind {
        let other = unit.text.as_str();
        match Unit::named(other) {
            Some(unit) => self.length(value, unit, span),
            None => {
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
        let choices = match wanted {
            Some(Type::Choices(choices)) => Some(choices),
            _ => None,
        };
        // A stage called `head`, or a `batch` that is a number, hides no choice of that name.
        let chosen = choices.filter(|choices| choices.iter().any(|choice| choice == name));
        if let Some(value) = scope.locals.get(name)
            && (chosen.is_none() || matches!(value.kind, Kind::Choice(..) | Kind::Poison))
        {
            scope.used.borrow_mut().insert(name.to_owned());
            return self.origins.pass(value, span);
        }
        if let Some(choices) = chosen.filter(|_| !(scope.in_pipeline && self.is_a_choice(name))) {
            return Value::new(Kind::Choice(Some(name.to_owned()), choices.clone()), span);
        }
        if let Some(size) = scope.sizes.get(name) {
            scope.used.borrow_mut().insert(name.to_owned());
            return Value::new(Kind::Int(size.clone()), span);
        }
        if scope.in_pipeline
            && let Some(value) = self.declared(name, span)
        {
            return value;
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
            let (what, help) =
                match self.callable(name, scope).is_some_and(|own| makes(&own, &COMPUTED)) {
                    true => (
                        "an operation: it takes what a network has made",
                        format!("behind `given`, write `{name}(network(a))`"),
                    ),
                    false => (
                        "a constructor: it makes a value when it is called",
                        format!("write `{name}(…)`"),
                    ),
                };
            let message = format!("`{name}` is {what}");
            let error = Diagnostic::new(findings::TYPE_MISMATCH, span, message);
            self.report(error.help(help));
            return Value::poison(span);
        }
        self.unknown(name, span, scope, wanted);
        Value::poison(span)
    }

    /// Reports a name that means nothing here, with the nearest that does.
    pub(super) fn unknown(&mut self, name: &str, span: Span, scope: &Scope, wanted: Option<&Type>) {
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
        let giving = self.giving(name, wanted, scope);
        let is_stage = resolve::declaration(name).is_some_and(|own| own.tree.outputs.is_some());
        let error = match exported {
            None if is_stage => {
                error.help(format!("it is a stage: write `{name} … {{ … }}` in a pipeline"))
            }
            Some(path) if self.state.in_override => {
                error.help(format!("it can be named here where the file has `use {path}`"))
            }
            Some(path) => {
                let mut error = error.help(format!("import it: `use {path}`"));
                let lossless = &self.program.module(scope.module).lossless;
                error.edit = resolve::imports::with(lossless, &path);
                error
            }
            None if name == "return" => {
                error.help("the last line is the value of a define: leave `return` out")
            }
            None if !self.diagnostics.wants_suggestions() => error,
            None if giving.is_some() => error.help(giving.unwrap_or_default()),
            None if self.builder.is_some() && resolve::here(name).is_some() => {
                let here = resolve::here(name).unwrap_or_default();
                error.help(format!("for what has this name elsewhere there is `{here}`"))
            }
            None => {
                let program = self.program;
                let module = program.module(scope.module).scope.keys();
                let mut names: Vec<&str> = scope.locals.keys().map(String::as_str).collect();
                if scope.in_pipeline {
                    names.extend(self.state.names());
                }
                names.extend(module.map(String::as_str));
                let prelude = program.prelude().iter();
                let prelude = prelude.filter(|(_, item)| self.builder.is_none() || computes(item));
                names.extend(prelude.map(|(name, _)| name.as_str()));
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
        if let (Kind::Encoder(_) | Kind::Network(_), Some(section)) =
            (&value.kind, Section::of_name(&name.text))
        {
            return self.section(value, name, section);
        }
        let known: &[&str] = match (&value.kind, name.text.as_str()) {
            (Kind::Poison, _) => return Kind::Poison,
            (Kind::Dataset(dataset), "train") => return whole(dataset, Part::Train),
            (Kind::Dataset(dataset), "test") if dataset.has_test() => {
                return whole(dataset, Part::Test);
            }
            (Kind::Dataset(dataset), "classes") if dataset.labeled => {
                return Kind::Int(dataset.classes.clone());
            }
            (Kind::Dataset(dataset), _) => match (dataset.has_test(), dataset.labeled) {
                (true, true) => &["train", "test", "classes"],
                (true, false) => &["train", "test"],
                (false, true) => &["train", "classes"],
                (false, false) => &["train"],
            },
            (Kind::Split(split), "unlabeled") => {
                return Kind::Split(SplitValue { labeled: false, ..split.clone() });
            }
            (Kind::Split(_), _) => &["unlabeled", "sample", "few"],
            (Kind::Encoder(encoder), "width") => return Kind::Int(encoder.features.clone()),
            (Kind::Encoder(encoder), "stride") => return Kind::Int(stride(encoder.made.grid)),
            (Kind::Network(network), "width") => return Kind::Int(network.output.clone()),
            (Kind::Head(head), "width") => return Kind::Int(head.output.clone()),
            (Kind::Network(network), "encoder") => {
                let network = network.clone();
                return self.encoder_in(&network, name);
            }
            (Kind::Encoder(_), _) => {
                &["width", "stride", "features", "maps", "tokens", "embed", "places", "blocks"]
            }
            (Kind::Network(_), _) => {
                &["width", "encoder", "features", "maps", "tokens", "embed", "places", "blocks"]
            }
            (Kind::Stage(stage), _) => return self.output(*stage, name),
            _ => &[],
        };
        let called = match (&value.kind, name.text.as_str()) {
            (Kind::Split(_), "sample") => {
                Some("`.sample` is of a share: `.sample(10%)`".to_owned())
            }
            (Kind::Split(_), "few") => Some("`.few` is of a number: `.few(5)`".to_owned()),
            _ => None,
        };
        if let Some(message) = called {
            self.error(findings::UNKNOWN_FIELD, name.span, message);
            return Kind::Poison;
        }
        if let Kind::Dataset(_) = value.kind
            && let Some((message, help)) = lacking(&name.text)
        {
            self.report(Diagnostic::new(findings::UNKNOWN_FIELD, name.span, message).help(help));
            return Kind::Poison;
        }
        let message = format!("{} has no `{}`", article(&value.describe()), name.text);
        let error = Diagnostic::new(findings::UNKNOWN_FIELD, name.span, message);
        let is_operation = matches!(value.kind, Kind::Tensor(_))
            && self.program.prelude().contains_key(name.text.as_str());
        let error = match known {
            [] if is_operation => error.help(format!("it is an operation: `{}(…)`", name.text)),
            [] => error,
            known => error.help(format!("it has {}", known.join(", "))),
        };
        self.report(error.misspelled(&name.text, known.iter().copied()));
        Kind::Poison
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
            Kind::Bool(Some(is_first)) => {
                let (taken, other) = if is_first { (yes, no) } else { (no, yes) };
                let value = self.eval(taken, scope, wanted, path);
                self.not_taken(other, scope, wanted, &value);
                value
            }
            Kind::Bool(None) => {
                let yes = self.eval(yes, scope, wanted, None);
                let no = self.eval(no, scope, wanted, None);
                self.same_kind(&yes, &no);
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

impl Checker<'_> {
    fn same_kind(&mut self, one: &Value, other: &Value) {
        let same = std::mem::discriminant(&one.kind) == std::mem::discriminant(&other.kind);
        if !same && !one.is_poison() && !other.is_poison() {
            let message =
                format!("one branch is {}, the other {}", one.describe(), other.describe());
            self.error(findings::TYPE_MISMATCH, one.span.to(other.span), message);
        }
    }

    /// Reports what is wrong with a branch that is not taken, whatever its numbers are: an override
    /// may take it. In an objective it would add to the graph.
    pub(super) fn not_taken(
        &mut self,
        branch: &Expr,
        scope: &Scope,
        wanted: Option<&Type>,
        taken: &Value,
    ) {
        if self.builder.is_some() {
            return;
        }
        let is_open = |own: &Declared<'_>| matches!(own.progress, Phase::Running) && !own.hides;
        let open: Vec<bool> = self.state.declarations.iter().map(is_open).collect();
        self.set_aside();
        let value = self.eval(branch, scope, wanted, None);
        let found = self.take_up();
        // A circle that only this branch closes is none, and where it hides something is told again.
        for (own, was_open) in self.state.declarations.iter_mut().zip(open) {
            own.hides &= !was_open;
        }
        for own in found.iter().filter(|own| WHATEVER_ITS_NUMBERS.contains(&own.finding)) {
            if [findings::TOO_MANY_STEPS, findings::TOO_MANY_EXPANSIONS].contains(&own.finding) {
                self.exceeded.insert(own.finding.name);
            }
            self.keep(own.clone());
        }
        self.same_kind(taken, &value);
    }
}

/// What is wrong with a text whatever the numbers in it are.
const WHATEVER_ITS_NUMBERS: [&Finding; 8] = [
    findings::UNKNOWN_NAME,
    findings::UNKNOWN_ARGUMENT,
    findings::UNKNOWN_FIELD,
    findings::UNKNOWN_UNIT,
    findings::MISSING_ARGUMENT,
    findings::TYPE_MISMATCH,
    // Nothing behind it is looked at any more.
    findings::TOO_MANY_STEPS,
    findings::TOO_MANY_EXPANSIONS,
];

/// "a Split", "an Encoder"
fn article(text: &str) -> String {
    let vowel = text.starts_with(['A', 'E', 'I', 'O', 'U']);
    format!("{} {text}", if vowel { "an" } else { "a" })
}

/// Whether an objective computes with it: an optimizer or a protocol stands in none.
fn computes(item: &Item) -> bool {
    matches!(item, Item::Define(..)) || makes(item, &COMPUTED) || makes(item, &["Network"])
}

/// What operations make.
const COMPUTED: [&str; 3] = ["Tensor", "Labels", "Index"];

/// Whether the library declares it with a result of one of these types.
fn makes(item: &Item, types: &[&str]) -> bool {
    let Item::Extern(declaration) = item else { return false };
    let result = &declaration.signature().result.kind;
    matches!(result, TypeKind::Named(name, _) if types.contains(&name.as_str()))
}

/// What a dataset may lack, and what to do then.
fn lacking(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "test" => Some((
            "this dataset has no `test`",
            "all of it is to train on, as `.train`: judge on another dataset",
        )),
        "classes" => Some((
            "this dataset has no `classes`",
            "its images have no labels: name one whose images have, such as a `folder`",
        )),
        _ => None,
    }
}

/// All of a part of a dataset.
fn whole(dataset: &DatasetValue, part: Part) -> Kind {
    let (dataset, labeled) = (dataset.clone(), dataset.labeled);
    Kind::Split(SplitValue { dataset, part, labeled, share: Some(Share::WHOLE) })
}
