//! The nearest known name.

/// Names longer than this are not compared: it takes the product of the lengths.
const LONGEST: usize = 64;
/// Candidates that are compared. No honest scope holds as many.
const MOST: usize = 1_000;
/// How like a name has to be.
const LEAST: f64 = 0.55;

/// The candidate most like `name`, if any is like it at all (Damerau-Levenshtein).
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let folded = name.to_lowercase();
    let similarity = |candidate: &str| {
        strsim::normalized_damerau_levenshtein(&folded, &candidate.to_lowercase())
    };
    // A name that is known already, and still wrong here, is no advice.
    let others = candidates.into_iter().take(MOST);
    let others = others.filter(|candidate| *candidate != name && candidate.len() <= LONGEST);
    let scored = others.map(|candidate| (similarity(candidate), candidate));
    // Ties go to the name that sorts first, so that messages do not depend on a map's order.
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
    best.filter(|(score, _)| *score >= LEAST).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_a_slip_and_leaves_a_stranger() {
        let names = ["momentum", "temperature", "queue"];
        assert_eq!(nearest("temprature", names), Some("temperature"));
        assert_eq!(nearest("colour", names), None);
    }
}
