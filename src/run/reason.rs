//! Why a stage is computed.

use std::fmt;

use crate::store::{Left, Lookup, StageStore};

/// Why a stage is computed that the store might have held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    Absent,
    /// What is stored is not what was written.
    Damaged,
    Interrupted,
    /// By an error of this name.
    Failed(String),
}

impl Reason {
    /// Of a stage that the store does not hold whole.
    pub(super) fn of(lookup: &Lookup, place: &StageStore) -> Self {
        match (lookup, place.left()) {
            (Lookup::Damaged(_), _) => Reason::Damaged,
            (_, Left::Nothing) => Reason::Absent,
            (_, Left::Interrupted) => Reason::Interrupted,
            (_, Left::Failed(name)) => Reason::Failed(name),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Absent => f.write_str("the store does not hold it"),
            Reason::Damaged => f.write_str("what the store holds of it is damaged"),
            Reason::Interrupted => f.write_str("it was interrupted"),
            Reason::Failed(name) => write!(f, "it has failed before: {name}"),
        }
    }
}
