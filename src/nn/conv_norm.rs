//! A convolution and the batch norm after it: what convolutional networks are made of.

use burn::tensor::Tensor;

use super::architecture::Pass;
use super::cost::Walk;
use super::init::ParamDeclaration;
use super::layers::Conv2d;
use super::norm::BatchNorm;

/// A convolution and its batch norm.
pub(super) struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    pub fn new(
        conv: &str,
        norm: &str,
        [input, output]: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> Self {
        ConvNorm {
            conv: Conv2d::new(conv, input, output, kernel, stride),
            norm: BatchNorm::new(norm, output),
        }
    }

    pub fn declare(&self, into: &mut Vec<ParamDeclaration>) {
        self.conv.declare(into);
        self.norm.declare(into);
    }

    pub fn forward(&self, pass: &mut Pass<'_>, x: Tensor<4>) -> Tensor<4> {
        let x = self.conv.forward(pass, x);
        self.norm.forward(pass, x)
    }

    pub fn walk(&self, walk: &mut Walk) {
        self.conv.walk(walk);
        walk.norm();
    }
}
