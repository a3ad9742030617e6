//! The Cholesky factors of matrices and their inverses, which no gradient flows through.

use burn::tensor::Tensor;

/// The lower factor `L` of each `A = L L'`, column after column: `[count, d, d]`.
pub fn cholesky(a: Tensor<3>) -> Tensor<3> {
    let [count, d, _] = a.dims();
    let all = 0..count;
    let mut factor = Tensor::<3>::zeros([count, d, d], &a.device());
    for j in 0..d {
        let mut column = a.clone().slice([all.clone(), j..d, j..j + 1]);
        if j > 0 {
            let below = factor.clone().slice([all.clone(), j..d, 0..j]);
            let own = factor.clone().slice([all.clone(), j..j + 1, 0..j]);
            column = column - below.matmul(own.swap_dims(1, 2));
        }
        let pivot = column.clone().narrow(1, 0, 1).sqrt();
        factor = factor.slice_assign([all.clone(), j..d, j..j + 1], column / pivot);
    }
    factor
}

/// The inverse of each lower factor, row after row.
pub fn inverse(factor: Tensor<3>) -> Tensor<3> {
    let [count, d, _] = factor.dims();
    let all = 0..count;
    let identity = Tensor::<2>::eye(d, &factor.device()).reshape([1, d, d]);
    let mut inverse = Tensor::<3>::zeros([count, d, d], &factor.device());
    for j in 0..d {
        let mut row = identity.clone().narrow(1, j, 1);
        if j > 0 {
            let own = factor.clone().slice([all.clone(), j..j + 1, 0..j]);
            row = row - own.matmul(inverse.clone().slice([all.clone(), 0..j, 0..d]));
        }
        let pivot = factor.clone().slice([all.clone(), j..j + 1, j..j + 1]);
        inverse = inverse.slice_assign([all.clone(), j..j + 1, 0..d], row / pivot);
    }
    inverse
}
