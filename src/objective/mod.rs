//! What objectives are made of: the tensor primitives, averages of networks, and the step that
//! interprets an objective's graph.
//!
//! A primitive is declared in `std.prelude`, which also says through which of its arguments a
//! gradient flows; here stands its implementation.

mod average;
mod contrastive;
#[cfg(feature = "run")]
mod flow;
#[cfg(all(test, feature = "run"))]
mod golden;
mod measures;
mod memory;
#[cfg(feature = "run")]
mod program;
mod similarity;
#[cfg(feature = "run")]
mod state;
#[cfg(feature = "run")]
mod step;
mod supervised;
#[cfg(feature = "run")]
mod value;

#[cfg(feature = "run")]
pub use program::{Program, ProgramError, encoder_key};
#[cfg(feature = "run")]
pub use step::{Effects, StepOutput};
#[cfg(feature = "run")]
pub use value::Value;

use crate::registry::Entry;
#[cfg(feature = "run")]
use crate::registry::Implementation;
#[cfg(feature = "run")]
use crate::term::Args;

/// A function of tensors.
pub struct TensorEntry {
    /// The function itself, of the plain arguments by name and the tensors in signature order. Where
    /// it `keeps` rows from one step to the next, as `fifo` does, it is given what is kept as one
    /// more value, after the tensor arguments.
    #[cfg(feature = "run")]
    pub run: fn(&Args, &[Value]) -> Value,
}

/// The primitives.
pub static ENTRIES: &[Entry] = &[
    average::EMA,
    similarity::NORMALIZE,
    similarity::COSINE_DISTANCE,
    similarity::MEAN_SQUARED,
    contrastive::INFO_NCE,
    contrastive::NT_XENT,
    supervised::SUP_CON,
    supervised::CROSS_ENTROPY,
    memory::FIFO,
    memory::DETACH,
    measures::MEAN,
    measures::SPREAD,
    measures::CONTRAST_ACCURACY,
    measures::PAIR_ACCURACY,
];

/// The primitive of that name.
#[cfg(feature = "run")]
pub fn primitive(name: &str) -> Option<&'static TensorEntry> {
    let entry = ENTRIES.iter().find(|entry| entry.name == name)?;
    match &entry.implementation {
        Implementation::Tensor(primitive) => Some(primitive),
        _ => None,
    }
}

/// An [`Entry`] for a primitive.
macro_rules! implemented {
    ($name:literal, $run:expr $(,)?) => {
        $crate::registry::Entry {
            name: $name,
            implementation: $crate::registry::Implementation::Tensor(
                $crate::objective::TensorEntry {
                    #[cfg(feature = "run")]
                    run: $run,
                },
            ),
        }
    };
}
use implemented;
