//! A grid of embeddings at another resolution.

use burn::tensor::{Device, Tensor};

use crate::device::Array;

/// `[h, w, d]` to `[rows, columns, d]`, bicubic and antialiased where it shrinks, as PyTorch's
/// `interpolate` and timm's position embeddings. Differentiable.
pub(super) fn resampled(grid: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<3> {
    let [_, width, d] = grid.dims();
    // Of what has no history: there numbers are brought to a GPU without a wait.
    let device = grid.clone().inner().device();
    // One axis after the other, each the first while it is resampled.
    let first = |x: Tensor<3>, to: usize| {
        let [from, other, d] = x.dims();
        weights(from, to, &device).matmul(x.reshape([from, other * d])).reshape([to, other, d])
    };
    let high = first(grid, rows);
    debug_assert_eq!(high.dims(), [rows, width, d]);
    first(high.swap_dims(0, 1), columns).swap_dims(0, 1)
}

/// What each place of an axis is of its places before: `[to, from]`.
fn weights(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let scale = from as f64 / to as f64;
    // The cubic is stretched where the axis shrinks.
    let stretch = scale.max(1.0);
    let mut all = vec![0.0_f32; to * from];
    for (place, row) in all.chunks_exact_mut(from).enumerate() {
        let centre = scale * (place as f64 + 0.5);
        let low = ((centre - 2.0 * stretch + 0.5).max(0.0)) as usize;
        let high = ((centre + 2.0 * stretch + 0.5) as usize).min(from);
        let own = |at: usize| cubic((at as f64 - centre + 0.5) / stretch);
        let total: f64 = (low..high).map(own).sum();
        (low..high).for_each(|at| row[at] = (own(at) / total) as f32);
    }
    Array::from_vec(all, &[to, from], device).into_tensor()
}

/// Keys' cubic of -1/2.
fn cubic(x: f64) -> f64 {
    let x = x.abs();
    match x {
        _ if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        _ if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        _ => 0.0,
    }
}
