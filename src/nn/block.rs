//! The block that transformers are made of. Vaswani et al. 2017, arXiv:1706.03762; its norms stand
//! before, as in Dosovitskiy et al. 2020, arXiv:2010.11929, section 3.1.

use super::architecture::Pass;
use super::cost::Walk;
use super::init::Fill;
use super::layer_norm::LayerNorm;
use super::layers::Linear;
use super::params::Layout;
use super::residual::Residual;
use crate::device::Array;

/// The width of a head.
pub(super) const HEAD: usize = 64;

/// Attention and a perceptron, each behind a layer norm, with a shortcut around it.
pub(super) struct Block {
    shape: Shape,
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    attended: Residual,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    thought: Residual,
}

/// What a block is made of.
#[derive(Clone, Copy, Default)]
pub(super) struct Shape {
    /// Its input is as wide as they are together.
    pub heads: usize,
    /// A token is given nothing of those behind it.
    pub causal: bool,
    /// What each of its two parts is scaled by at first, where it is scaled, and the share of the
    /// examples that are given nothing of them.
    pub scale: Option<f32>,
    pub drop: f64,
    /// Its number among the blocks of a network.
    pub place: usize,
}

impl Block {
    pub fn new(layout: &mut Layout, name: &str, shape: Shape) -> Self {
        let width = shape.heads * HEAD;
        let part = |part: &str| format!("{name}.{part}");
        let linear = |layout: &mut Layout, own: &str, sizes| {
            Linear::filled(
                layout,
                &part(own),
                sizes,
                (Fill::Normal(0.02), Some(Fill::Constant(0.0))),
            )
        };
        let residual = |layout: &mut Layout, own: &str, at| {
            let drop = (shape.drop, 2 * shape.place + at);
            Residual::new(layout, &part(own), (width, shape.scale), drop)
        };
        // timm's order.
        Block {
            shape,
            norm1: LayerNorm::new(layout, &part("norm1"), width),
            qkv: linear(layout, "attn.qkv", [width, 3 * width]),
            proj: linear(layout, "attn.proj", [width, width]),
            attended: residual(layout, "ls1.gamma", 0),
            norm2: LayerNorm::new(layout, &part("norm2"), width),
            fc1: linear(layout, "mlp.fc1", [width, 4 * width]),
            fc2: linear(layout, "mlp.fc2", [4 * width, width]),
            thought: residual(layout, "ls2.gamma", 1),
        }
    }

    /// `[n, tokens, width]` to the same.
    pub fn forward(&self, pass: &Pass<'_>, x: Array) -> Array {
        let kernels = pass.kernels;
        let qkv = self.qkv.forward(pass, self.norm1.forward(pass, x.clone()));
        let attended = kernels.attention(qkv, self.shape.heads, self.shape.causal);
        let x = self.attended.add(pass, x, self.proj.forward(pass, attended));
        let hidden = self.fc1.forward(pass, self.norm2.forward(pass, x.clone()));
        self.thought.add(pass, x, self.fc2.forward(pass, kernels.gelu(hidden)))
    }

    pub fn walk(&self, walk: &mut Walk) {
        walk.shortcut(|walk| {
            walk.layer_norm();
            self.qkv.walk(walk);
            walk.attention();
            self.proj.walk(walk);
            self.attended.walk(walk);
        });
        walk.shortcut(|walk| {
            walk.layer_norm();
            self.fc1.walk(walk);
            walk.gelu();
            self.fc2.walk(walk);
            self.thought.walk(walk);
        });
    }
}
