//! Whitening: by the Cholesky factor of the covariance, and by Newton's iteration.

use burn::tensor::Tensor;

use super::factor::{cholesky, inverse};

/// The rows `[n, d]` in groups that follow each other, as equal as can be, each group centred and
/// multiplied by the inverse of the Cholesky factor of its covariance.
pub fn whiten(x: Tensor<2>, groups: usize, epsilon: f64) -> Tensor<2> {
    let [n, _] = x.dims();
    let groups = groups.clamp(1, n);
    let start = |group: usize| group * n / groups;
    let part = |group| x.clone().narrow(0, start(group), start(group + 1) - start(group));
    let parts = (0..groups).map(part);
    Tensor::cat(parts.map(|part| whitened(part, epsilon)).collect(), 0)
}

fn whitened(x: Tensor<2>, epsilon: f64) -> Tensor<2> {
    let [n, d] = x.dims();
    let centered = x.clone() - x.mean_dim(0);
    let covariance = centered.clone().transpose().matmul(centered.clone());
    let covariance = covariance / (n.saturating_sub(1).max(1)) as f64;
    let identity = Tensor::<2>::eye(d, &covariance.device());
    let covariance = covariance * (1.0 - epsilon) + identity * epsilon;
    centered.matmul(inverse_factor(covariance).transpose())
}

/// `W = L^-1` of `A = L L'`, differentiable.
///
/// Its differential is `-F(W dA W') W`, with `F` what lies below the diagonal and half of what is on
/// it: `W` as a constant, less that of `A` less its own value, has this value and this gradient.
fn inverse_factor(a: Tensor<2>) -> Tensor<2> {
    let fixed = a.clone().inner();
    let [d, _] = fixed.dims();
    let w = inverse(cholesky(fixed.clone().reshape([1, d, d]))).reshape([d, d]);
    let change = w.clone().matmul(a - fixed).matmul(w.clone().transpose());
    let below = Tensor::<2>::ones([d, d], &w.device()).tril(-1);
    let half = Tensor::<2>::eye(d, &w.device()) * 0.5;
    w.clone() - (change * (below + half)).matmul(w)
}

/// The columns in groups that follow each other, each group centred and multiplied by what
/// `iterations` of Newton's method make of the inverse root of its covariance.
pub fn iterated(x: Tensor<2>, groups: usize, iterations: usize, epsilon: f64) -> Tensor<2> {
    let [n, d] = x.dims();
    let size = d / groups;
    let centered = x.clone() - x.mean_dim(0);
    // `[groups, n, size]`: a product a group.
    let grouped = centered.reshape([n, groups, size]).swap_dims(0, 1);
    let covariance = grouped.clone().swap_dims(1, 2).matmul(grouped.clone()) / n as f64;
    let identity = Tensor::<2>::eye(size, &covariance.device()).reshape([1, size, size]);
    let covariance = covariance + identity.clone() * epsilon;
    let trace = (covariance.clone() * identity.clone()).sum_dim(1).sum_dim(2);
    // Its largest eigenvalue is at most one, and so the iteration converges.
    let scaled = covariance / trace.clone();
    // The first step from the identity.
    let mut root = identity * 1.5 - scaled.clone() * 0.5;
    for _ in 1..iterations {
        let cube = root.clone().matmul(root.clone()).matmul(root.clone());
        root = root * 1.5 - cube.matmul(scaled.clone()) * 0.5;
    }
    let whitened = grouped.matmul(root / trace.sqrt());
    whitened.swap_dims(0, 1).reshape([n, d])
}
