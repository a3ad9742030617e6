//! The operations on tensors, one file for each of the library's, by the names that it declares.

mod arithmetic;
mod classification;
mod elementwise;
mod factor;
mod images;
mod matrix;
mod measures;
mod normalize;
mod reduce;
mod rows;
mod shape;
mod state;
mod whiten;

use super::operands::Operands;
use crate::device::Array;

pub use arithmetic::arithmetic;

/// A function of its operands. Where it keeps state from one step to the next, it is not called:
/// what it yields is what it has kept.
pub type Operation = fn(&Operands<'_>) -> Array;

/// The operations, by the names under which `std.prelude` declares them.
pub fn operations() -> impl Iterator<Item = &'static (&'static str, Operation)> {
    let families = [
        elementwise::OPERATIONS,
        reduce::OPERATIONS,
        matrix::OPERATIONS,
        shape::OPERATIONS,
        images::OPERATIONS,
        normalize::OPERATIONS,
        classification::OPERATIONS,
        rows::OPERATIONS,
        measures::OPERATIONS,
        state::OPERATIONS,
    ];
    families.into_iter().flatten()
}

/// The operation of that name.
pub fn operation(name: &str) -> Option<Operation> {
    operations().find(|(own, _)| *own == name).map(|(_, operation)| *operation)
}
