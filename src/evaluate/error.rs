//! Why an evaluation gives no number.

use std::fmt;

use crate::interrupt::Interrupted;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvaluateError {
    /// The protocol is fitted, and no split was given for it.
    NothingToFit,
    /// A split without examples.
    Empty { part: &'static str },
    /// `k` neighbours of fewer examples.
    TooFewNeighbours { k: usize, examples: usize },
    /// Pairs of examples are compared, and there is one alone.
    NoPair { part: &'static str },
    /// No class has an example to spare.
    NoneHeldOut,
    /// What was found is NaN or infinite.
    NoNumber,
    /// Features or logits that are NaN or infinite: the training has diverged.
    NotFinite { part: &'static str },
    /// A label that the number of classes excludes.
    Label { part: &'static str, label: usize, classes: usize },
    /// Two splits whose features differ in size, or logits that are not one for each class.
    Size { expected: usize, found: usize },
    /// The number of values is not that of examples times dimensions.
    Values { part: &'static str, expected: usize, found: usize },
    /// Asked to stop.
    Interrupted,
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingToFit => write!(f, "the protocol needs a `fit` split, and has none"),
            Self::Empty { part } => write!(f, "the {part} split has no examples"),
            Self::TooFewNeighbours { k, examples } => write!(
                f,
                "knn asks for {k} neighbours of {examples} examples: k is at most {examples} here"
            ),
            Self::NoPair { part } => {
                write!(f, "the {part} split has one example, and pairs of them are compared")
            }
            Self::NoneHeldOut => {
                write!(f, "no class has two examples, of which one could be held out: fit on more")
            }
            Self::NoNumber => write!(f, "the protocol finds no finite number"),
            Self::NotFinite { part } => write!(
                f,
                "the features of the {part} split are not all finite numbers: \
                 the training has diverged"
            ),
            Self::Label { part, label, classes } => write!(
                f,
                "the {part} split has the label {label}, but there are {classes} classes, \
                 from 0 to {}",
                classes.saturating_sub(1)
            ),
            Self::Size { expected, found } => {
                write!(f, "expected {expected} values for each example, found {found}")
            }
            Self::Values { part, expected, found } => {
                write!(f, "the {part} split has {found} values in the place of {expected}")
            }
            Self::Interrupted => Interrupted.fmt(f),
        }
    }
}

impl From<Interrupted> for EvaluateError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl std::error::Error for EvaluateError {}
