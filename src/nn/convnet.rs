//! A small convolutional network without pooling, for trials on a processor.

use std::sync::Arc;

use super::architecture::{Architecture, Pass};
use super::conv_norm::ConvNorm;
use super::cost::Walk;
use super::maps;
use super::params::Layout;
use crate::device::{After, Array};
use crate::term::Args;
use crate::term::objective::Section;

/// Multiple of the width and stride of each layer.
const LAYERS: [(usize, usize); 5] = [(1, 1), (2, 2), (4, 2), (8, 2), (8, 1)];

pub(super) fn convnet(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    Box::new(ConvNet::new(args.size("width")))
}

/// `[n, 3, h, w]` to `[n, 8 * width]`, the global average of the last maps.
struct ConvNet {
    layout: Arc<Layout>,
    units: Vec<ConvNorm>,
}

impl ConvNet {
    fn new(width: usize) -> Self {
        let mut layout = Layout::default();
        let mut input = 3;
        let layer = |(index, (multiple, stride)): (usize, (usize, usize))| {
            let (number, output) = (index + 1, multiple * width);
            let names = [format!("conv{number}"), format!("bn{number}")];
            let unit = ConvNorm::new(&mut layout, &names[0], &names[1], [input, output], 3, stride);
            input = output;
            unit
        };
        let units = LAYERS.into_iter().enumerate().map(layer).collect();
        ConvNet { layout: Arc::new(layout), units }
    }
}

impl Architecture for ConvNet {
    fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Array) -> Array {
        self.section(Section::Features, pass, x)
    }

    fn section(&self, section: Section, pass: &mut Pass<'_>, x: Array) -> Array {
        maps::section(section, pass, x, |pass, x| {
            let unit = |x, unit: &ConvNorm| {
                unit.forward(pass, x, After { relu: true, ..After::default() })
            };
            self.units.iter().fold(x, unit)
        })
    }

    fn walk(&self, walk: &mut Walk) {
        self.walk_section(Section::Features, walk);
    }

    fn walk_section(&self, section: Section, walk: &mut Walk) {
        maps::walk(section, walk, |walk| self.units.iter().for_each(|unit| unit.walk(walk, true)));
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::device::FallBack;
    use crate::nn::Updates;
    use crate::random::Key;

    #[test]
    fn each_layer_reads_what_the_one_before_it_makes() {
        let net = ConvNet::new(4);
        let params = net.init(Key::root(0), &Device::default());
        let shape = |layer| params.get(&format!("conv{layer}.weight")).unwrap().shape();
        let shapes: Vec<Vec<usize>> = (1..=5).map(shape).collect();
        assert_eq!(
            shapes,
            [[4, 3, 3, 3], [8, 4, 3, 3], [16, 8, 3, 3], [32, 16, 3, 3], [32, 32, 3, 3]]
        );
        for (height, width) in [(32, 32), (17, 5), (1, 1)] {
            let values = vec![1.0; 6 * height * width];
            let images = Array::from_vec(values, &[2, 3, height, width], &Device::default());
            let mut updates = Updates::new();
            let mut pass = Pass {
                kernels: &FallBack,
                params: &params,
                training: false,
                chance: None,
                groups: 1,
                updates: &mut updates,
            };
            assert_eq!(net.forward(&mut pass, images).shape(), [2, 32]);
        }
    }
}
