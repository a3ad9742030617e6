//! Sizes of tensors, partly unknown: polynomials with whole coefficients over symbols.

mod arithmetic;
mod symbol;
#[cfg(test)]
mod tests;

pub use symbol::{Known, Symbol, SymbolKind};

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::term::objective::{Extent, Product};

/// A factor of a product.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Factor {
    Symbol(Symbol),
    /// A division that only numbers decide.
    Quotient(Rc<(Size, Size)>, Rounding),
}

/// What a division does with a remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rounding {
    /// There is none, or there is no such size.
    Exact,
    /// It is left out.
    Floor,
}

/// Why a size is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeFault {
    Large,
    /// A division leaves something over.
    Rest,
    /// It is divided by nothing.
    Zero,
}

/// How two sizes are to each other; of several pairs, the greatest holds for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    Equal,
    /// The use of the define decides it.
    Open,
    Different,
}

/// A sum of products, in canonical form: equal sizes are equal values. A check makes thousands and
/// copies most, so that a copy is one more owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(Rc<[(Vec<Factor>, i64)]>);

/// A sum that is being made: its products, each with its number.
type Sum = BTreeMap<Vec<Factor>, i64>;

impl Size {
    pub fn constant(value: i64) -> Self {
        match value {
            0 => Size::default(),
            _ => Size(Rc::new([(Vec::new(), value)])),
        }
    }

    pub fn symbol(symbol: Symbol) -> Self {
        Size(Rc::new([(vec![Factor::Symbol(symbol)], 1)]))
    }

    /// A size that is no other, whatever their names.
    pub fn fresh(name: &str, kind: SymbolKind) -> Self {
        Size::symbol(Symbol::fresh(name, kind))
    }

    pub fn batch() -> Self {
        Known::Batch.size()
    }

    /// The number, where no symbol is left in it.
    pub fn as_constant(&self) -> Option<i64> {
        match &*self.0 {
            [] => Some(0),
            [(product, factor)] if product.is_empty() => Some(*factor),
            _ => None,
        }
    }

    /// The symbol, where it is nothing else.
    fn as_symbol(&self) -> Option<&Symbol> {
        match &*self.0 {
            [(product, 1)] => match product.as_slice() {
                [Factor::Symbol(symbol)] => Some(symbol),
                _ => None,
            },
            _ => None,
        }
    }

    /// `batch / 4`, where it is nothing but a quotient.
    fn as_quotient(&self) -> Option<String> {
        let [(product, 1)] = &*self.0 else { return None };
        let [Factor::Quotient(parts, Rounding::Exact)] = product.as_slice() else { return None };
        Some(Factor::quotient(parts))
    }

    /// The size as the graph has it: in batches and examples. `None` where it has other names.
    pub fn extent(&self) -> Option<Extent> {
        let [batch, examples] = [Known::Batch, Known::Examples].map(Known::symbol);
        let (above, divisor) = self.fraction()?;
        let mut products = Vec::new();
        for (product, factor) in above.0.iter() {
            let mut part = Product { factor: *factor, batch: 0, examples: 0 };
            for own in product {
                match own {
                    Factor::Symbol(symbol) if *symbol == batch => part.batch += 1,
                    Factor::Symbol(symbol) if *symbol == examples => part.examples += 1,
                    _ => return None,
                }
            }
            products.push(part);
        }
        Some(Extent::divided(products, divisor))
    }

    /// The factors of all its products.
    fn factors(&self) -> impl Iterator<Item = &Factor> {
        self.0.iter().flat_map(|(product, _)| product)
    }

    /// The symbols in it.
    pub fn symbols(&self) -> Vec<&Symbol> {
        let mut all = Vec::new();
        let mut waiting = vec![self];
        while let Some(size) = waiting.pop() {
            for factor in size.factors() {
                match factor {
                    Factor::Symbol(symbol) => all.push(symbol),
                    Factor::Quotient(parts, _) => waiting.extend([&parts.0, &parts.1]),
                }
            }
        }
        all
    }

    /// The names of a signature in it, each once.
    pub fn patterns(&self) -> Vec<&Symbol> {
        let all = self.symbols().into_iter().filter(|own| own.kind == SymbolKind::Pattern);
        let mut patterns: Vec<&Symbol> = all.collect();
        patterns.sort();
        patterns.dedup();
        patterns
    }

    /// Whether it is a number that only the run knows: of the batch, or of a side of its views.
    pub fn is_open(&self) -> bool {
        self.as_constant().is_none()
            && self.symbols().iter().any(|own| own.is_known() || own.kind == SymbolKind::Side)
    }

    /// Whether it depends on that.
    pub fn holds(&self, known: Known) -> bool {
        self.symbols().iter().any(|own| **own == known.symbol())
    }

    /// Whether it is less than one for some batches, examples or views: something is taken away, or
    /// divided.
    pub fn may_be_none(&self) -> bool {
        let is_less = self.0.iter().any(|(_, factor)| *factor < 0);
        let is_divided = self.factors().any(|own| matches!(own, Factor::Quotient(..)));
        self.is_open() && (is_less || is_divided || self.has(SymbolKind::Side))
    }

    pub fn has(&self, kind: SymbolKind) -> bool {
        self.symbols().iter().any(|symbol| symbol.kind == kind)
    }

    /// Whether it divides exactly what neither a use of a define nor its stage decides, such as the
    /// side of a view by two. The batch and the examples by a number are settled with the stage.
    pub fn is_undivided(&self) -> bool {
        self.factors().any(|factor| match factor {
            Factor::Quotient(_, Rounding::Exact) => !factor.is_given() && !factor.is_of_stage(),
            _ => false,
        })
    }

    /// Whether it divides exactly the batch or the examples, by a number.
    pub fn is_share(&self) -> bool {
        self.factors().any(Factor::is_of_stage)
    }

    /// Whether views and arguments may make it a number of batches and examples: those are divided
    /// by numbers alone, or by what sizes of the views may go into.
    pub fn is_counted(&self) -> bool {
        let [batch, examples] = [Known::Batch, Known::Examples];
        self.factors().all(|factor| match factor {
            Factor::Symbol(_) => true,
            Factor::Quotient(..) if factor.is_of_stage() => true,
            Factor::Quotient(parts, _) => {
                let is_fixed = |part: &Size| !part.holds(batch) && !part.holds(examples);
                is_fixed(&parts.1) && (is_fixed(&parts.0) || parts.0.has(SymbolKind::Side))
            }
        })
    }

    /// Why it is no number, those being known.
    pub fn fault(&self, known: &impl Fn(&Symbol) -> Option<Size>) -> Option<SizeFault> {
        if self.substitute(known).is_some() {
            return None;
        }
        let inner = self.factors().find_map(|factor| {
            let Factor::Quotient(parts, _) = factor else { return None };
            let (above, below) = (&parts.0, &parts.1);
            let inner = above.fault(known).or_else(|| below.fault(known));
            inner.or_else(|| match below.substitute(known)?.as_constant() {
                Some(0) => Some(SizeFault::Zero),
                // A quotient of numbers is large only where the product of it is.
                _ => Size::quotient(factor).substitute(known).is_none().then_some(SizeFault::Rest),
            })
        });
        Some(inner.unwrap_or(SizeFault::Large))
    }

    fn quotient(factor: &Factor) -> Size {
        Size(Rc::new([(vec![factor.clone()], 1)]))
    }

    /// Whether it is the size `other`, all sizes being positive.
    ///
    /// What no use decides, such as the batch, is the same in every use, and so the two are equal
    /// only where what stands beside each product of it is.
    pub fn relation(&self, other: &Size) -> Relation {
        if self == other {
            return Relation::Equal;
        }
        let difference = self.add(other, -1).and_then(|difference| difference.fraction());
        let Some((difference, _)) = difference else { return Relation::Different };
        let mut beside: BTreeMap<Vec<&Factor>, Vec<(bool, i64)>> = BTreeMap::new();
        for (product, factor) in difference.0.iter() {
            let (given, fixed): (Vec<_>, Vec<_>) = product.iter().partition(|own| own.is_given());
            beside.entry(fixed).or_default().push((!given.is_empty(), *factor));
        }
        let is_open = |parts: &Vec<(bool, i64)>| {
            let has_given = parts.iter().any(|(is_given, _)| *is_given);
            let positive = parts.iter().filter(|(_, factor)| *factor > 0).count();
            has_given && positive > 0 && positive < parts.len()
        };
        if beside.values().all(is_open) { Relation::Open } else { Relation::Different }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        if let Some(quotient) = self.as_quotient() {
            return f.write_str(&quotient);
        }
        // Constants last, as people write them.
        for (index, (product, factor)) in self.0.iter().rev().enumerate() {
            let sign = match (index, *factor < 0) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            };
            let magnitude = factor.unsigned_abs();
            let factors: Vec<String> = product.iter().map(Factor::to_string).collect();
            match (product.is_empty(), magnitude) {
                (true, _) => write!(f, "{sign}{magnitude}")?,
                (false, 1) => write!(f, "{sign}{}", factors.join(" * "))?,
                (false, _) => write!(f, "{sign}{magnitude} * {}", factors.join(" * "))?,
            }
        }
        Ok(())
    }
}

impl Factor {
    /// What is divided exactly by which number.
    fn divided(&self) -> Option<(&Size, i64)> {
        match self {
            Factor::Quotient(parts, Rounding::Exact) => Some((&parts.0, parts.1.as_constant()?)),
            _ => None,
        }
    }

    fn is_of_views(&self) -> bool {
        match self {
            Factor::Symbol(symbol) => symbol.kind == SymbolKind::Side,
            Factor::Quotient(parts, _) => {
                parts.0.has(SymbolKind::Side) || parts.1.has(SymbolKind::Side)
            }
        }
    }

    /// Whether the stage decides it: the batch or the examples, divided exactly by a number.
    fn is_of_stage(&self) -> bool {
        let [batch, examples] = [Known::Batch, Known::Examples].map(Known::symbol);
        self.divided().is_some_and(|(above, _)| {
            above.symbols().into_iter().all(|own| [&batch, &examples].contains(&own))
                && above.extent().is_some()
        })
    }

    /// `batch / 4`, `(batch + 2) / 4`
    fn quotient(parts: &(Size, Size)) -> String {
        // A divisor of several factors, like a sum, would be read apart.
        let part = |size: &Size, is_divisor: bool| {
            let factors = |(product, factor): &(Vec<Factor>, i64)| {
                product.len() + usize::from(product.is_empty() || *factor != 1)
            };
            let is_one = size.0.len() < 2
                && size.as_quotient().is_none()
                && !(is_divisor && size.0.iter().map(factors).sum::<usize>() > 1);
            if is_one { size.to_string() } else { format!("({size})") }
        };
        format!("{} / {}", part(&parts.0, false), part(&parts.1, true))
    }

    /// Whether each use of a define decides it.
    fn is_given(&self) -> bool {
        match self {
            Factor::Symbol(symbol) => symbol.kind == SymbolKind::Given,
            Factor::Quotient(parts, _) => {
                parts.0.has(SymbolKind::Given) || parts.1.has(SymbolKind::Given)
            }
        }
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Factor::Symbol(symbol) => f.write_str(&symbol.name),
            Factor::Quotient(parts, rounding) => {
                let quotient = Factor::quotient(parts);
                match rounding {
                    Rounding::Exact => write!(f, "({quotient})"),
                    Rounding::Floor => write!(f, "floor({quotient})"),
                }
            }
        }
    }
}
