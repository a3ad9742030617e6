//! Sizes of samples and epochs: one rule for the checker, which counts, and for the run, which draws.

/// How many examples a sample of `percent` per cent takes of a class of `members`: rounded, at
/// least one of a class that has any.
pub fn share(members: usize, percent: f64) -> usize {
    let count = (members as f64 * percent / 100.0).round() as usize;
    count.max(1).min(members)
}

/// How many examples a sample takes of a part of `all`, dealt to its classes in turn as every
/// dataset is.
pub fn sampled(all: usize, classes: usize, percent: f64) -> usize {
    if percent >= 100.0 {
        return all;
    }
    let members = |class| (all + classes - 1 - class) / classes;
    (0..classes).map(|class| share(members(class), percent)).sum()
}

/// The batches of an epoch. The examples that are left over have their turn in another one, whose
/// order is different: a small batch would move weights and statistics as much as a full one.
pub fn batches(examples: usize, batch: usize) -> usize {
    examples / batch
}

#[cfg(test)]
mod tests {
    use super::{batches, share};

    #[test]
    fn every_batch_is_full() {
        assert_eq!([8, 9, 11, 12, 3].map(|examples| batches(examples, 4)), [2, 2, 2, 3, 0]);
    }

    #[test]
    fn a_share_is_rounded_and_never_nothing() {
        assert_eq!(share(7, 50.0), 4);
        assert_eq!(share(100, 0.01), 1);
        assert_eq!(share(0, 50.0), 0);
        assert_eq!(share(5, 200.0), 5);
    }
}
