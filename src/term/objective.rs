//! The tensor graph of an objective: the second level of a pipeline's graph.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Args, Term};

/// The output that a training has without a word: the encoder that its objective was handed first.
pub const ENCODER: &str = "encoder";

/// An objective, expanded to primitives and numbered canonically.
///
/// Everything is listed in the order of a depth-first walk from the loss (then from each report, then
/// from each export), arguments in signature order, so that the numbering depends on the
/// computation alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveGraph {
    /// How many augmented views of each example the objective is given.
    pub views: usize,
    /// Whether it reads labels.
    pub labels: bool,
    /// Whether it reads which examples of its split a batch has.
    #[serde(default, skip_serializing_if = "is_false")]
    pub index: bool,
    /// The modules whose parameters it owns or trains.
    pub modules: Vec<ModuleNode>,
    pub networks: Vec<NetworkNode>,
    /// In topological order: a node's inputs stand before it.
    pub nodes: Vec<TensorNode>,
    /// The scalar node that is minimized.
    pub loss: usize,
    /// What `report` names: scalar nodes, logged and not optimized.
    pub reports: Vec<(String, usize)>,
    /// What `export` names, by name: networks that are an encoder and nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<(String, usize)>,
}

impl ObjectiveGraph {
    /// The names of the encoders that a training yields.
    pub fn encoders(&self) -> Vec<&str> {
        let others = self.exports.iter().map(|(name, _)| name.as_str());
        [ENCODER].into_iter().chain(others.filter(|name| *name != ENCODER)).collect()
    }

    /// The network that an output of a training is, where `export` says so.
    pub fn export(&self, output: &str) -> Option<usize> {
        let mut exports = self.exports.iter();
        exports.find(|(name, _)| name == output).map(|(_, network)| *network)
    }
}

/// A parametrized module. Two nodes are two sets of weights, even where their terms are equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleNode {
    /// A declared constructor: an encoder, `mlp(…)`, `linear(…)`, …
    pub term: Term,
    /// The size of the features it is given; absent where it is given images.
    pub input: Option<usize>,
    pub output: usize,
    /// Whether it is the encoder that the objective is handed first, by its signature: what a stage
    /// yields as `encoder` where no `export` says otherwise. At most one module is.
    pub encoder: bool,
}

/// A chain of modules, or the exponential moving average of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkNode {
    pub body: NetworkBody,
    /// What of the encoder that it begins with it applies; all of it where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<Section>,
}

/// A part of an encoder that is applied on its own, with the encoder's weights.
///
/// An encoder embeds the patches of an image, adds their places, makes tokens of them, and features
/// of the tokens; a convolutional one has maps in their place, whose positions are its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Section {
    /// Images to their embedded patches, row after row, without their places: `[n, p, d]`.
    Embed,
    /// Images to the embedded places of their patches, the same for each of them: `[p, d]`.
    Places,
    /// Images, or embedded patches with their places, to what each block of the encoder makes of
    /// their tokens, not normalised: `[n, blocks, t, d]`.
    Blocks,
    /// Images, or embedded patches with their places, as many as there are, to tokens: `[n, t, d]`.
    /// The tokens that stand for no patch come first.
    Tokens,
    /// Images or tokens to the tokens that stand for a patch or a position: `[n, p, d]`.
    Maps,
    /// Images or tokens to features: `[n, d]`.
    Features,
}

impl Section {
    pub const ALL: [Section; 6] = [
        Section::Embed,
        Section::Places,
        Section::Blocks,
        Section::Tokens,
        Section::Maps,
        Section::Features,
    ];

    /// The name that it has in the language.
    pub fn name(self) -> &'static str {
        match self {
            Section::Embed => "embed",
            Section::Places => "places",
            Section::Blocks => "blocks",
            Section::Tokens => "tokens",
            Section::Maps => "maps",
            Section::Features => "features",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Section::ALL.into_iter().find(|section| section.name() == name)
    }

    /// Whether only an encoder of patches has it.
    pub fn is_of_patches(self) -> bool {
        self.takes_images_alone() || self == Section::Blocks
    }

    /// Whether it cannot be applied to tokens.
    pub fn takes_images_alone(self) -> bool {
        matches!(self, Section::Embed | Section::Places)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NetworkBody {
    /// Positions in [`ObjectiveGraph::modules`], applied first to last.
    Chain(Vec<usize>),
    /// A copy of network `of`, moved towards it after every step by `1 - momentum`
    /// (a `Float`, or a schedule over the run). It never receives a gradient.
    Ema { of: usize, momentum: Term },
    /// Network `of`, whose batch norms see the batch in so many groups of their own.
    Grouped { of: usize, groups: usize, shuffle: bool },
    /// Network `of` as it is: with its running statistics, and no gradient.
    Frozen { of: usize },
    /// The encoder that network `of` begins with.
    Encoder { of: usize },
}

impl NetworkBody {
    /// The network that it is made of, where that is another.
    pub fn of(&self) -> Option<usize> {
        match self {
            NetworkBody::Chain(_) => None,
            NetworkBody::Ema { of, .. }
            | NetworkBody::Grouped { of, .. }
            | NetworkBody::Frozen { of }
            | NetworkBody::Encoder { of } => Some(*of),
        }
    }
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

fn is_false(flag: &bool) -> bool {
    !flag
}

fn no_args(args: &Args) -> bool {
    args.0.is_empty()
}

/// A size in the shape of a tensor: a sum of products of the batch and of the examples of the split,
/// or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Extent {
    products: Vec<Product>,
    /// Positive. It divides the sum, as the check holds, for the batch of the stage.
    divisor: i64,
}

impl Default for Extent {
    fn default() -> Self {
        Extent { products: Vec::new(), divisor: 1 }
    }
}

/// `factor * batch^batch * examples^examples`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    pub factor: i64,
    pub batch: u32,
    pub examples: u32,
}

impl Extent {
    /// In canonical order: the products with the highest powers first, none twice.
    pub fn new(products: Vec<Product>) -> Self {
        Extent::divided(products, 1)
    }

    /// The sum divided by a positive number.
    pub fn divided(mut products: Vec<Product>, divisor: i64) -> Self {
        products.retain(|own| own.factor != 0);
        products.sort_by_key(|own| (own.batch, own.examples));
        products.reverse();
        Extent { products, divisor: divisor.max(1) }
    }

    pub fn fixed(size: usize) -> Self {
        Extent::new(vec![Product { factor: size as i64, batch: 0, examples: 0 }])
    }

    pub fn batches(factor: i64) -> Self {
        Extent::new(vec![Product { factor, batch: 1, examples: 0 }])
    }

    /// The number, where it is the same for every batch and every split.
    pub fn constant(&self) -> Option<usize> {
        let is_fixed = self.products.iter().all(|own| own.batch == 0 && own.examples == 0);
        is_fixed.then(|| self.number(1, 1))
    }

    /// Whether it depends on the batch.
    pub fn is_in_batches(&self) -> bool {
        self.products.iter().any(|own| own.batch > 0)
    }

    /// How many batches it is, where it is nothing else but for a few less: 2 of `2 batch - 1`.
    pub fn batches_alone(&self) -> Option<usize> {
        let [batches, rest @ ..] = &self.products[..] else { return None };
        let is_batches = batches.batch == 1 && batches.examples == 0 && self.divisor == 1;
        let is_less = |own: &Product| own.batch == 0 && own.examples == 0 && own.factor < 0;
        let count = usize::try_from(batches.factor).ok()?;
        (is_batches && rest.iter().all(is_less)).then_some(count)
    }

    /// Whether it is a whole number for a batch of so many of so many examples.
    pub fn is_whole(&self, batch: usize, examples: usize) -> bool {
        self.total(batch, examples) % i128::from(self.divisor) == 0
    }

    /// The number that it is for a batch of so many of so many examples: none is below zero.
    pub fn number(&self, batch: usize, examples: usize) -> usize {
        let total = self.signed(batch, examples);
        usize::try_from(total).unwrap_or(if total < 0 { 0 } else { usize::MAX })
    }

    /// The same in a formula, which may be below zero.
    pub fn signed(&self, batch: usize, examples: usize) -> i128 {
        self.total(batch, examples).div_euclid(i128::from(self.divisor))
    }

    /// What is divided.
    fn total(&self, batch: usize, examples: usize) -> i128 {
        let product = |own: &Product| {
            let power = |size: usize, power| (size as i128).saturating_pow(power);
            let sizes = power(batch, own.batch).saturating_mul(power(examples, own.examples));
            sizes.saturating_mul(i128::from(own.factor))
        };
        self.products.iter().map(product).fold(0, i128::saturating_add)
    }
}

/// `128`, `batch`, `2 batch - 1`, `batch / 4`, `(batch + 2) / 4`
impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.products.is_empty() {
            return f.write_str("0");
        }
        let is_apart = self.divisor != 1 && self.products.len() > 1;
        if is_apart {
            f.write_str("(")?;
        }
        for (index, own) in self.products.iter().enumerate() {
            let sign = match (index, own.factor < 0) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            };
            f.write_str(sign)?;
            let mut parts = Vec::new();
            let magnitude = own.factor.unsigned_abs();
            if magnitude != 1 || own.batch == 0 && own.examples == 0 {
                parts.push(magnitude.to_string());
            }
            for (name, power) in [("batch", own.batch), ("examples", own.examples)] {
                match power {
                    0 => {}
                    1 => parts.push(name.to_owned()),
                    power => parts.push(format!("{name}^{power}")),
                }
            }
            f.write_str(&parts.join(" "))?;
        }
        if is_apart {
            f.write_str(")")?;
        }
        match self.divisor {
            1 => Ok(()),
            divisor => write!(f, " / {divisor}"),
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
        let wrong = || format!("`{text}` is no size such as 128, `batch` or `2 batch - 1`");
        let mut products = Vec::new();
        let (text, divisor) = match text.split_once(" / ") {
            Some((above, below)) => {
                let divisor = below.parse().ok().filter(|divisor| *divisor > 0);
                let above = above.strip_prefix('(').and_then(|own| own.strip_suffix(')'));
                (above.unwrap_or(&text[..text.len() - below.len() - 3]), divisor.ok_or_else(wrong)?)
            }
            None => (text.as_str(), 1),
        };
        for part in text.replace(" - ", " + -").split(" + ") {
            let (part, sign) = part.strip_prefix('-').map_or((part, 1), |part| (part, -1));
            let mut product = Product { factor: sign, batch: 0, examples: 0 };
            for word in part.split(' ') {
                let (name, power) = match word.split_once('^') {
                    Some((name, power)) => (name, power.parse().map_err(|_| wrong())?),
                    None => (word, 1),
                };
                match name {
                    "batch" => product.batch = power,
                    "examples" => product.examples = power,
                    number => product.factor *= number.parse::<i64>().map_err(|_| wrong())?,
                }
            }
            products.push(product);
        }
        Ok(Extent::divided(products, divisor))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// The k-th augmented view of the batch.
    View(usize),
    /// Views that follow each other, all rows of one before those of the next.
    Views {
        first: usize,
        count: usize,
    },
    /// The labels of the batch.
    Labels,
    /// The places of the batch's examples in their split.
    Index,
    /// A network applied to its only input.
    Apply(usize),
    /// A declared tensor primitive.
    Primitive(String),
    /// A number, as a scalar tensor.
    Constant(f64),
    /// A size, as a scalar tensor.
    Count(Extent),
    /// The value of a schedule at each step, as a scalar tensor.
    Scheduled(Term),
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[cfg(test)]
mod tests {
    use super::Extent;

    #[test]
    fn sizes_are_read_as_they_are_shown() {
        for text in
            ["0", "128", "batch", "2 batch - 1", "batch^2 - 3 batch + 7", "-batch + examples"]
                .into_iter()
                .chain(["batch / 4", "3 batch / 2", "(batch + 2) / 4"])
        {
            let size = Extent::try_from(text.to_owned()).unwrap();
            assert_eq!(size.to_string(), text);
        }
        for wrong in ["a batch", "batch / 0", "batch / x"] {
            assert!(Extent::try_from(wrong.to_owned()).is_err());
        }
    }

    #[test]
    fn sizes_are_numbers_of_a_batch() {
        let number = |text: &str| Extent::try_from(text.to_owned()).unwrap().number(4, 100);
        let sizes = ["2 batch - 1", "examples", "batch^2 - batch", "12", "batch / 2"].map(number);
        assert_eq!(sizes, [7, 100, 12, 12, 2]);
        // In a formula one may be below zero.
        let below = Extent::try_from("-batch + 1".to_owned()).unwrap();
        assert_eq!((below.number(4, 100), below.signed(4, 100)), (0, -3));
    }

    #[test]
    fn some_sizes_are_batches_alone() {
        let batches = |text: &str| Extent::try_from(text.to_owned()).unwrap().batches_alone();
        let alone = ["batch", "2 batch - 1", "2 batch - 2"].map(batches);
        assert_eq!(alone, [Some(1), Some(2), Some(2)]);
        for other in ["128", "batch + 128", "batch / 2", "examples", "batch^2", "-batch + 7", "0"] {
            assert_eq!(batches(other), None, "{other}");
        }
    }
}
