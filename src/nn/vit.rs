//! Vision transformers, parameter for parameter timm's. Dosovitskiy et al. 2020, arXiv:2010.11929.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::architecture::{Architecture, Pass};
use super::block::{self, Block, HEAD};
use super::cost::{Extent, Walk};
use super::init::Fill;
use super::layer_norm::LayerNorm;
use super::layers::Patches;
use super::maps;
use super::params::{Declared, Layout, Role, Slot};
use super::resample::resampled;
use super::residual::drops;
use crate::device::Array;
use crate::term::Args;
use crate::term::objective::Section;

pub(super) fn vit_tiny(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    Box::new(Transformer::from_args(args, 3))
}

pub(super) fn vit_small(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    Box::new(Transformer::from_args(args, 6))
}

pub(super) fn vit_base(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    Box::new(Transformer::from_args(args, 12))
}

/// What a transformer is made of.
struct Shape {
    heads: usize,
    depth: usize,
    patch: usize,
    /// Patches along a side of the images that positions are learned for.
    grid: usize,
    registers: usize,
    /// The mean of the patches is what it yields, in the place of the class token.
    mean: bool,
    /// What each part of a block is scaled by at first, where it is scaled.
    scale: Option<f32>,
    /// The share of the examples that are given nothing of the last block.
    drop: f64,
}

/// `[n, 3, h, w]` to `[n, width]`.
struct Transformer {
    layout: Arc<Layout>,
    shape: Shape,
    class: Slot,
    register: Option<Slot>,
    positions: Slot,
    embed: Patches,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

impl Transformer {
    fn from_args(args: &Args, heads: usize) -> Self {
        let patch = args.size("patch");
        Self::new(Shape {
            heads,
            depth: args.size("depth"),
            patch,
            grid: args.size("size") / patch,
            registers: args.size("registers"),
            mean: args.symbol("pool") == "mean",
            scale: Some(args.float("layer_scale") as f32).filter(|scale| *scale > 0.0),
            drop: args.float("drop_path"),
        })
    }

    fn new(shape: Shape) -> Self {
        let width = shape.heads * HEAD;
        let mut layout = Layout::default();
        let mut token = |name: &str, count: usize, std: f32| {
            let shape = vec![1, count, width];
            layout.declare(Declared::new(name, shape, Role::Token, Fill::Normal(std)))
        };
        let class = token("cls_token", 1, 1e-6);
        let register = (shape.registers > 0).then(|| token("reg_token", shape.registers, 1e-6));
        let places = 1 + shape.registers + shape.grid * shape.grid;
        let positions = token("pos_embed", places, 0.02);
        let embed = Patches::new(&mut layout, "patch_embed.proj", [3, width], shape.patch);
        let Shape { heads, scale, .. } = shape;
        let block = |(place, drop)| {
            let shape = block::Shape { heads, causal: false, scale, drop, place };
            Block::new(&mut layout, &format!("blocks.{place}"), shape)
        };
        let blocks = drops(shape.drop, shape.depth).enumerate().map(block).collect();
        // timm's names: the mean is normalised, or else every token is.
        let name = if shape.mean { "fc_norm" } else { "norm" };
        let norm = LayerNorm::new(&mut layout, name, width);
        let layout = Arc::new(layout);
        Transformer { layout, shape, class, register, positions, embed, blocks, norm }
    }

    /// How many tokens stand for no patch: the class, and registers.
    fn leads(&self) -> usize {
        1 + self.shape.registers
    }

    /// The patches of images, row after row, without their places: `[n, patches, width]`.
    fn patches(&self, pass: &Pass<'_>, x: Array) -> Tensor<3> {
        // In the numbers of the tokens beside them.
        pass.kernels.finish(self.embed.forward(pass, x)).into_tensor()
    }

    /// The places of patches in so many rows and columns: `[1, patches, width]`.
    fn places(&self, pass: &Pass<'_>, [rows, columns]: [usize; 2]) -> Tensor<3> {
        let (side, width) = (self.shape.grid, self.norm.width());
        let positions = pass.array(self.positions).into_tensor::<3>();
        let own = positions.narrow(1, self.leads(), side * side);
        if [rows, columns] == [side; 2] {
            return own;
        }
        let grid = resampled(own.reshape([side, side, width]), [rows, columns]);
        grid.reshape([1, rows * columns, width])
    }

    /// Class, registers, then the patches, which are `placed`: `[n, tokens, width]`.
    fn led(&self, pass: &Pass<'_>, placed: Tensor<3>) -> Array {
        let [n, _, _] = placed.dims();
        let own = |slot| pass.array(slot).into_tensor::<3>();
        let leads = [Some(self.class), self.register].into_iter().flatten().map(own).collect();
        let places = own(self.positions).narrow(1, 0, self.leads());
        let leads = (Tensor::cat(leads, 1) + places).repeat_dim(0, n);
        Tensor::cat(vec![leads, placed], 1).into()
    }

    /// The tokens of placed patches, through all blocks, not normalised yet.
    fn trunk(&self, pass: &Pass<'_>, placed: Tensor<3>) -> Array {
        let tokens = self.led(pass, placed);
        self.blocks.iter().fold(tokens, |x, block| block.forward(pass, x))
    }

    /// What each block makes of them: `[n, blocks, tokens, width]`.
    fn by_block(&self, pass: &Pass<'_>, placed: Tensor<3>) -> Tensor<4> {
        let mut tokens = self.led(pass, placed);
        let all = self.blocks.iter().map(|block| {
            tokens = block.forward(pass, tokens.clone());
            pass.kernels.finish(tokens.clone()).into_tensor::<3>()
        });
        Tensor::stack(all.collect(), 1)
    }

    fn placed(&self, pass: &Pass<'_>, x: Array) -> Tensor<3> {
        let grid = self.embed.grid(&x);
        self.patches(pass, x) + self.places(pass, grid)
    }

    /// What stands for the image among tokens: `[n, width]`.
    fn pooled(&self, tokens: Tensor<3>) -> Array {
        let ([n, count, width], first) = (tokens.dims(), self.leads());
        match self.shape.mean {
            true => maps::mean(tokens.narrow(1, first, count - first)).into(),
            false => tokens.narrow(1, 0, 1).reshape([n, width]).into(),
        }
    }

    /// The placed patches of images, or what they are given as.
    fn given(&self, pass: &Pass<'_>, x: Array) -> Tensor<3> {
        if x.rank() == 4 { self.placed(pass, x) } else { x.into_tensor() }
    }

    /// All tokens of images, or of patches that are placed. They are normalised, but where it is
    /// their mean that is.
    fn tokens(&self, pass: &Pass<'_>, x: Array) -> Tensor<3> {
        let placed = self.given(pass, x);
        let tokens = self.trunk(pass, placed);
        let tokens = if self.shape.mean { tokens } else { self.norm.forward(pass, tokens) };
        pass.kernels.finish(tokens).into_tensor()
    }

    /// The tokens of patches among all.
    fn of_patches(&self, tokens: Tensor<3>) -> Tensor<3> {
        let [_, count, _] = tokens.dims();
        tokens.narrow(1, self.leads(), count - self.leads())
    }
}

impl Architecture for Transformer {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Array) -> Array {
        let placed = self.placed(pass, x);
        let features = self.pooled(self.trunk(pass, placed).into_tensor());
        // The norm of a token is its own.
        self.norm.forward(pass, features)
    }

    fn section(&self, section: Section, pass: &mut Pass<'_>, x: Array) -> Array {
        match (section, x.rank()) {
            (Section::Embed, _) => self.patches(pass, x).into(),
            (Section::Places, _) => {
                let places = self.places(pass, self.embed.grid(&x));
                let [_, count, width] = places.dims();
                places.reshape([count, width]).into()
            }
            (Section::Blocks, _) => {
                let placed = self.given(pass, x);
                self.by_block(pass, placed).into()
            }
            (Section::Tokens, _) => self.tokens(pass, x).into(),
            (Section::Maps, 3) => self.of_patches(x.into_tensor()).into(),
            (Section::Maps, _) => {
                let tokens = self.tokens(pass, x);
                self.of_patches(tokens).into()
            }
            (Section::Features, 3) => {
                let pooled = self.pooled(x.into_tensor());
                if self.shape.mean { self.norm.forward(pass, pooled) } else { pooled }
            }
            (Section::Features, _) => self.forward(pass, x),
        }
    }

    fn walk(&self, walk: &mut Walk) {
        walk.patches(self.shape.patch, self.norm.width(), self.leads());
        self.blocks.iter().for_each(|block| block.walk(walk));
        walk.one_token();
        walk.layer_norm();
    }

    fn walk_section(&self, section: Section, walk: &mut Walk) {
        let leads = self.leads() as isize;
        let of_images = matches!(walk.at, Extent::Maps(_));
        match section {
            Section::Features if of_images => return self.walk(walk),
            Section::Features => {
                walk.one_token();
                if self.shape.mean {
                    walk.layer_norm();
                }
                return;
            }
            Section::Maps if !of_images => return walk.tokens(-leads),
            Section::Embed => {
                return walk.patches(self.shape.patch, self.norm.width(), 0);
            }
            Section::Places => return walk.places(self.shape.patch, self.norm.width()),
            Section::Blocks | Section::Tokens | Section::Maps => {}
        }
        match of_images {
            true => walk.patches(self.shape.patch, self.norm.width(), self.leads()),
            false => walk.tokens(leads),
        }
        self.blocks.iter().for_each(|block| block.walk(walk));
        match section {
            Section::Blocks => return walk.repeated(self.blocks.len()),
            _ if !self.shape.mean => walk.layer_norm(),
            _ => {}
        }
        if section == Section::Maps {
            walk.tokens(-leads);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use serde::Deserialize;

    use super::*;
    use crate::device::testing::backends;
    use crate::device::{Kernels, Mixed};
    use crate::nn::Updates;
    use crate::nn::testing::{Held, images, pass, pattern, weights};
    use crate::random::Key;

    /// As `tests/python/encoders.py` writes it.
    #[derive(Deserialize)]
    struct Case {
        heads: usize,
        depth: usize,
        patch: usize,
        size: usize,
        registers: usize,
        pool: String,
        /// What its blocks are scaled by at first; the pattern is in its place.
        scale: Option<f32>,
        side: usize,
        #[serde(flatten)]
        held: Held,
    }

    #[test]
    fn features_and_gradients_are_timms() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("vit.json")).expect("encoders.py writes it");
        for case in cases {
            let net = Transformer::new(Shape {
                heads: case.heads,
                depth: case.depth,
                patch: case.patch,
                grid: case.size / case.patch,
                registers: case.registers,
                mean: case.pool == "mean",
                scale: case.scale,
                drop: 0.0,
            });
            backends().iter().for_each(|on| case.held.compare(&net, case.side, on));
        }
    }

    /// Views larger than those that places are learned for, too, and views that leave a rest.
    #[test]
    fn parts_make_up_the_whole() {
        for (on, (mean, side)) in backends()
            .into_iter()
            .flat_map(|on| [(false, 16), (true, 24), (false, 18)].map(|case| (on.clone(), case)))
        {
            let net = Transformer::new(Shape {
                heads: 1,
                depth: 2,
                patch: 4,
                grid: 4,
                registers: 1,
                mean,
                scale: None,
                drop: 0.5,
            });
            let params = weights(&net.layout, &on.device);
            let mut updates = Updates::new();
            let mut pass = pass(&on, &params, &mut updates);
            let images = images([side; 2], &on.device);
            let whole = net.forward(&mut pass, images.clone()).to_vec();
            let mut of = |section, x: &Array| net.section(section, &mut pass, x.clone());
            let patches = (side / 4) * (side / 4);
            let (embedded, places) = (of(Section::Embed, &images), of(Section::Places, &images));
            assert_eq!(embedded.shape(), [2, patches, 64]);
            assert_eq!(places.shape(), [patches, 64]);
            let placed = embedded.into_tensor::<3>() + places.into_tensor::<2>().unsqueeze();
            let tokens = of(Section::Tokens, &placed.clone().into());
            assert_eq!(tokens.shape(), [2, 2 + patches, 64]);
            assert_eq!(tokens.to_vec(), of(Section::Tokens, &images).to_vec());
            let near = |found: Array| {
                let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4;
                assert!(found.to_vec().iter().zip(&whole).all(close), "{found:?} {whole:?}");
            };
            near(of(Section::Features, &tokens));
            near(of(Section::Features, &images));
            let blocks = of(Section::Blocks, &images);
            assert_eq!(blocks.shape(), [2, 2, 2 + patches, 64]);
            assert_eq!(blocks.to_vec(), of(Section::Blocks, &placed.clone().into()).to_vec());
            let maps = of(Section::Maps, &tokens);
            assert_eq!(maps.to_vec(), of(Section::Maps, &images).to_vec());
            let last = tokens.tensor::<3>().narrow(1, 2, patches);
            assert_eq!(maps.to_vec(), Array::from(last).to_vec());
            // Of fewer patches there are fewer tokens, and the class is another.
            let few = of(Section::Tokens, &placed.narrow(1, 0, 3).into());
            assert_eq!(few.shape(), [2, 5, 64]);
            assert_ne!(few.to_vec()[..64], tokens.to_vec()[..64]);
            // The last block's are what the tokens are made of.
            let last = blocks.into_tensor::<4>().narrow(1, 1, 1).reshape([2, 2 + patches, 64]);
            let last = if mean { last.into() } else { net.norm.forward(&pass, last.into()) };
            assert_eq!(last.to_vec(), tokens.to_vec());
        }
    }

    /// As networks in bfloat16 are held to those in f32.
    #[test]
    fn a_pass_in_bf16_is_one_in_f32_but_for_rounding() {
        for on in backends().into_iter().filter(|own| own.kind.starts_with("libtorch")) {
            let (scale, drop) = (Some(0.5), 0.5);
            let (heads, depth, patch, grid, registers, mean) = (1, 2, 4, 4, 1, false);
            let shape = Shape { heads, depth, patch, grid, registers, mean, scale, drop };
            let net = Transformer::new(shape);
            let mixed = Mixed(on.kernels);
            let of = |kernels: &dyn Kernels| {
                let params = net.init(Key::root(3), &on.device).leaves();
                let mut updates = Updates::new();
                let mut pass = Pass {
                    kernels,
                    params: &params,
                    training: true,
                    chance: Some(Key::root(4)),
                    groups: 1,
                    updates: &mut updates,
                };
                let images = Array::from_vec(pattern(4 * 3 * 256, 99), &[4, 3, 16, 16], &on.device);
                let features = kernels.finish(net.forward(&mut pass, images));
                let along = Array::from_vec(pattern(4 * 64, 7), &[4, 64], &on.device);
                let along: Tensor<2> = along.into_tensor();
                let mut tape = (features.tensor::<2>() * along).sum().backward();
                let slopes = params.iter().flat_map(|own| {
                    own.value.take_gradient(&mut tape).expect("all are reached").to_vec()
                });
                (features.to_vec(), slopes.collect::<Vec<f32>>())
            };
            let (exact, rounded) = (of(on.kernels), of(&mixed));
            assert_ne!(exact.0, rounded.0, "nothing was rounded");
            for (a, b) in [(exact.0, rounded.0), (exact.1, rounded.1)] {
                let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
                let cosine = dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt();
                assert!(cosine > 0.99, "{cosine}");
            }
        }
    }

    #[test]
    fn the_cost_is_that_of_its_products() {
        let (heads, depth, patch, grid, registers, mean) = (3, 12, 16, 14, 0, false);
        let shape = Shape { heads, depth, patch, grid, registers, mean, scale: None, drop: 0.0 };
        let net = Transformer::new(shape);
        let mut walk = Walk::new(crate::nn::Extent::Maps([3, 224, 224]));
        net.walk(&mut walk);
        assert_eq!(walk.at, crate::nn::Extent::Features(192));
        // 1.26 billion multiplications, as commonly published; the scores are 0.18 of them.
        let billions = walk.cost.forward as f64 / 2e9;
        assert!((billions - 1.2535).abs() < 0.005, "{billions}");
        assert_eq!(net.init(Key::root(0), &Device::default()).count(), 5_524_416);
    }
}
