//! Sizes that signatures declare, for calls whose arguments are known.

use super::size::Size;
use super::types::{Sizes, inner, sizes_of};
use crate::resolve::declaration;
use crate::term::{Call, Term};

/// The first size of the part called `part` in the result of a call: of `Feature` the number of
/// features that an encoder yields, of `Label` the number of a dataset's classes.
pub fn declared_size(call: &Call, part: &str) -> Option<usize> {
    declared_sizes(call, part)?.into_iter().next()
}

/// Every size of that part: of `Image` channels, height and width.
pub fn declared_sizes(call: &Call, part: &str) -> Option<Vec<usize>> {
    let signature = declaration(&call.name)?.signature();
    let number = |(name, term): (&String, &Term)| match term {
        Term::Int(value) => Some((name.clone(), Size::constant(*value))),
        _ => None,
    };
    let sizes: Sizes = call.args.0.iter().filter_map(number).collect();
    let sizes = sizes_of(inner(&signature.result, part)?, &sizes);
    sizes.iter().map(|size| usize::try_from(size.as_constant()?).ok()).collect()
}
