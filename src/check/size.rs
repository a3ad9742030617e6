//! Sizes of tensors, partly unknown: polynomials with whole coefficients over named sizes.

use std::collections::BTreeMap;
use std::fmt;

/// The name under which the size of a batch appears in shapes.
pub const BATCH: &str = "batch";

/// Products in a sum, and names in a product. Sizes of tensors have a few of either; without a limit
/// a product of sums doubles with every factor.
const MOST_PARTS: usize = 32;
const MOST_NAMES: usize = 8;

/// A sum of products of names, in canonical form: equal sizes are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(BTreeMap<Vec<String>, i64>);

impl Size {
    pub fn constant(value: i64) -> Self {
        Size(BTreeMap::from([(Vec::new(), value)])).canonical()
    }

    pub fn symbol(name: &str) -> Self {
        Size(BTreeMap::from([(vec![name.to_owned()], 1)]))
    }

    pub fn batch() -> Self {
        Size::symbol(BATCH)
    }

    fn canonical(mut self) -> Self {
        self.0.retain(|_, factor| *factor != 0);
        self
    }

    /// The number, where no name is left in it.
    pub fn as_constant(&self) -> Option<i64> {
        match self.0.len() {
            0 => Some(0),
            1 => self.0.get(&Vec::new()).copied(),
            _ => None,
        }
    }

    /// `(scale, constant)` where the size is `scale * batch + constant`.
    pub fn in_batches(&self) -> Option<(i64, i64)> {
        let mut parts = (0, 0);
        for (names, factor) in &self.0 {
            match names.as_slice() {
                [] => parts.1 = *factor,
                [name] if name == BATCH => parts.0 = *factor,
                _ => return None,
            }
        }
        Some(parts)
    }

    /// The size with a number in the place of a name.
    pub fn substitute(&self, name: &str, value: i64) -> Option<Size> {
        let mut total = Size::default();
        for (names, factor) in &self.0 {
            let mut part = Size::constant(*factor);
            for own in names {
                let by = if own == name { Size::constant(value) } else { Size::symbol(own) };
                part = part.multiply(&by)?;
            }
            total = total.add(&part, 1)?;
        }
        Some(total)
    }

    /// `None` where the numbers grow out of range, or the sum too long.
    pub fn add(&self, other: &Size, sign: i64) -> Option<Size> {
        let mut sum = self.clone();
        for (names, factor) in &other.0 {
            let entry = sum.0.entry(names.clone()).or_insert(0);
            *entry = entry.checked_add(factor.checked_mul(sign)?)?;
        }
        Some(sum.canonical()).filter(|sum| sum.0.len() <= MOST_PARTS)
    }

    /// `None` where the numbers grow out of range, or the product too long.
    pub fn multiply(&self, other: &Size) -> Option<Size> {
        let mut product = Size::default();
        for (names, factor) in &self.0 {
            for (others, other_factor) in &other.0 {
                let mut names = [names.as_slice(), others].concat();
                names.sort();
                if names.len() > MOST_NAMES {
                    return None;
                }
                let entry = product.0.entry(names).or_insert(0);
                *entry = entry.checked_add(factor.checked_mul(*other_factor)?)?;
            }
        }
        Some(product.canonical()).filter(|product| product.0.len() <= MOST_PARTS)
    }

    /// Exact division by a number; `None` where something is left over.
    pub fn divide(&self, other: &Size) -> Option<Size> {
        let divisor = other.as_constant().filter(|divisor| *divisor != 0)?;
        let divide = |(names, factor): (&Vec<String>, &i64)| {
            // Unchecked, the least number divided by minus one would overflow.
            let exact = factor.checked_rem(divisor)? == 0;
            Some((names.clone(), factor.checked_div(divisor).filter(|_| exact)?))
        };
        self.0.iter().map(divide).collect::<Option<_>>().map(Size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        // Constants last, as people write them.
        for (index, (names, factor)) in self.0.iter().rev().enumerate() {
            let sign = match (index, *factor < 0) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            };
            let magnitude = factor.unsigned_abs();
            match (names.is_empty(), magnitude) {
                (true, _) => write!(f, "{sign}{magnitude}")?,
                (false, 1) => write!(f, "{sign}{}", names.join(" * "))?,
                (false, _) => write!(f, "{sign}{magnitude} * {}", names.join(" * "))?,
            }
        }
        Ok(())
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
        assert_eq!(doubled.divide(&two).unwrap(), n);
        assert_eq!(doubled.add(&doubled, -1).unwrap().as_constant(), Some(0));
        assert_eq!(doubled.add(&two, 1).unwrap().to_string(), "2 * batch + 2");
        assert_eq!(doubled.add(&two, 1).unwrap().in_batches(), Some((2, 2)));
        assert_eq!(n.divide(&two), None);
    }

    #[test]
    fn overflow_is_noticed() {
        let huge = Size::constant(i64::MAX);
        assert_eq!(huge.multiply(&huge), None);
        assert_eq!(huge.add(&huge, 1), None);
        assert_eq!(Size::constant(i64::MIN).divide(&Size::constant(-1)), None);
    }

    #[test]
    fn sizes_stay_short() {
        let names = (0..MOST_PARTS).map(|index| Size::symbol(&format!("a{index}")));
        let sum = names.reduce(|sum, name| sum.add(&name, 1).unwrap()).unwrap();
        assert_eq!(sum.add(&Size::batch(), 1), None);
        assert_eq!(sum.multiply(&sum), None);
        let power =
            (1..MOST_NAMES).fold(Size::batch(), |power, _| power.multiply(&Size::batch()).unwrap());
        assert_eq!(power.multiply(&Size::batch()), None);
    }
}
