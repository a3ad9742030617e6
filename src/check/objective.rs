//! The tensor graph of an objective while its text is evaluated.

use super::origin::Places;
use super::shape::Shape;
use super::size::{Size, Symbol, SymbolKind};
use super::tokens::Grid;
use crate::source::Span;
use crate::syntax::tree::Name;
use crate::term::Term;
use crate::term::objective::{Op, Section};

/// Modules, networks and nodes in the order of the text, with the places where they were written.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    pub views: usize,
    /// The views that are named together, which are of one size.
    pub groups: Vec<ViewGroup>,
    pub labels: Option<Span>,
    /// Where it reads which examples a batch has.
    pub index: Option<Span>,
    pub modules: Vec<DraftModule>,
    pub networks: Vec<DraftNetwork>,
    pub nodes: Vec<DraftNode>,
    /// Sizes that are one at least, known with the views.
    pub asked: Vec<Asked>,
    pub loss: Option<usize>,
    pub reports: Vec<(String, usize)>,
    pub exports: Vec<DraftExport>,
}

/// A size that depends on the views, the batch or the examples of a stage, and has to be one at least.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The operation or encoder that asks for it.
    pub by: String,
    pub size: Size,
    /// The text to blame.
    pub place: Span,
    /// Where it is asked for.
    pub found: Span,
}

/// A network that is an encoder, under the name that it has outside.
#[derive(Clone, Debug)]
pub struct DraftExport {
    pub name: Name,
    pub network: usize,
}

/// Views of one size.
#[derive(Clone, Debug)]
pub struct ViewGroup {
    /// The first of them, and how many there are.
    pub first: usize,
    pub count: usize,
    /// Height and width.
    pub sides: [Symbol; 2],
}

impl ViewGroup {
    /// `of` tells it from others of its objective.
    pub fn new(first: usize, count: usize, of: Option<&str>) -> Self {
        let sides = ["height", "width"].map(|side| {
            let name = of.map_or(side.to_owned(), |of| format!("{side} of {of}"));
            Symbol::fresh(&name, SymbolKind::Side)
        });
        ViewGroup { first, count, sides }
    }
}

/// The user's text to blame for a part of an objective, and for the arguments that made it.
#[derive(Clone, Debug)]
pub struct Written {
    pub place: Span,
    pub arguments: Places,
}

impl Written {
    /// The text to blame for an argument.
    pub fn argument(&self, name: &str) -> Span {
        self.arguments.get(name).copied().unwrap_or(self.place)
    }
}

#[derive(Clone, Debug)]
pub struct DraftModule {
    pub term: Option<Term>,
    /// The features it is given, known once it is applied to something.
    pub input: Option<Size>,
    pub output: Size,
    /// Of the images that an encoder takes, where that is known.
    pub channels: Option<Size>,
    /// The identity of the value that it is made of.
    pub id: usize,
    pub is_encoder: bool,
    /// How many numbers an encoder learns, where that is known.
    pub parameters: Option<u128>,
    /// The tokens that an encoder makes, where that is known.
    pub grid: Option<Grid>,
    pub span: Span,
    /// The user's text that makes it.
    pub place: Span,
    pub written: Written,
}

#[derive(Clone, Debug)]
pub struct DraftNetwork {
    pub written: Written,
    pub body: Body,
    pub output: Size,
    /// What of the encoder that a chain begins with is applied; all where nothing is said.
    pub section: Option<Section>,
}

#[derive(Clone, Debug)]
pub enum Body {
    Chain(Vec<usize>),
    Ema {
        of: usize,
        momentum: Option<Term>,
    },
    Grouped {
        of: usize,
        groups: Option<usize>,
        shuffle: Option<bool>,
    },
    Frozen {
        of: usize,
    },
    /// The encoder that it begins with.
    Encoder {
        of: usize,
    },
}

impl Body {
    /// The network that it is made of, where that is another.
    pub fn of(&self) -> Option<usize> {
        match self {
            Body::Chain(_) => None,
            Body::Ema { of, .. }
            | Body::Grouped { of, .. }
            | Body::Frozen { of }
            | Body::Encoder { of } => Some(*of),
        }
    }
}

#[derive(Clone, Debug)]
pub struct DraftNode {
    pub op: Op,
    pub inputs: Vec<usize>,
    /// Arguments that are no tensors; `None` where one is unknown.
    pub args: Option<crate::term::Args>,
    pub shape: Shape,
    /// What a count counts: the views tell some of it.
    pub counts: Option<Size>,
    pub gradient: bool,
    pub span: Span,
    pub written: Written,
}

impl Builder {
    pub fn node(&mut self, node: DraftNode) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub fn network(&mut self, network: DraftNetwork) -> usize {
        self.networks.push(network);
        self.networks.len() - 1
    }

    /// Adds modules to the end of a chain.
    pub fn extend(&mut self, network: usize, added: &[usize], output: &Size) {
        let network = &mut self.networks[network];
        if let Body::Chain(modules) = &mut network.body {
            modules.extend_from_slice(added);
            network.output = output.clone();
        }
    }

    /// The place of a module: one, wherever what it is made of is named.
    pub fn module(&mut self, module: DraftModule) -> usize {
        let known = self.modules.iter().position(|own| own.id == module.id);
        known.unwrap_or_else(|| {
            self.modules.push(module);
            self.modules.len() - 1
        })
    }

    /// Whether a gradient can reach parameters of the network.
    pub fn is_trained(&self, network: usize) -> bool {
        self.untrained(network).is_none()
    }

    /// What keeps the gradient from a network: that it is an average, or frozen.
    pub fn untrained(&self, network: usize) -> Option<&Body> {
        match &self.networks[network].body {
            Body::Chain(_) => None,
            Body::Grouped { of, .. } | Body::Encoder { of } => self.untrained(*of),
            body @ (Body::Ema { .. } | Body::Frozen { .. }) => Some(body),
        }
    }

    /// What of the encoder that a network begins with it applies.
    pub fn section(&self, network: usize) -> Option<Section> {
        let own = &self.networks[network];
        match own.body {
            Body::Chain(_) | Body::Encoder { .. } => own.section,
            Body::Ema { of, .. } | Body::Grouped { of, .. } | Body::Frozen { of } => {
                self.section(of)
            }
        }
    }

    /// The last module that a tensor, or the first of what it is computed of, went through.
    pub fn maker(&self, mut node: usize) -> Option<usize> {
        loop {
            match &self.nodes[node].op {
                Op::Apply(network) => return self.chain(*network).last().copied(),
                _ => node = *self.nodes[node].inputs.first()?,
            }
        }
    }

    /// The modules that an input flows through, first to last.
    pub fn chain(&self, network: usize) -> &[usize] {
        match &self.networks[network].body {
            Body::Chain(modules) => modules,
            Body::Ema { of, .. } | Body::Grouped { of, .. } | Body::Frozen { of } => {
                self.chain(*of)
            }
            Body::Encoder { of } => &self.chain(*of)[..1],
        }
    }
}
