//! Spherical k-means: the directions that rows of length one lie around.

use burn::tensor::{Int, Tensor};

/// As many numbers as are held at once of the similarities of rows and middles.
const BLOCK: usize = 1 << 24;

/// The middles of clusters, `[k, d]`, after so many `rounds`, each of which moves every one to the
/// mean of the `rows`, `[m, d]`, that are nearest to it, at length one. One that is nearest to none
/// stays.
pub(super) fn clusters(rows: &Tensor<2>, mut middles: Tensor<2>, rounds: usize) -> Tensor<2> {
    let ([m, _], [count, _]) = (rows.dims(), middles.dims());
    let all = Tensor::<1, Int>::arange(0..count as i64, &rows.device()).reshape([1, count]);
    let most = (BLOCK / count).max(1);
    for _ in 0..rounds {
        let blocks = (0..m).step_by(most).map(|at| rows.clone().narrow(0, at, most.min(m - at)));
        let sums = blocks.map(|block| {
            let nearest = block.clone().matmul(middles.clone().transpose()).argmax(1);
            let belongs = nearest.equal(all.clone()).float();
            (belongs.clone().transpose().matmul(block), belongs.sum_dim(0))
        });
        let Some((sums, counts)) = sums.reduce(|(a, n), (b, k)| (a + b, n + k)) else { break };
        let lengths = sums.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
        let moved = counts.reshape([count, 1]).greater_elem(0.0).float();
        middles = sums / lengths * moved.clone() + middles * (1.0 - moved);
    }
    middles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Array;
    use crate::device::testing::backends;

    fn unit(angle: f32) -> [f32; 2] {
        [angle.cos(), angle.sin()]
    }

    /// Two groups of directions in a plane, and a middle that is nearest to none.
    #[test]
    fn middles_are_those_of_the_rows_around_them() {
        for on in backends() {
            let matrix = |rows: &[f32]| -> Tensor<2> {
                let values = rows.iter().flat_map(|angle| unit(*angle)).collect();
                Array::from_vec(values, &[rows.len(), 2], &on.device).into_tensor()
            };
            let rows = matrix(&[0.1, 0.2, 0.3, 1.6, 1.7]);
            let begin = matrix(&[0.7, 1.2, 4.0]);
            let found = Array::from(clusters(&rows, begin.clone(), 3)).to_vec();
            let expected = [unit(0.2), unit(1.65), unit(4.0)].concat();
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
            assert!(found.iter().zip(&expected).all(near), "{found:?} {expected:?}");
            let untouched = Array::from(clusters(&rows, begin.clone(), 0)).to_vec();
            assert_eq!(untouched, Array::from(begin).to_vec());
        }
    }
}
