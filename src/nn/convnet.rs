//! A small convolutional network without pooling, for trials on a processor.

use burn::tensor::Device;

use super::architecture::{Activation, Architecture, Pass};
use super::conv_norm::ConvNorm;
use super::cost::Walk;
use super::init::materialize;
use super::ops;
use super::params::Params;
use crate::random::Key;
use crate::term::Args;

/// Multiple of the width and stride of each layer.
const LAYERS: [(usize, usize); 5] = [(1, 1), (2, 2), (4, 2), (8, 2), (8, 1)];

pub(super) fn convnet(args: &Args, _: Option<usize>) -> Box<dyn Architecture> {
    Box::new(ConvNet::new(args.size("width")))
}

/// `[n, 3, h, w]` to `[n, 8 * width]`, the global average of the last maps.
struct ConvNet(Vec<ConvNorm>);

impl ConvNet {
    fn new(width: usize) -> Self {
        let mut input = 3;
        let layer = |(index, (multiple, stride)): (usize, (usize, usize))| {
            let (number, output) = (index + 1, multiple * width);
            let names = [format!("conv{number}"), format!("bn{number}")];
            let unit = ConvNorm::new(&names[0], &names[1], [input, output], 3, stride);
            input = output;
            unit
        };
        ConvNet(LAYERS.into_iter().enumerate().map(layer).collect())
    }
}

impl Architecture for ConvNet {
    fn init(&self, key: Key, device: &Device) -> Params {
        let mut declarations = Vec::new();
        self.0.iter().for_each(|unit| unit.declare(&mut declarations));
        materialize(declarations, key, device)
    }

    fn forward(&self, pass: &mut Pass<'_>, x: Activation) -> Activation {
        let x = self.0.iter().fold(x.expect_maps(), |x, unit| ops::relu(unit.forward(pass, x)));
        Activation::Features(ops::global_average_pool(x))
    }

    fn walk(&self, walk: &mut Walk) {
        for unit in &self.0 {
            unit.walk(walk);
            walk.relu();
        }
        walk.average();
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use indexmap::IndexMap;

    use super::*;

    #[test]
    fn each_layer_reads_what_the_one_before_it_makes() {
        let net = ConvNet::new(4);
        let params = net.init(Key::root(0), &Device::default());
        let shapes: Vec<Vec<usize>> =
            (1..=5).map(|layer| params.0[&format!("conv{layer}.weight")].value.shape()).collect();
        assert_eq!(
            shapes,
            [[4, 3, 3, 3], [8, 4, 3, 3], [16, 8, 3, 3], [32, 16, 3, 3], [32, 32, 3, 3]]
        );
        for (height, width) in [(32, 32), (17, 5), (1, 1)] {
            let images = Tensor::ones([2, 3, height, width], &Device::default());
            let mut updates = IndexMap::new();
            let mut pass = Pass { params: &params, training: false, updates: &mut updates };
            let features = net.forward(&mut pass, Activation::Maps(images)).expect_features();
            assert_eq!(features.dims(), [2, 32]);
        }
    }
}
