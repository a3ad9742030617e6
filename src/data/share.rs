//! Sizes of samples and epochs: one rule for the checker, which counts, and for the run, which draws.

/// How many examples a sample of `percent` per cent takes of a class of `members`: rounded, at
/// least one of a class that has any.
pub fn share(members: usize, percent: f64) -> usize {
    let count = (members as f64 * percent / 100.0).round() as usize;
    count.max(1).min(members)
}

/// Whether the last batch of an epoch is left out where it is not full: as asked, and where it
/// would be a single example, over which batch norm has no variance.
pub fn drops_last(examples: usize, batch: usize, asked: bool) -> bool {
    asked || examples % batch == 1
}

/// The batches of an epoch.
pub fn batches(examples: usize, batch: usize, drop_last: bool) -> usize {
    if drop_last { examples / batch } else { examples.div_ceil(batch) }
}

#[cfg(test)]
mod tests {
    use super::{batches, drops_last, share};

    #[test]
    fn an_epoch_may_end_in_a_batch_that_is_not_full() {
        assert_eq!(batches(10, 4, drops_last(10, 4, false)), 3);
        assert_eq!(batches(10, 4, drops_last(10, 4, true)), 2);
        assert_eq!(batches(9, 4, drops_last(9, 4, false)), 2);
        assert_eq!(batches(3, 4, drops_last(3, 4, true)), 0);
    }

    #[test]
    fn a_share_is_rounded_and_never_nothing() {
        assert_eq!(share(7, 50.0), 4);
        assert_eq!(share(100, 0.01), 1);
        assert_eq!(share(0, 50.0), 0);
        assert_eq!(share(5, 200.0), 5);
    }
}
