//! The tensor graph of an objective: the second level of a pipeline's graph.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Args, Term};

/// An objective, expanded to primitives and numbered canonically.
///
/// Everything is listed in the order of a depth-first walk from the loss (then from each report),
/// arguments in signature order, so that the numbering depends on the computation alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveGraph {
    /// How many augmented views of each example the objective is given.
    pub views: usize,
    /// Whether it reads labels.
    pub labels: bool,
    /// The modules whose parameters it owns or trains.
    pub modules: Vec<ModuleNode>,
    pub networks: Vec<NetworkNode>,
    /// In topological order: a node's inputs stand before it.
    pub nodes: Vec<TensorNode>,
    /// The scalar node that is minimized.
    pub loss: usize,
    /// What `report` names: scalar nodes, logged and not optimized.
    pub reports: Vec<(String, usize)>,
}

/// A parametrized module. Two nodes are two sets of weights, even where their terms are equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleNode {
    /// A declared constructor: an encoder, `mlp(…)`, `linear(…)`, …
    pub term: Term,
    /// The size of the features it is given; absent where it is given images.
    pub input: Option<usize>,
    pub output: usize,
    /// Whether it is what the stage yields as `encoder`: of the encoders that an objective is handed,
    /// the first in its signature. At most one module is.
    pub encoder: bool,
}

/// A chain of modules, or the exponential moving average of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkNode {
    pub body: NetworkBody,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NetworkBody {
    /// Positions in [`ObjectiveGraph::modules`], applied first to last.
    Chain(Vec<usize>),
    /// A copy of network `of`, moved towards it after every step by `1 - momentum`
    /// (a `Float`, or a schedule over the run). It never receives a gradient.
    Ema { of: usize, momentum: Term },
}

/// One tensor of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorNode {
    pub op: Op,
    /// Positions of the tensor arguments, in the order of the signature.
    pub inputs: Vec<usize>,
    /// The remaining arguments, by name.
    #[serde(default, skip_serializing_if = "no_args")]
    pub args: Args,
    /// Sizes, outermost first.
    pub shape: Vec<Extent>,
    /// Whether a gradient flows back through this node to trained parameters.
    pub gradient: bool,
}

fn no_args(args: &Args) -> bool {
    args.0.is_empty()
}

/// A size in the shape of a tensor: `batch` times the batch, plus `constant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Extent {
    pub batch: usize,
    pub constant: usize,
}

/// `128`, `batch`, `2 batch + 1`
impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.batch, self.constant) {
            (0, constant) => write!(f, "{constant}"),
            (1, 0) => f.write_str("batch"),
            (batch, 0) => write!(f, "{batch} batch"),
            (1, constant) => write!(f, "batch + {constant}"),
            (batch, constant) => write!(f, "{batch} batch + {constant}"),
        }
    }
}

impl From<Extent> for String {
    fn from(size: Extent) -> Self {
        size.to_string()
    }
}

impl TryFrom<String> for Extent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no size such as 128, `batch` or `2 batch + 1`");
        let mut size = Extent { batch: 0, constant: 0 };
        for part in text.split(" + ") {
            match part.strip_suffix("batch") {
                Some("") => size.batch = 1,
                Some(scale) => size.batch = scale.trim_end().parse().map_err(|_| wrong())?,
                None => size.constant = part.parse().map_err(|_| wrong())?,
            }
        }
        Ok(size)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// The k-th augmented view of the batch.
    View(usize),
    /// The labels of the batch.
    Labels,
    /// A network applied to its only input.
    Apply(usize),
    /// A declared tensor primitive.
    Primitive(String),
    /// A number, as a scalar tensor.
    Constant(f64),
    Add,
    Subtract,
    Multiply,
    Divide,
}
