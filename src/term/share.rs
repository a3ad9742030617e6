//! Sizes of samples and epochs: one rule for the checker, which counts, and for the run, which draws.

use std::fmt;

/// What a sample takes of each class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// 100 where all is taken.
    pub percent: f64,
    /// No more examples than these.
    pub each: Option<usize>,
}

impl Share {
    pub const WHOLE: Share = Share { percent: 100.0, each: None };

    pub fn is_whole(self) -> bool {
        self.percent >= 100.0 && self.each.is_none()
    }

    /// How many examples it takes of a class of `members`: rounded, at least one of a class that has
    /// any.
    pub fn of(self, members: usize) -> usize {
        let count = (members as f64 * self.percent / 100.0).round() as usize;
        let count = self.each.map_or(count.max(1), |each| count.max(1).min(each));
        count.min(members)
    }
}

/// `10%`, `5 of each class`
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.each {
            None => write!(f, "{}%", self.percent),
            Some(each) if self.percent >= 100.0 => write!(f, "{each} of each class"),
            Some(each) => write!(f, "{each} of each class of {}%", self.percent),
        }
    }
}

/// How many examples a sample takes of a part of `all`, which are dealt to the classes in turn.
pub fn sampled(all: usize, classes: usize, share: Share) -> usize {
    if share.is_whole() {
        return all;
    }
    let members = |class| (all + classes - 1 - class) / classes;
    (0..classes).map(|class| share.of(members(class))).sum()
}

/// The batches of an epoch. The examples that are left over have their turn in another one, whose
/// order is different: a small batch would move weights and statistics as much as a full one.
pub fn batches(examples: usize, batch: usize) -> usize {
    examples / batch
}

#[cfg(test)]
mod tests {
    use super::{Share, batches};

    #[test]
    fn every_batch_is_full() {
        assert_eq!([8, 9, 11, 12, 3].map(|examples| batches(examples, 4)), [2, 2, 2, 3, 0]);
    }

    #[test]
    fn a_share_is_rounded_and_never_nothing() {
        let share = |percent, members| Share { percent, each: None }.of(members);
        assert_eq!(share(50.0, 7), 4);
        assert_eq!(share(0.01, 100), 1);
        assert_eq!(share(50.0, 0), 0);
        assert_eq!(share(200.0, 5), 5);
        let few = |percent, members| Share { percent, each: Some(3) }.of(members);
        assert_eq!([few(100.0, 7), few(100.0, 2), few(50.0, 4), few(50.0, 0)], [3, 2, 2, 0]);
    }
}
