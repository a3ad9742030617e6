//! Shapes of tensors: sizes, and at most once any number of them.

use std::fmt;

use super::size::{Relation, Size, Symbol};

/// Sizes, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape(pub Vec<Dimension>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dimension {
    Size(Size),
    /// `..s`: any number of sizes, none included. A shape has one at most.
    Rest(Symbol),
}

impl Shape {
    pub fn of(sizes: impl IntoIterator<Item = Size>) -> Self {
        Shape(sizes.into_iter().map(Dimension::Size).collect())
    }

    /// Whether it is that of a single number.
    pub fn is_scalar(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it stands for any sizes, or none: `[..s]`.
    pub fn is_any(&self) -> bool {
        matches!(self.0.as_slice(), [Dimension::Rest(_)])
    }

    /// The sizes; `None` where their number is not known.
    pub fn sizes(&self) -> Option<Vec<&Size>> {
        let sizes = self.0.iter().map(|dimension| match dimension {
            Dimension::Size(size) => Some(size),
            Dimension::Rest(_) => None,
        });
        sizes.collect()
    }

    /// The first size, where it is known which that is.
    pub fn first(&self) -> Option<&Size> {
        match self.0.first() {
            Some(Dimension::Size(size)) => Some(size),
            _ => None,
        }
    }

    /// The place of the `..s`.
    pub fn rest(&self) -> Option<usize> {
        self.0.iter().position(|dimension| matches!(dimension, Dimension::Rest(_)))
    }

    /// Whether its last sizes are, or can be, those of the shape `other`.
    pub fn ends_with(&self, other: &Shape) -> bool {
        let Some(before) = self.0.len().checked_sub(other.0.len()) else { return false };
        let last = Shape(self.0[before..].to_vec());
        last.relation(other) != Relation::Different
    }

    /// Whether it is the shape `other`.
    pub fn relation(&self, other: &Shape) -> Relation {
        if self.0.len() != other.0.len() {
            return Relation::Different;
        }
        let pairs = self.0.iter().zip(&other.0);
        let relations = pairs.map(|pair| match pair {
            (Dimension::Size(own), Dimension::Size(other)) => own.relation(other),
            (own, other) if own == other => Relation::Equal,
            _ => Relation::Different,
        });
        relations.max().unwrap_or(Relation::Equal)
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimension::Size(size) => size.fmt(f),
            Dimension::Rest(symbol) => write!(f, "..{}", symbol.name),
        }
    }
}

/// `batch, 128`
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(Dimension::to_string).collect();
        f.write_str(&parts.join(", "))
    }
}
