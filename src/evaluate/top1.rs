//! The accuracy of a classifier.

use super::features::argmax;
use super::{Accuracy, EvaluateError, Features, accuracy};

/// Scores `logits`, one for each class, by the highest.
///
/// # Errors
///
/// Where logits and classes differ in number, or values or labels are out of range.
pub fn top1(logits: &Features, classes: usize) -> Result<Accuracy, EvaluateError> {
    logits.check(classes)?;
    if logits.dim != classes {
        return Err(EvaluateError::Size { expected: classes, found: logits.dim });
    }
    let predictions = (0..logits.len()).map(|index| argmax(logits.row(index)));
    let protocol = format!(
        "highest of the classifier's {classes} logits, plain images; top-1 on {}; nothing was \
         selected on them",
        accuracy::examples(logits)
    );
    Ok(Accuracy::of(predictions, logits, classes, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::Part;

    fn logits(values: Vec<f32>, labels: Vec<u32>) -> Features {
        Features { values, dim: 3, labels, part: Part::Test }
    }

    #[test]
    fn the_highest_logit_decides() {
        let values = vec![0.1, 0.9, 0.0, 2.0, 1.0, 0.0, -3.0, -2.0, -1.0];
        let accuracy = top1(&logits(values, vec![1, 1, 2]), 3).unwrap();
        assert_eq!((accuracy.correct, accuracy.total), (2, 3));
        assert_eq!(
            accuracy.protocol,
            "highest of the classifier's 3 logits, plain images; top-1 on the 3 test examples; \
             nothing was selected on them"
        );
    }

    #[test]
    fn a_collapsed_classifier_is_at_chance() {
        let accuracy = top1(&logits(vec![0.0; 18], vec![0, 0, 1, 1, 2, 2]), 3).unwrap();
        assert_eq!(accuracy.correct, 2);
    }

    #[test]
    fn what_cannot_be_scored_is_an_error() {
        let nan = top1(&logits(vec![0.0, f32::NAN, 0.0], vec![0]), 3);
        assert_eq!(nan, Err(EvaluateError::NotFinite { part: "test" }));
        let label = top1(&logits(vec![0.0; 3], vec![7]), 3);
        assert_eq!(label, Err(EvaluateError::Label { part: "test", label: 7, classes: 3 }));
        let size = top1(&logits(vec![0.0; 3], vec![0]), 4);
        assert_eq!(size, Err(EvaluateError::Size { expected: 4, found: 3 }));
        let empty = top1(&logits(vec![], vec![]), 3);
        assert_eq!(empty, Err(EvaluateError::Empty { part: "test" }));
    }
}
