//! What a network made of the examples of a split.

use burn::tensor::{Device, Tensor, TensorData};

use super::EvaluateError;
use crate::term::Part;

/// Features, or logits, with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// `[n, dim]`, row-major.
    pub values: Vec<f32>,
    pub dim: usize,
    /// `[n]`
    pub labels: Vec<u32>,
    /// Which part of the dataset they come from.
    pub part: Part,
}

impl Features {
    /// The features of several networks of the same examples, one's behind another's; of one, its own.
    ///
    /// # Panics
    ///
    /// Where they are of none, or not of as many examples each.
    pub fn side_by_side(mut all: Vec<Features>) -> Features {
        if all.len() == 1 {
            return all.remove(0);
        }
        let (count, dim) = (all[0].len(), all.iter().map(|own| own.dim).sum());
        assert!(all.iter().all(|own| own.len() == count), "features of the same examples");
        let rows = (0..count).flat_map(|index| all.iter().map(move |own| (own, index)));
        let values = rows.flat_map(|(own, index)| own.row(index).iter().copied()).collect();
        Features { values, dim, ..all.swap_remove(0) }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The values of example `index`, which is below [`Features::len`].
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dim..][..self.dim]
    }

    /// What the part is called, in a sentence.
    pub fn part_name(&self) -> &'static str {
        match self.part {
            Part::Train => "training",
            Part::Test => "test",
        }
    }

    /// Makes sure that every label is one of `classes` and every value a number.
    pub(super) fn check(&self, classes: usize) -> Result<(), EvaluateError> {
        let part = self.part_name();
        if self.is_empty() {
            return Err(EvaluateError::Empty { part });
        }
        let (expected, found) = (self.len() * self.dim, self.values.len());
        if expected != found {
            return Err(EvaluateError::Values { part, expected, found });
        }
        if let Some(&label) = self.labels.iter().find(|&&label| label as usize >= classes) {
            return Err(EvaluateError::Label { part, label: label as usize, classes });
        }
        if !self.values.iter().all(|value| value.is_finite()) {
            return Err(EvaluateError::NotFinite { part });
        }
        Ok(())
    }

    /// Makes sure that both splits can be used together.
    pub(super) fn check_pair(
        fit: &Features,
        on: &Features,
        classes: usize,
    ) -> Result<(), EvaluateError> {
        fit.check(classes)?;
        on.check(classes)?;
        match fit.dim == on.dim {
            true => Ok(()),
            false => Err(EvaluateError::Size { expected: fit.dim, found: on.dim }),
        }
    }
}

/// Row-major values as a `[n, dim]` tensor. Their number is a multiple of `dim`.
pub(super) fn to_tensor(values: Vec<f32>, dim: usize, device: &Device) -> Tensor<2> {
    let shape = [values.len() / dim, dim];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The values, row-major, on the host. Waits for the device.
pub(super) fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let values = tensor.into_data().convert::<f32>().try_into_vec();
    values.expect("converted to f32 above")
}

/// The position of the largest value, the first of several. NaN is never the largest.
pub(super) fn argmax<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}
