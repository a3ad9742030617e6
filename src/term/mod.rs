//! Terms: what an expression of the text has become once names, defaults and overrides are gone.

pub mod objective;
mod share;

pub use share::{Share, batches, sampled};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use objective::ObjectiveGraph;

/// A fully evaluated expression. Equal terms mean the same work, whatever the text looked like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Term {
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A closed interval, `0.2..=1.0`.
    Range(f64, f64),
    /// The number before the sign: `10%` is `Percent(10.0)`.
    Percent(f64),
    Text(String),
    /// One of a signature's choices, such as `small`.
    Symbol(String),
    Duration(f64, Unit),
    Call(Call),
    /// `a >> b >> c`.
    Chain(Vec<Term>),
    Split(Split),
    Output(Output),
    Objective(Box<ObjectiveGraph>),
}

/// The unit of a training length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unit {
    Epochs,
    Steps,
}

impl Unit {
    /// The unit that is written so, of one or of several.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "epochs" | "epoch" => Some(Unit::Epochs),
            "steps" | "step" => Some(Unit::Steps),
            _ => None,
        }
    }
}

/// A declared constructor with every argument present, defaults included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub name: String,
    pub args: Args,
}

impl Call {
    /// The values that a schedule names: those that it goes between, or stays at. One that names none
    /// begins at one.
    pub fn scheduled(&self) -> Vec<f64> {
        let value = |name: &&str| match self.args.get(name) {
            Some(Term::Float(value)) => Some(*value),
            _ => None,
        };
        ["from", "to", "value"].iter().filter_map(value).collect()
    }

    /// What implements it, in the table of `what` by the names that the library declares.
    ///
    /// # Panics
    ///
    /// Where the table does not have its name. The checker lets nothing but a dataset stand for a
    /// dataset, and so on, and a test holds the tables against the declarations.
    pub fn implementation<F: Copy>(&self, what: &str, table: &[(&str, F)]) -> F {
        match table.iter().find(|(name, _)| *name == self.name) {
            Some((_, implementation)) => *implementation,
            None => panic!("`{}` is not {what}, but was checked as one", self.name),
        }
    }
}

/// Part of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    pub dataset: Call,
    pub part: Part,
    /// Whether the labels may be read.
    pub labeled: bool,
    /// The share of the examples taken, stratified by class, as a percentage.
    pub percent: f64,
    /// No more than these of each class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<usize>,
}

impl Split {
    /// What is taken of each class.
    pub fn share(&self) -> Share {
        Share { percent: self.percent, each: self.each }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    Train,
    Test,
}

/// An output of another stage, by that stage's position in the canonical order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    pub stage: usize,
    pub output: String,
}

/// The arguments of a [`Call`], by parameter name.
///
/// The getters state what the signature has promised: the checker lets no call through whose
/// arguments do not fit, so a getter that does not match its signature is a bug in that
/// implementation, and panics with the parameter's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Args(pub BTreeMap<String, Term>);

impl Args {
    pub fn get(&self, name: &str) -> Option<&Term> {
        self.0.get(name)
    }

    pub fn int(&self, name: &str) -> i64 {
        match self.get(name) {
            Some(Term::Int(value)) => *value,
            other => mismatch(name, "Int", other),
        }
    }

    /// An `Int` whose signature excludes negative values.
    pub fn size(&self, name: &str) -> usize {
        usize::try_from(self.int(name))
            .unwrap_or_else(|_| mismatch(name, "Int >= 0", self.get(name)))
    }

    pub fn float(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Term::Float(value)) => *value,
            other => mismatch(name, "Float", other),
        }
    }

    pub fn bool(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Term::Bool(value)) => *value,
            other => mismatch(name, "Bool", other),
        }
    }

    /// A `Schedule`: a number, or the call of one.
    pub fn schedule(&self, name: &str) -> &Term {
        match self.get(name) {
            Some(own @ (Term::Float(_) | Term::Call(_))) => own,
            other => mismatch(name, "Schedule", other),
        }
    }

    /// A `Percent` as a fraction of one.
    pub fn fraction(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Term::Percent(value)) => *value / 100.0,
            other => mismatch(name, "Percent", other),
        }
    }

    pub fn range(&self, name: &str) -> (f64, f64) {
        match self.get(name) {
            Some(Term::Range(low, high)) => (*low, *high),
            other => mismatch(name, "Range", other),
        }
    }

    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Term::Text(value)) => value,
            other => mismatch(name, "Text", other),
        }
    }

    pub fn symbol(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Term::Symbol(value)) => value,
            other => mismatch(name, "a choice", other),
        }
    }

    pub fn duration(&self, name: &str) -> (f64, Unit) {
        match self.get(name) {
            Some(Term::Duration(amount, unit)) => (*amount, *unit),
            other => mismatch(name, "Duration", other),
        }
    }
}

fn mismatch(name: &str, expected: &str, found: Option<&Term>) -> ! {
    panic!(
        "an implementation reads `{name}` as {expected}, but its signature let {found:?} through"
    )
}
