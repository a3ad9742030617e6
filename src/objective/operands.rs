//! What an operation is given.

use burn::tensor::Tensor;

use super::phases::{Phase, Phases};
use crate::device::{Array, Kernels, Processes};
use crate::random::Key;
use crate::schedule::{self, Progress};
use crate::term::{Args, Term};

/// Where a step stands, for the operations that change over a run or draw at random.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub kernels: &'a dyn Kernels,
    pub progress: Progress,
    /// Those that take this step together.
    pub processes: Processes,
    /// What is drawn at random in this step follows from it.
    pub key: Key,
    /// Where somebody wants to know what takes how long.
    pub phases: Option<&'a Phases>,
}

#[cfg(test)]
impl Context<'static> {
    /// That of a test: the fall-backs, and nobody who watches.
    pub fn of_test(progress: Progress) -> Self {
        let key = Key::root(0);
        Context {
            kernels: &crate::device::FallBack,
            progress,
            processes: Processes::ONE,
            key,
            phases: None,
        }
    }
}

impl Context<'_> {
    /// Tells that the step begins with that.
    pub fn enter(&self, phase: Phase) {
        if let Some(phases) = self.phases {
            phases.enter(phase);
        }
    }
}

/// An operation's arguments: plain ones by name, tensors in the order of the signature.
///
/// The getters state what the signature has promised: the checker lets no graph through whose
/// arguments or shapes do not fit, so a getter that does not match is a bug of the operation, and
/// panics.
#[derive(Clone, Copy)]
pub struct Operands<'a> {
    pub context: Context<'a>,
    pub args: &'a Args,
    pub inputs: &'a [Array],
    /// The node of the graph: no two of them draw the same numbers.
    pub node: usize,
}

impl<'a> Operands<'a> {
    pub fn array(&self, position: usize) -> &'a Array {
        &self.inputs[position]
    }

    /// The tensor argument at `position`, of rank `D`.
    pub fn tensor<const D: usize>(&self, position: usize) -> Tensor<D> {
        self.inputs[position].tensor()
    }

    /// The matrix at `position`.
    pub fn matrix(&self, position: usize) -> Tensor<2> {
        self.tensor(position)
    }

    /// A number, or the value of a schedule at this step.
    pub fn number(&self, name: &str) -> f64 {
        number(self.args, name, self.context.progress)
    }

    /// The key of what this operation draws.
    pub fn key(&self) -> Key {
        self.context.key.fold(self.node as u64)
    }
}

/// A number among `args`, or the value of a schedule at this step.
pub fn number(args: &Args, name: &str, progress: Progress) -> f64 {
    match args.get(name) {
        Some(Term::Int(value)) => *value as f64,
        Some(term) => schedule::value(term, progress),
        None => panic!("an implementation reads `{name}`, which its signature does not have"),
    }
}
