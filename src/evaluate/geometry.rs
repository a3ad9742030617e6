//! How features lie in their space, whatever their classes are.

use burn::linalg::svd;
use burn::tensor::{DType, Tensor, TensorData};
use rayon::prelude::*;

use super::features::to_tensor;
use super::knn::unit_rows;
use super::{EvaluateError, Judged, Problem, accuracy};
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
    let Problem { on, classes, device, .. } = *problem;
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
///
/// # Errors
///
/// Where the split has no two examples, or values are not finite.
pub fn uniformity(problem: &Problem<'_>, t: f64) -> Result<Judged, EvaluateError> {
    let Problem { on, classes, device, watch, .. } = *problem;
    on.check(classes)?;
    let n = on.len();
    let all = to_tensor(unit_rows(&on.values, on.dim), on.dim, device).transpose();
    let block = (BLOCK / n).clamp(1, n);
    let task = watch.start("comparing features".to_owned(), 0, Some(n as u64), Counted::Images);
    let mut total = 0.0;
    for (part, rows) in on.values.chunks(block * on.dim).enumerate() {
        let count = rows.len() / on.dim;
        let rows = to_tensor(unit_rows(rows, on.dim), on.dim, device);
        let similarities = rows.matmul(all.clone()).into_data().convert::<f32>();
        let similarities = similarities.as_slice::<f32>().expect("converted to f32 above");
        let sums: Vec<f64> = similarities
            .par_chunks_exact(n)
            .enumerate()
            .map(|(row, similarities)| {
                // Each pair once: with those that stand behind it.
                let behind = &similarities[part * block + row + 1..];
                behind.iter().map(|own| (-t * (2.0 - 2.0 * f64::from(*own))).exp()).sum()
            })
            .collect();
        total += sums.iter().sum::<f64>();
        task.advance(count as u64)?;
    }
    let pairs = n as f64 * (n as f64 - 1.0) / 2.0;
    let protocol = format!(
        "uniformity, t {t}, of the encoder's {} normalised features, plain images; on {}",
        on.dim,
        accuracy::examples(on)
    );
    Ok(Judged { value: (total / pairs.max(1.0)).ln(), protocol, counts: None, warning: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::backends;
    use crate::evaluate::Features;
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
