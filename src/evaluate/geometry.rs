//! How features lie in their space, whatever their classes are.

use burn::linalg::svd;
use burn::tensor::{DType, Tensor, TensorData};
use rayon::prelude::*;

use super::features::to_tensor;
use super::knn::unit_rows;
use super::{EvaluateError, Features, Judged, Problem, accuracy};
use crate::watch::Counted;

/// Numbers of similarities that are held at once.
const BLOCK: usize = 1 << 22;
/// Examples whose products are summed one after the other, so that the sum is the same on any number
/// of threads.
const STRETCH: usize = 512;
/// Added to each share, as the authors do.
const EPSILON: f64 = 1e-7;
/// Far more than a singular value takes.
const SWEEPS: usize = 100;

/// RankMe: `exp(-sum p log p)` of the shares `p` that the singular values of the features have of
/// their sum. Garrido et al. 2022, arXiv:2210.02885, eq. 1 and 2.
///
/// They are the roots of those of the features' products with each other, which are summed in f64.
///
/// # Errors
///
/// Where the split has no examples, or values are not finite.
pub fn rank_me(problem: &Problem<'_>) -> Result<Judged, EvaluateError> {
    let Problem { on, classes, device, watch, .. } = *problem;
    on.check(classes)?;
    let d = on.dim;
    let products = |stretch: &[f32]| {
        let mut sums = vec![0.0_f64; d * d];
        for row in stretch.chunks_exact(d) {
            for (own, sums) in row.iter().zip(sums.chunks_exact_mut(d)) {
                for (other, sum) in row.iter().zip(sums) {
                    *sum += f64::from(*own) * f64::from(*other);
                }
            }
        }
        sums
    };
    let mut gram = vec![0.0_f64; d * d];
    // As many at once as there are threads to sum them.
    for stretches in on.values.chunks(STRETCH * d * rayon::current_num_threads().max(1)) {
        watch.check()?;
        let parts: Vec<Vec<f64>> = stretches.par_chunks(STRETCH * d).map(products).collect();
        for part in parts {
            gram.iter_mut().zip(part).for_each(|(sum, own)| *sum += own);
        }
    }
    let gram = Tensor::<2>::from_data(TensorData::new(gram, [d, d]), (device, DType::F64));
    let (_, squares, _) = svd::<2, 1>(gram, SWEEPS);
    let squares = squares.into_data().convert::<f64>();
    let squares = squares.as_slice::<f64>().expect("converted to f64 above");
    let values: Vec<f64> = squares.iter().map(|square| square.max(0.0).sqrt()).collect();
    let total: f64 = values.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let entropy: f64 =
        values.iter().map(|value| value / total + EPSILON).map(|share| -share * share.ln()).sum();
    let protocol = format!(
        "RankMe, of the singular values of the encoder's {d} features, plain images; on {}",
        accuracy::examples(on)
    );
    Ok(Judged { value: entropy.exp(), protocol, counts: None, warning: None })
}

/// The logarithm of the mean of `exp(-t * |x - y|²)` over all pairs of normalised features: the
/// lower, the more evenly they lie on the sphere. Wang and Isola 2020, arXiv:2005.10242, section 4.
/// Features that are all zero stay where they are, at its centre.
///
/// # Errors
///
/// Where the split has no two examples, or values are not finite.
pub fn uniformity(problem: &Problem<'_>, t: f64) -> Result<Judged, EvaluateError> {
    let Problem { on, classes, device, watch, .. } = *problem;
    on.check(classes)?;
    let n = on.len();
    if n < 2 {
        return Err(EvaluateError::NoPair { part: on.part_name() });
    }
    let squares = squares(on);
    let all = to_tensor(unit_rows(&on.values, on.dim), on.dim, device).transpose();
    let block = (BLOCK / n).clamp(1, n);
    let task = watch.start("comparing features".to_owned(), 0, Some(n as u64), Counted::Images);
    let mut total = Exponentials::default();
    for (part, rows) in on.values.chunks(block * on.dim).enumerate() {
        let count = rows.len() / on.dim;
        let rows = to_tensor(unit_rows(rows, on.dim), on.dim, device);
        let similarities = rows.matmul(all.clone()).into_data().convert::<f32>();
        let similarities = similarities.as_slice::<f32>().expect("converted to f32 above");
        let sums: Vec<Exponentials> = similarities
            .par_chunks_exact(n)
            .enumerate()
            .map(|(row, similarities)| {
                // Each pair once: with those that stand behind it.
                let own = part * block + row;
                let behind = similarities[own + 1..].iter().zip(&squares[own + 1..]);
                let distances = behind.map(|(similarity, square)| {
                    squares[own] + square - 2.0 * f64::from(*similarity)
                });
                Exponentials::of(distances.map(|square| -t * square).collect())
            })
            .collect();
        total = sums.into_iter().fold(total, Exponentials::and);
        task.advance(count as u64)?;
    }
    let pairs = n as f64 * (n as f64 - 1.0) / 2.0;
    let protocol = format!(
        "uniformity, t {t}, of the encoder's {} normalised features, plain images; on {}",
        on.dim,
        accuracy::examples(on)
    );
    let value = total.logarithm() - pairs.ln();
    Ok(Judged { value, protocol, counts: None, warning: None })
}

/// The mean of `|x - y|^alpha` over the examples, of the normalised features of two views of each:
/// the lower, the nearer they come. Wang and Isola 2020, arXiv:2005.10242, section 4.1.1. Features
/// that are all zero stay where they are.
///
/// # Errors
///
/// Where the split has no examples, or values are not finite.
///
/// # Panics
///
/// Where the features are not those of two views.
pub fn alignment(problem: &Problem<'_>, alpha: f64) -> Result<Judged, EvaluateError> {
    let Problem { on, classes, .. } = *problem;
    on.check(classes)?;
    let dim = on.dim / 2;
    assert_eq!(2 * dim, on.dim, "features of two views");
    let unit = unit_rows(&on.values, dim);
    let distance = |pair: &[f32]| {
        let (one, other) = pair.split_at(dim);
        let apart = one.iter().zip(other).map(|(a, b)| f64::from(*a) - f64::from(*b));
        libm::pow(apart.map(|own| own * own).sum(), alpha / 2.0)
    };
    let total: f64 = unit.chunks_exact(on.dim).map(distance).sum();
    let protocol = format!(
        "alignment, alpha {alpha}, of the encoder's {dim} normalised features, two views of plain \
         images; on {}",
        accuracy::examples(on)
    );
    Ok(Judged { value: total / on.len() as f64, protocol, counts: None, warning: None })
}

/// The squared length of each row once it is normalised: one, or zero of zeros.
fn squares(features: &Features) -> Vec<f64> {
    let rows = features.values.chunks_exact(features.dim);
    rows.map(|row| if row.iter().all(|value| *value == 0.0) { 0.0 } else { 1.0 }).collect()
}

/// A sum of exponentials, none of which vanishes beside the largest because all are small.
#[derive(Clone, Copy)]
struct Exponentials {
    largest: f64,
    /// In units of the largest.
    sum: f64,
}

impl Default for Exponentials {
    fn default() -> Self {
        Exponentials { largest: f64::NEG_INFINITY, sum: 0.0 }
    }
}

impl Exponentials {
    fn of(exponents: Vec<f64>) -> Self {
        let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum = exponents.iter().map(|own| (own - largest).exp()).sum();
        Exponentials { largest, sum }
    }

    fn and(self, other: Self) -> Self {
        let largest = self.largest.max(other.largest);
        let part =
            |own: Self| if own.sum > 0.0 { own.sum * (own.largest - largest).exp() } else { 0.0 };
        Exponentials { largest, sum: part(self) + part(other) }
    }

    fn logarithm(self) -> f64 {
        self.largest + self.sum.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::backends;
    use crate::term::Part;
    use crate::watch::testing::unwatched;

    fn judged(
        values: Vec<f32>,
        dim: usize,
        judge: impl Fn(&Problem<'_>) -> Result<Judged, EvaluateError>,
    ) -> Vec<f64> {
        let labels = vec![0; values.len() / dim];
        let on = Features { values, dim, labels, part: Part::Test };
        let of = |device| {
            let problem = Problem { fit: None, on: &on, classes: 1, device, watch: unwatched() };
            judge(&problem).expect("finite features").value
        };
        backends().iter().map(|backend| of(&backend.device)).collect()
    }

    #[test]
    fn the_rank_is_that_of_the_shares() {
        // Of 1,200 rows along three axes, whose lengths make singular values of 3, 2 and 1.
        let row = |i: usize| {
            let mut row = [0.0; 4];
            row[i % 3] = (3 - i % 3) as f32 / 20.0;
            row
        };
        let values: Vec<f32> = (0..1200).flat_map(row).collect();
        let shares: [f64; 3] = [1.0 / 2.0, 1.0 / 3.0, 1.0 / 6.0];
        let expected = shares.iter().map(|share| -share * share.ln()).sum::<f64>().exp();
        for rank in judged(values, 4, rank_me) {
            assert!((rank - expected).abs() < 1e-4, "{rank} is not {expected}");
        }
    }

    /// Where all exponentials are below what a number can be, where features are zero, and where
    /// there is no pair.
    #[test]
    fn uniformity_is_a_number_or_an_error() {
        for own in judged(vec![1.0, 0.0, -1.0, 0.0], 2, |problem| uniformity(problem, 1000.0)) {
            assert!((own + 4000.0).abs() < 1e-3, "{own}");
        }
        for own in judged(vec![0.0; 6], 2, |problem| uniformity(problem, 2.0)) {
            assert_eq!(own, 0.0);
        }
        for own in judged(vec![0.0, 0.0, 0.0, 3.0], 2, |problem| uniformity(problem, 2.0)) {
            assert!((own + 2.0).abs() < 1e-6, "{own}");
        }
        let on = Features { values: vec![1.0, 0.0], dim: 2, labels: vec![0], part: Part::Test };
        let device = &backends()[0].device;
        let problem = Problem { fit: None, on: &on, classes: 1, device, watch: unwatched() };
        let found = uniformity(&problem, 2.0);
        assert_eq!(found, Err(EvaluateError::NoPair { part: "test" }));
    }

    /// Views alike up to their length, at right angles, opposite, and of nothing.
    #[test]
    fn alignment_is_the_mean_distance_of_normalised_pairs() {
        let values = [
            [1.0, 0.0, 3.0, 0.0],
            [0.0, 2.0, 5.0, 0.0],
            [1.0, 1.0, -2.0, -2.0],
            [0.0, 0.0, 0.0, 7.0],
        ];
        for (alpha, expected) in [(2.0, 7.0 / 4.0), (1.0, (2.0_f64.sqrt() + 2.0 + 1.0) / 4.0)] {
            for own in judged(values.concat(), 4, |problem| alignment(problem, alpha)) {
                assert!((own - expected).abs() < 1e-6, "{own} is not {expected}");
            }
        }
    }

    #[test]
    fn uniformity_is_of_every_pair_once() {
        let values = vec![2.0, 0.0, -1.0, 0.0, 0.0, 3.0];
        // Two pairs at right angles, one of opposites.
        let expected = ((2.0 * (-4.0_f64).exp() + (-8.0_f64).exp()) / 3.0).ln();
        for own in judged(values, 2, |problem| uniformity(problem, 2.0)) {
            assert!((own - expected).abs() < 1e-6, "{own} is not {expected}");
        }
    }
}
