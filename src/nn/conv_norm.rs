//! A convolution and the batch norm after it: what convolutional networks are made of.

use super::architecture::Pass;
use super::cost::Walk;
use super::layers::Conv2d;
use super::norm::BatchNorm;
use super::params::Layout;
use crate::device::{After, Array};

/// A convolution and its batch norm.
pub(super) struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    pub fn new(
        layout: &mut Layout,
        conv: &str,
        norm: &str,
        [input, output]: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> Self {
        ConvNorm {
            conv: Conv2d::new(layout, conv, [input, output], kernel, stride),
            norm: BatchNorm::new(layout, norm, output),
        }
    }

    pub fn forward(&self, pass: &mut Pass<'_>, x: Array, after: After) -> Array {
        let x = self.conv.forward(pass, x);
        self.norm.forward(pass, x, after)
    }

    pub fn walk(&self, walk: &mut Walk, relu: bool) {
        self.conv.walk(walk);
        walk.norm_after(relu);
    }
}
