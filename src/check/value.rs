//! What expressions mean while a program is checked.
//!
//! The same evaluation serves twice: with the arguments of a pipeline, where every value is known,
//! and for a `define` on its own, where its parameters are unknown. `None` and symbolic sizes stand
//! for what is not known yet.

use std::rc::Rc;

use super::objective::{Builder, Written};
use super::origin::{OriginId, Places};
use super::shape::Shape;
use super::size::Size;
use super::tokens::Grid;
use super::types::{Brackets, Type, TypeName};
use crate::resolve::{Declaration, examples};
use crate::source::Span;
use crate::term::{Args, Call, Part, Share, Term, Unit};

/// A value and the place where it stands.
#[derive(Clone, Debug)]
pub struct Value {
    pub kind: Kind,
    pub span: Span,
    /// The place where it stood before; none where it is written here.
    pub origin: Option<OriginId>,
}

#[derive(Clone, Debug)]
pub enum Kind {
    /// Stands for something wrong that has been reported.
    Poison,
    Int(Size),
    Float(Option<f64>),
    Percent(Option<f64>),
    Bool(Option<bool>),
    Range(Option<(f64, f64)>),
    Text(Option<String>),
    /// One of these names.
    Choice(Option<String>, Rc<[String]>),
    Duration(Option<(f64, Unit)>),
    Dataset(DatasetValue),
    Split(SplitValue),
    /// Shared: a chain may be long, and named often.
    Augment(Rc<AugmentValue>),
    Encoder(EncoderValue),
    /// A module outside of an objective, such as a fine-tune head.
    Head(HeadValue),
    /// A network inside of an objective.
    Network(NetworkValue),
    Tensor(TensorValue),
    /// Whole numbers: the classes of examples, one each.
    Labels(TensorValue),
    /// Whole numbers: places among the rows of a tensor. Its shape is `[n, m]`: `n` places among `m`.
    Index(TensorValue),
    Objective(Rc<ObjectiveValue>),
    Optimizer(Option<Term>),
    Schedule(Option<Term>),
    Protocol(Option<Term>),
    /// An encoder with a head that yields classes.
    Model(Box<ModelValue>),
    /// The encoders that a training stage kept on its way.
    History(EncoderValue),
    /// A stage itself, whose outputs can be named.
    Stage(usize),
}

#[derive(Clone, Debug)]
pub struct DatasetValue {
    pub call: Option<Call>,
    /// Channels, height, width.
    pub image: [Size; 3],
    /// One where it has no labels.
    pub classes: Size,
    pub labeled: bool,
}

#[derive(Clone, Debug)]
pub struct SplitValue {
    pub dataset: DatasetValue,
    pub part: Part,
    pub labeled: bool,
    /// Unknown for a parameter.
    pub share: Option<Share>,
}

#[derive(Clone, Debug)]
pub struct AugmentValue {
    pub term: Option<Term>,
    /// Those transforms, in order, that set the size of the image.
    pub sizes: Vec<SizedTransform>,
    /// For a recipe that is another one from some view on; its own parts are in there.
    pub by_view: Option<ByView>,
}

/// A recipe for the first views, and another for those after them.
#[derive(Clone, Debug)]
pub struct ByView {
    /// How many views have the first; unknown for a parameter.
    pub count: Option<usize>,
    pub first: Rc<AugmentValue>,
    pub others: Rc<AugmentValue>,
}

impl AugmentValue {
    /// The recipes in it, one where all views have the same.
    pub fn recipes(&self) -> Vec<&AugmentValue> {
        match &self.by_view {
            Some(parts) => [parts.first.recipes(), parts.others.recipes()].concat(),
            None => vec![self],
        }
    }

    /// The recipe of a view, counted from 0. `None` where it is not known which.
    pub fn of_view(&self, view: usize) -> Option<&AugmentValue> {
        let Some(parts) = &self.by_view else { return Some(self) };
        let count = parts.count?;
        match view.checked_sub(count) {
            None => parts.first.of_view(view),
            Some(after) => parts.others.of_view(after),
        }
    }

    /// The pixels of a side of its views, where it sets them.
    pub fn side(&self) -> Option<i64> {
        self.sizes.last()?.size.as_constant()
    }
}

#[derive(Clone, Debug)]
pub struct SizedTransform {
    pub declaration: &'static Declaration,
    pub size: Size,
    /// Pixels added on every side before it cuts.
    pub padding: Size,
    pub span: Span,
    pub places: Places,
}

#[derive(Clone, Debug)]
pub struct EncoderValue {
    pub term: Option<Term>,
    /// Channels of the images it takes; unknown for an encoder parameter.
    pub channels: Option<Size>,
    pub features: Size,
    /// Equal for one encoder wherever it is named: its weights are the same.
    pub id: usize,
    pub made: Rc<Made>,
}

/// How an encoder was made, whatever has trained it since.
#[derive(Clone, Debug)]
pub struct Made {
    /// How many numbers it learns; unknown for an encoder parameter.
    pub parameters: Option<u128>,
    /// The tokens that it makes; unknown for an encoder parameter.
    pub grid: Option<Grid>,
    /// The user's text that makes it.
    pub place: Span,
    pub written: Written,
}

#[derive(Clone, Debug)]
pub struct HeadValue {
    pub term: Option<Term>,
    pub output: Size,
    /// Told apart from others of the same text.
    pub id: usize,
    pub made: Span,
    /// The user's text that makes it.
    pub place: Span,
}

#[derive(Clone, Debug)]
pub struct NetworkValue {
    /// Its position in the builder.
    pub network: usize,
    pub output: Size,
}

#[derive(Clone, Debug)]
pub struct TensorValue {
    /// Its node in the builder.
    pub node: usize,
    pub shape: Shape,
    pub gradient: bool,
}

#[derive(Clone, Debug)]
pub struct ObjectiveValue {
    /// The define that it is an expansion of.
    pub name: String,
    pub builder: Builder,
    /// What a stage yields as `encoder`: the first encoder that the signature names.
    pub encoder: Option<EncoderValue>,
}

#[derive(Clone, Debug)]
pub struct ModelValue {
    pub term: Term,
    pub classes: Size,
    pub encoder: EncoderValue,
}

impl Kind {
    /// The type; `None` for a stage, which is no value.
    pub fn type_of(&self) -> Option<Type> {
        let sized = |name, size: &Size| Type::shaped(name, Shape::of([size.clone()]));
        let name = match self {
            Kind::Poison => return Some(Type::Unknown),
            Kind::Choice(_, choices) => return Some(Type::Choices(choices.clone())),
            Kind::Stage(_) => return None,
            Kind::Tensor(tensor) => {
                return Some(Type::shaped(TypeName::Tensor, tensor.shape.clone()));
            }
            Kind::Labels(labels) => {
                return Some(Type::shaped(TypeName::Labels, labels.shape.clone()));
            }
            Kind::Index(index) => {
                return Some(Type::shaped(TypeName::Index, index.shape.clone()));
            }
            Kind::Dataset(dataset) => {
                return Some(Type::Named(TypeName::Dataset, dataset.examples(dataset.labeled)));
            }
            Kind::Split(split) => {
                return Some(Type::Named(TypeName::Split, split.dataset.examples(split.labeled)));
            }
            Kind::Encoder(EncoderValue { features, .. }) => {
                let sides = [TypeName::Image.into(), sized(TypeName::Feature, features)];
                return Some(Type::Named(TypeName::Encoder, Brackets::Function(sides.into())));
            }
            Kind::Head(HeadValue { output, .. }) | Kind::Network(NetworkValue { output, .. }) => {
                let features = vec![sized(TypeName::Feature, output)];
                return Some(Type::Named(TypeName::Network, Brackets::Types(features)));
            }
            Kind::Model(model) => {
                let labels = vec![sized(TypeName::Label, &model.classes)];
                return Some(Type::Named(TypeName::Model, Brackets::Types(labels)));
            }
            Kind::Int(_) => TypeName::Int,
            Kind::Float(_) => TypeName::Float,
            Kind::Percent(_) => TypeName::Percent,
            Kind::Bool(_) => TypeName::Bool,
            Kind::Range(_) => TypeName::Range,
            Kind::Text(_) => TypeName::Text,
            Kind::Duration(_) => TypeName::Duration,
            Kind::Augment(_) => TypeName::Augment,
            Kind::Objective(_) => TypeName::Objective,
            Kind::Optimizer(_) => TypeName::Optimizer,
            Kind::Schedule(_) => TypeName::Schedule,
            Kind::Protocol(_) => TypeName::Protocol,
            Kind::History(_) => TypeName::History,
        };
        Some(name.into())
    }
}

impl DatasetValue {
    /// Whether some of its examples are to test on.
    pub fn has_test(&self) -> bool {
        self.call.as_ref().is_none_or(|call| examples(call, Part::Test).is_some())
    }

    /// What it holds: `[Image[3, 32, 32], Label[10]]`.
    fn examples(&self, labeled: bool) -> Brackets {
        let image = Type::shaped(TypeName::Image, Shape::of(self.image.clone()));
        let label = Type::shaped(TypeName::Label, Shape::of([self.classes.clone()]));
        Brackets::Types(if labeled { vec![image, label] } else { vec![image] })
    }
}

impl Value {
    pub fn new(kind: Kind, span: Span) -> Self {
        Value { kind, span, origin: None }
    }

    pub fn poison(span: Span) -> Self {
        Value::new(Kind::Poison, span)
    }

    pub fn is_poison(&self) -> bool {
        matches!(self.kind, Kind::Poison)
    }

    /// Whether it has the type of that name.
    pub fn is(&self, name: TypeName) -> bool {
        self.kind.type_of().is_some_and(|own| own.is(name))
    }

    /// The number in an `Int`, `Float` or `Percent`, or that a schedule is throughout, where it is
    /// known.
    pub fn number(&self) -> Option<f64> {
        match &self.kind {
            Kind::Int(size) => size.as_constant().map(|value| value as f64),
            Kind::Float(value) | Kind::Percent(value) => *value,
            Kind::Duration(value) => value.map(|(amount, _)| amount),
            Kind::Schedule(Some(Term::Float(value))) => Some(*value),
            _ => None,
        }
    }

    /// The numbers that have to satisfy a bound: it, both ends of a range, or those between which a
    /// schedule lies.
    pub fn numbers(&self) -> Vec<f64> {
        match &self.kind {
            Kind::Range(ends) => ends.iter().flat_map(|(low, high)| [*low, *high]).collect(),
            Kind::Schedule(Some(Term::Call(call))) => reached(call),
            _ => self.number().into_iter().collect(),
        }
    }

    /// The value as a term of the graph; `None` where part of it is unknown, or where it is
    /// something that no stage can be given.
    pub fn term(&self) -> Option<Term> {
        match &self.kind {
            Kind::Int(size) => size.as_constant().map(Term::Int),
            Kind::Float(value) => value.map(Term::Float),
            Kind::Percent(value) => value.map(Term::Percent),
            Kind::Bool(value) => value.map(Term::Bool),
            Kind::Range(value) => value.map(|(low, high)| Term::Range(low, high)),
            Kind::Text(value) => value.clone().map(Term::Text),
            Kind::Choice(value, _) => value.clone().map(Term::Symbol),
            Kind::Duration(value) => value.map(|(amount, unit)| Term::Duration(amount, unit)),
            Kind::Dataset(dataset) => dataset.call.clone().map(Term::Call),
            Kind::Split(split) => Some(Term::Split(crate::term::Split {
                dataset: split.dataset.call.clone()?,
                part: split.part,
                labeled: split.labeled,
                percent: split.share?.percent,
                each: split.share?.each,
            })),
            Kind::Augment(augment) => augment.term.clone(),
            Kind::Encoder(encoder) | Kind::History(encoder) => encoder.term.clone(),
            Kind::Head(head) => head.term.clone(),
            Kind::Optimizer(term) | Kind::Schedule(term) | Kind::Protocol(term) => term.clone(),
            Kind::Model(model) => Some(model.term.clone()),
            Kind::Poison
            | Kind::Network(_)
            | Kind::Tensor(_)
            | Kind::Labels(_)
            | Kind::Index(_)
            | Kind::Objective(_)
            | Kind::Stage(_) => None,
        }
    }

    /// What it is, in the language of types.
    pub fn describe(&self) -> String {
        let known = |name: &str, text: Option<String>| match text {
            Some(text) => format!("{name} {text}"),
            None => name.to_owned(),
        };
        match &self.kind {
            Kind::Poison => "something wrong".to_owned(),
            Kind::Int(size) => format!("Int {size}"),
            Kind::Float(value) => known("Float", value.map(|value| value.to_string())),
            Kind::Percent(value) => known("Percent", value.map(|value| format!("{value}%"))),
            Kind::Bool(value) => known("Bool", value.map(|value| value.to_string())),
            Kind::Range(value) => {
                known("Range", value.map(|(low, high)| format!("{low}..={high}")))
            }
            Kind::Text(value) => known("Text", value.as_ref().map(|value| format!("{value:?}"))),
            Kind::Choice(value, _) => {
                known("the choice", value.as_ref().map(|value| format!("`{value}`")))
            }
            Kind::Duration(value) => known("Duration", value.map(duration)),
            // Every dataset of the library has images and labels; more than its name says little.
            Kind::Dataset(_) => "Dataset".to_owned(),
            Kind::Split(split) if split.labeled => "Split with labels".to_owned(),
            Kind::Split(_) => "Split without labels".to_owned(),
            kind => kind.type_of().map_or("a stage".to_owned(), |own| own.to_string()),
        }
    }
}

/// The numbers that a schedule comes from and goes to: zero, where it rises, and one of those that
/// name none.
fn reached(call: &Call) -> Vec<f64> {
    let mut named = call.scheduled();
    let rises = matches!(call.args.get("warmup"), Some(Term::Duration(length, _)) if *length > 0.0);
    if named.is_empty() {
        // One, and what the first drop makes of it.
        let factor = match call.args.get("factor") {
            Some(Term::Float(factor)) => Some(*factor),
            _ => None,
        };
        named.extend([1.0].into_iter().chain(factor));
    }
    rises.then_some(0.0).into_iter().chain(named).collect()
}

/// `Tensor[batch, 128]`
pub fn tensor(shape: &Shape) -> String {
    format!("Tensor[{shape}]")
}

/// `200 epochs`
pub fn duration((amount, unit): (f64, Unit)) -> String {
    match unit {
        Unit::Epochs => format!("{amount} epochs"),
        Unit::Steps => format!("{amount} steps"),
    }
}

/// The arguments of a call as terms, where all are known.
pub fn args<'v>(values: impl IntoIterator<Item = (&'v String, &'v Value)>) -> Option<Args> {
    let term = |(name, value): (&String, &Value)| Some((name.clone(), value.term()?));
    values.into_iter().map(term).collect::<Option<_>>().map(Args)
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
        Kind::Choice(Some(choice), _) => choice.clone(),
        Kind::Duration(Some(length)) => duration(*length),
        _ => return value.term().map(|term| term.to_string()),
    };
    Some(shown)
}
