//! Tensors that outlive a step, and tensors that stop a gradient.

use super::{TensorEntry, stateless};
use crate::registry::{Entry, Implementation};

#[cfg(feature = "run")]
pub use ring::Fifo;

pub const FIFO: Entry = Entry {
    name: "fifo",
    signature: "/// The last `size` rows that earlier steps pushed, first in, first out.
///
/// A step reads the rows as earlier steps left them; its own `x` is pushed, as a constant, once the
/// step is done, in the place of the oldest rows. So a row is never its own negative. It starts
/// with random rows of length one. `n` divides `size`.
///
/// The queue of MoCo, He et al. 2019, arXiv:1911.05722, section 3.2.
fifo(x: Tensor[n, d], size: Int > 0) -> Tensor[size, d]",
    module: "",
    implementation: Implementation::Tensor(TensorEntry {
        gradient: &[],
        state: true,
        #[cfg(feature = "run")]
        run: |_, x| x[1].constant(),
    }),
};

pub const DETACH: Entry = stateless!(
    "detach",
    gradient: &[],
    "/// The same tensor, as a constant: no gradient flows back through it.
///
/// Also called stop-gradient, as in SimSiam, Chen and He 2020, arXiv:2011.10566.
detach(x: Tensor[n, d]) -> Tensor[n, d]",
    |_, x| x[0].constant(),
);

#[cfg(feature = "run")]
mod ring {
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
}
