//! What tests of networks have in common.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde::Deserialize;

use super::{Architecture, Declared, Layout, Params, Pass, Role, Updates};
use crate::device::{Array, Selected};

/// Numbers between -1 and 1 without a rule, which `tests/python/encoders.py` writes out as well.
pub fn pattern(count: usize, seed: usize) -> Vec<f32> {
    let own = |i: usize| (i * i % 2003 * 7919 + i * 613 + seed * 104_729) % 2003;
    (1..=count).map(|i| (own(i) as f64 / 1001.5 - 1.0) as f32).collect()
}

/// Two images of that many pixels.
pub fn images([height, width]: [usize; 2], device: &Device) -> Array {
    let shape = [2, 3, height, width];
    Array::from_vec(pattern(shape.iter().product(), 99), &shape, device)
}

/// Small weights, around one where they scale, and others in each parameter.
pub fn weights(layout: &Arc<Layout>, device: &Device) -> Params {
    let own = |(seed, declared): (usize, &Declared)| {
        let values = pattern(declared.shape.iter().product(), seed).into_iter();
        let base = if declared.role == Role::NormScale { 1.0 } else { 0.0 };
        let values = values.map(|value| 0.2 * value + base).collect();
        Array::from_vec(values, &declared.shape, device)
    };
    Params::new(layout.clone(), layout.iter().enumerate().map(own).collect())
}

/// A pass in training mode.
pub fn pass<'p>(on: &Selected, params: &'p Params, updates: &'p mut Updates) -> Pass<'p> {
    Pass { kernels: on.kernels, params, training: true, chance: None, groups: 1, updates }
}

/// What PyTorch has computed with these weights and images, as `tests/python/encoders.py` writes
/// it.
#[derive(Deserialize)]
pub struct Held {
    features: Vec<f32>,
    /// The norm of each gradient, and its first numbers, at most three.
    gradients: BTreeMap<String, Vec<f32>>,
}

impl Held {
    /// Compares features and gradients of a network on images of that side.
    pub fn compare(&self, net: &dyn Architecture, side: usize, on: &Selected) {
        let params = weights(net.layout(), &on.device).leaves();
        let mut updates = Updates::new();
        let features =
            net.forward(&mut pass(on, &params, &mut updates), images([side; 2], &on.device));
        assert_eq!(features.len(), self.features.len());
        let largest = self.features.iter().fold(0.0_f32, |most, own| most.max(own.abs()));
        for (found, expected) in features.to_vec().iter().zip(&self.features) {
            assert!((found - expected).abs() < 1e-4 * largest, "{found} is not {expected}");
        }
        let along = Array::from_vec(pattern(features.len(), 7), &features.shape(), &on.device);
        let along: Tensor<2> = along.into_tensor();
        let mut tape = (features.into_tensor::<2>() * along).sum().backward();
        let trained = || params.iter().filter(|own| own.role.is_trained());
        assert_eq!(self.gradients.len(), trained().count());
        for own in trained() {
            let found = own.value.take_gradient(&mut tape).expect("all are reached").to_vec();
            let norm = found.iter().map(|value| value * value).sum::<f32>().sqrt();
            let (name, expected) = (own.name, &self.gradients[own.name]);
            // In f64 some are nothing, as of a shift before a norm over one number.
            let scale = expected[0].max(1e-3);
            assert!((norm - expected[0]).abs() < 1e-3 * scale, "{name}: {norm}, {expected:?}");
            for (found, expected) in found.iter().zip(&expected[1..]) {
                assert!((found - expected).abs() < 1e-4 * scale, "{name}: {found}, {expected}");
            }
        }
    }
}
