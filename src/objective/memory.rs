//! Tensors that outlive a step, and tensors that stop a gradient.

use burn::tensor::{Device, Tensor, TensorData};

use crate::random::Key;

/// A ring buffer of rows, `[size, d]`.
#[derive(Clone, Debug)]
pub struct Fifo {
    pub rows: Tensor<2>,
    /// Where the oldest row stands, which the next push overwrites.
    pub cursor: usize,
}

impl Fifo {
    /// Random rows of length one: uniform on the sphere.
    pub fn new(size: usize, d: usize, key: Key, device: &Device) -> Self {
        let mut rng = key.stream();
        let mut values: Vec<f32> = (0..size * d).map(|_| rng.normal()).collect();
        for row in values.chunks_exact_mut(d) {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
            row.iter_mut().for_each(|v| *v /= length);
        }
        let rows = Tensor::from_data(TensorData::new(values, [size, d]), device);
        Self { rows, cursor: 0 }
    }

    /// Overwrites the oldest rows. The number of rows pushed divides the size, always the same.
    pub fn push(&mut self, x: Tensor<2>) {
        let [n, d] = x.dims();
        let end = self.cursor + n;
        // In place where nobody else holds the rows.
        self.rows.inplace(|rows| rows.slice_assign([self.cursor..end, 0..d], x));
        self.cursor = end % self.rows.dims()[0];
    }
}
