//! The nearest known name.

/// The candidate most like `name`, if any is like it at all (Damerau-Levenshtein).
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let similarity = |candidate: &str| {
        let folded = (name.to_lowercase(), candidate.to_lowercase());
        strsim::normalized_damerau_levenshtein(&folded.0, &folded.1)
    };
    // A name that is known already, and still wrong here, is no advice.
    let others = candidates.into_iter().filter(|candidate| *candidate != name);
    let scored = others.map(|candidate| (similarity(candidate), candidate));
    // Ties go to the name that sorts first, so that messages do not depend on a map's order.
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
    best.filter(|(score, _)| *score >= 0.55).map(|(_, candidate)| candidate)
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
