//! What a checkpoint keeps of an objective.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor};

use super::{Learner, ObjectiveError};
use crate::nn::{Array, Params, map_array};

impl Learner {
    /// Everything that steps change, by name: the weights of modules (`module.0.conv1.weight`), of
    /// averages (`average.1.0.conv1.weight`: network 1, module 0) and the queues (`queue.5.rows`,
    /// `queue.5.cursor`: node 5).
    ///
    /// A program of the same graph that loads it continues bit for bit.
    pub fn state(&self) -> Vec<(String, Array)> {
        let mut state = Vec::new();
        let mut put = |prefix: String, params: &Params| {
            let arrays = params.0.iter();
            state.extend(arrays.map(|(name, p)| (format!("{prefix}.{name}"), p.value.clone())));
        };
        for (module, params) in self.params.iter().enumerate() {
            put(module_name(module), params);
        }
        for (&(network, module), params) in &self.copies {
            put(average_name(network, module), params);
        }
        for (&node, queue) in &self.queues {
            let cursor = Tensor::full([1], cursor_value(queue.cursor), &self.device);
            state.push((rows_name(node), Array::R2(queue.rows.clone())));
            state.push((cursor_name(node), Array::R1(cursor)));
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
        let mut queues = self.queues.clone();
        for (module, params) in params.iter_mut().enumerate() {
            saved.restore(&module_name(module), params)?;
        }
        for (&(network, module), params) in &mut copies {
            saved.restore(&average_name(network, module), params)?;
        }
        for (&node, queue) in &mut queues {
            let size = queue.rows.dims();
            if let Array::R2(rows) = saved.take(&rows_name(node), &size)? {
                queue.rows = rows;
            }
            let cursor = saved.take(&cursor_name(node), &[1])?.to_vec()[0];
            if !(0.0..size[0] as f32).contains(&cursor) {
                return Err(ObjectiveError(format!(
                    "`{}` is {cursor}, which is no row of {}",
                    cursor_name(node),
                    size[0]
                )));
            }
            queue.cursor = cursor as usize;
        }
        if let Some(name) = saved.arrays.keys().min() {
            return Err(ObjectiveError(format!("`{name}` belongs to no part of this objective")));
        }
        (self.params, self.copies, self.queues) = (params, copies, queues);
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
        Ok(map_array!(array, t => t.clone().to_device(&self.device)))
    }

    fn restore(&mut self, prefix: &str, params: &mut Params) -> Result<(), ObjectiveError> {
        for (name, param) in &mut params.0 {
            param.value = self.take(&format!("{prefix}.{name}"), &param.value.shape())?;
        }
        Ok(())
    }
}

fn module_name(module: usize) -> String {
    format!("module.{module}")
}

fn average_name(network: usize, module: usize) -> String {
    format!("average.{network}.{module}")
}

fn rows_name(node: usize) -> String {
    format!("queue.{node}.rows")
}

fn cursor_name(node: usize) -> String {
    format!("queue.{node}.cursor")
}

/// Arrays hold `f32`, which counts exactly up to 2^24.
fn cursor_value(cursor: usize) -> f32 {
    assert!(cursor < 1 << 24, "a queue of more than 2^24 rows");
    cursor as f32
}
