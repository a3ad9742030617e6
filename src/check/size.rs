//! Sizes of tensors, partly unknown: polynomials with whole coefficients over symbols.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering as Memory};

use crate::term::objective::{Extent, Product};

/// Products in a sum, and symbols in a product. Sizes of tensors have a few of either; without a
/// limit a product of sums doubles with every factor.
const MOST_PARTS: usize = 32;
const MOST_FACTORS: usize = 8;
/// Divisions within divisions, each of which holds those within it twice.
const MOST_NESTED: u8 = 4;

/// A size that has no number yet. Two symbols are one where they have the same `id`: what they are
/// called is for people.
#[derive(Clone, Debug)]
pub struct Symbol {
    id: u64,
    pub name: Rc<str>,
    pub kind: SymbolKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// A name in a signature, which the arguments of a call decide.
    Pattern,
    /// A size of its own, different from every other: the batch, a name that a define gives to a size
    /// of its tensors.
    Rigid,
    /// A side of the images, which the stage tells.
    Side,
    /// A number that a define is given: each use decides what it is equal to.
    Given,
}

impl Symbol {
    /// A symbol that is no other, whatever their names.
    pub fn fresh(name: &str, kind: SymbolKind) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(Known::COUNT);
        Symbol { id: NEXT.fetch_add(1, Memory::Relaxed), name: name.into(), kind }
    }
}

impl PartialEq for Symbol {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Symbol {}

impl PartialOrd for Symbol {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Symbol {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

/// The symbols that every objective has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Batch,
    Channels,
    /// How many examples a stage trains on.
    Examples,
}

impl Known {
    const COUNT: u64 = 3;

    pub fn symbol(self) -> Symbol {
        let name = match self {
            Known::Batch => "batch",
            Known::Channels => "channels",
            Known::Examples => "examples",
        };
        let kind = match self {
            // How many they are, the encoder says.
            Known::Channels => SymbolKind::Given,
            Known::Batch | Known::Examples => SymbolKind::Rigid,
        };
        Symbol { id: self as u64, name: name.into(), kind }
    }

    pub fn size(self) -> Size {
        Size::symbol(self.symbol())
    }
}

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

    /// `None` where it is too long.
    fn canonical(mut sum: Sum) -> Option<Self> {
        sum.retain(|_, factor| *factor != 0);
        (sum.len() <= MOST_PARTS).then(|| Size(sum.into_iter().collect()))
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

    /// The size as the graph has it: in batches and examples. `None` where it has other names.
    pub fn extent(&self) -> Option<Extent> {
        let [batch, examples] = [Known::Batch, Known::Examples].map(Known::symbol);
        let mut products = Vec::new();
        for (product, factor) in self.0.iter() {
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
        Some(Extent::new(products))
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
            && self
                .symbols()
                .iter()
                .any(|own| own.id < Known::COUNT || own.kind == SymbolKind::Side)
    }

    /// Whether it depends on that.
    pub fn holds(&self, known: Known) -> bool {
        self.symbols().iter().any(|own| own.id == known as u64)
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

    /// Whether it divides exactly what no use of a define decides, such as the batch by two.
    pub fn is_undivided(&self) -> bool {
        self.factors().any(|factor| match factor {
            Factor::Quotient(_, Rounding::Exact) => !factor.is_given(),
            _ => false,
        })
    }

    /// Whether views and arguments may make it a number of batches and examples: those are divided
    /// by nothing, or by what sizes of the views may go into.
    pub fn is_counted(&self) -> bool {
        let [batch, examples] = [Known::Batch, Known::Examples];
        self.factors().all(|factor| match factor {
            Factor::Symbol(_) => true,
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

    /// The size with what `known` tells in the place of symbols. `None` where that is no size.
    pub fn substitute(&self, known: &impl Fn(&Symbol) -> Option<Size>) -> Option<Size> {
        // Most sizes are a number or a symbol.
        if self.as_constant().is_some() {
            return Some(self.clone());
        }
        if let Some(symbol) = self.as_symbol() {
            return Some(known(symbol).unwrap_or_else(|| self.clone()));
        }
        let mut total = Size::default();
        for (product, factor) in self.0.iter() {
            let mut part = Size::constant(*factor);
            for own in product {
                let by = match own {
                    Factor::Symbol(symbol) => {
                        known(symbol).unwrap_or_else(|| Size::symbol(symbol.clone()))
                    }
                    Factor::Quotient(parts, rounding) => {
                        let (above, below) = (&parts.0, &parts.1);
                        let [above, below] = [above.substitute(known)?, below.substitute(known)?];
                        above.divide(&below, *rounding)?
                    }
                };
                part = part.multiply(&by)?;
            }
            total = total.add(&part, 1)?;
        }
        Some(total)
    }

    /// Whether it is the size `other`, all sizes being positive.
    ///
    /// What no use decides, such as the batch, is the same in every use, and so the two are equal
    /// only where what stands beside each product of it is.
    pub fn relation(&self, other: &Size) -> Relation {
        if self == other {
            return Relation::Equal;
        }
        let Some(difference) = self.add(other, -1) else { return Relation::Different };
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

    /// `None` where the numbers grow out of range, or the sum too long.
    pub fn add(&self, other: &Size, sign: i64) -> Option<Size> {
        let mut sum: Sum = self.0.iter().cloned().collect();
        for (product, factor) in other.0.iter() {
            let entry = sum.entry(product.clone()).or_insert(0);
            *entry = entry.checked_add(factor.checked_mul(sign)?)?;
        }
        Size::canonical(sum)
    }

    /// `None` where the numbers grow out of range, or the product too long.
    pub fn multiply(&self, other: &Size) -> Option<Size> {
        let mut total = Sum::new();
        for (product, factor) in self.0.iter() {
            for (others, other_factor) in other.0.iter() {
                let mut product = [product.as_slice(), others].concat();
                product.sort();
                if product.len() > MOST_FACTORS {
                    return None;
                }
                let entry = total.entry(product).or_insert(0);
                *entry = entry.checked_add(factor.checked_mul(*other_factor)?)?;
            }
        }
        Size::canonical(total)
    }

    /// `None` where nothing can be divided so: by zero, or with a remainder where there may be none.
    pub fn divide(&self, other: &Size, rounding: Rounding) -> Option<Size> {
        if self == other && !self.0.is_empty() {
            return Some(Size::constant(1));
        }
        if let Some(quotient) = self.divide_exactly(other) {
            return Some(quotient);
        }
        match (self.as_constant(), other.as_constant(), rounding) {
            (_, Some(0), _) | (Some(_), Some(_), Rounding::Exact) => None,
            (Some(above), Some(below), Rounding::Floor) => {
                Some(Size::constant(above.checked_div_euclid(below)?))
            }
            // What is no number yet is divided when it is one.
            _ => {
                if self.nesting().max(other.nesting()) >= MOST_NESTED {
                    return None;
                }
                let quotient = Factor::Quotient(Rc::new((self.clone(), other.clone())), rounding);
                Some(Size(Rc::new([(vec![quotient], 1)])))
            }
        }
    }

    /// How many divisions stand within each other in it.
    fn nesting(&self) -> u8 {
        let nesting = self.factors().map(|factor| match factor {
            Factor::Symbol(_) => 0,
            Factor::Quotient(parts, _) => 1 + parts.0.nesting().max(parts.1.nesting()),
        });
        nesting.max().unwrap_or(0)
    }

    /// The quotient, where this size is a product of it and `other`: long division, of the leading
    /// product by that of `other`, until nothing is left.
    fn divide_exactly(&self, other: &Size) -> Option<Size> {
        let (divisor, by) = other.leading()?;
        let (mut left, mut quotient) = (self.clone(), Size::default());
        while let Some((product, factor)) = left.leading() {
            let mut product = product.clone();
            for own in divisor {
                product.remove(product.iter().position(|other| other == own)?);
            }
            // Unchecked, the least number divided by minus one would overflow.
            if factor.checked_rem(*by)? != 0 {
                return None;
            }
            let part = Size(Rc::new([(product, factor.checked_div(*by)?)]));
            left = left.add(&part.multiply(other)?, -1)?;
            quotient = quotient.add(&part, 1)?;
        }
        Some(quotient)
    }

    /// The product of most factors, the last of several: an order that products keep when they are
    /// multiplied by one more.
    fn leading(&self) -> Option<&(Vec<Factor>, i64)> {
        self.0.iter().max_by_key(|(product, _)| (product.len(), product))
    }

    /// Solves `self = found` for the only symbol of a pattern in it. `None` where there are several,
    /// or it stands in a product with itself or under a division.
    pub fn solve(&self, found: &Size) -> Option<(Symbol, Size)> {
        if let Some(symbol) = self.as_symbol() {
            let is_wanted = symbol.kind == SymbolKind::Pattern;
            return is_wanted.then(|| (symbol.clone(), found.clone()));
        }
        let patterns = self.patterns();
        let [wanted] = patterns.as_slice() else { return None };
        let own = Factor::Symbol((*wanted).clone());
        let (mut scale, mut rest) = (Sum::new(), Sum::new());
        for (product, factor) in self.0.iter() {
            match product.iter().position(|factor| *factor == own) {
                Some(position) => {
                    let mut product = product.clone();
                    product.remove(position);
                    scale.insert(product, *factor);
                }
                None => {
                    rest.insert(product.clone(), *factor);
                }
            }
        }
        let [scale, rest] = [Size::canonical(scale)?, Size::canonical(rest)?];
        if [&scale, &rest].iter().any(|part| part.has(SymbolKind::Pattern)) {
            return None;
        }
        let solved = found.add(&rest, -1)?.divide(&scale, Rounding::Exact)?;
        Some(((*wanted).clone(), solved))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
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
        // A divisor of several factors, like a sum, would be read apart.
        let part = |size: &Size, is_divisor: bool| {
            let factors = |(product, factor): &(Vec<Factor>, i64)| {
                product.len() + usize::from(product.is_empty() || *factor != 1)
            };
            let is_one =
                size.0.len() < 2 && !(is_divisor && size.0.iter().map(factors).sum::<usize>() > 1);
            if is_one { size.to_string() } else { format!("({size})") }
        };
        match self {
            Factor::Symbol(symbol) => f.write_str(&symbol.name),
            Factor::Quotient(parts, rounding) => {
                let quotient = format!("{} / {}", part(&parts.0, false), part(&parts.1, true));
                match rounding {
                    Rounding::Exact => write!(f, "({quotient})"),
                    Rounding::Floor => write!(f, "floor({quotient})"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sizes_are_equal_values() {
        let (n, two) = (Size::batch(), Size::constant(2));
        let doubled = n.add(&n, 1).unwrap();
        assert_eq!(doubled, n.multiply(&two).unwrap());
        assert_eq!(doubled.divide(&two, Rounding::Exact).unwrap(), n);
        assert_eq!(doubled.divide(&n, Rounding::Exact).unwrap(), two);
        assert_eq!(doubled.add(&doubled, -1).unwrap().as_constant(), Some(0));
        assert_eq!(doubled.add(&two, 1).unwrap().to_string(), "2 * batch + 2");
        assert_eq!(doubled.add(&two, 1).unwrap().extent().unwrap().to_string(), "2 batch + 2");
    }

    #[test]
    fn divisions_wait_for_numbers() {
        let seven = Size::constant(7);
        let n = Symbol::fresh("n", SymbolKind::Given);
        let (size, two) = (Size::symbol(n.clone()), Size::constant(2));
        assert_eq!(seven.divide(&two, Rounding::Exact), None);
        assert_eq!(seven.divide(&two, Rounding::Floor), Some(Size::constant(3)));
        assert_eq!(seven.divide(&Size::constant(0), Rounding::Floor), None);
        let half = size.divide(&two, Rounding::Floor).unwrap();
        assert_eq!(half.to_string(), "floor(n / 2)");
        assert_eq!(half.substitute(&|_| Some(seven.clone())), Some(Size::constant(3)));
        let half = size.divide(&two, Rounding::Exact).unwrap();
        assert_eq!(half.substitute(&|_| Some(seven.clone())), None);
        assert_eq!(half.substitute(&|_| Some(Size::constant(8))), Some(Size::constant(4)));
        let sum = size.add(&two, 1).unwrap();
        assert_eq!(sum.divide(&sum, Rounding::Exact), Some(Size::constant(1)));
        let twice = sum.add(&two, 1).unwrap();
        let [a, b] = ["a", "b"].map(|name| Size::fresh(name, SymbolKind::Rigid));
        let sums = [a.add(&two, 1).unwrap(), a.add(&b, -1).unwrap()];
        let product = sums[0].multiply(&sums[1]).unwrap();
        assert_eq!(product.divide(&sums[0], Rounding::Exact), Some(sums[1].clone()));
        assert_eq!(product.divide(&sums[1], Rounding::Exact), Some(sums[0].clone()));
        assert!(product.divide(&b, Rounding::Exact).unwrap().is_undivided());
        assert_eq!(sum.divide(&twice, Rounding::Exact).unwrap().to_string(), "((n + 2) / (n + 4))");
    }

    #[test]
    fn positive_sizes_are_told_apart() {
        let [n, m] = [(); 2].map(|()| Size::fresh("n", SymbolKind::Rigid));
        let [p, q] = [(); 2].map(|()| Size::fresh("p", SymbolKind::Given));
        let double = |size: &Size| size.add(size, 1).unwrap();
        assert_eq!(n.relation(&n), Relation::Equal);
        assert_eq!(n.relation(&m), Relation::Different);
        assert_eq!(p.relation(&q), Relation::Open);
        assert_eq!(n.relation(&p), Relation::Different);
        assert_eq!(n.multiply(&p).unwrap().relation(&double(&n)), Relation::Open);
        assert_eq!(n.add(&p, 1).unwrap().relation(&double(&n)), Relation::Different);
        assert_eq!(p.relation(&Size::constant(8)), Relation::Open);
        assert_eq!(p.relation(&double(&p)), Relation::Different);
        assert_eq!(n.relation(&Size::constant(8)), Relation::Different);
    }

    #[test]
    fn one_symbol_is_solved_for() {
        let pattern = Size::fresh("n", SymbolKind::Pattern);
        let other = Size::fresh("m", SymbolKind::Pattern);
        let twice_and_one = pattern.add(&pattern, 1).unwrap().add(&Size::constant(1), 1).unwrap();
        let solved = |pattern: &Size, found: &Size| pattern.solve(found).map(|(_, size)| size);
        assert_eq!(solved(&twice_and_one, &Size::constant(9)), Some(Size::constant(4)));
        assert_eq!(solved(&twice_and_one, &Size::constant(8)), None);
        let batches = Size::batch().multiply(&Size::constant(6)).unwrap();
        let found = batches.add(&Size::constant(1), 1).unwrap();
        assert_eq!(solved(&twice_and_one, &found).unwrap().to_string(), "3 * batch");
        assert_eq!(solved(&pattern.add(&other, 1).unwrap(), &found), None);
        let given = Size::fresh("k", SymbolKind::Given);
        let times = given.add(&Size::constant(2), 1).unwrap();
        let found = Size::batch().multiply(&times).unwrap();
        assert_eq!(solved(&pattern.multiply(&times).unwrap(), &found), Some(Size::batch()));
        assert_eq!(solved(&pattern.multiply(&pattern).unwrap(), &found), None);
    }

    #[test]
    fn overflow_is_noticed() {
        let huge = Size::constant(i64::MAX);
        assert_eq!(huge.multiply(&huge), None);
        assert_eq!(huge.add(&huge, 1), None);
        assert_eq!(Size::constant(i64::MIN).divide(&Size::constant(-1), Rounding::Exact), None);
    }

    #[test]
    fn sizes_stay_short() {
        let parts = (0..MOST_PARTS).map(|_| Size::fresh("a", SymbolKind::Rigid));
        let sum = parts.reduce(|sum, part| sum.add(&part, 1).unwrap()).unwrap();
        assert_eq!(sum.add(&Size::batch(), 1), None);
        assert_eq!(sum.multiply(&sum), None);
        let power = (1..MOST_FACTORS)
            .fold(Size::batch(), |power, _| power.multiply(&Size::batch()).unwrap());
        assert_eq!(power.multiply(&Size::batch()), None);
    }
}
