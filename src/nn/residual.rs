//! What a block adds to what it is given: scaled by channel, and left out of some examples by chance.

use burn::tensor::Tensor;

use super::architecture::Pass;
use super::cost::Walk;
use super::init::Fill;
use super::params::{Declared, Layout, Role, Slot};
use crate::device::{Array, by_rank};

/// A branch with a shortcut around it.
pub(super) struct Residual {
    /// How much of each channel is added, learned; all of it where there is none. Touvron et al.
    /// 2021, arXiv:2103.17239.
    scale: Option<Slot>,
    /// The share of the examples of a batch that are given nothing of it, while training; the others
    /// are given more for it. Huang et al. 2016, arXiv:1603.09382.
    drop: f64,
    /// Its number among those of the network, of which no two draw the same.
    place: u64,
}

impl Residual {
    /// One that begins to scale with that number, where it scales, and drops out of that share.
    pub fn new(
        layout: &mut Layout,
        name: &str,
        (width, scale): (usize, Option<f32>),
        (drop, place): (f64, usize),
    ) -> Self {
        let scale = scale.map(|scale| {
            let fill = Fill::Constant(scale);
            layout.declare(Declared::new(name, vec![width], Role::NormScale, fill))
        });
        Residual { scale, drop, place: place as u64 }
    }

    pub fn walk(&self, walk: &mut Walk) {
        if self.scale.is_some() {
            walk.scaled();
        }
    }

    /// `x` and a branch of it, `[n, …, width]` both.
    pub fn add(&self, pass: &Pass<'_>, x: Array, branch: Array) -> Array {
        let kernels = pass.kernels;
        let by_chance = pass.chance.filter(|_| self.drop > 0.0);
        if self.scale.is_none() && by_chance.is_none() {
            return kernels.add_exactly(x, branch);
        }
        let mut branch = kernels.finish(branch);
        if let Some(slot) = self.scale {
            let scale = pass.array(slot).into_tensor::<1>();
            branch = by_rank!(branch.rank(), D => {
                (branch.into_tensor::<D>() * scale.unsqueeze()).into()
            });
        }
        if let Some(key) = by_chance {
            let (mut rng, kept) = (key.fold(self.place).stream(), 1.0 - self.drop as f32);
            let own = (0..branch.rows()).map(|_| if rng.chance(kept) { 1.0 / kept } else { 0.0 });
            let mut shape = vec![1; branch.rank()];
            shape[0] = branch.rows();
            let own = Array::from_vec(own.collect(), &shape, &branch.constant().device());
            branch = by_rank!(branch.rank(), D => {
                let own: Tensor<D> = own.into_tensor();
                (branch.into_tensor::<D>() * own).into()
            });
        }
        kernels.add_exactly(x, branch)
    }
}

/// The share that is dropped of each of so many blocks: none of the first, `most` of the last.
pub(super) fn drops(most: f64, blocks: usize) -> impl Iterator<Item = f64> {
    (0..blocks).map(move |block| most * block as f64 / blocks.saturating_sub(1).max(1) as f64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::device::testing::backends;
    use crate::nn::testing::pass;
    use crate::nn::{Params, Updates};
    use crate::random::Key;

    #[test]
    fn later_blocks_drop_more() {
        assert_eq!(
            drops(0.3, 4).map(|own| (own * 10.0).round()).collect::<Vec<_>>(),
            [0., 1., 2., 3.]
        );
        assert_eq!(drops(0.3, 1).collect::<Vec<_>>(), [0.0]);
    }

    /// In the mean all of the branch is added; each example is given all of it or nothing; where
    /// nothing is left to chance, all.
    #[test]
    fn whole_examples_are_dropped() {
        const ROWS: usize = 4000;
        for on in backends() {
            let params = Params::new(Arc::new(Layout::default()), Vec::new());
            let dropping = Residual { scale: None, drop: 0.25, place: 3 };
            let added = |own: &Residual, chance: Option<Key>| {
                let mut updates = Updates::new();
                let pass = Pass { chance, ..pass(&on, &params, &mut updates) };
                let x = Array::from_vec(vec![1.0; 2 * ROWS], &[ROWS, 1, 2], &on.device);
                let branch = Array::from_vec(vec![3.0; 2 * ROWS], &[ROWS, 1, 2], &on.device);
                own.add(&pass, x, branch).to_vec()
            };
            let found = added(&dropping, Some(Key::root(5)));
            let (mut kept, mut none) = (0, 0);
            for row in found.chunks(2) {
                match row {
                    [1.0, 1.0] => none += 1,
                    [5.0, 5.0] => kept += 1,
                    other => panic!("{other:?}"),
                }
            }
            // A thousand are expected, with a deviation of 27.
            assert!((850..1150).contains(&none) && kept + none == ROWS, "{none}");
            assert_eq!(found, added(&dropping, Some(Key::root(5))));
            assert_ne!(found, added(&dropping, Some(Key::root(6))));
            let elsewhere = Residual { place: 4, ..Residual { scale: None, ..dropping } };
            assert_ne!(found, added(&elsewhere, Some(Key::root(5))));
            assert_eq!(added(&elsewhere, None), vec![4.0; 2 * ROWS]);
        }
    }
}
