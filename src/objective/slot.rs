//! State: what an operation keeps from one step to the next.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use super::ObjectiveError;
use super::clusters::clusters;
use super::operands::{Context, number};
use super::step::taken;
use crate::device::{Array, by_rank};
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
pub static KEEPING: &[(&str, Keeping)] = &[
    ("fifo", Keeping { init: ring, read: first, commit: push }),
    ("bank", Keeping { init: bank, read: first, commit: replace }),
    ("running_mean", Keeping { init: zeros, read: first, commit: follow }),
    ("clusters", Keeping { init: directions, read: first, commit: regroup }),
];

/// The kind of state that the operation of that name has.
pub fn keeping(name: &str) -> Option<&'static Keeping> {
    KEEPING.iter().find(|(own, _)| *own == name).map(|(_, keeping)| keeping)
}

/// The place in a ring is kept as `f32`, which counts exactly up to there.
const MOST_ROWS: usize = 1 << 24;

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
    if size > MOST_ROWS {
        return Err(ObjectiveError(format!("a queue holds at most {MOST_ROWS} rows, not {size}")));
    }
    let rows = Array::from_vec(start.key.stream().unit_rows(size, d), &[size, d], start.device);
    Ok(Slot { arrays: vec![("rows", rows)], position: Some(Position { at: 0, of: size }) })
}

/// Random rows of length one, one for each example.
fn bank(start: &Start<'_>) -> Result<Slot, ObjectiveError> {
    let [examples, d] = start.shape[..] else {
        let rank = start.shape.len();
        return Err(ObjectiveError(format!("a bank holds rows, not a tensor of rank {rank}")));
    };
    let rows = start.key.stream().unit_rows(examples, d);
    let rows = Array::from_vec(rows, &[examples, d], start.device);
    Ok(Slot { arrays: vec![("rows", rows)], position: None })
}

/// Random middles of length one; there are rows enough to begin at.
fn directions(start: &Start<'_>) -> Result<Slot, ObjectiveError> {
    let [count, d] = start.shape[..] else {
        let rank = start.shape.len();
        return Err(ObjectiveError(format!(
            "clusters are of rows, not of a tensor of rank {rank}"
        )));
    };
    let rows = start.inputs.first().and_then(|shape| shape.first()).copied().unwrap_or(0);
    if rows < count {
        return Err(ObjectiveError(format!("{rows} rows cannot be in {count} clusters")));
    }
    let middles =
        Array::from_vec(start.key.stream().unit_rows(count, d), &[count, d], start.device);
    Ok(Slot { arrays: vec![("middles", middles)], position: None })
}

fn zeros(start: &Start<'_>) -> Result<Slot, ObjectiveError> {
    let shape = if start.shape.is_empty() { vec![1] } else { start.shape.clone() };
    let values = vec![0.0; shape.iter().product()];
    let mean = Array::from_vec(values, &shape, start.device);
    Ok(Slot { arrays: vec![("mean", mean)], position: None })
}

fn first(slot: &Slot) -> Array {
    slot.arrays[0].1.clone()
}

/// Moves the rows of a batch's examples towards what they are now, at length one. No example is
/// twice in a batch, but places may be given by other rows: of the same ones the last moves.
fn replace(slot: &mut Slot, inputs: &[Array], args: &Args, context: &Context<'_>) {
    let (new, index) = (inputs[0].tensor::<2>(), inputs[1].whole::<1>());
    let m = number(args, "momentum", context.progress);
    slot.arrays[0].1.update(|rows| {
        let rows = rows.into_tensor::<2>();
        let own = rows.clone().select(0, index.clone());
        let moved = own.clone() * m + new * (1.0 - m);
        let length = moved.clone().square().sum_dim(1).clamp_min(1e-24).sqrt();
        // What is added to a row makes it the new one.
        let added = (moved / length - own) * last_of_each(&index);
        rows.select_assign(0, index, added, IndexingUpdateOp::Add)
    });
}

/// One for each place that does not come again, and else zero: `[n, 1]`.
fn last_of_each(index: &Tensor<1, Int>) -> Tensor<2> {
    let [n] = index.dims();
    let again =
        |own: Tensor<1, Int>| (own.clone().unsqueeze_dim::<2>(0), own.unsqueeze_dim::<2>(1));
    let (others, own) = again(index.clone());
    let (later, earlier) = again(Tensor::arange(0..n as i64, &index.device()));
    let comes_again = own.equal(others).bool_and(later.greater(earlier)).any_dim(1);
    comes_again.bool_not().float()
}

/// Moves a mean towards that of a batch.
fn follow(slot: &mut Slot, inputs: &[Array], args: &Args, context: &Context<'_>) {
    let m = number(args, "momentum", context.progress);
    let shape = slot.arrays[0].1.shape();
    let new = by_rank!(inputs[0].rank(), D => Array::from(inputs[0].tensor::<D>().mean_dim(0)));
    let new = new.reshape(&shape);
    by_rank!(shape.len(), D => slot.arrays[0].1.update(|mean| {
        mean.into_tensor::<D>() * m + new.into_tensor::<D>() * (1.0 - m)
    }));
}

/// Finds the clusters anew once an epoch is over.
fn regroup(slot: &mut Slot, inputs: &[Array], args: &Args, context: &Context<'_>) {
    if !context.progress.ends_epoch() {
        return;
    }
    let rows: Tensor<2> = inputs[0].tensor();
    let [m, _] = rows.dims();
    let mut order: Vec<i64> = (0..m as i64).collect();
    context.key.named("clusters").stream().shuffle(&mut order);
    order.truncate(args.size("count"));
    let first = taken(&inputs[0], &order).into_tensor();
    slot.arrays[0].1 = clusters(&rows, first, args.size("rounds")).into();
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
