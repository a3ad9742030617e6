//! Sums, products, quotients and equations of sizes.

use std::rc::Rc;

use super::{Factor, Rounding, Size, Sum, Symbol, SymbolKind};

/// Products in a sum, and symbols in a product. Sizes of tensors have a few of either; without a
/// limit a product of sums doubles with every factor.
pub(super) const MOST_PARTS: usize = 32;
pub(super) const MOST_FACTORS: usize = 8;
/// Divisions within divisions, each of which holds those within it twice.
const MOST_NESTED: u8 = 4;

impl Size {
    /// `None` where it is too long.
    pub(super) fn canonical(mut sum: Sum) -> Option<Self> {
        sum.retain(|_, factor| *factor != 0);
        let size = (sum.len() <= MOST_PARTS).then(|| Size(sum.into_iter().collect()))?;
        // Two halves are a whole.
        if !size.0.iter().any(|(product, _)| is_shared(product)) {
            return Some(size);
        }
        let (above, below) = size.fraction()?;
        Size::over(&above, below)
    }

    /// The least numerator and denominator of what is divided exactly by numbers; what is divided by
    /// sizes stays as it is.
    pub(super) fn fraction(&self) -> Option<(Size, i64)> {
        let (mut above, mut below) = (Size::default(), 1);
        for (product, factor) in self.0.iter() {
            let (mut own, mut by) = (Size::constant(*factor), 1_i64);
            if is_shared(product) {
                for factor in product {
                    let part = factor.divided();
                    own = own.multiply(part.map_or(&Size::quotient(factor), |(above, _)| above))?;
                    by = by.checked_mul(part.map_or(1, |(_, below)| below))?;
                }
            } else {
                own = Size([(product.clone(), *factor)].into());
            }
            let common = gcd(below, by);
            above = above.scaled(by / common)?.add(&own.scaled(below / common)?, 1)?;
            below = (below / common).checked_mul(by)?;
        }
        let common = gcd(below, above.content());
        Some((above.each(|factor| factor / common), below / common))
    }

    /// A quotient by a number: what of the sum is a multiple of it is divided. `None` where it is
    /// none, a number that leaves a rest, and where it would be too long or too deep.
    fn over(above: &Size, below: i64) -> Option<Size> {
        let (whole, rest): (Sum, Sum) =
            above.0.iter().cloned().partition(|(_, factor)| factor % below == 0);
        let whole = Size(whole.into_iter().collect()).each(|factor| factor / below);
        let rest = Size(rest.into_iter().collect());
        if rest.0.is_empty() {
            return Some(whole);
        }
        if rest.as_constant().is_some() || rest.nesting() >= MOST_NESTED {
            return None;
        }
        let common = gcd(below, rest.content());
        let (rest, below) = (rest.each(|factor| factor / common), below / common);
        let parts = Rc::new((rest, Size::constant(below)));
        let mut sum: Sum = whole.0.iter().cloned().collect();
        sum.insert(vec![Factor::Quotient(parts, Rounding::Exact)], 1);
        (sum.len() <= MOST_PARTS).then(|| Size(sum.into_iter().collect()))
    }

    /// The greatest number that divides all of it; one of nothing.
    fn content(&self) -> i64 {
        self.0.iter().map(|(_, factor)| *factor).reduce(gcd).map_or(1, |own| gcd(own, 0))
    }

    fn scaled(&self, by: i64) -> Option<Size> {
        self.multiply(&Size::constant(by))
    }

    /// With other numbers before its products, of which none is zero.
    fn each(&self, change: impl Fn(i64) -> i64) -> Size {
        Size(self.0.iter().map(|(product, factor)| (product.clone(), change(*factor))).collect())
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
        if let Some((above, below)) = self.quotient_of(other)
            && (rounding == Rounding::Exact || above.content() % below == 0)
            && let Some(quotient) = Size::over(&above, below)
        {
            return Some(quotient);
        }
        match (self.as_constant(), other.as_constant(), rounding) {
            (_, Some(0), _) | (_, Some(_), Rounding::Exact) => None,
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

    /// The numerator and the denominator of the quotient, where this is a number.
    fn quotient_of(&self, other: &Size) -> Option<(Size, i64)> {
        let ((above, by), (below, times)) = (self.fraction()?, other.fraction()?);
        let content = below.content();
        let quotient = above.divide_exactly(&below.each(|factor| factor / content))?;
        Some((quotient.scaled(times)?, by.checked_mul(content)?))
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
        let (own, divisor) = self.fraction()?;
        if divisor != 1 {
            return own.solve(&found.scaled(divisor)?);
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

/// Whether something is divided in a product by a number. Sides of views are divided each by itself.
fn is_shared(product: &[Factor]) -> bool {
    let is_divided = product.iter().any(|own| own.divided().is_some());
    is_divided && !product.iter().any(Factor::is_of_views)
}

/// The greatest number that divides both, which is positive; one of nothing.
fn gcd(mut one: i64, mut other: i64) -> i64 {
    while other != 0 {
        (one, other) = (other, one.wrapping_rem(other));
    }
    one.checked_abs().filter(|own| *own != 0).unwrap_or(1)
}
