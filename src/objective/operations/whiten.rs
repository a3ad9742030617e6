//! Whitening by the Cholesky factor of the covariance.

use burn::tensor::Tensor;

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
    let w = inverse(cholesky(fixed.clone()));
    let change = w.clone().matmul(a - fixed).matmul(w.clone().transpose());
    let [d, _] = w.dims();
    let below = Tensor::<2>::ones([d, d], &w.device()).tril(-1);
    let half = Tensor::<2>::eye(d, &w.device()) * 0.5;
    w.clone() - (change * (below + half)).matmul(w)
}

/// The lower factor `L` of `A = L L'`, column after column.
fn cholesky(a: Tensor<2>) -> Tensor<2> {
    let [d, _] = a.dims();
    let mut factor = Tensor::<2>::zeros([d, d], &a.device());
    for j in 0..d {
        let mut column = a.clone().slice([j..d, j..j + 1]);
        if j > 0 {
            let below = factor.clone().slice([j..d, 0..j]);
            let own = factor.clone().slice([j..j + 1, 0..j]);
            column = column - below.matmul(own.transpose());
        }
        let pivot = column.clone().slice([0..1, 0..1]).sqrt();
        factor = factor.slice_assign([j..d, j..j + 1], column / pivot);
    }
    factor
}

/// The inverse of a lower factor, row after row.
fn inverse(factor: Tensor<2>) -> Tensor<2> {
    let [d, _] = factor.dims();
    let identity = Tensor::<2>::eye(d, &factor.device());
    let mut inverse = Tensor::<2>::zeros([d, d], &factor.device());
    for j in 0..d {
        let mut row = identity.clone().slice([j..j + 1, 0..d]);
        if j > 0 {
            let own = factor.clone().slice([j..j + 1, 0..j]);
            row = row - own.matmul(inverse.clone().slice([0..j, 0..d]));
        }
        let pivot = factor.clone().slice([j..j + 1, j..j + 1]);
        inverse = inverse.slice_assign([j..j + 1, 0..d], row / pivot);
    }
    inverse
}
