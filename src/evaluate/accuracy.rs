//! The result of a protocol.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Features, Warning};

/// How many of a split's examples were given their own class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Share of correct examples, 0 to 1.
    pub top1: f64,
    pub correct: usize,
    pub total: usize,
    /// By class.
    pub classes: Vec<ClassAccuracy>,
    /// What was given in the place of what, most often first; the first thousand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub confused: Vec<Confusion>,
    /// What was done, in a sentence for people.
    pub protocol: String,
    /// What keeps the number from being taken as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<Warning>,
}

/// The same for the examples of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassAccuracy {
    pub correct: usize,
    pub total: usize,
}

/// All pairs of some thirty classes; of more, what happens most.
const MOST_CONFUSED: usize = 1000;

/// So many examples of one class were given another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    pub class: usize,
    pub given: usize,
    pub count: usize,
}

impl ClassAccuracy {
    /// Share of correct examples, 0 to 1; `None` where the split has no such example.
    pub fn top1(&self) -> Option<f64> {
        (self.total > 0).then(|| self.correct as f64 / self.total as f64)
    }
}

impl Accuracy {
    /// Scores the predicted classes of a split that is not empty.
    pub(super) fn of(
        predictions: impl IntoIterator<Item = usize>,
        on: &Features,
        classes: usize,
        protocol: String,
    ) -> Self {
        let mut by_class = vec![ClassAccuracy::default(); classes];
        let mut confused: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (prediction, &label) in predictions.into_iter().zip(&on.labels) {
            let class = &mut by_class[label as usize];
            class.total += 1;
            class.correct += usize::from(prediction == label as usize);
            if prediction != label as usize {
                *confused.entry((label as usize, prediction)).or_default() += 1;
            }
        }
        let confused = confused.into_iter();
        let mut confused: Vec<_> =
            confused.map(|((class, given), count)| Confusion { class, given, count }).collect();
        confused.sort_by_key(|own| std::cmp::Reverse(own.count));
        confused.truncate(MOST_CONFUSED);
        let correct = by_class.iter().map(|class| class.correct).sum();
        let total = on.len();
        let (top1, classes) = (correct as f64 / total as f64, by_class);
        Self { top1, correct, total, classes, confused, protocol, warning: None }
    }
}

/// `the 10,000 test examples`
pub(super) fn examples(features: &Features) -> String {
    format!("the {} {} examples", grouped(features.len()), features.part_name())
}

/// A number with commas between its groups of three digits.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::Part;

    #[test]
    fn numbers_are_grouped() {
        let numbers = [0, 999, 1000, 50_000, 1_281_167].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "50,000", "1,281,167"]);
    }

    #[test]
    fn classes_are_counted_apart() {
        let labels = vec![0, 0, 2, 2, 2];
        let on = Features { values: vec![0.0; 5], dim: 1, labels, part: Part::Test };
        let accuracy = Accuracy::of([0, 1, 2, 2, 0], &on, 3, String::new());
        assert_eq!((accuracy.correct, accuracy.total), (3, 5));
        assert_eq!(accuracy.top1, 0.6);
        let shares: Vec<_> = accuracy.classes.iter().map(ClassAccuracy::top1).collect();
        assert_eq!(shares, [Some(0.5), None, Some(2.0 / 3.0)]);
        let confused = accuracy.confused.iter().map(|own| (own.class, own.given, own.count));
        assert_eq!(confused.collect::<Vec<_>>(), [(0, 1, 1), (2, 0, 1)]);
    }
}
