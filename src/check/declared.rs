//! Sizes that signatures declare, for calls whose arguments are known.

use super::signature::TypedSignature;
use super::size::Size;
use super::types::TypeName;
use super::unify::Solution;
use crate::resolve::{self, declaration};
use crate::term::{Call, Part, Share, Split, Term, sampled};

/// The first size of the part called `part` in the result of a call: of `Feature` the number of
/// features that an encoder yields, of `Label` the number of a dataset's classes.
pub fn declared_size(call: &Call, part: &str) -> Option<usize> {
    declared_sizes(call, part)?.into_iter().next()
}

/// The number of a dataset's classes: one where it has no labels.
pub fn declared_classes(dataset: &Call) -> Option<usize> {
    let signature = TypedSignature::read(declaration(&dataset.name)?.signature());
    match signature.result.part(TypeName::Label) {
        Some(_) => declared_size(dataset, "Label"),
        None => Some(1),
    }
}

/// How many examples a split has, where its dataset says so before it is loaded.
pub fn examples_of(split: &Split) -> Option<usize> {
    taken(&split.dataset, split.part, declared_classes(&split.dataset), split.share())
}

/// The same, or where only labels tell it, a number that it is not above and near to.
pub fn examples_at_most(split: &Split) -> Option<usize> {
    examples_of(split).or_else(|| {
        let all = resolve::examples(&split.dataset, split.part)?;
        let classes = declared_classes(&split.dataset)?;
        let Share { percent, each } = split.share();
        let of_all = (all as f64 * percent / 100.0).ceil() as usize + classes;
        Some(each.map_or(of_all, |each| each.saturating_mul(classes)).min(all))
    })
}

/// How many examples a share takes of a part of a dataset of so many classes. Of a sample it is known
/// where all classes have as many: the fact `even`.
pub(super) fn taken(
    dataset: &Call,
    part: Part,
    classes: Option<usize>,
    share: Share,
) -> Option<usize> {
    let all = resolve::examples(dataset, part)?;
    if share.is_whole() {
        return Some(all);
    }
    let is_even = declaration(&dataset.name)?.is("even");
    is_even.then_some(sampled(all, classes?, share))
}

/// Every size of that part: of `Image` channels, height and width.
pub fn declared_sizes(call: &Call, part: &str) -> Option<Vec<usize>> {
    let signature = TypedSignature::read(declaration(&call.name)?.signature());
    let mut solution = Solution::default();
    for (name, term) in &call.args.0 {
        if let (Some(symbol), Term::Int(value)) = (signature.symbol(name), term) {
            solution.give(symbol, &Size::constant(*value));
        }
    }
    let shape = solution.apply_to_shape(signature.result.part(TypeName::parse(part)?)?)?;
    let sizes = shape.sizes()?.into_iter();
    sizes.map(|size| usize::try_from(size.as_constant()?).ok()).collect()
}
