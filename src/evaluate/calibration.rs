//! Whether a classifier is as sure as it is right.

use super::features::argmax;
use super::{EvaluateError, Features, Judged, accuracy};

/// The expected calibration error of logits, one for each class: examples lie in `bins` of equal
/// width by the probability of the class that they are given; the mean over the examples of how far
/// the share of the right ones in their bin is from its mean probability. Guo et al. 2017,
/// arXiv:1706.04599, eq. 3.
///
/// # Errors
///
/// Where logits and classes differ in number, or values or labels are out of range.
pub fn calibration(
    logits: &Features,
    classes: usize,
    bins: usize,
) -> Result<Judged, EvaluateError> {
    logits.check(classes)?;
    if logits.dim != classes {
        return Err(EvaluateError::Size { expected: classes, found: logits.dim });
    }
    let mut sums = vec![(0.0, 0.0); bins];
    for (index, label) in logits.labels.iter().enumerate() {
        let row = logits.row(index);
        let best = argmax(row);
        let all: f64 = row.iter().map(|own| f64::from(own - row[best]).exp()).sum();
        let sureness = 1.0 / all;
        // A bin has its upper end, as the paper has it.
        let bin = ((sureness * bins as f64).ceil() as usize).clamp(1, bins) - 1;
        let (right, sure) = &mut sums[bin];
        *right += if best == *label as usize { 1.0 } else { 0.0 };
        *sure += sureness;
    }
    let apart: f64 = sums.iter().map(|(right, sure): &(f64, f64)| (right - sure).abs()).sum();
    let protocol = format!(
        "expected calibration error of the classifier's {classes} probabilities in {bins} bins of \
         equal width, plain images; on {}; nothing was selected on them",
        accuracy::examples(logits)
    );
    let value = apart / logits.len() as f64;
    Ok(Judged { value, protocol, counts: None, warning: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::Part;

    fn error(probabilities: &[f64], labels: Vec<u32>, bins: usize) -> f64 {
        // Of two classes: these are the probabilities of class 0.
        let row = |p: &f64| [p.ln() as f32, (1.0 - p).ln() as f32];
        let values = probabilities.iter().flat_map(row).collect();
        let logits = Features { values, dim: 2, labels, part: Part::Test };
        calibration(&logits, 2, bins).expect("two classes").value
    }

    #[test]
    fn it_is_how_far_sureness_is_from_truth() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        // Three quarters sure, and right three times of four.
        near(error(&[0.75; 4], vec![0, 0, 0, 1], 10), 0.0);
        near(error(&[0.75; 4], vec![1; 4], 10), 0.75);
        // The class that is given is the likelier one.
        near(error(&[0.1; 2], vec![1, 1], 10), 0.1);
        // Bins do not make up for each other; within one they do.
        near(error(&[0.65, 0.95], vec![0, 1], 10), (0.35 + 0.95) / 2.0);
        near(error(&[0.65, 0.95], vec![0, 1], 1), (1.6 - 1.0) / 2.0);
    }

    #[test]
    fn what_cannot_be_judged_is_an_error() {
        let logits = Features { values: vec![0.0; 4], dim: 4, labels: vec![0], part: Part::Test };
        let size = calibration(&logits, 2, 15).unwrap_err();
        assert_eq!(size, EvaluateError::Size { expected: 2, found: 4 });
    }
}
