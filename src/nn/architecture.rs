//! What a module is: a function of named parameters.

use burn::tensor::{Device, Tensor};
use indexmap::IndexMap;

use super::cost::Walk;
use super::params::{Array, Params};
use crate::random::Key;

/// What flows between modules.
#[derive(Clone, Debug)]
pub enum Activation {
    /// `[n, c, h, w]`
    Maps(Tensor<4>),
    /// `[n, d]`
    Features(Tensor<2>),
}

/// A network part without its weights: it says which parameters it has and how they are used.
pub trait Architecture: Send + Sync {
    /// Fresh parameters. The values depend on `key` and on each parameter's name alone, not on
    /// the device.
    fn init(&self, key: Key, device: &Device) -> Params;

    /// Applies the module.
    fn forward(&self, pass: &mut Pass<'_>, x: Activation) -> Activation;

    /// Goes through its layers as a pass does, and counts.
    fn walk(&self, walk: &mut Walk);
}

/// One pass through a module: where its parameters come from and how it normalises.
pub struct Pass<'a> {
    pub params: &'a Params,
    /// Normalise by the batch and move the running statistics, or normalise by them.
    pub training: bool,
    /// New running statistics, by name; a module applied twice in a step sees its own.
    pub updates: &'a mut IndexMap<String, Array>,
}
