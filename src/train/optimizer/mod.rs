//! Optimizers, with the update rules of `torch.optim` where it has them.

mod adam;
mod lamb;
mod lars;
mod norm;
mod rule;
mod sgd;
#[cfg(test)]
mod tests;

use std::fmt;

use indexmap::IndexMap;

use crate::device::{Array, Kernels};
use crate::nn::Params;
use crate::schedule::Progress;
use crate::term::{Args, Term};

/// Makes an optimizer from its arguments.
pub type BuildOptimizer = fn(&Args) -> Box<dyn Optimizer>;

/// The optimizers, by the names under which `std.optimizers` declares them.
pub static OPTIMIZERS: &[(&str, BuildOptimizer)] = &[
    ("sgd", sgd::sgd),
    ("adam", adam::adam),
    ("adamw", adam::adamw),
    ("lars", lars::lars),
    ("lamb", lamb::lamb),
];

/// The optimizer that a checked term names.
///
/// # Panics
///
/// If `term` does not call an optimizer: the checker lets nothing else through.
pub fn build(term: &Term) -> Box<dyn Optimizer> {
    let Term::Call(call) = term else { panic!("an optimizer is a call, not {term:?}") };
    call.implementation("an optimizer", OPTIMIZERS)(&call.args)
}

/// Moves parameters against their gradients.
///
/// One optimizer serves several sets of parameters, such as an encoder and a head, each by a name.
pub trait Optimizer: Send {
    /// One step of all sets that move in it: a clipped norm is that of their gradients together.
    /// Nothing here waits for the device.
    fn step(&mut self, kernels: &dyn Kernels, sets: Vec<ParamSet<'_>>, now: Now);

    /// What the optimizer remembers between steps of the sets of parameters listed by name, for a
    /// checkpoint.
    fn state(&self, sets: &[(&str, &Params)]) -> IndexMap<String, Array>;

    /// Takes up a [`state`](Optimizer::state) of the sets of parameters listed by name.
    ///
    /// On an error nothing has changed.
    fn load_state(
        &mut self,
        state: IndexMap<String, Array>,
        sets: &[(&str, &Params)],
    ) -> Result<(), StateError>;

    /// The learning rate of the text, before any schedule.
    fn lr(&self) -> f64;

    /// The numbers that it remembers of each one that it moves.
    fn moments(&self) -> usize;
}

/// When a step is taken, and how far it goes.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The learning rate, after its schedule.
    pub lr: f64,
    pub progress: Progress,
}

/// A set of parameters, with the gradients of one step.
pub struct ParamSet<'s> {
    /// The name by which the optimizer remembers it.
    pub name: &'s str,
    pub params: &'s mut Params,
    /// One for each parameter and of its shape, `None` where none has reached it: buffers and such
    /// parameters stay as they are.
    pub gradients: Vec<Option<Array>>,
}

/// A checkpoint's optimizer state that does not fit the optimizer or its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateError {
    /// One line for each array at fault.
    pub problems: Vec<String>,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored optimizer state does not fit:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for StateError {}
