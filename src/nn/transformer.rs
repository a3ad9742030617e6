//! Heads that look at all tokens of an example.

use std::sync::Arc;

use super::architecture::{Architecture, Pass};
use super::block::{self, Block, HEAD};
use super::cost::{Extent, Walk};
use super::init::Fill;
use super::layer_norm::LayerNorm;
use super::layers::Linear;
use super::params::Layout;
use crate::device::Array;
use crate::term::{Args, Term};

pub(super) fn transformer(args: &Args, input: Option<usize>) -> Box<dyn Architecture> {
    let input = input.expect("a head is given features, by its signature");
    let [heads, depth, out] = ["heads", "depth", "out"].map(|name| args.size(name));
    let causal = args.get("causal") == Some(&Term::Bool(true));
    Box::new(Transformer::new(heads, (depth, causal), [input, out]))
}

/// `[n, tokens, input]` to `[n, tokens, out]`.
struct Transformer {
    layout: Arc<Layout>,
    embed: Linear,
    blocks: Vec<Block>,
    norm: LayerNorm,
    out: Linear,
}

impl Transformer {
    fn new(heads: usize, (depth, causal): (usize, bool), [input, out]: [usize; 2]) -> Self {
        let width = heads * HEAD;
        let mut layout = Layout::default();
        let filled = (Fill::Normal(0.02), Some(Fill::Constant(0.0)));
        let embed = Linear::filled(&mut layout, "embed", [input, width], filled);
        let block = |index| {
            let shape = block::Shape { heads, causal, ..block::Shape::default() };
            Block::new(&mut layout, &format!("blocks.{index}"), shape)
        };
        let blocks = (0..depth).map(block).collect();
        let norm = LayerNorm::new(&mut layout, "norm", width);
        let out = Linear::filled(&mut layout, "out", [width, out], filled);
        Transformer { layout: Arc::new(layout), embed, blocks, norm, out }
    }
}

impl Architecture for Transformer {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Array) -> Array {
        let tokens = pass.kernels.finish(self.embed.forward(pass, x));
        let tokens = self.blocks.iter().fold(tokens, |x, block| block.forward(pass, x));
        self.out.forward(pass, self.norm.forward(pass, tokens))
    }

    fn walk(&self, walk: &mut Walk) {
        if let Extent::Features(width) = walk.at {
            walk.at = Extent::Tokens([1, width]);
        }
        self.embed.walk(walk);
        self.blocks.iter().for_each(|block| block.walk(walk));
        walk.layer_norm();
        self.out.walk(walk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::testing::backends;
    use crate::nn::Updates;
    use crate::nn::testing::pass;
    use crate::random::Key;

    /// A causal one gives each token what it would give it without those behind it.
    #[test]
    fn tokens_see_those_before_them_alone() {
        for on in backends() {
            let net = Transformer::new(1, (2, true), [3, 5]);
            let params = net.init(Key::root(1), &on.device);
            let apply = |tokens: &[f32]| {
                let mut updates = Updates::new();
                let mut pass = pass(&on, &params, &mut updates);
                let shape = [1, tokens.len() / 3, 3];
                net.forward(&mut pass, Array::from_vec(tokens.to_vec(), &shape, &on.device))
                    .to_vec()
            };
            let tokens = [0.3, -1.0, 0.5, 2.0, 0.1, -0.4, 1.0, 1.0, -1.0];
            let all = apply(&tokens);
            for count in 1..=3 {
                let found = apply(&tokens[..3 * count]);
                let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
                assert!(found.iter().zip(&all).all(near), "{count}: {found:?} {all:?}");
            }
            // The last one sees the first.
            let other = apply(&[&[1.3, 0.0, 0.5], &tokens[3..]].concat());
            assert!(other[10..].iter().zip(&all[10..]).any(|(a, b)| (a - b).abs() > 1e-5));
        }
    }

    /// What an example's tokens become depends on each other and on no other example, and not on
    /// their order: none has a place.
    #[test]
    fn tokens_look_at_those_of_their_example() {
        for on in backends() {
            let net = Transformer::new(1, (2, false), [3, 5]);
            let params = net.init(Key::root(1), &on.device);
            let apply = |tokens: &[f32], shape: &[usize]| {
                let mut updates = Updates::new();
                let mut pass = pass(&on, &params, &mut updates);
                net.forward(&mut pass, Array::from_vec(tokens.to_vec(), shape, &on.device)).to_vec()
            };
            let close = |a: &[f32], b: &[f32]| {
                assert_eq!(a.len(), b.len());
                let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
                assert!(a.iter().zip(b).all(near), "{a:?} {b:?}");
            };
            let first = [0.3, -1.0, 0.5, 2.0, 0.1, -0.4];
            let second = [1.0, 1.0, -1.0, 0.0, 0.2, 0.9];
            let both = apply(&[first, second].concat(), &[2, 2, 3]);
            let alone = apply(&first, &[1, 2, 3]);
            close(&both[..10], &alone);
            let turned = apply(&[&first[3..], &first[..3]].concat(), &[1, 2, 3]);
            close(&turned, &[&alone[5..], &alone[..5]].concat());
            let one = apply(&first[..3], &[1, 1, 3]);
            assert!(one.iter().zip(&alone).any(|(a, b)| (a - b).abs() > 1e-6), "{one:?} {alone:?}");
        }
    }
}
