//! What objectives are made of: the tensor primitives, averages of networks, and the step that
//! interprets an objective's graph.
//!
//! A primitive is one entry: its signature, its documentation, which of its arguments a gradient
//! flows through, and its implementation.

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
    /// The tensor parameters through which a gradient flows. Through the others none does: what
    /// they are given is a constant to the primitive.
    pub gradient: &'static [&'static str],
    /// Whether it keeps rows from one step to the next, as `fifo` does. Its `run` is given what is
    /// kept as one more value, after the tensor arguments.
    pub state: bool,
    /// The function itself, of the plain arguments by name and the tensors in signature order.
    #[cfg(feature = "run")]
    pub run: fn(&Args, &[Value]) -> Value,
}

/// The primitives; all are in scope everywhere.
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
    find(name).map(|(_, primitive)| primitive)
}

#[cfg(feature = "run")]
fn find(name: &str) -> Option<(&'static Entry, &'static TensorEntry)> {
    let entry = ENTRIES.iter().find(|entry| entry.name == name)?;
    match &entry.implementation {
        Implementation::Tensor(primitive) => Some((entry, primitive)),
        _ => None,
    }
}

/// The names of a primitive's tensor parameters, in the order of its signature.
#[cfg(feature = "run")]
fn tensor_parameters(entry: &Entry) -> impl Iterator<Item = &'static str> {
    // Signatures are this folder's own text, in which only parameters follow a colon.
    let declaration = entry.signature.lines().filter(|line| !line.starts_with("///"));
    let parameters = declaration.flat_map(|line| line.split(['(', ',']));
    parameters.filter_map(|parameter| {
        let (name, kind) = parameter.split_once(": ")?;
        (kind.starts_with("Tensor[") || kind.starts_with("Labels[")).then(|| name.trim())
    })
}

/// An [`Entry`] for a primitive without state.
macro_rules! stateless {
    ($name:literal, gradient: $gradient:expr, $signature:literal, $run:expr $(,)?) => {
        $crate::registry::Entry {
            name: $name,
            signature: $signature,
            module: "",
            implementation: $crate::registry::Implementation::Tensor(
                $crate::objective::TensorEntry {
                    gradient: $gradient,
                    state: false,
                    #[cfg(feature = "run")]
                    run: $run,
                },
            ),
        }
    };
}
use stateless;

#[cfg(all(test, feature = "run"))]
mod tests {
    use super::*;

    #[test]
    fn entries_are_called_by_the_name_of_their_signature() {
        for entry in ENTRIES {
            let signature = entry.signature.lines().find(|line| !line.starts_with("///"));
            let start = format!("{}(", entry.name);
            assert!(signature.is_some_and(|line| line.starts_with(&start)), "{}", entry.name);
        }
    }

    #[test]
    fn gradients_name_tensor_parameters() {
        for (entry, primitive) in ENTRIES.iter().filter_map(|entry| find(entry.name)) {
            for name in primitive.gradient {
                assert!(tensor_parameters(entry).any(|n| n == *name), "{}: {name}", entry.name);
            }
        }
    }

    #[test]
    fn tensor_parameters_are_those_of_the_signature() {
        let parameters = |name| {
            let (entry, _) = find(name).expect("registered above");
            tensor_parameters(entry).collect::<Vec<_>>()
        };
        assert_eq!(parameters("info_nce"), ["query", "key", "negatives"]);
        assert_eq!(parameters("sup_con"), ["a", "b", "labels"]);
        assert_eq!(parameters("fifo"), ["x"]);
    }
}
