//! The first values of parameters.

use std::sync::Arc;

use burn::tensor::Device;
use rayon::prelude::*;

use super::params::{Declared, Layout, Params};
use crate::device::Array;
use crate::random::Key;

/// How the first values of a parameter are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    Constant(f32),
    /// Zero mean and this standard deviation.
    Normal(f32),
    /// Uniform in `[-bound, bound)`.
    Uniform(f32),
    /// Rows of length one, uniform on the sphere.
    UnitRows,
}

impl Declared {
    /// Values that depend on `key` and on the parameter's name alone.
    fn values(&self, key: Key) -> Vec<f32> {
        let mut rng = key.named(&self.name).stream();
        let count = self.shape.iter().product();
        match self.fill {
            Fill::Constant(value) => vec![value; count],
            Fill::Normal(std) => (0..count).map(|_| std * rng.normal()).collect(),
            Fill::Uniform(bound) => (0..count).map(|_| rng.uniform_in(-bound, bound)).collect(),
            Fill::UnitRows => rng.unit_rows(self.shape[0], count / self.shape[0]),
        }
    }
}

/// Gives every declared parameter its first values, drawn on the host: they depend on `key` and on
/// each parameter's name alone, not on the device.
pub fn materialize(layout: &Arc<Layout>, key: Key, device: &Device) -> Params {
    let declared: Vec<&Declared> = layout.iter().collect();
    let values: Vec<Vec<f32>> = declared.par_iter().map(|own| own.values(key)).collect();
    let arrays = declared.iter().zip(values);
    let arrays = arrays.map(|(own, values)| Array::from_vec(values, &own.shape, device));
    Params::new(layout.clone(), arrays.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Role;

    fn values(name: &str, fill: Fill, key: u64) -> Vec<f32> {
        let shape = vec![100, 100];
        Declared::new(name, shape, Role::Weight, fill).values(Key::root(key))
    }

    #[test]
    fn depends_on_key_and_name() {
        let first = values("a", Fill::Normal(1.0), 1);
        assert_eq!(first, values("a", Fill::Normal(1.0), 1));
        assert_ne!(first, values("a", Fill::Normal(1.0), 2));
        assert_ne!(first, values("b", Fill::Normal(1.0), 1));
    }

    #[test]
    fn moments() {
        let spread = |values: &[f32]| {
            let n = values.len() as f32;
            let mean = values.iter().sum::<f32>() / n;
            (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt())
        };
        let (mean, std) = spread(&values("a", Fill::Normal(0.5), 1));
        assert!(mean.abs() < 0.02 && (std - 0.5).abs() < 0.02, "{mean} {std}");
        let uniform = values("a", Fill::Uniform(0.3), 1);
        let (mean, std) = spread(&uniform);
        assert!(mean.abs() < 0.01 && (std - 0.3 / 3_f32.sqrt()).abs() < 0.01, "{mean} {std}");
        assert!(uniform.iter().all(|value| value.abs() <= 0.3));
    }
}
