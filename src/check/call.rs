//! Calls: arguments bound to a signature, registered constructors made into values.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use super::objective::{Body, Network};
use super::size::Size;
use super::stages::StageKind;
use super::types::{self, Sizes};
use super::value::{
    AugmentValue, DatasetValue, EncoderValue, HeadValue, Kind, Made, NetworkValue, SizedTransform,
    SplitValue, TensorValue, Value, args, duration,
};
use super::{Checker, Scope, memory};
use crate::diagnostics::{Diagnostic, findings};
use crate::graph::objective::Op;
use crate::graph::term::{Call, Term};
use crate::registry::{self, Implementation};
use crate::resolve::{Item, ModuleId};
use crate::syntax::Span;
use crate::syntax::tree::{
    self, Argument, Bound, Expr, ExprKind, Name, Parameter, Signature, Type, TypeKind,
};

/// The arguments of a call, checked, by parameter name.
pub(super) struct Bound_ {
    pub values: BTreeMap<String, Value>,
    /// What the names of sizes in the signature stand for.
    pub sizes: Sizes,
}

/// What is being bound: it decides the words of the messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Argument,
    /// Of a stage of that kind. One of which a part could not be read may have any field.
    Field {
        stage: StageKind,
        whole: bool,
    },
}

impl What {
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
            ExprKind::Access(base, method) if method.text == "sample" => {
                return self.sample(base, method, arguments, scope, span);
            }
            _ => {
                let network = self.eval(callee, scope, None, None);
                return self.apply(&network, arguments, scope, span);
            }
        };
        let is_value =
            scope.locals.contains_key(name) || (scope.in_pipeline && self.state.declares(name));
        if is_value {
            let network = self.eval(callee, scope, None, None);
            return self.apply(&network, arguments, scope, span);
        }
        match self.callable(name, scope) {
            Some(Item::Entry(entry)) => {
                let signature = self.signature(entry);
                let bound =
                    self.bind(&signature, arguments, span, What::Argument, scope, path, None, fill);
                match bound {
                    Some(bound) => self.construct(entry, &signature, bound, span),
                    None => Value::poison(span),
                }
            }
            Some(Item::Define(module, index)) => {
                let program = self.program;
                let signature = &program.define(module, index).signature;
                let owner = Some(module);
                let bound =
                    self.bind(signature, arguments, span, What::Argument, scope, path, owner, fill);
                match bound {
                    Some(bound) => self.expand(module, index, bound.values, Some(span)),
                    None => Value::poison(span),
                }
            }
            Some(Item::Pipeline(..)) => {
                let message = format!("`{name}` is a pipeline: it is run, not called");
                self.error(findings::TYPE_MISMATCH, callee.span, message);
                Value::poison(span)
            }
            None => {
                self.unknown(name, callee.span, scope);
                Value::poison(span)
            }
        }
    }

    // ------------------------------------------------------------ binding

    /// Evaluates and checks arguments against a signature. `owner` is the module of a define, in
    /// whose scope defaults are evaluated. `None` where an argument is wrong or missing.
    #[expect(clippy::too_many_arguments, reason = "a call is all of these")]
    pub(super) fn bind(
        &mut self,
        signature: &Signature,
        arguments: &[Argument],
        span: Span,
        what: What,
        scope: &Scope,
        path: Option<&str>,
        owner: Option<ModuleId>,
        mut fill: Option<Fill>,
    ) -> Option<Bound_> {
        if self.is_exhausted() {
            return None;
        }
        let errors = self.errors();
        let mut given = self.assign(signature, arguments, what);
        let mut sizes = Sizes::new();
        // The values so far, in sight of the defaults after them.
        let mut values = Scope::new(owner.unwrap_or(scope.module), BTreeMap::new());
        for parameter in &signature.parameters {
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
                What::Argument => None,
            };
            let value = if let Some(over) = overridden {
                let value = self.eval_override(&over, Some(&parameter.kind), completing);
                self.state.resolve(own_path.as_deref(), &value, over.origin);
                value
            } else if let Some(expr) = given.remove(name) {
                let path = own_path.as_deref();
                let value = self.eval_filled(expr, scope, Some(&parameter.kind), path, completing);
                self.state.resolve_text(path, &value);
                value
            } else if let Some(fill) = fill.take_if(|fill| fill.name == name) {
                fill.value
            } else if let Some(default) = &parameter.default {
                let value = self.eval(default, &values, Some(&parameter.kind), own_path.as_deref());
                self.state.resolve_default(own_path.as_deref(), &value, &signature.name.text);
                value
            } else if parameter.optional {
                continue;
            } else {
                self.missing(signature, parameter, span, what);
                continue;
            };
            let value = self.fit(value, parameter, &mut sizes, what);
            if let Kind::Int(size) = &value.kind {
                sizes.insert(name.to_owned(), size.clone());
            }
            values.locals.insert(name.to_owned(), value);
        }
        let values = values.locals;
        let poisoned = values.values().any(Value::is_poison);
        (self.errors() == errors && !poisoned).then_some(Bound_ { values, sizes })
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
        signature: &Signature,
        arguments: &'e [Argument],
        what: What,
    ) -> BTreeMap<String, &'e Expr> {
        let mut given: BTreeMap<String, &Expr> = BTreeMap::new();
        // Not for every call of a long signature that names nothing.
        let mut names: HashSet<&str> = HashSet::new();
        if arguments.iter().any(|argument| argument.name.is_some()) {
            names.extend(signature.parameters.iter().map(|parameter| parameter.name.text.as_str()));
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
                None => match signature.parameters.get(position) {
                    Some(parameter) => parameter.name.text.clone(),
                    None => {
                        let count = signature.parameters.len();
                        let message = format!(
                            "`{}` takes {count} argument{}",
                            signature.name.text,
                            if count == 1 { "" } else { "s" }
                        );
                        let error = Diagnostic::new(
                            findings::UNKNOWN_ARGUMENT,
                            argument.value.span,
                            message,
                        );
                        self.report(
                            error.label("one too many").also(signature.span, "its signature"),
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

    fn unknown_argument(&mut self, signature: &Signature, name: &Name, what: What) {
        if what.is_partial() {
            return;
        }
        let callee = &signature.name.text;
        let (finding, message) = match what {
            What::Argument => {
                (findings::UNKNOWN_ARGUMENT, format!("`{callee}` takes no `{}`", name.text))
            }
            What::Field { .. } => {
                (findings::UNKNOWN_FIELD, format!("`{callee}` has no field `{}`", name.text))
            }
        };
        let names = signature.parameters.iter().map(|parameter| parameter.name.text.as_str());
        let error =
            Diagnostic::new(finding, name.span, message).also(signature.span, "its signature");
        self.report(match self.diagnostics.wants_suggestions() {
            true => error.nearest(&name.text, names),
            false => error,
        });
    }

    /// The only argument of what has no signature, and so no name for it.
    fn unnamed<'e>(
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

    fn missing(&mut self, signature: &Signature, parameter: &Parameter, span: Span, what: What) {
        if what.is_partial() {
            return;
        }
        let (callee, name) = (&signature.name.text, &parameter.name.text);
        let kind = types::describe(&parameter.kind);
        let (finding, message) = match what {
            What::Argument => (findings::MISSING_ARGUMENT, format!("`{callee}` needs `{name}`")),
            What::Field { .. } => {
                (findings::MISSING_FIELD, format!("`{callee}` needs the field `{name}`"))
            }
        };
        let error = Diagnostic::new(finding, span, message);
        let error = error.label(format!("`{name}: {kind}` is missing"));
        self.report(error.also(parameter.span, "declared here, without a default"));
    }

    /// Checks a value against a parameter's type and bound.
    pub(super) fn fit(
        &mut self,
        value: Value,
        parameter: &Parameter,
        sizes: &mut Sizes,
        what: What,
    ) -> Value {
        let name = &parameter.name.text;
        let value = match types::accept(&value, &parameter.kind, sizes) {
            Ok(value) => value,
            Err(wanted) => {
                self.mismatch(&value, name, &wanted, parameter, what);
                return Value::poison(value.span);
            }
        };
        let holds = match &parameter.bound {
            None => true,
            Some(Bound::Compare(comparison, limit)) => match (value.number(), literal(limit)) {
                (Some(number), Some(limit)) => types::satisfies(number, *comparison, limit),
                _ => true,
            },
            Some(Bound::In(range)) => match (value.number(), range_of(range)) {
                (Some(number), Some((low, high))) => (low..=high).contains(&number),
                _ => true,
            },
        };
        if !holds {
            let message = format!("`{name}` is out of its range: {}", value.describe());
            let error = Diagnostic::new(findings::OUT_OF_RANGE, value.span, message);
            self.report(error.also(parameter.span, "its range is declared here"));
            return Value::poison(value.span);
        }
        value
    }

    fn mismatch(
        &mut self,
        value: &Value,
        name: &str,
        wanted: &str,
        parameter: &Parameter,
        what: What,
    ) {
        let found = value.describe();
        let is_shape =
            matches!(value.kind, Kind::Tensor(_) | Kind::Labels(_)) && wanted.starts_with("Tensor");
        let finding = if is_shape { findings::SHAPE_MISMATCH } else { findings::TYPE_MISMATCH };
        let place = match what {
            What::Argument => "argument",
            What::Field { .. } => "field",
        };
        let message = format!("{place} `{name}` wants {wanted}, not {found}");
        let error = Diagnostic::new(finding, value.span, message).label(format!("this is {found}"));
        let error = error.also(parameter.span, "declared here");
        let help = match (wanted, &value.kind) {
            ("Duration", Kind::Int(_) | Kind::Float(_)) => {
                let number = value.number().unwrap_or(200.0);
                Some(format!("a length has a unit: `{number} epochs` or `{number} steps`"))
            }
            ("Percent", Kind::Int(_)) => {
                Some(format!("write `{}%`", value.number().unwrap_or(10.0)))
            }
            ("Percent", Kind::Float(Some(value))) => Some(format!("write `{}%`", value * 100.0)),
            ("Float", Kind::Percent(Some(value))) => Some(format!("write `{}`", value / 100.0)),
            ("Split", Kind::Dataset(_)) => {
                Some("name a part of it: `.train`, `.test` or `.train.unlabeled`".to_owned())
            }
            ("Tensor[n, d]", Kind::Network(_) | Kind::Encoder(_)) => {
                Some("apply it to a view first: `query(a)`".to_owned())
            }
            ("Model", Kind::Stage(_)) | ("Encoder", Kind::Stage(_)) => {
                Some("name an output of the stage, such as `.encoder`".to_owned())
            }
            _ => None,
        };
        self.report(match help {
            Some(help) => error.help(help),
            None => error,
        });
    }

    // ------------------------------------------------------------ constructors

    /// The value that a registered constructor makes.
    fn construct(
        &mut self,
        entry: &'static registry::Entry,
        signature: &Signature,
        bound: Bound_,
        span: Span,
    ) -> Value {
        if let Some(expr) = types::overflow(&signature.result, &bound.sizes) {
            self.size_overflow(entry.name, expr, &bound, span);
            return Value::poison(span);
        }
        let term =
            args(&bound.values).map(|args| Term::Call(Call { name: entry.name.to_owned(), args }));
        let result = &signature.result;
        let sizes = |name: &str| {
            types::sizes_of(types::inner(result, name).unwrap_or_default(), &bound.sizes)
        };
        let kind = match &entry.implementation {
            Implementation::Dataset(dataset) => {
                let Some(Term::Call(call)) = term else { return Value::poison(span) };
                let [channels, height, width] = <[Size; 3]>::try_from(sizes("Image"))
                    .expect("a dataset's signature gives Image[c, h, w]");
                let classes = sizes("Label")
                    .into_iter()
                    .next()
                    .expect("a dataset's signature gives Label[c]");
                if let Some(image) = memory::product([&channels, &height, &width]) {
                    let counts = (dataset.sizes)(&call.args);
                    let bytes = (counts.train as u128 + counts.test as u128).saturating_mul(image);
                    if !self.fits_memory("this dataset", bytes, span) {
                        return Value::poison(span);
                    }
                }
                Kind::Dataset(DatasetValue {
                    call: Some(call),
                    image: [channels, height, width],
                    classes,
                })
            }
            Implementation::Augment(_) => {
                let size = sizes("Augment").into_iter().next();
                let place = bound.values.get("size").map_or(span, |value| value.span);
                let padding = bound.sizes.get("padding").cloned().unwrap_or_default();
                let name = entry.name;
                let sized = size.map(|size| SizedTransform { name, size, padding, span: place });
                Kind::Augment(Rc::new(AugmentValue { term, sizes: sized.into_iter().collect() }))
            }
            Implementation::Module(module) => {
                let [channels, output] =
                    ["Image", "Feature"].map(|part| sizes(part).into_iter().next());
                let output = output.expect("a module's signature gives Feature[d]");
                return match module.encoder {
                    true => self.encoder(entry.name, term, channels, output, span),
                    false => self.head(term, output, span),
                };
            }
            Implementation::Tensor(tensor) => {
                return self.primitive(entry.name, tensor.gradient, signature, bound, span);
            }
            Implementation::Ema => return self.ema(&bound, span),
            Implementation::Optimizer(_) => Kind::Optimizer(term),
            Implementation::Schedule(_) => Kind::Schedule(term),
            Implementation::Protocol(_) => Kind::Protocol(term),
        };
        Value { kind, span }
    }

    fn encoder(
        &mut self,
        name: &str,
        term: Option<Term>,
        channels: Option<Size>,
        features: Size,
        span: Span,
    ) -> Value {
        let place = self.outermost(span);
        let parameters = term.as_ref().and_then(|term| memory::parameters(term, None));
        let bytes = parameters.unwrap_or_default().saturating_mul(memory::NUMBER);
        if !self.fits_memory(&format!("`{name}`"), bytes, place) {
            return Value::poison(span);
        }
        let (id, made) = (self.fresh_id(), Rc::new(Made { parameters, place }));
        Value::new(Kind::Encoder(EncoderValue { term, channels, features, id, made }), span)
    }

    /// A head; inside of an objective each call makes a network with weights of its own.
    fn head(&mut self, term: Option<Term>, output: Size, span: Span) -> Value {
        let place = self.outermost(span);
        let head = Value::new(Kind::Head(HeadValue { term, output, place }), span);
        if self.builder.is_none() {
            return head;
        }
        let network = self.as_network(&head);
        network.map_or(Value::poison(span), |n| Value::new(Kind::Network(n), span))
    }

    /// Reports a size that a signature computes and no number holds, at an argument that makes it.
    fn size_overflow(&mut self, name: &str, expr: &Expr, bound: &Bound_, span: Span) {
        let mut names = BTreeSet::new();
        tree::names(expr, &mut names);
        let place = names.iter().find_map(|name| bound.values.get(*name)).map(|value| value.span);
        let written = self.sources.text(expr.span).to_owned();
        let message = format!("`{name}` makes `{written}` features of this, which is too large");
        let error = Diagnostic::new(findings::OUT_OF_RANGE, place.unwrap_or(span), message);
        self.report(error.also(expr.span, "the size is computed here"));
    }

    fn primitive(
        &mut self,
        name: &str,
        through: &[&str],
        signature: &Signature,
        bound: Bound_,
        span: Span,
    ) -> Value {
        let mut inputs = Vec::new();
        let mut gradient = false;
        let mut rest = BTreeMap::new();
        for parameter in &signature.parameters {
            let name = parameter.name.text.as_str();
            match bound.values.get(name) {
                Some(Value { kind: Kind::Tensor(tensor) | Kind::Labels(tensor), .. }) => {
                    inputs.push(tensor.node);
                    gradient |= tensor.gradient && through.contains(&name);
                }
                Some(value) => {
                    rest.insert(name.to_owned(), value.clone());
                }
                None => {}
            }
        }
        let shape = types::sizes_of(
            types::inner(&signature.result, "Tensor").unwrap_or_default(),
            &bound.sizes,
        );
        // What holds whole batches takes them one at a time; a queue of known size is kept whole.
        if let Some(numbers) = memory::product(&shape) {
            let bytes = numbers.saturating_mul(memory::NUMBER);
            let place = self.outermost(span);
            let shown = super::value::shape(&shape);
            if !self.fits_memory(&format!("`{name}`, {shown},"), bytes, place) {
                return Value::poison(span);
            }
        }
        self.tensor(Op::Primitive(name.to_owned()), inputs, args(&rest), shape, gradient, span)
    }

    fn ema(&mut self, bound: &Bound_, span: Span) -> Value {
        let network = bound.values.get("network").and_then(|value| self.as_network(value));
        let (Some(of), Some(builder)) = (network, self.builder.as_mut()) else {
            return Value::poison(span);
        };
        if !builder.is_trained(of.network) {
            self.error(findings::TYPE_MISMATCH, span, "this network is an average already");
            return Value::poison(span);
        }
        let momentum = bound.values.get("momentum").and_then(Value::term);
        let body = Body::Ema { of: of.network, momentum };
        let network = builder.network(Network { body, output: of.output.clone() });
        Value::new(Kind::Network(NetworkValue { network, output: of.output }), span)
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
                self.error(findings::TYPE_MISMATCH, input.span, message);
                return Value::poison(span);
            }
        };
        if !self.feeds(&network, &tensor, input.span) {
            return Value::poison(span);
        }
        let trained =
            self.builder.as_ref().is_some_and(|builder| builder.is_trained(network.network));
        // Through an averaged network no gradient flows at all.
        let gradient = trained;
        let shape = vec![tensor.shape[0].clone(), network.output.clone()];
        self.tensor(
            Op::Apply(network.network),
            vec![tensor.node],
            Some(Default::default()),
            shape,
            gradient,
            span,
        )
    }

    /// Whether the first module of a network takes that tensor.
    fn feeds(&mut self, network: &NetworkValue, tensor: &TensorValue, span: Span) -> bool {
        let Some(builder) = &self.builder else { return false };
        let Some(first) = builder.chain(network.network).first().copied() else { return false };
        let takes_images = builder.modules[first].encoder.is_some();
        match (takes_images, tensor.shape.as_slice()) {
            (true, [_, _, _, _]) => true,
            (false, [_, features]) => {
                let features = features.clone();
                self.feed(first, &features, span)
            }
            (takes_images, shape) => {
                let shape = super::value::shape(shape);
                let message = match takes_images {
                    true => format!("an encoder takes a view, Tensor[batch, c, h, w], not {shape}"),
                    false => format!("this network takes features, Tensor[n, d], not {shape}"),
                };
                self.error(findings::SHAPE_MISMATCH, span, message);
                false
            }
        }
    }

    fn sample(
        &mut self,
        base: &Expr,
        method: &Name,
        arguments: &[Argument],
        scope: &Scope,
        span: Span,
    ) -> Value {
        let split = match self.eval(base, scope, None, None) {
            Value { kind: Kind::Split(split), .. } => split,
            other => {
                if !other.is_poison() {
                    let message = format!("{} has no `sample`", other.describe());
                    let error = Diagnostic::new(findings::UNKNOWN_FIELD, method.span, message);
                    self.report(error.help("a split has it: `data.train.sample(10%)`"));
                }
                return Value::poison(span);
            }
        };
        let [share] = arguments else {
            let error =
                Diagnostic::new(findings::MISSING_ARGUMENT, span, "`sample` takes one share");
            self.report(error.help("write `.sample(10%)`"));
            return Value::poison(span);
        };
        let Some(share) = self.unnamed(share, "`sample`", "a share, as in `.sample(10%)`") else {
            return Value::poison(span);
        };
        let share = self.eval(share, scope, None, None);
        let percent = match share.kind {
            Kind::Percent(percent) => percent,
            Kind::Poison => return Value::poison(span),
            _ => {
                let message = format!("`sample` takes a Percent, not {}", share.describe());
                let error = Diagnostic::new(findings::TYPE_MISMATCH, share.span, message);
                self.report(error.help("write `.sample(10%)`"));
                return Value::poison(span);
            }
        };
        if percent.is_some_and(|percent| !(percent > 0.0 && percent <= 100.0)) {
            let message =
                format!("a share lies above 0% and at most at 100%: {}", share.describe());
            self.error(findings::OUT_OF_RANGE, share.span, message);
            return Value::poison(span);
        }
        let combined = split.percent.zip(percent).map(|(outer, inner)| outer * inner / 100.0);
        Value::new(Kind::Split(SplitValue { percent: combined, ..split }), span)
    }
}

pub(super) fn is_named(wanted: &Type, name: &str) -> bool {
    matches!(&wanted.kind, TypeKind::Named(own, _) if own == name)
}

/// The number that a bound's expression is.
fn literal(expr: &Expr) -> Option<f64> {
    match &expr.kind {
        ExprKind::Int(value) => Some(*value as f64),
        ExprKind::Float(value) | ExprKind::Percent(value) | ExprKind::Quantity(value, _) => {
            Some(*value)
        }
        ExprKind::Negate(inner) => literal(inner).map(|value| -value),
        _ => None,
    }
}

fn range_of(expr: &Expr) -> Option<(f64, f64)> {
    match &expr.kind {
        ExprKind::Range(low, high) => Some((literal(low)?, literal(high)?)),
        _ => None,
    }
}

/// A value as the run's record shows it.
pub(super) fn show(value: &Value) -> Option<String> {
    let shown = match &value.kind {
        Kind::Int(size) => size.to_string(),
        Kind::Float(Some(value)) => value.to_string(),
        Kind::Percent(Some(value)) => format!("{value}%"),
        Kind::Bool(Some(value)) => value.to_string(),
        Kind::Range(Some((low, high))) => format!("{low}..={high}"),
        Kind::Text(Some(text)) => format!("{text:?}"),
        Kind::Choice(Some(choice)) => choice.clone(),
        Kind::Duration(Some(length)) => duration(*length),
        _ => return value.term().map(|term| term.to_string()),
    };
    Some(shown)
}
