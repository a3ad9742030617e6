//! What the names of sizes in a signature stand for, solved from what a call is given.

use std::collections::BTreeMap;

use super::shape::{Dimension, Shape};
use super::size::{Relation, Size, Symbol, SymbolKind};
use super::types::{Brackets, Type};

/// The names of a signature, as far as the arguments have told.
#[derive(Debug, Default)]
pub struct Solution {
    sizes: BTreeMap<Symbol, Size>,
    rests: BTreeMap<Symbol, Shape>,
    /// Sizes with several unknown names, and what they have to be: later arguments may tell more.
    waiting: Vec<(Size, Size)>,
}

impl Solution {
    /// What a name stands for, if that is known.
    pub fn size(&self, symbol: &Symbol) -> Option<&Size> {
        self.sizes.get(symbol)
    }

    /// Says what a name stands for. False where it already stands for another size.
    pub fn give(&mut self, symbol: &Symbol, size: &Size) -> bool {
        match self.sizes.get(symbol) {
            Some(known) => known.relation(size) != Relation::Different,
            None => {
                self.sizes.insert(symbol.clone(), size.clone());
                true
            }
        }
    }

    /// The sizes that names stand for and that may be none, which the stage will tell.
    pub fn doubtful_sizes(&self) -> impl Iterator<Item = &Size> {
        self.sizes.values().filter(|size| size.may_be_none())
    }

    /// Says what a name stands for, whatever it stood for before.
    pub fn set(&mut self, symbol: &Symbol, size: &Size) {
        self.sizes.insert(symbol.clone(), size.clone());
    }

    /// Whether `found` fits the type that a signature wants, solving the names in it.
    pub fn unify(&mut self, wanted: &Type, found: &Type) -> bool {
        match (wanted, found) {
            (Type::Unknown, _) | (_, Type::Unknown) => true,
            (Type::Choices(wanted), Type::Choices(found)) => wanted == found,
            (Type::Named(wanted, inner), Type::Named(found, other)) => {
                wanted == found && self.unify_arguments(inner, other)
            }
            _ => false,
        }
    }

    fn unify_arguments(&mut self, wanted: &Brackets, found: &Brackets) -> bool {
        match (wanted, found) {
            (Brackets::Any, _) | (_, Brackets::Any) => true,
            (Brackets::Shape(wanted), Brackets::Shape(found)) => self.unify_shapes(wanted, found),
            (Brackets::Types(wanted), Brackets::Types(found)) => {
                wanted.len() == found.len()
                    && wanted.iter().zip(found).all(|(wanted, found)| self.unify(wanted, found))
            }
            (Brackets::Function(wanted), Brackets::Function(found)) => {
                wanted.iter().zip(found.iter()).all(|(wanted, found)| self.unify(wanted, found))
            }
            _ => false,
        }
    }

    /// Whether a tensor of the shape `found` fits the shape that a signature wants.
    pub fn unify_shapes(&mut self, wanted: &Shape, found: &Shape) -> bool {
        let (inner, sizes) = (wanted.0.as_slice(), found.0.as_slice());
        // What has any number of sizes fits only where any number of them fits.
        let Some(at) = wanted.rest() else {
            return inner.len() == sizes.len() && self.unify_dimensions(inner, sizes);
        };
        let (before, after) = (&inner[..at], &inner[at + 1..]);
        let Some(middle) = sizes.len().checked_sub(before.len() + after.len()) else {
            return false;
        };
        let (first, others) = sizes.split_at(before.len());
        let (middle, last) = others.split_at(middle);
        let Dimension::Rest(symbol) = &inner[at] else { return false };
        self.unify_dimensions(before, first)
            && self.unify_dimensions(after, last)
            && self.give_rest(symbol, Shape(middle.to_vec()))
    }

    /// Says what sizes a `..s` stands for. False where it already stands for others.
    pub fn give_rest(&mut self, symbol: &Symbol, found: Shape) -> bool {
        match self.rests.get(symbol) {
            Some(known) => known.relation(&found) != Relation::Different,
            None => {
                self.rests.insert(symbol.clone(), found);
                true
            }
        }
    }

    fn unify_dimensions(&mut self, wanted: &[Dimension], found: &[Dimension]) -> bool {
        wanted.iter().zip(found).all(|pair| match pair {
            (Dimension::Size(wanted), Dimension::Size(found)) => self.unify_sizes(wanted, found),
            _ => false,
        })
    }

    fn unify_sizes(&mut self, wanted: &Size, found: &Size) -> bool {
        let Some(known) = wanted.substitute(&|symbol| self.sizes.get(symbol).cloned()) else {
            return false;
        };
        if !known.has(SymbolKind::Pattern) {
            return known.relation(found) != Relation::Different;
        }
        match known.solve(found) {
            Some((_, solved)) if solved.is_undivided() || is_not_positive(&solved) => false,
            Some((symbol, solved)) => {
                self.sizes.insert(symbol, solved);
                true
            }
            None => {
                let may_wait = known.patterns().len() > 1;
                if may_wait {
                    self.waiting.push((wanted.clone(), found.clone()));
                }
                may_wait
            }
        }
    }

    /// Looks again at what had to wait. False where something does not fit, or stays unknown.
    pub fn settle(&mut self) -> bool {
        loop {
            let waiting = std::mem::take(&mut self.waiting);
            let count = waiting.len();
            if !waiting.iter().all(|(wanted, found)| self.unify_sizes(wanted, found)) {
                return false;
            }
            if self.waiting.is_empty() || self.waiting.len() == count {
                return self.waiting.is_empty();
            }
        }
    }

    /// A shape with what is known in the place of its names. `None` where a size in it is none: too
    /// large, zero or less, or a division with a remainder.
    pub fn apply_to_shape(&self, shape: &Shape) -> Option<Shape> {
        let mut all = Vec::new();
        for dimension in &shape.0 {
            match dimension {
                Dimension::Size(size) => all.push(Dimension::Size(self.apply_to_size(size)?)),
                Dimension::Rest(symbol) => match self.rests.get(symbol) {
                    Some(known) => all.extend(known.0.iter().cloned()),
                    None => all.push(dimension.clone()),
                },
            }
        }
        Some(Shape(all))
    }

    fn apply_to_size(&self, size: &Size) -> Option<Size> {
        let size = size.substitute(&|symbol| self.sizes.get(symbol).cloned())?;
        (!is_not_positive(&size) && !size.is_undivided()).then_some(size)
    }

    /// The first size in a type that is none, as [`Solution::apply_to_shape`] finds it.
    pub fn fault<'t>(&self, wanted: &'t Type) -> Option<&'t Size> {
        let Type::Named(_, arguments) = wanted else { return None };
        match arguments {
            Brackets::Any => None,
            Brackets::Shape(shape) => shape.0.iter().find_map(|dimension| match dimension {
                Dimension::Size(size) => self.apply_to_size(size).is_none().then_some(size),
                Dimension::Rest(_) => None,
            }),
            Brackets::Types(types) => types.iter().find_map(|inner| self.fault(inner)),
            Brackets::Function(sides) => sides.iter().find_map(|inner| self.fault(inner)),
        }
    }

    /// A type with what is known beside its names: `Tensor[n = batch, d]`.
    pub fn show(&self, wanted: &Type) -> String {
        let Type::Named(name, Brackets::Shape(shape)) = wanted else { return wanted.to_string() };
        let part = |dimension: &Dimension| {
            let known = self.apply_to_shape(&Shape(vec![dimension.clone()]));
            match (dimension, known.map(|known| known.to_string())) {
                (_, None) => dimension.to_string(),
                (Dimension::Rest(symbol), Some(known)) if known != dimension.to_string() => {
                    format!("..{} = [{known}]", symbol.name)
                }
                (Dimension::Size(_), Some(known)) if known != dimension.to_string() => {
                    format!("{dimension} = {known}")
                }
                (_, Some(known)) => known,
            }
        };
        let parts: Vec<String> = shape.0.iter().map(part).collect();
        format!("{}[{}]", name.text(), parts.join(", "))
    }
}

/// Whether a size is known to be none: zero or less.
fn is_not_positive(size: &Size) -> bool {
    size.as_constant().is_some_and(|value| value <= 0)
}
