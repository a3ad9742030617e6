//! A pipeline checked again under another selection, to find out what a part of it changes.

use super::pipeline::{Selection, TypedPipeline};
use super::{Checker, MOST_STEPS};
use crate::resolve::Program;

/// Checks pipelines of a program that is right again, as often as the steps of one compilation
/// allow.
pub struct Again<'p> {
    program: &'p Program,
    steps: usize,
}

impl<'p> Again<'p> {
    pub fn new(program: &'p Program) -> Self {
        Again { program, steps: 0 }
    }

    /// Whether there are steps left for another check.
    pub fn may_check(&self) -> bool {
        self.steps <= MOST_STEPS
    }

    /// The pipeline under that selection; none where it is wrong so, or the steps are used up.
    pub fn check(&mut self, selection: Selection<'_>) -> Option<TypedPipeline> {
        let mut checker = Checker::new(self.program);
        checker.steps = self.steps;
        let typed = checker.pipelines(Selection { required: true, ..selection });
        self.steps = checker.steps;
        typed.into_iter().next()
    }
}
