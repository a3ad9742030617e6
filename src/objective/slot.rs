//! State: what an operation keeps from one step to the next.

use burn::tensor::{Device, Tensor};

use super::ObjectiveError;
use super::operands::Context;
use crate::device::Array;
use crate::random::Key;
use crate::term::Args;

/// What a node of the graph keeps.
#[derive(Clone, Debug)]
pub struct Slot {
    /// By name.
    pub arrays: Vec<(&'static str, Array)>,
    /// Where the next rows go, for those that go round.
    pub position: Option<Position>,
}

/// A place in a ring of so many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub at: usize,
    pub of: usize,
}

/// What the first values of a slot are made of.
pub struct Start<'a> {
    pub args: &'a Args,
    /// The shape of what the node yields.
    pub shape: Vec<usize>,
    /// The shapes of what it is given.
    pub inputs: Vec<Vec<usize>>,
    pub key: Key,
    pub device: &'a Device,
}

/// A kind of state. A step reads it and changes nothing; once the optimizer has moved, all slots of
/// an objective take up what was computed.
pub struct Keeping {
    pub init: fn(&Start<'_>) -> Result<Slot, ObjectiveError>,
    /// What a step sees.
    pub read: fn(&Slot) -> Array,
    /// What becomes of it after a step, by the node's tensor arguments, constants.
    pub commit: fn(&mut Slot, &[Array], &Args, &Context<'_>),
}

/// The kinds of state, by the names of the operations that have them.
pub static KEEPING: &[(&str, Keeping)] =
    &[("fifo", Keeping { init: ring, read: first, commit: push })];

/// The kind of state that the operation of that name has.
pub fn keeping(name: &str) -> Option<&'static Keeping> {
    KEEPING.iter().find(|(own, _)| *own == name).map(|(_, keeping)| keeping)
}

/// Random rows of length one, uniform on the sphere; the number of rows that a step pushes divides
/// theirs.
fn ring(start: &Start<'_>) -> Result<Slot, ObjectiveError> {
    let [size, d] = start.shape[..] else {
        let rank = start.shape.len();
        return Err(ObjectiveError(format!("a queue holds rows, not a tensor of rank {rank}")));
    };
    let n = start.inputs.first().and_then(|shape| shape.first()).copied().unwrap_or(0);
    if n == 0 || size % n != 0 {
        return Err(ObjectiveError(format!(
            "a queue of {size} rows cannot be filled by {n} rows a step: its size has to be a \
             multiple of {n}"
        )));
    }
    let rows = Array::from_vec(unit_rows(start.key, size, d), &[size, d], start.device);
    Ok(Slot { arrays: vec![("rows", rows)], position: Some(Position { at: 0, of: size }) })
}

fn unit_rows(key: Key, rows: usize, d: usize) -> Vec<f32> {
    let mut rng = key.stream();
    let mut values: Vec<f32> = (0..rows * d).map(|_| rng.normal()).collect();
    for row in values.chunks_exact_mut(d) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
        row.iter_mut().for_each(|v| *v /= length);
    }
    values
}

fn first(slot: &Slot) -> Array {
    slot.arrays[0].1.clone()
}

/// Overwrites the oldest rows.
fn push(slot: &mut Slot, inputs: &[Array], _: &Args, _: &Context<'_>) {
    let Some(position) = &mut slot.position else { unreachable!("a ring has a position") };
    let new: Tensor<2> = inputs[0].tensor();
    let [n, d] = new.dims();
    let (at, end) = (position.at, position.at + n);
    // In place where nobody else holds the rows.
    slot.arrays[0].1.update(|rows| rows.into_tensor::<2>().slice_assign([at..end, 0..d], new));
    position.at = end % position.of;
}
