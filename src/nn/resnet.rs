//! Residual networks, parameter for parameter torchvision's. He et al. 2015, arXiv:1512.03385.

use std::sync::Arc;

use super::architecture::{Architecture, Pass};
use super::conv_norm::ConvNorm;
use super::cost::Walk;
use super::maps;
use super::params::Layout;
use crate::device::{After, Array};
use crate::term::Args;
use crate::term::objective::Section;

/// How an image enters the network.
#[derive(Clone, Copy, PartialEq)]
enum Stem {
    /// A 3x3 convolution at full resolution, for small images.
    Small,
    /// A 7x7 convolution and a pooling, each of stride two.
    ImageNet,
}

/// What a residual block is made of.
#[derive(Clone, Copy)]
enum BlockKind {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3 and 1x1 convolutions; the last one widens four times, and those before it are so
    /// many times as wide as they are elsewhere. The 3x3 one carries the stride, as in torchvision.
    Bottleneck { widened: usize },
}

pub(super) fn resnet18(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    Box::new(ResNet::from_args(args, BlockKind::Basic, [2, 2, 2, 2]))
}

pub(super) fn resnet34(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    Box::new(ResNet::from_args(args, BlockKind::Basic, [3, 4, 6, 3]))
}

pub(super) fn resnet50(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    Box::new(ResNet::from_args(args, BlockKind::Bottleneck { widened: 1 }, [3, 4, 6, 3]))
}

pub(super) fn resnet101(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    Box::new(ResNet::from_args(args, BlockKind::Bottleneck { widened: 1 }, [3, 4, 23, 3]))
}

pub(super) fn wide_resnet50_2(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    Box::new(ResNet::from_args(args, BlockKind::Bottleneck { widened: 2 }, [3, 4, 6, 3]))
}

pub(super) fn wide_resnet101_2(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    Box::new(ResNet::from_args(args, BlockKind::Bottleneck { widened: 2 }, [3, 4, 23, 3]))
}

/// `[n, 3, h, w]` to `[n, features]`, the global average of the last maps.
struct ResNet {
    layout: Arc<Layout>,
    stem: Stem,
    entry: ConvNorm,
    blocks: Vec<Block>,
}

impl ResNet {
    fn from_args(args: &Args, kind: BlockKind, depths: [usize; 4]) -> Self {
        let stem = if args.symbol("stem") == "small" { Stem::Small } else { Stem::ImageNet };
        Self::new(stem, kind, depths, args.size("width"))
    }

    /// `depths` blocks in the four groups; `width` channels after the stem, doubled by each group
    /// but the first.
    fn new(stem: Stem, kind: BlockKind, depths: [usize; 4], width: usize) -> Self {
        let (kernel, stride) = match stem {
            Stem::Small => (3, 1),
            Stem::ImageNet => (7, 2),
        };
        let mut layout = Layout::default();
        let entry = ConvNorm::new(&mut layout, "conv1", "bn1", [3, width], kernel, stride);
        let mut blocks = Vec::new();
        let mut input = width;
        for (group, depth) in depths.into_iter().enumerate() {
            for index in 0..depth {
                let name = format!("layer{}.{index}", group + 1);
                let stride = if group > 0 && index == 0 { 2 } else { 1 };
                let channels = [input, width << group];
                let block = Block::new(&mut layout, &name, kind, channels, stride);
                input = block.output;
                blocks.push(block);
            }
        }
        ResNet { layout: Arc::new(layout), stem, entry, blocks }
    }
}

impl Architecture for ResNet {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Array) -> Array {
        self.section(Section::Features, pass, x)
    }

    fn section(&self, section: Section, pass: &mut Pass<'_>, x: Array) -> Array {
        maps::section(section, pass, x, |pass, x| self.maps(pass, x))
    }

    fn walk(&self, walk: &mut Walk) {
        self.walk_section(Section::Features, walk);
    }

    fn walk_section(&self, section: Section, walk: &mut Walk) {
        maps::walk(section, walk, |walk| {
            self.entry.walk(walk, true);
            if self.stem == Stem::ImageNet {
                walk.max_pool(2);
            }
            self.blocks.iter().for_each(|block| block.walk(walk));
        });
    }
}

impl ResNet {
    /// `[n, 3, h, w]` to `[n, features, h', w']`.
    fn maps(&self, pass: &mut Pass<'_>, x: Array) -> Array {
        let mut x = self.entry.forward(pass, x, After { relu: true, ..After::default() });
        if self.stem == Stem::ImageNet {
            x = pass.kernels.max_pool2d(x, 3, 2, 1);
        }
        for block in &self.blocks {
            x = block.forward(pass, x);
        }
        x
    }
}

/// A residual block: the input, projected where its shape changes, plus the output of the last unit.
struct Block {
    units: Vec<ConvNorm>,
    last: ConvNorm,
    downsample: Option<ConvNorm>,
    output: usize,
}

impl Block {
    fn new(
        layout: &mut Layout,
        name: &str,
        kind: BlockKind,
        [input, planes]: [usize; 2],
        stride: usize,
    ) -> Self {
        // Channels in and out, kernel, stride.
        let (output, shapes) = match kind {
            BlockKind::Basic => {
                (planes, vec![([input, planes], 3, stride), ([planes, planes], 3, 1)])
            }
            BlockKind::Bottleneck { widened } => {
                let inner = widened * planes;
                let shapes = vec![
                    ([input, inner], 1, 1),
                    ([inner, inner], 3, stride),
                    ([inner, 4 * planes], 1, 1),
                ];
                (4 * planes, shapes)
            }
        };
        let unit = |(index, (channels, kernel, stride)): (usize, ([usize; 2], usize, usize))| {
            let [conv, norm] = ["conv", "bn"].map(|part| format!("{name}.{part}{}", index + 1));
            ConvNorm::new(layout, &conv, &norm, channels, kernel, stride)
        };
        let mut units: Vec<ConvNorm> = shapes.into_iter().enumerate().map(unit).collect();
        let last = units.pop().expect("a block has units");
        let downsample = (stride != 1 || input != output).then(|| {
            let [conv, norm] = [0, 1].map(|index| format!("{name}.downsample.{index}"));
            ConvNorm::new(layout, &conv, &norm, [input, output], 1, stride)
        });
        Block { units, last, downsample, output }
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Array) -> Array {
        let mut y = x.clone();
        for unit in &self.units {
            y = unit.forward(pass, y, After { relu: true, ..After::default() });
        }
        let shortcut = match &self.downsample {
            Some(unit) => unit.forward(pass, x, After::default()),
            None => x,
        };
        self.last.forward(pass, y, After { shortcut: Some(shortcut), relu: true })
    }

    fn walk(&self, walk: &mut Walk) {
        let given = walk.at;
        for unit in &self.units {
            unit.walk(walk, true);
            walk.waiting = given.numbers();
        }
        if let Some(unit) = &self.downsample {
            let hidden = std::mem::replace(&mut walk.at, given);
            walk.waiting = hidden.numbers();
            unit.walk(walk, false);
            walk.waiting = std::mem::replace(&mut walk.at, hidden).numbers();
        }
        self.last.walk(walk, true);
        walk.waiting = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use ::safetensors::SafeTensors;
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::device::FallBack;
    use crate::device::Selected;
    use crate::device::testing::backends;
    use crate::nn::init::materialize;
    use crate::nn::layers::Linear;
    use crate::nn::{Params, Role, Updates, safetensors};
    use crate::random::Key;

    /// Four images of a fixed pattern.
    fn images(size: usize, device: &Device) -> Array {
        let values: Vec<f32> =
            (0..4 * 3 * size * size).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        Array::from_vec(values, &[4, 3, size, size], device)
    }

    fn pass<'a>(params: &'a Params, training: bool, updates: &'a mut Updates) -> Pass<'a> {
        Pass { kernels: &FallBack, params, training, chance: None, groups: 1, updates }
    }

    /// Compares the first values.
    fn close(found: &[f32], expected: &[f32], tolerance: f32) {
        assert!(found.len() >= expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < tolerance, "{found} is not {expected}");
        }
    }

    /// The number of parameters of torchvision's models without their `fc`.
    #[test]
    fn counts_are_torchvisions() {
        for (kind, depths, count) in [
            (BlockKind::Basic, [2, 2, 2, 2], 11_176_512),
            (BlockKind::Basic, [3, 4, 6, 3], 21_284_672),
            (BlockKind::Bottleneck { widened: 1 }, [3, 4, 6, 3], 23_508_032),
            (BlockKind::Bottleneck { widened: 2 }, [3, 4, 6, 3], 66_834_240),
        ] {
            let net = ResNet::new(Stem::ImageNet, kind, depths, 64);
            let trained = net.layout().iter().filter(|own| own.role.is_trained());
            assert_eq!(trained.map(|d| d.shape.iter().product::<usize>()).sum::<usize>(), count);
        }
    }

    #[test]
    fn names_and_shapes_are_torchvisions() {
        let net = ResNet::new(Stem::ImageNet, BlockKind::Basic, [2, 2, 2, 2], 4);
        let params = net.init(Key::root(0), &Device::default());
        let names: Vec<&str> = params.iter().map(|own| own.name).collect();
        assert_eq!(names.len(), 120);
        assert_eq!(
            names[..6],
            [
                "conv1.weight",
                "bn1.weight",
                "bn1.bias",
                "bn1.running_mean",
                "bn1.running_var",
                "bn1.num_batches_tracked"
            ]
        );
        assert_eq!(params.get("conv1.weight").unwrap().shape(), [4, 3, 7, 7]);
        assert_eq!(params.get("layer2.0.downsample.0.weight").unwrap().shape(), [8, 4, 1, 1]);
        let buffer = params.iter().find(|own| own.name == "layer4.1.bn2.running_var");
        assert_eq!(buffer.unwrap().role, Role::Buffer);
        assert!(params.slot("layer1.0.downsample.0.weight").is_none());

        let net = ResNet::new(Stem::Small, BlockKind::Bottleneck { widened: 1 }, [3, 4, 6, 3], 2);
        let params = net.init(Key::root(0), &Device::default());
        assert_eq!(params.get("conv1.weight").unwrap().shape(), [2, 3, 3, 3]);
        assert_eq!(params.get("layer1.0.downsample.0.weight").unwrap().shape(), [8, 2, 1, 1]);
        assert_eq!(params.get("layer4.2.conv3.weight").unwrap().shape(), [64, 16, 1, 1]);
    }

    #[test]
    fn convolutions_start_kaiming_normal() {
        let net = ResNet::new(Stem::Small, BlockKind::Basic, [1, 1, 1, 1], 16);
        let params = net.init(Key::root(0), &Device::default());
        let weight = params.get("layer4.0.conv2.weight").unwrap().to_vec();
        let variance = weight.iter().map(|w| w * w).sum::<f32>() / weight.len() as f32;
        let expected = 2.0 / (128.0 * 9.0);
        assert!((variance / expected - 1.0).abs() < 0.03, "{variance}");
    }

    /// What `tests/python/torchvision_loads.py` has torchvision compute with the exported weights of
    /// a run. That run and the folder with it are made by the continuous integration.
    #[test]
    fn exported_models_give_torchvisions_outputs() {
        let Some(folder) = std::env::var_os("CPIPE_TORCHVISION").map(PathBuf::from) else {
            println!("skipped: CPIPE_TORCHVISION names no run folder");
            return;
        };
        let read = |name: &str| fs::read(folder.join(name)).expect("a file of the run folder");
        let expected = read("torchvision.safetensors");
        let expected = SafeTensors::deserialize(&expected).expect("written by safetensors");
        let expected = |name: &str| {
            let view = expected.tensor(name).expect("torchvision_loads.py writes it");
            let bytes = view.data().as_chunks().0.iter();
            (
                bytes.map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<_>>(),
                view.shape().to_vec(),
            )
        };
        let [(images, shape), (features, _), (logits, _)] =
            ["images", "features", "logits"].map(expected);
        for Selected { device, .. } in backends() {
            let net = ResNet::new(Stem::Small, BlockKind::Basic, [2, 2, 2, 2], 16);
            let mut layout = Layout::default();
            let head = Linear::new(&mut layout, "fc", [128, 10], true);
            let templates = [
                ("", &net.init(Key::root(0), &device)),
                ("", &materialize(&Arc::new(layout), Key::root(0), &device)),
            ];
            let params = |file: &str, templates: &[(&str, &Params)]| {
                safetensors::from_bytes(&read(file), templates, &device).expect("the same network")
            };
            let forward = |params: &Params| {
                let images = Array::from_vec(images.clone(), &shape, &device);
                let mut updates = Updates::new();
                net.forward(&mut pass(params, false, &mut updates), images)
            };
            let near = |found: Array, expected: &[f32]| {
                let found = found.to_vec();
                assert_eq!(found.len(), expected.len());
                let largest = expected.iter().fold(0.0, |a: f32, b| a.max(b.abs()));
                close(&found, expected, 1e-4 * largest);
            };
            near(forward(&params("base.encoder.safetensors", &templates[..1])[0]), &features);
            let model = params("classifier.model.safetensors", &templates);
            let mut updates = Updates::new();
            let features = forward(&model[0]);
            near(head.forward(&pass(&model[1], false, &mut updates), features), &logits);
        }
    }

    /// Features, gradients and running statistics of torchvision 0.24 on PyTorch 2.9, with these
    /// very weights.
    #[test]
    fn basic_blocks_compute_what_torchvisions_do() {
        for Selected { device, .. } in backends() {
            let net = ResNet::new(Stem::Small, BlockKind::Basic, [2, 2, 2, 2], 4);
            let params = net.init(Key::root(7), &device).leaves();
            let slot = |name: &str| params.slot(name).expect("a parameter");
            let run = |training| {
                let mut updates = Updates::new();
                let mut pass = pass(&params, training, &mut updates);
                let y = net.forward(&mut pass, images(16, &device));
                let rows: Tensor<2> = y.tensor();
                let mut gradients = rows.powi_scalar(2).sum().backward();
                let conv = params.value(slot("layer2.0.downsample.0.weight"));
                let gradient = conv.take_gradient(&mut gradients).expect("tracked");
                (y.to_vec(), gradient.to_vec(), updates)
            };
            let (y, gradient, updates) = run(true);
            close(&y, &[0.5468725, 0.9225347, 0.4678099, 0.2323824, 0.5686187, 0.9261662], 2e-4);
            close(&gradient, &[-3.0610893, 0.2351956], 1e-2);
            close(&updates[&slot("bn1.running_var")].to_vec(), &[0.9239287, 0.9119796], 1e-5);
            close(
                &updates[&slot("layer4.0.bn1.running_mean")].to_vec(),
                &[0.0504355, -0.0716799],
                1e-4,
            );

            let (y, gradient, updates) = run(false);
            close(&y, &[0.764802, 1.131624, 0.1190629, 0.544073, 0.0757085, 0.2979359], 1e-4);
            close(&gradient, &[22.379349, 7.2836165], 1e-2);
            assert!(updates.is_empty());
        }
    }

    #[test]
    fn bottlenecks_compute_what_torchvisions_do() {
        for Selected { device, .. } in backends() {
            let net =
                ResNet::new(Stem::ImageNet, BlockKind::Bottleneck { widened: 1 }, [3, 4, 6, 3], 2);
            let params = net.init(Key::root(7), &device);
            let mut updates = Updates::new();
            let y = net.forward(&mut pass(&params, false, &mut updates), images(64, &device));
            assert_eq!(y.shape(), [4, 64]);
            close(&y.to_vec(), &[6.299499, 0.0505893, 1.089754, 0.0, 3.081511, 2.045879], 1e-3);
        }
    }
}
