//! What a module is: a function of its parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::Device;

use super::cost::Walk;
use super::init::materialize;
use super::params::{Layout, Params, Slot};
use crate::device::{Array, Kernels};
use crate::random::Key;
use crate::term::objective::Section;

/// A network part without its weights: it says which parameters it has and how they are used.
pub trait Architecture: Send + Sync {
    /// Its parameters.
    fn layout(&self) -> &Arc<Layout>;

    /// Applies the module: to `[n, c, h, w]` where it takes images, to `[…, d]` where it takes
    /// features.
    fn forward(&self, pass: &mut Pass<'_>, x: Array) -> Array;

    /// Applies a part of an encoder, to images or to tokens as the rank of `x` says.
    ///
    /// # Panics
    ///
    /// Where the module has no such part: the checker lets none be asked for.
    fn section(&self, section: Section, _: &mut Pass<'_>, _: Array) -> Array {
        panic!("a head has no {section:?}")
    }

    /// Goes through its layers as a pass does, and counts.
    fn walk(&self, walk: &mut Walk);

    /// The same for a part of an encoder.
    fn walk_section(&self, section: Section, _: &mut Walk) {
        panic!("a head has no {section:?}")
    }

    /// Fresh parameters. The values depend on `key` and on each parameter's name alone, not on
    /// the device.
    fn init(&self, key: Key, device: &Device) -> Params {
        materialize(self.layout(), key, device)
    }
}

/// One pass through a module: where its parameters come from and how it normalises.
pub struct Pass<'a> {
    pub kernels: &'a dyn Kernels,
    pub params: &'a Params,
    /// Normalise by the batch and move the running statistics, or normalise by them.
    pub training: bool,
    /// What is left out by chance follows from it; nothing is where there is none.
    pub chance: Option<Key>,
    /// In how many parts batch norms see the batch: one, or as many as divide it.
    pub groups: usize,
    /// New running statistics; a module applied twice in a step sees its own.
    pub updates: &'a mut Updates,
}

/// New values of buffers, by their place.
pub type Updates = BTreeMap<Slot, Array>;

impl Pass<'_> {
    /// A parameter, or a running statistic as this pass left it.
    pub(super) fn array(&self, slot: Slot) -> Array {
        self.updates.get(&slot).unwrap_or_else(|| self.params.value(slot)).clone()
    }
}
