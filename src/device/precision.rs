//! In which numbers networks compute: a policy around the kernels of a device, not of the models.

use burn::tensor::FloatDType;

use super::adam::Adam;
use super::array::Array;
use super::kernels::{After, Descent, Kernels, Normalized};
use super::reading::Reading;

/// What `precision` of a stage says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    F32,
    /// Products of f32 rounded to 10 bits behind the point, summed in f32: of tensor cores.
    Tf32,
    /// Networks in bfloat16 between f32 weights and f32 features.
    Bf16,
}

impl Precision {
    const ALL: [Precision; 3] = [Precision::F32, Precision::Tf32, Precision::Bf16];

    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        }
    }

    /// The precision of that name in the language.
    pub fn named(name: &str) -> Option<Self> {
        Precision::ALL.into_iter().find(|own| own.name() == name)
    }

    /// The bytes of a number that flows between the layers of a network.
    pub fn bytes(self) -> usize {
        if self == Precision::Bf16 { 2 } else { 4 }
    }
}

/// The kernels of a device with networks in bfloat16: what convolutions and linear layers multiply
/// is rounded to it, as it is or as tiles read it, and so is what flows between layers. Weights, the statistics of batch norms,
/// poolings, and what a network yields are f32, and so is all that is computed of it.
///
/// Micikevicius et al. 2017, arXiv:1710.03740, section 3.1; bfloat16 has the range of f32, so that no
/// loss needs scaling (Kalamkar et al. 2019, arXiv:1905.12322).
pub struct Mixed(pub &'static dyn Kernels);

fn rounded(x: Array) -> Array {
    x.cast(FloatDType::BF16)
}

impl Kernels for Mixed {
    fn conv2d(&self, x: Array, weight: Array, stride: usize, padding: usize) -> Array {
        // The kernel rounds the weight, whose gradient then is not.
        self.0.conv2d(rounded(x), weight, stride, padding)
    }

    fn depthwise(&self, x: Array, weight: Array, bias: Array) -> Array {
        self.0.depthwise(rounded(x), weight, bias)
    }

    fn linear(&self, x: Array, weight: Array, bias: Option<Array>) -> Array {
        self.0.linear(rounded(x), rounded(weight), bias.map(rounded))
    }

    fn relu(&self, x: Array) -> Array {
        self.0.relu(x)
    }

    fn add(&self, a: Array, b: Array) -> Array {
        self.0.add(rounded(a), rounded(b))
    }

    fn add_exactly(&self, a: Array, b: Array) -> Array {
        self.0.add(a.cast(FloatDType::F32), b.cast(FloatDType::F32))
    }

    fn gelu(&self, x: Array) -> Array {
        self.0.gelu(x)
    }

    fn layer_norm(&self, x: Array, parts: [Array; 2], epsilon: f64) -> Array {
        rounded(self.0.layer_norm(x.cast(FloatDType::F32), parts, epsilon))
    }

    fn attention(&self, qkv: Array, heads: usize, causal: bool) -> Array {
        self.0.attention(qkv, heads, causal)
    }

    fn max_pool2d(&self, x: Array, kernel: usize, stride: usize, padding: usize) -> Array {
        self.0.max_pool2d(x, kernel, stride, padding)
    }

    fn global_average_pool(&self, x: Array) -> Array {
        self.0.global_average_pool(x.cast(FloatDType::F32))
    }

    fn batch_norm(
        &self,
        x: Array,
        parts: [Array; 2],
        how: (usize, f64),
        after: After,
    ) -> Normalized {
        self.0.batch_norm(rounded(x), parts, how, after.map(rounded))
    }

    fn batch_norm_fixed(
        &self,
        x: Array,
        parts: [Array; 2],
        fixed: [Array; 2],
        epsilon: f64,
        after: After,
    ) -> Array {
        // Where a gradient goes through it, it is composed of operations of one kind of number.
        let is_tracked = x.is_tracked() || parts.iter().any(Array::is_tracked);
        let own = if is_tracked { FloatDType::F32 } else { FloatDType::BF16 };
        let after = after.map(|shortcut| shortcut.cast(own));
        rounded(self.0.batch_norm_fixed(x.cast(own), parts, fixed, epsilon, after))
    }

    fn read(&self, numbers: Array) -> Reading {
        self.0.read(numbers)
    }

    fn finish(&self, x: Array) -> Array {
        x.cast(FloatDType::F32)
    }

    fn lerp_many(&self, averages: &mut [Array], targets: &[&Array], m: f64) {
        self.0.lerp_many(averages, targets, m);
    }

    fn descend_many(
        &self,
        values: &mut [Array],
        gradients: Vec<Array>,
        buffers: &mut Vec<Array>,
        how: Descent,
    ) {
        self.0.descend_many(values, gradients, buffers, how);
    }

    fn norms(&self, arrays: &[Array]) -> Array {
        self.0.norms(arrays)
    }

    fn add_many(&self, owns: &mut [Array], others: &[Array], factor: f64) {
        self.0.add_many(owns, others, factor);
    }

    fn scale_many(&self, owns: &mut [Array], factors: &Array) {
        self.0.scale_many(owns, factors);
    }

    fn adam_many(
        &self,
        values: &mut [Array],
        gradients: Vec<Array>,
        moments: &mut [Vec<Array>],
        how: Adam,
    ) {
        self.0.adam_many(values, gradients, moments, how);
    }
}
