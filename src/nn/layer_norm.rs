//! Layer normalisation, as `torch.nn.LayerNorm` with timm's epsilon.

use super::architecture::Pass;
use super::init::Fill;
use super::params::{Declared, Layout, Role, Slot};
use crate::device::Array;

/// timm's, for transformers.
const EPSILON: f64 = 1e-6;

/// Normalises the last dimension, then scales and shifts it. Ba et al. 2016, arXiv:1607.06450.
pub(super) struct LayerNorm {
    parts: [Slot; 2],
    width: usize,
}

impl LayerNorm {
    pub fn new(layout: &mut Layout, name: &str, width: usize) -> Self {
        let parts = [("weight", Role::NormScale, 1.0), ("bias", Role::NormShift, 0.0)];
        let parts = parts.map(|(part, role, value)| {
            let (name, fill) = (format!("{name}.{part}"), Fill::Constant(value));
            layout.declare(Declared::new(name, vec![width], role, fill))
        });
        LayerNorm { parts, width }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    /// `[…, width]` to the same.
    pub fn forward(&self, pass: &Pass<'_>, x: Array) -> Array {
        pass.kernels.layer_norm(x, self.parts.map(|slot| pass.array(slot)), EPSILON)
    }
}
