//! The size of a sample: one rule for the checker, which counts, and for the run, which draws.

/// How many examples a sample of `percent` per cent takes of a class of `members`: rounded, at
/// least one of a class that has any.
pub fn share(members: usize, percent: f64) -> usize {
    let count = (members as f64 * percent / 100.0).round() as usize;
    count.max(1).min(members)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_rounded_and_never_nothing() {
        assert_eq!(share(7, 50.0), 4);
        assert_eq!(share(100, 0.01), 1);
        assert_eq!(share(0, 50.0), 0);
        assert_eq!(share(5, 200.0), 5);
    }
}
