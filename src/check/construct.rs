//! Declared constructors made into values.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::bind::Arguments;
use super::objective::{Asked, Body, DraftNetwork, Written};
use super::shape::{Dimension, Shape};
use super::signature::TypedSignature;
use super::size::Size;
use super::tokens::Grid;
use super::types::TypeName;
use super::value::{
    AugmentValue, ByView, DatasetValue, EncoderValue, HeadValue, Kind, Made, NetworkValue,
    SizedTransform, Value, args,
};
use super::{Checker, memory};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::{Declaration, examples, learned};
use crate::source::Span;
use crate::term::objective::Op;
use crate::term::{Call, Part, Term};

/// Arrays of the devices have as many.
const MOST_AXES: usize = 5;

/// What sizes that are known in a run alone can be written for.
pub(super) const OPEN: &str = "sizes of batches and images are for formulas, as in `x / n`";

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
        // What is told stands in the graph, as a number.
        let open = bound.values.iter().find_map(|(name, value)| match &value.kind {
            Kind::Int(size) if size.is_open() => Some((name, value, size)),
            _ => None,
        });
        if let Some((parameter, value, size)) = open {
            let message = format!("`{parameter}` of `{name}` is a number, and this is {size}");
            let error = self.blame_use(findings::TYPE_MISMATCH, value, message);
            self.report(error.help(OPEN));
            return Value::poison(span);
        }
        if let Some(takes) = declaration.named("takes")
            && let Some(value) = bound.values.get(takes)
            && let [Some(take), Some(parts)] = [takes, "parts"].map(|own| bound.number(own))
            && take >= parts
        {
            let message = format!("there is no part {take} of {parts}, counted from 0");
            let error = self.blame_use(findings::OUT_OF_RANGE, value, message);
            self.report(error);
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
                let label = first(TypeName::Label);
                if !declaration.is("streams")
                    && let Some(image) = memory::product([&channels, &height, &width])
                {
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
                    labeled: label.is_some(),
                    classes: label.unwrap_or_else(|| Size::constant(1)),
                })
            }
            Some(TypeName::Augment) if declaration.named("deals").is_some() => {
                Kind::Augment(Rc::new(by_view(declaration, &bound, term)))
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
                let sizes = sized.into_iter().collect();
                Kind::Augment(Rc::new(AugmentValue { term, sizes, by_view: None }))
            }
            Some(TypeName::Encoder) if declaration.named("loads").is_some() => {
                return self.loaded(declaration, &bound, term, span);
            }
            Some(TypeName::Encoder) => {
                self.tiles(declaration, &bound);
                return self.encoder(name, term, first(TypeName::Image), features(), span, &bound);
            }
            Some(TypeName::Network) if wraps(declaration).is_some() => {
                return self.wrapped(declaration, &bound, span);
            }
            Some(TypeName::Network) => {
                return self.head(term, features(), &bound, span);
            }
            Some(TypeName::Tensor) if declaration.named("reduces").is_some() => {
                return match self.reduced(declaration, &bound, span) {
                    Some(shape) => self.primitive(declaration, &bound, shape, span),
                    None => Value::poison(span),
                };
            }
            Some(name @ (TypeName::Tensor | TypeName::Labels | TypeName::Index)) => {
                let value = self.primitive(declaration, &bound, shape(name), span);
                return match (name, value.kind) {
                    (TypeName::Labels, Kind::Tensor(tensor)) => {
                        Value { kind: Kind::Labels(tensor), ..value }
                    }
                    (TypeName::Index, Kind::Tensor(tensor)) => {
                        Value { kind: Kind::Index(tensor), ..value }
                    }
                    (_, kind) => Value { kind, ..value },
                };
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
        let written = largest_number(bound).and_then(|value| self.origins.written(value));
        written.unwrap_or_else(|| self.outermost(span))
    }

    /// The same where a user may have left that number to its default, which is no text of theirs.
    fn largest_or_call(&self, bound: &Arguments, span: Span) -> Span {
        let is_default = |value: &Value| !self.origins.is_users(value.span);
        match largest_number(bound).is_some_and(is_default) && self.origins.is_users(span) {
            true => span,
            false => self.largest(bound, span),
        }
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

    /// Reports patches that do not cover the images that an encoder's positions are learned for.
    fn tiles(&mut self, declaration: &Declaration, bound: &Arguments) {
        let of = |fact| {
            let value = bound.values.get(declaration.named(fact)?)?;
            let Kind::Int(size) = &value.kind else { return None };
            Some((value, size.as_constant()?))
        };
        let Some(((patch, side), (images, span))) = of("tiles").zip(of("spans")) else { return };
        if span % side != 0 {
            let message = format!("patches of {side} pixels do not cover images of {span}");
            let error = self.blame(findings::OUT_OF_RANGE, images, message);
            let (below, above) = (span / side * side, (span / side + 1) * side);
            let error = match below {
                0 => error.help(format!("images of {above} pixels are one patch")),
                _ => error.help(format!("they cover images of {below} or {above} pixels")),
            };
            self.report(error.also(patch.span, "the side of a patch"));
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
        let grid = term.as_ref().and_then(Grid::of);
        let (id, made) = (self.fresh_id(), Rc::new(Made { parameters, grid, place, written }));
        Value::new(Kind::Encoder(EncoderValue { term, channels, features, id, made }), span)
    }

    /// The encoder among the arguments, with weights from elsewhere.
    fn loaded(
        &mut self,
        declaration: &Declaration,
        bound: &Arguments,
        term: Option<Term>,
        span: Span,
    ) -> Value {
        let into = declaration.named("into").and_then(|name| bound.values.get(name));
        let Some(Value { kind: Kind::Encoder(encoder), .. }) = into else {
            return Value::poison(span);
        };
        if let Some(trained @ Value { kind: Kind::Encoder(own), .. }) = into
            && matches!(&own.term, Some(Term::Output(_)))
        {
            let message = "this encoder has weights that a stage has trained";
            let error = self.blame_use(findings::TYPE_MISMATCH, trained, message);
            self.report(error.help("name one as it is made, such as `resnet50()`"));
            return Value::poison(span);
        }
        let id = self.fresh_id();
        Value::new(Kind::Encoder(EncoderValue { term, id, ..encoder.clone() }), span)
    }

    /// A head; inside of an objective each call makes a network with weights of its own.
    fn head(&mut self, term: Option<Term>, output: Size, bound: &Arguments, span: Span) -> Value {
        let (id, place) = (self.fresh_id(), self.largest(bound, span));
        let kind = Kind::Head(HeadValue { term, output, id, made: span, place });
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

    /// The shape that is left of the tensor that an operation reduces, by its argument `over`.
    fn reduced(
        &mut self,
        declaration: &Declaration,
        bound: &Arguments,
        span: Span,
    ) -> Option<Shape> {
        let of = declaration.named("reduces").and_then(|name| bound.values.get(name))?;
        let Kind::Tensor(tensor) = &of.kind else { return None };
        let over = match bound.values.get("over").map(|own| &own.kind) {
            Some(Kind::Choice(Some(over), _)) => over.as_str(),
            _ => return None,
        };
        let mut sizes = tensor.shape.0.clone();
        let taken = match over {
            "first" if !sizes.is_empty() => Some(sizes.remove(0)),
            "last" => sizes.pop(),
            "first" => None,
            _ => return Some(Shape::default()),
        };
        match taken {
            Some(Dimension::Size(_)) => Some(Shape(sizes)),
            taken => {
                let message = match taken {
                    Some(_) => {
                        let shape = super::value::tensor(&tensor.shape);
                        format!("which the {over} size of {shape} is, is not known here")
                    }
                    None => format!("a single number has no {over} size"),
                };
                let error = self.blame_use(findings::SHAPE_MISMATCH, of, message);
                let place = bound.values.get("over").map(|own| own.span);
                self.report(error.also(place.unwrap_or(span), "taken away here"));
                None
            }
        }
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
                Some(Value {
                    kind: Kind::Tensor(tensor) | Kind::Labels(tensor) | Kind::Index(tensor),
                    ..
                }) => {
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
        // Of places only they are held, and not among how many they are.
        let is_index = declaration.makes(TypeName::Index.text());
        let held = shape.sizes().map(|sizes| match is_index {
            true => sizes.into_iter().take(1).collect(),
            false => sizes,
        });
        if let Some(numbers) = held.and_then(memory::product) {
            let bytes = numbers.saturating_mul(memory::NUMBER);
            let place = self.widest(bound, &shape, &inputs, span);
            let shown = super::value::tensor(&shape);
            if !self.fits_memory(&format!("`{operation}`, {shown},"), bytes, place, span) {
                return Value::poison(span);
            }
        }
        if let Some(sizes) = shape.sizes().filter(|sizes| sizes.len() > MOST_AXES) {
            let message = format!("a tensor has at most {MOST_AXES} axes, not {}", sizes.len());
            self.error(findings::SHAPE_MISMATCH, span, message);
            return Value::poison(span);
        }
        let op = Op::Primitive(operation.to_owned());
        let asked: Vec<Size> = bound.solution.doubtful_sizes().cloned().collect();
        let largest = (!asked.is_empty()).then(|| self.largest_or_call(bound, span));
        let arguments = self.places(&bound.values);
        let value = self.tensor(op, inputs, args(&rest), shape, gradient, span);
        if let (Kind::Tensor(tensor), Some(builder)) = (&value.kind, &mut self.builder) {
            builder.nodes[tensor.node].written.arguments = arguments;
            let place = largest.unwrap_or(span);
            let asked = asked.into_iter();
            builder.asked.extend(asked.map(|size| Asked {
                by: operation.to_owned(),
                size,
                place,
                found: span,
            }));
        }
        value
    }

    /// A network made of another: its average, or the same weights applied in another way.
    fn wrapped(&mut self, declaration: &Declaration, bound: &Arguments, span: Span) -> Value {
        let network = wraps(declaration).and_then(|name| bound.values.get(name));
        let network = network.and_then(|value| self.as_network(value));
        let arguments = self.places(&bound.values);
        let written = Written { arguments, ..self.written_at(span) };
        let (Some(of), Some(builder)) = (network, self.builder.as_mut()) else {
            return Value::poison(span);
        };
        let NetworkValue { network: of, output } = of;
        let int = |name: &str| match bound.values.get(name).map(|own| &own.kind) {
            Some(Kind::Int(size)) => size.as_constant().and_then(|size| size.try_into().ok()),
            _ => None,
        };
        let bool = |name: &str| match bound.values.get(name).map(|own| &own.kind) {
            Some(Kind::Bool(value)) => *value,
            _ => None,
        };
        let body = if declaration.named("averages").is_some() {
            if let Some(body) = builder.untrained(of) {
                let message = match body {
                    Body::Frozen { .. } => "what is frozen stays, and so would its average",
                    _ => "this network is an average already",
                };
                self.error(findings::TYPE_MISMATCH, span, message);
                return Value::poison(span);
            }
            Body::Ema { of, momentum: bound.values.get("momentum").and_then(Value::term) }
        } else if declaration.named("groups").is_some() {
            Body::Grouped { of, groups: int("groups"), shuffle: bool("shuffle") }
        } else if bool("when") != Some(true) {
            // Where only a use tells, the gradient is as it may be.
            return Value::new(Kind::Network(NetworkValue { network: of, output }), span);
        } else {
            Body::Frozen { of }
        };
        let draft = DraftNetwork { body, written, output: output.clone(), section: None };
        let network = builder.network(draft);
        Value::new(Kind::Network(NetworkValue { network, output }), span)
    }
}

/// The parameter that a network is made of, where what is declared makes one of another.
fn wraps(declaration: &Declaration) -> Option<&'static str> {
    ["averages", "groups", "freezes"].into_iter().find_map(|fact| declaration.named(fact))
}

/// What deals recipes to views: that of the first parameter to as many as it says, that of the
/// second to the others.
fn by_view(declaration: &Declaration, bound: &Arguments, term: Option<Term>) -> AugmentValue {
    let values = || declaration.signature().parameters.iter();
    let values = || values().filter_map(|own| bound.values.get(&own.name.text));
    let mut recipes = values().filter_map(|value| match &value.kind {
        Kind::Augment(augment) => Some(augment.clone()),
        _ => None,
    });
    let count = declaration.named("deals").and_then(|name| bound.values.get(name));
    let count = match count.map(|own| &own.kind) {
        Some(Kind::Int(count)) => count.as_constant().and_then(|count| count.try_into().ok()),
        _ => None,
    };
    let parts = recipes.next().zip(recipes.next());
    let by_view = parts.map(|(first, others)| ByView { count, first, others });
    AugmentValue { term, sizes: Vec::new(), by_view }
}

/// The argument of a call that is its largest number.
fn largest_number(bound: &Arguments) -> Option<&Value> {
    let number = |value: &Value| match &value.kind {
        Kind::Int(size) => size.as_constant(),
        _ => None,
    };
    let numbers = bound.values.values().filter(|value| number(value).is_some());
    numbers.max_by_key(|value| number(value))
}
