//! What a checkpoint keeps of an objective.

use std::collections::HashMap;

use burn::tensor::Device;

use super::slot::Position;
use super::{Learner, ObjectiveError};
use crate::device::Array;
use crate::nn::{Param, Params};

impl Learner {
    /// Everything that steps change, by name: the weights of modules (`module.0.conv1.weight`), of
    /// averages (`average.1.0.conv1.weight`: network 1, module 0) and what operations keep
    /// (`state.5.rows`, `state.5.position`: node 5).
    ///
    /// A program of the same graph that loads it continues bit for bit.
    pub fn state(&self) -> Vec<(String, Array)> {
        let mut state = Vec::new();
        let mut put = |prefix: String, params: &Params| {
            let arrays = params.iter();
            state.extend(arrays.map(|p| (format!("{prefix}.{}", p.name), p.value.clone())));
        };
        for (module, params) in self.params.iter().enumerate() {
            put(module_name(module), params);
        }
        for (&(network, module), params) in &self.copies {
            put(average_name(network, module), params);
        }
        for (&node, slot) in &self.slots {
            let arrays = slot.arrays.iter();
            state.extend(arrays.map(|(part, array)| (part_name(node, part), array.clone())));
            if let Some(position) = slot.position {
                let value = Array::number(exactly(position.at), &self.device);
                state.push((part_name(node, POSITION), value));
            }
        }
        state
    }

    /// Continues from what [`Learner::state`] gave.
    ///
    /// # Errors
    ///
    /// Where an array is missing, is of another shape, or belongs to no part of this objective;
    /// the program is then left as it was.
    pub fn load_state(&mut self, state: &[(String, Array)]) -> Result<(), ObjectiveError> {
        let mut saved = Saved {
            arrays: state.iter().map(|(name, array)| (name.as_str(), array)).collect(),
            device: self.device.clone(),
        };
        let mut params = self.params.clone();
        let mut copies = self.copies.clone();
        let mut slots = self.slots.clone();
        for (module, params) in params.iter_mut().enumerate() {
            saved.restore(&module_name(module), params)?;
        }
        for (&(network, module), params) in &mut copies {
            saved.restore(&average_name(network, module), params)?;
        }
        for (&node, slot) in &mut slots {
            for (part, array) in &mut slot.arrays {
                *array = saved.take(&part_name(node, part), &array.shape())?;
            }
            if let Some(Position { at, of }) = &mut slot.position {
                let name = part_name(node, POSITION);
                let value = saved.take(&name, &[1])?.to_number();
                if !(0.0..*of as f64).contains(&value) {
                    return Err(ObjectiveError(format!(
                        "`{name}` is {value}, which is no row of {of}"
                    )));
                }
                *at = value as usize;
            }
        }
        if let Some(name) = saved.arrays.keys().min() {
            return Err(ObjectiveError(format!("`{name}` belongs to no part of this objective")));
        }
        (self.params, self.copies, self.slots) = (params, copies, slots);
        Ok(())
    }
}

/// The arrays that are still to be claimed.
struct Saved<'a> {
    arrays: HashMap<&'a str, &'a Array>,
    device: Device,
}

impl Saved<'_> {
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Array, ObjectiveError> {
        let array = self.arrays.remove(name);
        let array = array.ok_or_else(|| ObjectiveError(format!("`{name}` is missing")))?;
        if array.shape() != shape {
            return Err(ObjectiveError(format!(
                "`{name}` has the shape {:?} in the place of {shape:?}",
                array.shape()
            )));
        }
        Ok(array.to_device(&self.device))
    }

    fn restore(&mut self, prefix: &str, params: &mut Params) -> Result<(), ObjectiveError> {
        let take =
            |param: Param<'_>| self.take(&format!("{prefix}.{}", param.name), &param.value.shape());
        let values: Result<Vec<_>, _> = params.iter().map(take).collect();
        *params = Params::new(params.layout().clone(), values?);
        Ok(())
    }
}

fn module_name(module: usize) -> String {
    format!("module.{module}")
}

fn average_name(network: usize, module: usize) -> String {
    format!("average.{network}.{module}")
}

/// The last part of the name of [`Position::at`].
const POSITION: &str = "position";

fn part_name(node: usize, part: &str) -> String {
    format!("state.{node}.{part}")
}

/// Arrays hold `f32`, which counts exactly up to 2^24.
fn exactly(position: usize) -> f64 {
    assert!(position < 1 << 24, "a ring of more than 2^24 rows");
    position as f64
}
