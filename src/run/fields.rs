//! The fields of a checked stage, each in its type.

use std::sync::Arc;

use crate::augment::Augmentation;
use crate::check::compares_pairs;
use crate::device::Precision;
use crate::graph::Stage;
use crate::term::objective::ObjectiveGraph;
use crate::term::{Args, Split, Term};

/// Typed access to the fields of a checked stage.
pub(super) struct Fields<'s>(pub &'s Stage);

impl<'s> Fields<'s> {
    pub fn get(&self, name: &str) -> &'s Term {
        let field = self.0.fields.get(name);
        field.unwrap_or_else(|| {
            panic!("the checker lets no `{}` through without `{name}`", self.0.kind.name())
        })
    }

    pub fn args(&self) -> Args {
        Args(self.0.fields.clone())
    }

    /// The recipe of its views, where it has one.
    pub fn views(&self) -> Option<&'s Term> {
        self.0.fields.get("views")
    }

    /// Whether its protocol compares two views of each image.
    pub fn compares_pairs(&self) -> bool {
        let Some(Term::Call(protocol)) = self.0.fields.get("protocol") else { return false };
        compares_pairs(protocol)
    }

    /// What an evaluation makes of an image, for each time that a network looks at it.
    pub fn recipes(&self) -> Vec<Arc<Augmentation>> {
        let is_second = self.0.fields.contains_key("beside") || self.compares_pairs();
        let looks = 1 + usize::from(is_second);
        match self.views() {
            Some(views) => Augmentation::of_views(views, looks),
            None => (0..looks).map(|_| Arc::new(Augmentation::none())).collect(),
        }
    }

    /// In how many parts a batch passes the encoders.
    pub fn parts(&self) -> usize {
        self.args().size("accumulate")
    }

    /// In which numbers its networks compute.
    pub fn precision(&self) -> Precision {
        match self.0.fields.get("precision") {
            Some(Term::Symbol(name)) => Precision::named(name),
            _ => None,
        }
        .unwrap_or(Precision::F32)
    }

    pub fn split(&self, name: &str) -> &'s Split {
        match self.get(name) {
            Term::Split(split) => split,
            other => panic!("`{name}` passed the checker as a split and is {other}"),
        }
    }

    pub fn objective(&self) -> &'s ObjectiveGraph {
        match self.get("objective") {
            Term::Objective(objective) => objective,
            other => panic!("`objective` passed the checker and is {other}"),
        }
    }
}
