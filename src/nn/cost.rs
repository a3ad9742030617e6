//! What a pass through a module takes, told from its layers and the size of its input.

use std::ops::AddAssign;

/// The size of what flows between layers, for one example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Channels, height and width.
    Maps([usize; 3]),
    Features(usize),
    /// How many, and their width.
    Tokens([usize; 2]),
}

impl Extent {
    /// The numbers in it.
    pub fn numbers(self) -> u128 {
        match self {
            Extent::Maps(sizes) => sizes.iter().map(|size| *size as u128).product(),
            Extent::Features(size) => size as u128,
            Extent::Tokens([count, width]) => count as u128 * width as u128,
        }
    }
}

/// For one example. Operations are those of convolutions and linear layers, a multiplication and an
/// addition counted as two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Operations of the pass.
    pub forward: u128,
    /// Operations of its gradient by the parameters.
    pub by_parameters: u128,
    /// Operations of its gradient by the input of every layer but the first.
    pub by_layers: u128,
    /// Operations of its gradient by what the module is given.
    pub by_input: u128,
    /// Numbers that are kept from the pass until its gradient is there.
    pub kept: u128,
    /// Numbers that are there at once, at the most, where nothing is kept.
    pub live: u128,
    /// Numbers that are there at once, at the most, while the gradient goes back: what is still kept,
    /// and what a layer takes.
    pub backward: u128,
}

impl AddAssign for Cost {
    /// The cost of both, one after the other.
    fn add_assign(&mut self, other: Self) {
        self.forward += other.forward;
        self.by_parameters += other.by_parameters;
        self.by_layers += other.by_layers;
        self.by_input += other.by_input;
        self.kept += other.kept;
        self.live = self.live.max(other.live);
        self.backward = self.backward.max(other.backward);
    }
}

/// A walk through the layers of a module, in the order of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    pub cost: Cost,
    /// What the next layer is given.
    pub at: Extent,
    /// Numbers that wait for a later layer, such as what a shortcut carries.
    pub waiting: u128,
    is_first: bool,
}

impl Walk {
    pub fn new(at: Extent) -> Self {
        Walk { cost: Cost::default(), at, waiting: 0, is_first: true }
    }

    /// A square convolution to so many channels that keeps the resolution where the stride is one.
    pub fn convolution(&mut self, output: usize, kernel: usize, stride: usize) {
        let Extent::Maps([input, height, width]) = self.at else {
            unreachable!("convolutions stand before the pooling")
        };
        let (height, width) = (height.div_ceil(stride), width.div_ceil(stride));
        let to = Extent::Maps([output, height, width]);
        let columns = (input * kernel * kernel) as u128 * (height * width) as u128;
        self.multiplies(columns * output as u128);
        self.is_differentiated(to.numbers());
        self.is_live(self.at.numbers() + to.numbers());
        self.at = to;
    }

    /// Of the features, or of each token.
    pub fn linear(&mut self, output: usize) {
        let to = match self.at {
            Extent::Tokens([count, _]) => Extent::Tokens([count, output]),
            _ => Extent::Features(output),
        };
        self.multiplies(self.at.numbers() * output as u128);
        self.is_differentiated(to.numbers());
        self.is_live(self.at.numbers() + to.numbers());
        self.at = to;
    }

    /// A batch norm of features keeps what it has centred.
    pub fn norm(&mut self) {
        self.keeps(self.at.numbers());
    }

    /// A batch norm of maps, behind a convolution: with a rectifier it keeps what it is given and
    /// what the layer behind it is given.
    pub fn norm_after(&mut self, relu: bool) {
        self.keeps(self.at.numbers());
        if relu {
            self.keeps(self.at.numbers());
        }
    }

    /// A rectifier keeps what it is given, and the layer behind it what it gives.
    pub fn relu(&mut self) {
        self.keeps(self.at.numbers());
        self.keeps(self.at.numbers());
    }

    /// Maxima of windows, padded by half of one; it keeps where each was found, in eight bytes.
    pub fn max_pool(&mut self, stride: usize) {
        let Extent::Maps([channels, height, width]) = self.at else {
            unreachable!("a pooling is given maps")
        };
        let to = Extent::Maps([channels, height.div_ceil(stride), width.div_ceil(stride)]);
        self.is_live(self.at.numbers() + 3 * to.numbers());
        self.cost.kept += 3 * to.numbers();
        self.at = to;
    }

    /// The mean over all positions.
    pub fn average(&mut self) {
        if let Extent::Maps([channels, ..]) = self.at {
            self.at = Extent::Features(channels);
        }
    }

    /// Square patches of maps as maps of that width.
    pub fn patch_maps(&mut self, side: usize, width: usize) {
        let Extent::Maps([channels, height, columns]) = self.at else {
            unreachable!("patches are cut out of maps")
        };
        let to = Extent::Maps([width, height / side, columns / side]);
        // What is left of images at their ends is not read.
        self.multiplies(to.numbers() * (channels * side * side) as u128);
        self.is_differentiated(to.numbers());
        self.is_live(self.at.numbers() + to.numbers());
        self.at = to;
    }

    /// A square convolution of each channel by itself.
    pub fn depthwise(&mut self, kernel: usize) {
        self.multiplies(self.at.numbers() * (kernel * kernel) as u128);
        self.keeps(self.at.numbers());
    }

    /// Layers that see each position of maps by itself.
    pub fn of_positions(&mut self, inner: impl FnOnce(&mut Self)) {
        let Extent::Maps([_, height, width]) = self.at else {
            unreachable!("positions are those of maps")
        };
        self.positions();
        inner(self);
        if let Extent::Tokens([_, channels]) = self.at {
            self.at = Extent::Maps([channels, height, width]);
        }
    }

    /// The positions of maps as tokens.
    pub fn positions(&mut self) {
        if let Extent::Maps([channels, height, width]) = self.at {
            self.at = Extent::Tokens([height * width, channels]);
        }
    }

    /// Square patches of images as tokens of that width, and so many tokens before them.
    pub fn patches(&mut self, side: usize, width: usize, before: usize) {
        let Extent::Maps([channels, height, columns]) = self.at else {
            unreachable!("patches are cut out of images")
        };
        let count = (height / side) * (columns / side);
        let to = Extent::Tokens([before + count, width]);
        self.multiplies((count * width) as u128 * (channels * side * side) as u128);
        self.is_live(2 * to.numbers());
        self.at = to;
    }

    /// The learned places of square patches.
    pub fn places(&mut self, side: usize, width: usize) {
        if let Extent::Maps([_, height, columns]) = self.at {
            self.at = Extent::Tokens([(height / side) * (columns / side), width]);
        }
    }

    /// A layer norm keeps what it is given, and the layer behind it what it gives.
    pub fn layer_norm(&mut self) {
        self.keeps(self.at.numbers());
        self.keeps(self.at.numbers());
    }

    /// As a rectifier.
    pub fn gelu(&mut self) {
        self.relu();
    }

    /// Attention, of any number of heads, from queries, keys and values beside each other: products of the
    /// tokens with each other, of which neither has parameters and none is kept.
    pub fn attention(&mut self) {
        let Extent::Tokens([count, width]) = self.at else {
            unreachable!("attention is between tokens")
        };
        let to = Extent::Tokens([count, width / 3]);
        let operations = 4 * (count * count) as u128 * (width / 3) as u128;
        self.cost.forward += operations;
        self.cost.by_layers += 2 * operations;
        self.keeps(self.at.numbers());
        self.keeps(to.numbers());
        self.at = to;
    }

    /// What is multiplied by learned numbers is kept for their gradient.
    pub fn scaled(&mut self) {
        self.keeps(self.at.numbers());
    }

    /// What `inner` is given waits until it is added to what that gives.
    pub fn shortcut(&mut self, inner: impl FnOnce(&mut Self)) {
        let carried = self.at.numbers();
        self.waiting += carried;
        inner(self);
        self.waiting -= carried;
    }

    /// So many tokens more, or fewer.
    pub fn tokens(&mut self, by: isize) {
        if let Extent::Tokens([count, width]) = self.at {
            self.at = Extent::Tokens([count.saturating_add_signed(by), width]);
        }
    }

    /// So many tensors of such tokens.
    pub fn repeated(&mut self, times: usize) {
        if let Extent::Tokens([count, width]) = self.at {
            self.at = Extent::Tokens([times * count, width]);
        }
    }

    /// One token out of all, or their mean.
    pub fn one_token(&mut self) {
        if let Extent::Tokens([_, width]) = self.at {
            self.at = Extent::Features(width);
        }
    }

    fn keeps(&mut self, numbers: u128) {
        self.is_live(2 * numbers);
        self.cost.kept += numbers;
    }

    fn is_live(&mut self, numbers: u128) {
        self.cost.live = self.cost.live.max(self.waiting + numbers);
    }

    /// A layer is given two gradients, of its output and its input, beside what is kept before it.
    fn is_differentiated(&mut self, output: u128) {
        let there = self.cost.kept + self.waiting + self.at.numbers() + output;
        self.cost.backward = self.cost.backward.max(there);
    }

    /// A product with parameters.
    fn multiplies(&mut self, products: u128) {
        let operations = 2 * products;
        self.cost.forward += operations;
        self.cost.by_parameters += operations;
        match std::mem::take(&mut self.is_first) {
            true => self.cost.by_input += operations,
            false => self.cost.by_layers += operations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::build;
    use crate::term::{Args, Call, Term};

    fn resnet(name: &str, stem: &str, width: i64, size: usize) -> Cost {
        let args = [("stem", Term::Symbol(stem.to_owned())), ("width", Term::Int(width))];
        let args = args.into_iter().map(|(name, term)| (name.to_owned(), term));
        let term = Term::Call(Call { name: name.to_owned(), args: Args(args.collect()) });
        let mut walk = Walk::new(Extent::Maps([3, size, size]));
        build(&term, None).walk(&mut walk);
        let is_deep = ["resnet50", "resnet101"].iter().any(|own| name.contains(own));
        let features = if is_deep { 32 } else { 8 } * width as usize;
        assert_eq!(walk.at, Extent::Features(features));
        walk.cost
    }

    /// The billions of multiplications that torchvision publishes, the last layer's 0.512 and 2.048
    /// million among them.
    #[test]
    fn operations_are_those_that_torchvision_publishes() {
        let published = [
            ("resnet18", 1.814, 0.5),
            ("resnet34", 3.664, 0.5),
            ("resnet50", 4.089, 2.0),
            ("resnet101", 7.801, 2.0),
            ("wide_resnet50_2", 11.398, 2.0),
            ("wide_resnet101_2", 22.753, 2.0),
        ];
        for (name, billions, last) in published {
            let products = resnet(name, "imagenet", 64, 224).forward as f64 / 2e9 + last / 1e3;
            assert!((products / billions - 1.0).abs() < 1e-3, "{name}: {products}");
        }
        // 0.56 billion at 32 pixels, as commonly published of the small stem.
        let small = resnet("resnet18", "small", 64, 32).forward as f64 / 2e9;
        assert!((small / 0.5556 - 1.0).abs() < 2e-3, "{small}");
    }

    #[test]
    fn the_gradient_takes_twice_as_many() {
        let cost = resnet("resnet18", "small", 16, 32);
        assert_eq!(cost.by_parameters, cost.forward);
        assert_eq!(cost.by_layers + cost.by_input, cost.forward);
        // The first convolution: 3x3 of three channels to sixteen.
        assert_eq!(cost.by_input, 2 * 27 * 16 * 32 * 32);
    }

    #[test]
    fn what_is_kept_is_two_tensors_a_layer() {
        // Sixteen maps of 32 by 32 after the stem and each of four layers; then half as many numbers
        // after each of four layers, and one tensor where the shortcut is projected; and so on.
        let group = 16 * 32 * 32;
        let halves: u128 = [2, 4, 8].iter().map(|part| 9 * group / part).sum();
        assert_eq!(resnet("resnet18", "small", 16, 32).kept, 10 * group + halves);
    }
}
