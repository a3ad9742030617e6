//! The block that transformers are made of. Vaswani et al. 2017, arXiv:1706.03762; its norms stand
//! before, as in Dosovitskiy et al. 2020, arXiv:2010.11929, section 3.1.

use super::architecture::Pass;
use super::cost::Walk;
use super::init::Fill;
use super::layer_norm::LayerNorm;
use super::layers::Linear;
use super::params::Layout;
use crate::device::Array;

/// The width of a head.
pub(super) const HEAD: usize = 64;

/// Attention and a perceptron, each behind a layer norm, with a shortcut around it.
pub(super) struct Block {
    heads: usize,
    /// A token is given nothing of those behind it.
    causal: bool,
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    /// Of so many heads; its input is as wide as they are together.
    pub fn new(layout: &mut Layout, name: &str, heads: usize, causal: bool) -> Self {
        let width = heads * HEAD;
        let part = |part: &str| format!("{name}.{part}");
        let linear = |layout: &mut Layout, own: &str, sizes| {
            Linear::filled(
                layout,
                &part(own),
                sizes,
                (Fill::Normal(0.02), Some(Fill::Constant(0.0))),
            )
        };
        Block {
            heads,
            causal,
            norm1: LayerNorm::new(layout, &part("norm1"), width),
            qkv: linear(layout, "attn.qkv", [width, 3 * width]),
            proj: linear(layout, "attn.proj", [width, width]),
            norm2: LayerNorm::new(layout, &part("norm2"), width),
            fc1: linear(layout, "mlp.fc1", [width, 4 * width]),
            fc2: linear(layout, "mlp.fc2", [4 * width, width]),
        }
    }

    /// `[n, tokens, width]` to the same.
    pub fn forward(&self, pass: &Pass<'_>, x: Array) -> Array {
        let kernels = pass.kernels;
        let qkv = self.qkv.forward(pass, self.norm1.forward(pass, x.clone()));
        let attended = self.proj.forward(pass, kernels.attention(qkv, self.heads, self.causal));
        let x = kernels.add_exactly(x, attended);
        let hidden = self.fc1.forward(pass, self.norm2.forward(pass, x.clone()));
        kernels.add_exactly(x, self.fc2.forward(pass, kernels.gelu(hidden)))
    }

    pub fn walk(&self, walk: &mut Walk) {
        walk.shortcut(|walk| {
            walk.layer_norm();
            self.qkv.walk(walk);
            walk.attention(self.heads);
            self.proj.walk(walk);
        });
        walk.shortcut(|walk| {
            walk.layer_norm();
            self.fc1.walk(walk);
            walk.gelu();
            self.fc2.walk(walk);
        });
    }
}
