//! ConvNeXt, parameter for parameter timm's. Liu et al. 2022, arXiv:2201.03545.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::architecture::{Architecture, Pass};
use super::cost::{Extent, Walk};
use super::init::Fill;
use super::layer_norm::LayerNorm;
use super::layers::{Depthwise, Linear, Patches};
use super::maps;
use super::params::Layout;
use super::residual::{Residual, drops};
use crate::device::Array;
use crate::term::Args;
use crate::term::objective::Section;

/// The blocks of each of the four stages of the tiny network.
const TINY: [usize; 4] = [3, 3, 9, 3];

/// What a block's output is multiplied by at first, which leaves little of it.
const SCALE: f32 = 1e-6;

pub(super) fn convnext_tiny(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    let drop = args.float("drop_path");
    Box::new(ConvNext::new(args.size("patch"), args.size("width"), TINY, drop))
}

/// `[n, 3, h, w]` to `[n, 8 * width]`, the normalised average of the last maps.
///
/// Between its layers, maps lie with their channels last: `[n, h, w, channels]`.
struct ConvNext {
    layout: Arc<Layout>,
    stem: Patches,
    norm: LayerNorm,
    stages: Vec<Stage>,
    head: LayerNorm,
}

/// Blocks of one resolution, behind what halves it.
struct Stage {
    halving: Option<(LayerNorm, Patches)>,
    blocks: Vec<Block>,
}

impl ConvNext {
    fn new(patch: usize, width: usize, depths: [usize; 4], drop: f64) -> Self {
        let mut layout = Layout::default();
        let fill = (Fill::Normal(0.02), Fill::Constant(0.0));
        let stem = Patches::filled(&mut layout, "stem.0", [3, width], patch, fill);
        let norm = LayerNorm::new(&mut layout, "stem.1", width);
        let mut stages = Vec::new();
        let mut input = width;
        let mut places = drops(drop, depths.iter().sum()).enumerate();
        for (stage, depth) in depths.into_iter().enumerate() {
            let (output, name) = (width << stage, format!("stages.{stage}"));
            let halving = (stage > 0).then(|| {
                let [norm, conv] = [0, 1].map(|part| format!("{name}.downsample.{part}"));
                let norm = LayerNorm::new(&mut layout, &norm, input);
                (norm, Patches::filled(&mut layout, &conv, [input, output], 2, fill))
            });
            let block = |(block, (place, drop))| {
                let name = format!("{name}.blocks.{block}");
                Block::new(&mut layout, &name, output, (drop, place))
            };
            let blocks = places.by_ref().take(depth).enumerate().map(block).collect();
            stages.push(Stage { halving, blocks });
            input = output;
        }
        let head = LayerNorm::new(&mut layout, "head.norm", input);
        ConvNext { layout: Arc::new(layout), stem, norm, stages, head }
    }

    /// The last maps, `[n, h, w, channels]`.
    fn maps(&self, pass: &Pass<'_>, x: Array) -> Array {
        let mut x = self.norm.forward(pass, apart(&self.stem, pass, x));
        for Stage { halving, blocks } in &self.stages {
            if let Some((norm, conv)) = halving {
                x = apart(conv, pass, first(pass, norm.forward(pass, x)));
            }
            x = blocks.iter().fold(x, |x, block| block.forward(pass, x));
        }
        x
    }
}

/// Patches of `[n, channels, h, w]` as maps with their channels last.
fn apart(patches: &Patches, pass: &Pass<'_>, x: Array) -> Array {
    let [rows, columns] = patches.grid(&x);
    let tokens = patches.forward(pass, x);
    let shape = tokens.shape();
    tokens.reshape(&[shape[0], rows, columns, shape[2]])
}

/// Maps with their channels first.
fn first(pass: &Pass<'_>, x: Array) -> Array {
    let x: Tensor<4> = pass.kernels.finish(x).into_tensor();
    x.permute([0, 3, 1, 2]).into()
}

impl Architecture for ConvNext {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Array) -> Array {
        self.section(Section::Features, pass, x)
    }

    fn section(&self, section: Section, pass: &mut Pass<'_>, x: Array) -> Array {
        let rows = match x.rank() {
            4 => {
                let maps = self.maps(pass, x);
                let maps = pass.kernels.finish(maps);
                let shape = maps.shape();
                maps.reshape(&[shape[0], shape[1] * shape[2], shape[3]])
            }
            _ => x,
        };
        match section {
            Section::Features => self.head.forward(pass, maps::mean(rows.into_tensor()).into()),
            Section::Tokens | Section::Maps => rows,
            section => panic!("convolutions have no {section:?}"),
        }
    }

    fn walk(&self, walk: &mut Walk) {
        self.walk_section(Section::Features, walk);
    }

    fn walk_section(&self, section: Section, walk: &mut Walk) {
        if let Extent::Maps(_) = walk.at {
            walk.patch_maps(self.stem.side(), self.norm.width());
            walk.layer_norm();
            for Stage { halving, blocks } in &self.stages {
                if let Some((_, conv)) = halving {
                    walk.layer_norm();
                    walk.patch_maps(conv.side(), conv.width());
                }
                blocks.iter().for_each(|block| block.walk(walk));
            }
            walk.positions();
        }
        if section == Section::Features {
            walk.one_token();
            walk.layer_norm();
        }
    }
}

/// A convolution of each channel by itself and a perceptron of each position, scaled, with a
/// shortcut around both.
struct Block {
    conv: Depthwise,
    norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    residual: Residual,
}

impl Block {
    fn new(layout: &mut Layout, name: &str, width: usize, drop: (f64, usize)) -> Self {
        let linear = |layout: &mut Layout, own: &str, sizes| {
            let fill = (Fill::Normal(0.02), Some(Fill::Constant(0.0)));
            Linear::filled(layout, &format!("{name}.mlp.{own}"), sizes, fill)
        };
        let gamma = format!("{name}.gamma");
        // timm's order.
        Block {
            residual: Residual::new(layout, &gamma, (width, Some(SCALE)), drop),
            conv: Depthwise::new(layout, &format!("{name}.conv_dw"), width, 7),
            norm: LayerNorm::new(layout, &format!("{name}.norm"), width),
            fc1: linear(layout, "fc1", [width, 4 * width]),
            fc2: linear(layout, "fc2", [4 * width, width]),
        }
    }

    /// `[n, h, w, width]` to the same.
    fn forward(&self, pass: &Pass<'_>, x: Array) -> Array {
        let kernels = pass.kernels;
        let maps = self.conv.forward(pass, first(pass, x.clone()));
        let maps: Tensor<4> = maps.into_tensor();
        let rows = self.norm.forward(pass, maps.permute([0, 2, 3, 1]).into());
        let hidden = kernels.gelu(self.fc1.forward(pass, rows));
        self.residual.add(pass, x, self.fc2.forward(pass, hidden))
    }

    fn walk(&self, walk: &mut Walk) {
        walk.shortcut(|walk| {
            walk.depthwise(self.conv.kernel());
            walk.layer_norm();
            walk.of_positions(|walk| {
                self.fc1.walk(walk);
                walk.gelu();
                self.fc2.walk(walk);
            });
            self.residual.walk(walk);
        });
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde::Deserialize;

    use super::*;
    use crate::device::testing::backends;
    use crate::nn::Updates;
    use crate::nn::testing::{Held, images, pass};
    use crate::random::Key;

    /// As `tests/python/encoders.py` writes it.
    #[derive(Deserialize)]
    struct Case {
        patch: usize,
        width: usize,
        depths: [usize; 4],
        side: usize,
        #[serde(flatten)]
        held: Held,
    }

    #[test]
    fn features_and_gradients_are_timms() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("convnext.json")).expect("encoders.py writes it");
        for case in cases {
            let net = ConvNext::new(case.patch, case.width, case.depths, 0.0);
            backends().iter().for_each(|on| case.held.compare(&net, case.side, on));
        }
    }

    #[test]
    fn parts_and_costs_are_those_of_the_whole() {
        for on in backends() {
            let net = ConvNext::new(1, 2, [1, 1, 1, 1], 0.5);
            let params = net.init(Key::root(2), &on.device);
            let mut updates = Updates::new();
            let mut pass = pass(&on, &params, &mut updates);
            let images = images([17, 33], &on.device);
            let whole = net.forward(&mut pass, images.clone()).to_vec();
            let tokens = net.section(Section::Tokens, &mut pass, images);
            assert_eq!(tokens.shape(), [2, 2 * 4, 16]);
            let again = net.section(Section::Features, &mut pass, tokens).to_vec();
            assert!(whole.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-5));
        }
        let net = ConvNext::new(4, 96, TINY, 0.0);
        let mut walk = Walk::new(Extent::Maps([3, 224, 224]));
        net.walk(&mut walk);
        assert_eq!(walk.at, Extent::Features(768));
        // 4.47 billion multiplications, as published, without the classes' 0.8 million.
        let billions = walk.cost.forward as f64 / 2e9;
        assert!((billions / 4.47 - 1.0).abs() < 0.01, "{billions}");
        // timm's, without its head of 1,000 classes.
        let count = net.init(Key::root(0), &Device::default()).count();
        assert_eq!(count, 28_589_128 - 769_000);
    }
}
