//! Declared constructors made into values.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::bind::Arguments;
use super::objective::{Body, DraftNetwork, Written};
use super::shape::Shape;
use super::signature::TypedSignature;
use super::size::Size;
use super::types::TypeName;
use super::value::{
    AugmentValue, DatasetValue, EncoderValue, HeadValue, Kind, Made, NetworkValue, SizedTransform,
    Value, args,
};
use super::{Checker, memory};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::{Declaration, examples, learned};
use crate::source::Span;
use crate::term::objective::Op;
use crate::term::{Call, Part, Term};

impl Checker<'_> {
    /// The value that a declared constructor makes: which kind of value, its result says.
    pub(super) fn construct(
        &mut self,
        declaration: &'static Declaration,
        bound: Arguments,
        span: Span,
    ) -> Value {
        let name = declaration.name();
        let signature = self.signature(declaration.signature());
        if let Some(size) = bound.solution.fault(&signature.result) {
            self.no_size(&signature, size, &bound, span);
            return Value::poison(span);
        }
        let term = args(&bound.values).map(|args| Term::Call(Call { name: name.to_owned(), args }));
        let shape = |part| {
            let shape = signature.result.part(part);
            shape.and_then(|shape| bound.solution.apply_to_shape(shape)).unwrap_or_default()
        };
        let sizes = |part| -> Vec<Size> {
            shape(part).sizes().unwrap_or_default().into_iter().cloned().collect()
        };
        let first = |part| sizes(part).into_iter().next();
        let features = || first(TypeName::Feature).expect("a module's signature gives Feature[d]");
        let kind = match signature.result.name() {
            Some(TypeName::Dataset) => {
                let Some(Term::Call(call)) = term else { return Value::poison(span) };
                let [channels, height, width] = <[Size; 3]>::try_from(sizes(TypeName::Image))
                    .expect("a dataset's signature gives Image[c, h, w]");
                let classes = first(TypeName::Label).expect("a dataset's signature gives Label[c]");
                if let Some(image) = memory::product([&channels, &height, &width]) {
                    let parts = [Part::Train, Part::Test].map(|part| examples(&call, part));
                    let all: u128 = parts.into_iter().flatten().map(|part| part as u128).sum();
                    let bytes = all.saturating_mul(image);
                    if !self.fits_memory("this dataset", bytes, self.largest(&bound, span), span) {
                        return Value::poison(span);
                    }
                }
                Kind::Dataset(DatasetValue {
                    call: Some(call),
                    image: [channels, height, width],
                    classes,
                })
            }
            Some(TypeName::Augment) => {
                let size = first(TypeName::Augment);
                let places = self.places(&bound.values);
                let pads = declaration.named("pads");
                let padding =
                    match pads.and_then(|pads| bound.values.get(pads)).map(|own| &own.kind) {
                        Some(Kind::Int(padding)) => padding.clone(),
                        _ => Size::default(),
                    };
                let sized =
                    size.map(|size| SizedTransform { declaration, size, padding, span, places });
                Kind::Augment(Rc::new(AugmentValue { term, sizes: sized.into_iter().collect() }))
            }
            Some(TypeName::Encoder) => {
                return self.encoder(name, term, first(TypeName::Image), features(), span, &bound);
            }
            Some(TypeName::Network) if declaration.named("averages").is_some() => {
                return self.ema(declaration, &bound, span);
            }
            Some(TypeName::Network) => {
                return self.head(term, features(), &bound, span);
            }
            Some(TypeName::Tensor) => {
                return self.primitive(declaration, &bound, shape(TypeName::Tensor), span);
            }
            Some(TypeName::Optimizer) => Kind::Optimizer(term),
            Some(TypeName::Schedule) => Kind::Schedule(term),
            Some(TypeName::Protocol) => Kind::Protocol(term),
            // A test holds the declarations against this list.
            other => unreachable!("`{name}` makes {other:?}, which no constructor does"),
        };
        let places = self.places(&bound.values);
        Value { kind, span, origin: self.origins.made(span, places) }
    }

    /// The text of the user to blame for the size of what a call makes: its largest number.
    fn largest(&self, bound: &Arguments, span: Span) -> Span {
        let number = |value: &Value| match &value.kind {
            Kind::Int(size) => size.as_constant(),
            _ => None,
        };
        let numbers = bound.values.values().filter(|value| number(value).is_some());
        let written =
            numbers.max_by_key(|value| number(value)).and_then(|value| self.origins.written(value));
        written.unwrap_or_else(|| self.outermost(span))
    }

    /// The text of the user to blame for the size of a tensor that is kept: that of its largest
    /// size, be it an argument or the output of the network that made the rows.
    fn widest(&self, bound: &Arguments, shape: &Shape, inputs: &[usize], span: Span) -> Span {
        let sizes = shape.sizes().unwrap_or_default().into_iter().filter_map(Size::as_constant);
        let is_argument = |size: i64| {
            let same = |own: &Value| matches!(&own.kind, Kind::Int(own) if own.as_constant() == Some(size));
            bound.values.values().any(same)
        };
        let is_by_argument = sizes.max().is_none_or(is_argument);
        let made = self.builder.as_ref().zip(inputs.first()).and_then(|(builder, rows)| {
            let module = builder.maker(*rows)?;
            Some(builder.modules[module].place)
        });
        match made.filter(|place| !is_by_argument && self.origins.is_users(*place)) {
            Some(place) => place,
            None => self.largest(bound, span),
        }
    }

    fn encoder(
        &mut self,
        name: &str,
        term: Option<Term>,
        channels: Option<Size>,
        features: Size,
        span: Span,
        bound: &Arguments,
    ) -> Value {
        let arguments = self.places(&bound.values);
        let written = Written { arguments, ..self.written_at(span) };
        let place = self.largest(bound, span);
        let parameters = term.as_ref().and_then(|term| learned(term, None));
        let bytes = parameters.unwrap_or_default().saturating_mul(memory::NUMBER);
        if !self.fits_memory(&format!("`{name}`"), bytes, place, span) {
            return Value::poison(span);
        }
        let (id, made) = (self.fresh_id(), Rc::new(Made { parameters, place, written }));
        Value::new(Kind::Encoder(EncoderValue { term, channels, features, id, made }), span)
    }

    /// A head; inside of an objective each call makes a network with weights of its own.
    fn head(&mut self, term: Option<Term>, output: Size, bound: &Arguments, span: Span) -> Value {
        let kind = Kind::Head(HeadValue { term, output, place: self.largest(bound, span) });
        let origin = self.origins.made(span, self.places(&bound.values));
        let head = Value { kind, span, origin };
        if self.builder.is_none() {
            return head;
        }
        let network = self.as_network(&head);
        network.map_or(Value::poison(span), |n| Value::new(Kind::Network(n), span))
    }

    /// Reports a size of what a call makes that is none, at an argument that makes it.
    fn no_size(
        &mut self,
        signature: &TypedSignature<'_>,
        size: &Size,
        bound: &Arguments,
        span: Span,
    ) {
        let symbols = size.symbols();
        let parameters = signature.tree.parameters.iter().filter(|parameter| {
            signature.symbol(&parameter.name.text).is_some_and(|own| symbols.contains(&own))
        });
        let mut places = parameters.filter_map(|own| bound.values.get(&own.name.text));
        let place = places.next().map(|value| self.written(value));
        let known = size.substitute(&|symbol| bound.solution.size(symbol).cloned());
        let fault = match known {
            Some(known) if known.is_undivided() => {
                format!("which is {known}, and that need not be a whole number")
            }
            Some(known) => format!("which is {known}, and no size"),
            None => "which is too large, or no whole number".to_owned(),
        };
        let message = format!("`{}` makes a size of `{size}` of this, {fault}", signature.name());
        let error = Diagnostic::new(findings::OUT_OF_RANGE, place.unwrap_or(span), message);
        self.report(error.also(signature.tree.result.span, "the size is computed here"));
    }

    fn primitive(
        &mut self,
        declaration: &Declaration,
        bound: &Arguments,
        shape: Shape,
        span: Span,
    ) -> Value {
        let (operation, signature) = (declaration.name(), declaration.signature());
        let mut inputs = Vec::new();
        let mut gradient = false;
        let mut rest = BTreeMap::new();
        for parameter in &signature.parameters {
            let name = parameter.name.text.as_str();
            match bound.values.get(name) {
                Some(Value { kind: Kind::Tensor(tensor) | Kind::Labels(tensor), .. }) => {
                    gradient |= tensor.gradient && declaration.carries(inputs.len());
                    inputs.push(tensor.node);
                }
                Some(value) => {
                    rest.insert(name.to_owned(), value.clone());
                }
                None => {}
            }
        }
        // What holds whole batches takes them one at a time; a queue of known size is kept whole.
        if let Some(numbers) = shape.sizes().and_then(memory::product) {
            let bytes = numbers.saturating_mul(memory::NUMBER);
            let place = self.widest(bound, &shape, &inputs, span);
            let shown = super::value::tensor(&shape);
            if !self.fits_memory(&format!("`{operation}`, {shown},"), bytes, place, span) {
                return Value::poison(span);
            }
        }
        let op = Op::Primitive(operation.to_owned());
        let arguments = self.places(&bound.values);
        let value = self.tensor(op, inputs, args(&rest), shape, gradient, span);
        if let (Kind::Tensor(tensor), Some(builder)) = (&value.kind, &mut self.builder) {
            builder.nodes[tensor.node].written.arguments = arguments;
        }
        value
    }

    fn ema(&mut self, declaration: &Declaration, bound: &Arguments, span: Span) -> Value {
        let network = declaration.named("averages").and_then(|name| bound.values.get(name));
        let network = network.and_then(|value| self.as_network(value));
        let arguments = self.places(&bound.values);
        let written = Written { arguments, ..self.written_at(span) };
        let (Some(of), Some(builder)) = (network, self.builder.as_mut()) else {
            return Value::poison(span);
        };
        if !builder.is_trained(of.network) {
            self.error(findings::TYPE_MISMATCH, span, "this network is an average already");
            return Value::poison(span);
        }
        let momentum = bound.values.get("momentum").and_then(Value::term);
        let body = Body::Ema { of: of.network, momentum };
        let network = builder.network(DraftNetwork { body, written, output: of.output.clone() });
        Value::new(Kind::Network(NetworkValue { network, output: of.output }), span)
    }
}
