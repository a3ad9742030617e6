//! Weighted k-nearest-neighbour classification, Wu et al. 2018, arXiv:1805.01978, section 3.4.

use std::cmp::Ordering;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::features::{argmax, to_tensor};
use super::{Accuracy, EvaluateError, Features, Problem, accuracy};
use crate::watch::Counted;

/// How many similarities are held at once: 16 MiB, small enough for an allocator to keep them.
const BLOCK: usize = 1 << 22;

/// The most examples of `fit` in one product; several queries share them then. Fewer in tests, so
/// that there are several products.
const MOST_AT_ONCE: usize = if cfg!(test) { 128 } else { 1 << 16 };

/// Classifies each example of `on` by the `k` examples of `fit` that are most similar to it.
///
/// Similarity `s` is the cosine of the features; a neighbour votes for its class with the weight
/// `exp(s / temperature)`. Of equally similar neighbours the one that stands first is nearer, of
/// equal votes the first class wins.
///
/// Similarities are products of matrices on `device`; neighbours are found by the processor, one
/// block of both splits at a time, so that no more similarities are held whatever the sizes.
///
/// # Errors
///
/// Where there is nothing to fit, `k` exceeds the examples of `fit`, the splits do not fit together, or values are not
/// finite.
pub fn knn(problem: &Problem<'_>, k: usize, temperature: f64) -> Result<Accuracy, EvaluateError> {
    let Problem { on, classes, device, watch, .. } = *problem;
    let fit = problem.fit()?;
    Features::check_pair(fit, on, classes)?;
    if k > fit.len() {
        return Err(EvaluateError::TooFewNeighbours { k, examples: fit.len() });
    }
    let bank = fit.values.chunks(MOST_AT_ONCE * fit.dim);
    let bank = bank.map(|part| to_tensor(unit_rows(part, fit.dim), fit.dim, device).transpose());
    let bank: Vec<Tensor<2>> = bank.collect();
    let block = (BLOCK / fit.len().min(MOST_AT_ONCE)).clamp(1, on.len());
    let mut predictions = Vec::with_capacity(on.len());
    let all = Some(on.len() as u64);
    let task = watch.start("finding neighbours".to_owned(), 0, all, Counted::Images);
    for queries in on.values.chunks(block * on.dim) {
        let count = (queries.len() / on.dim) as u64;
        let queries = to_tensor(unit_rows(queries, on.dim), on.dim, device);
        let mut found: Vec<Nearest> = (0..count).map(|_| Nearest::new(k)).collect();
        let mut first = 0;
        for part in &bank {
            let [_, examples] = part.dims();
            let similarities = queries.clone().matmul(part.clone()).into_data().convert::<f32>();
            let similarities = similarities.as_slice::<f32>().expect("converted to f32 above");
            let rows = similarities.par_chunks_exact(examples);
            found.par_iter_mut().zip(rows).for_each(|(own, row)| own.add(row, first));
            first += examples;
        }
        let votes = found.into_par_iter();
        predictions
            .par_extend(votes.map(|own| vote(own.best(), &fit.labels, classes, temperature)));
        task.advance(count)?;
    }
    let protocol = format!(
        "weighted kNN, k {k}, temperature {temperature}, on the encoder's {} features, plain \
         images; fitted on {}; top-1 on {}; nothing was selected on them",
        fit.dim,
        accuracy::examples(fit),
        accuracy::examples(on)
    );
    Ok(Accuracy::of(predictions, on, classes, protocol))
}

/// The rows divided by their lengths; rows of zeros stay.
pub(super) fn unit_rows(values: &[f32], dim: usize) -> Vec<f32> {
    let mut values = values.to_vec();
    values.par_chunks_exact_mut(dim).for_each(|row| {
        // In f64 no finite row's length overflows or vanishes.
        let square: f64 = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        if square > 0.0 {
            let scale = 1.0 / square.sqrt();
            row.iter_mut().for_each(|v| *v = (f64::from(*v) * scale) as f32);
        }
    });
    values
}

/// A similarity and the example that has it.
type Neighbour = (f32, usize);

/// More similar first, then earlier first.
fn nearer(a: &Neighbour, b: &Neighbour) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// The `k` most similar examples so far, and some that may be.
struct Nearest {
    k: usize,
    best: Vec<Neighbour>,
    threshold: f32,
}

impl Nearest {
    fn new(k: usize) -> Self {
        Nearest { k, best: Vec::with_capacity(2 * k), threshold: f32::NEG_INFINITY }
    }

    /// Adds the examples from `first` on, which are so similar.
    fn add(&mut self, similarities: &[f32], first: usize) {
        // Most values are below the k-th best so far, and cost one comparison.
        let Nearest { k, best, threshold } = self;
        for (index, &similarity) in similarities.iter().enumerate() {
            if similarity > *threshold || best.len() < *k {
                best.push((similarity, first + index));
                if best.len() == 2 * *k {
                    let (_, kth, _) = best.select_nth_unstable_by(*k - 1, nearer);
                    *threshold = kth.0;
                    best.truncate(*k);
                }
            }
        }
    }

    /// The `k` highest, of at least as many, in no order.
    fn best(mut self) -> Vec<Neighbour> {
        if self.best.len() > self.k {
            self.best.select_nth_unstable_by(self.k - 1, nearer);
            self.best.truncate(self.k);
        }
        self.best
    }
}

/// The class with the most weight among the neighbours, of which there is at least one.
fn vote(mut ordered: Vec<Neighbour>, labels: &[u32], classes: usize, temperature: f64) -> usize {
    // Weights are relative to the nearest neighbour's, which no temperature can overflow.
    let max = ordered.iter().map(|&(s, _)| s).fold(f32::NEG_INFINITY, f32::max);
    let mut votes = vec![0.0_f64; classes];
    // Sums depend on the order: let it not depend on how the neighbours were found.
    ordered.sort_unstable_by(nearer);
    for (similarity, index) in ordered {
        let weight = (f64::from(similarity - max) / temperature).exp();
        votes[labels[index] as usize] += weight;
    }
    argmax(&votes)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::device::testing::device;
    use crate::random::{Key, Rng};
    use crate::term::Part;
    use crate::watch::testing::unwatched;

    fn knn(
        fit: &Features,
        on: &Features,
        classes: usize,
        k: usize,
        temperature: f64,
        device: &Device,
    ) -> Result<Accuracy, EvaluateError> {
        let fit = Some(fit);
        let problem = Problem { fit, on, classes, device, watch: unwatched() };
        super::knn(&problem, k, temperature)
    }

    /// Features scattered about a direction for each class.
    fn scattered(n: usize, dim: usize, classes: usize, noise: f32, rng: &mut Rng) -> Features {
        let mut values = Vec::new();
        let labels: Vec<u32> = (0..n).map(|i| (i % classes) as u32).collect();
        for &label in &labels {
            for d in 0..dim {
                let centre = if d % classes == label as usize { 1.0 } else { 0.0 };
                values.push(3.0 * (centre + noise * rng.normal()));
            }
        }
        Features { values, dim, labels, part: Part::Train }
    }

    /// The definition, in f64, with a full sort.
    fn naive(fit: &Features, on: &Features, classes: usize, k: usize, t: f64) -> Vec<usize> {
        let unit = |row: &[f32]| -> Vec<f64> {
            let length = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            row.iter().map(|&v| f64::from(v) / length).collect()
        };
        let classify = |index| {
            let query = unit(on.row(index));
            let similarity =
                |i| -> f64 { unit(fit.row(i)).iter().zip(&query).map(|(a, b)| a * b).sum() };
            let mut all: Vec<_> = (0..fit.len()).map(|i| (similarity(i), i)).collect();
            all.sort_by(|a, b| b.0.total_cmp(&a.0));
            let mut votes = vec![0.0; classes];
            for (s, i) in &all[..k] {
                votes[fit.labels[*i] as usize] += (s / t).exp();
            }
            argmax(&votes)
        };
        (0..on.len()).map(classify).collect()
    }

    #[test]
    fn agrees_with_the_definition() {
        let mut rng = Key::root(3).stream();
        let fit = scattered(311, 7, 5, 0.6, &mut rng);
        let on = Features { part: Part::Test, ..scattered(97, 7, 5, 0.6, &mut rng) };
        for (k, t) in [(1, 0.1), (17, 0.1), (200, 0.07), (311, 1.0)] {
            let predictions = naive(&fit, &on, 5, k, t);
            let expected = Accuracy::of(predictions, &on, 5, String::new());
            let found = knn(&fit, &on, 5, k, t, &device()).unwrap();
            assert_eq!(found.classes, expected.classes, "k {k}, temperature {t}");
            assert!(found.top1 > 0.3 && found.top1 < 1.0, "a test too easy or too hard");
        }
    }

    #[test]
    fn says_what_was_done() {
        let mut rng = Key::root(3).stream();
        let fit = scattered(1200, 4, 3, 0.1, &mut rng);
        let on = Features { part: Part::Test, ..scattered(30, 4, 3, 0.1, &mut rng) };
        let accuracy = knn(&fit, &on, 3, 200, 0.1, &device()).unwrap();
        assert_eq!(
            accuracy.protocol,
            "weighted kNN, k 200, temperature 0.1, on the encoder's 4 features, plain images; \
             fitted on the 1,200 training examples; top-1 on the 30 test examples; nothing was \
             selected on them"
        );
    }

    #[test]
    fn nearest_is_a_sort_cut_off() {
        let mut rng = Key::root(9).stream();
        // Coarse values, so that there are ties.
        let values: Vec<f32> = (0..500).map(|_| (rng.uniform() * 40.0).floor()).collect();
        let mut all: Vec<Neighbour> = values.iter().copied().zip(0..).collect();
        all.sort_by(nearer);
        for k in [1, 2, 3, 50, 249, 250, 251, 499, 500] {
            // All at once, and in parts.
            for part in [500, 130] {
                let mut nearest = Nearest::new(k);
                for (index, part_of) in values.chunks(part).enumerate() {
                    nearest.add(part_of, index * part);
                }
                let mut found = nearest.best();
                found.sort_by(nearer);
                assert_eq!(found, all[..k], "k {k}");
            }
        }
    }

    #[test]
    fn closeness_outvotes_number() {
        let labels = [0, 1, 1];
        let neighbours = vec![(0.9, 0), (0.5, 1), (0.5, 2)];
        assert_eq!(vote(neighbours.clone(), &labels, 2, 0.1), 0);
        assert_eq!(vote(neighbours.clone(), &labels, 2, 10.0), 1);
        // exp(0.9 / 0.001) is beyond any float.
        assert_eq!(vote(neighbours, &labels, 2, 0.001), 0);
    }

    #[test]
    fn more_neighbours_than_examples_is_an_error() {
        let fit = scattered(10, 4, 2, 0.1, &mut Key::root(0).stream());
        let error = knn(&fit, &fit, 2, 11, 0.1, &device()).unwrap_err();
        assert_eq!(error, EvaluateError::TooFewNeighbours { k: 11, examples: 10 });
        assert_eq!(
            error.to_string(),
            "knn asks for 11 neighbours of 10 examples: k is at most 10 here"
        );
    }
}
