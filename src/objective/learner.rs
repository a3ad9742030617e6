//! An objective made ready to run: its weights, its averages and its memories.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use burn::tensor::Device;

use super::operations::operation;
use super::slot::{Slot, Start, keeping};
use crate::graph::flow::Flow;
use crate::nn::{self, Architecture, Params, Role};
use crate::random::Key;
use crate::resolve::is_encoder;
use crate::term::Term;
use crate::term::objective::{ENCODER, NetworkBody, ObjectiveGraph, Op, Section};

/// Everything that an objective keeps from one step to the next.
///
/// A step is [`Learner::forward`], [`Learner::gradients`] of what it gives, the optimizer's move of
/// [`Learner::params_mut`] by these, and [`Learner::commit`].
pub struct Learner {
    pub(super) graph: ObjectiveGraph,
    pub(super) flow: Flow,
    pub(super) device: Device,
    /// Of the batch, and of the split that it is of.
    pub(super) sizes: [usize; 2],
    /// In how many parts a batch passes the encoders.
    pub(super) parts: usize,
    pub(super) modules: Vec<Box<dyn Architecture>>,
    /// By module.
    pub(super) params: Vec<Params>,
    /// By network.
    pub(super) networks: Vec<AppliedNetwork>,
    /// What exponential moving averages own, by network and module.
    pub(super) copies: BTreeMap<(usize, usize), Params>,
    /// The parts of averages that the loss normalises by their own batches, by network and module.
    pub(super) normalised: BTreeSet<(usize, usize)>,
    /// What operations keep, by node.
    pub(super) slots: BTreeMap<usize, Slot>,
}

/// A network with what it is made of resolved.
pub(super) struct AppliedNetwork {
    /// The modules that it applies, first to last.
    pub chain: Vec<usize>,
    /// What of the encoder that stands first it applies; all of it where nothing is said.
    pub section: Option<Section>,
    /// The average whose weights it applies; none where it applies the trained ones.
    pub average: Option<usize>,
    /// How many averages lie between it and the trained weights.
    pub depth: usize,
    /// In how many parts its batch norms see the batch, and whether these are dealt by chance.
    pub groups: usize,
    pub shuffle: bool,
    /// Whether it normalises by its running statistics, and no gradient goes through it.
    pub is_frozen: bool,
}

impl AppliedNetwork {
    /// Whether no gradient goes through it.
    pub fn is_constant(&self) -> bool {
        self.average.is_some() || self.is_frozen
    }
}

impl Learner {
    /// Prepares `graph` for steps of `batch` of so many `examples`.
    ///
    /// The weights follow from `key`.
    ///
    /// # Errors
    ///
    /// Where the graph names an unknown operation, or a queue cannot be filled by whole batches.
    pub fn new(
        graph: &ObjectiveGraph,
        key: Key,
        device: &Device,
        sizes: [usize; 2],
    ) -> Result<Self, ObjectiveError> {
        Self::with(graph, key, device, sizes, &BTreeMap::new())
    }

    /// The same, with the weights that are `given` by module.
    ///
    /// # Errors
    ///
    /// Also where a given module is not the one that the graph names.
    pub fn with(
        graph: &ObjectiveGraph,
        key: Key,
        device: &Device,
        [batch, examples]: [usize; 2],
        given: &BTreeMap<usize, Params>,
    ) -> Result<Self, ObjectiveError> {
        for node in &graph.nodes {
            if let Op::Primitive(name) = &node.op
                && operation(name).is_none()
                && keeping(name).is_none()
            {
                return Err(ObjectiveError::unknown(name));
            }
        }
        let flow = Flow::of(graph);
        let modules: Vec<_> =
            graph.modules.iter().map(|node| nn::build(&node.term, node.input)).collect();
        let mut params = Vec::with_capacity(modules.len());
        for (index, (node, module)) in graph.modules.iter().zip(&modules).enumerate() {
            let key = match node.encoder {
                true => encoder_key(key, &node.term),
                false => key.named("module").fold(index as u64),
            };
            let fresh = module.init(key, device);
            params.push(match given.get(&index) {
                Some(given) => {
                    same_layout(&fresh, given)?;
                    given.clone()
                }
                None => fresh,
            });
        }
        let mut program = Self {
            networks: (0..graph.networks.len()).map(|index| resolve(graph, index)).collect(),
            graph: graph.clone(),
            flow,
            device: device.clone(),
            sizes: [batch, examples],
            parts: 1,
            modules,
            params,
            copies: BTreeMap::new(),
            normalised: BTreeSet::new(),
            slots: BTreeMap::new(),
        };
        program.divides(batch)?;
        program.copy_networks();
        program.normalised = program.normalised();
        program.fill_slots(key, [batch, examples])?;
        Ok(program)
    }

    pub fn graph(&self) -> &ObjectiveGraph {
        &self.graph
    }

    /// The parameters of each module, in the order of the graph.
    pub fn params(&self) -> &[Params] {
        &self.params
    }

    /// The parameters of each module, for the optimizer to move. What it leaves there must be
    /// constant.
    pub fn params_mut(&mut self) -> &mut [Params] {
        &mut self.params
    }

    /// Whether each module receives a gradient.
    pub fn trained(&self) -> &[bool] {
        &self.flow.trained
    }

    /// The parameters of the encoder that the stage yields: the checker lets it be one.
    pub fn encoder(&self) -> Option<&Params> {
        let exported = self.graph.export(ENCODER).and_then(|network| self.exported(network));
        let handed = || self.graph.modules.iter().position(|node| node.encoder);
        exported.or_else(|| handed().map(|index| &self.params[index]))
    }

    /// The parameters of everything that is exported, by name.
    pub fn exports(&self) -> impl Iterator<Item = (&str, &Params)> {
        let exports = self.graph.exports.iter();
        exports.filter_map(|(name, network)| Some((name.as_str(), self.exported(*network)?)))
    }

    /// The parameters of a network that is one module.
    fn exported(&self, network: usize) -> Option<&Params> {
        let module = self.networks[network].chain.first()?;
        Some(self.weights(network, *module))
    }

    /// The averaged parameters of a module, where network `network` is an average that applies it.
    pub fn average(&self, network: usize, module: usize) -> Option<&Params> {
        self.copies.get(&(network, module))
    }

    /// The averages, those nearest to the trained weights first.
    pub(super) fn averages(&self) -> Vec<usize> {
        let is_average = |index: &usize| self.networks[*index].average == Some(*index);
        let mut order: Vec<_> = (0..self.networks.len()).filter(is_average).collect();
        order.sort_by_key(|index| self.networks[*index].depth);
        order
    }

    /// The weights that network `network` applies for one of its modules.
    pub(super) fn weights(&self, network: usize, module: usize) -> &Params {
        let average = self.networks[network].average;
        let copy = average.and_then(|average| self.copies.get(&(average, module)));
        copy.unwrap_or(&self.params[module])
    }

    fn normalised(&self) -> BTreeSet<(usize, usize)> {
        let nodes = self.graph.nodes.iter().zip(&self.flow.reaches_loss);
        let applied = nodes.filter_map(|(node, reaches_loss)| match node.op {
            Op::Apply(network) if *reaches_loss => Some(&self.networks[network]),
            _ => None,
        });
        let parts = applied.filter(|own| !own.is_frozen).flat_map(|own| {
            own.average
                .into_iter()
                .flat_map(|average| own.chain.iter().map(move |at| (average, *at)))
        });
        parts.collect()
    }

    fn copy_networks(&mut self) {
        for network in self.averages() {
            let NetworkBody::Ema { of, .. } = self.graph.networks[network].body else { continue };
            for &module in &self.networks[network].chain {
                let copy = self.weights(of, module).map(|param| param.value.deep_copy());
                self.copies.insert((network, module), copy);
            }
        }
    }

    /// Whether the parts and the groups of every network divide the batch.
    pub(super) fn divides(&self, batch: usize) -> Result<(), ObjectiveError> {
        for node in &self.graph.nodes {
            let Op::Apply(network) = node.op else { continue };
            let groups = self.networks[network].groups;
            if self.networks[network].section == Some(Section::Places) {
                continue;
            }
            let rows = node.shape.first().map_or(batch, |rows| rows.number(batch, 1));
            if groups == 0 || rows % groups != 0 {
                return Err(ObjectiveError(format!(
                    "{groups} groups cannot be made of {rows} rows: their number has to divide it"
                )));
            }
            let is_encoder = |module: &usize| is_encoder(&self.graph.modules[*module].term);
            if !self.networks[network].chain.first().is_some_and(is_encoder) {
                continue;
            }
            let (parts, own) = (self.parts, self.groups_of_part(groups));
            if parts == 0 || rows % (parts * own) != 0 {
                return Err(ObjectiveError(format!(
                    "{parts} parts cannot be made of {rows} rows: {} has to divide it",
                    if own == 1 {
                        parts.to_string()
                    } else {
                        format!("{parts} times {own} groups")
                    }
                )));
            }
        }
        Ok(())
    }

    fn fill_slots(
        &mut self,
        key: Key,
        [batch, examples]: [usize; 2],
    ) -> Result<(), ObjectiveError> {
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let Op::Primitive(name) = &node.op else { continue };
            let Some(keeping) = keeping(name) else { continue };
            let shape = |node: usize| {
                let shape = &self.graph.nodes[node].shape;
                shape.iter().map(|size| size.number(batch, examples)).collect()
            };
            let start = Start {
                args: &node.args,
                shape: shape(index),
                inputs: node.inputs.iter().map(|input| shape(*input)).collect(),
                key: key.named(name).fold(index as u64),
                device: &self.device,
            };
            self.slots.insert(index, (keeping.init)(&start)?);
        }
        Ok(())
    }
}

/// The key under which the weights of a stage's encoder are drawn: the same wherever the same
/// encoder is used in a run of the same seed, whatever surrounds it. Other encoders of an objective
/// are drawn by their position, as its heads are, so that equal terms stay two networks.
pub fn encoder_key(key: Key, term: &Term) -> Key {
    let text = serde_json::to_string(term).expect("a term is plain data with text keys");
    key.named("encoder").named(&text)
}

fn resolve(graph: &ObjectiveGraph, network: usize) -> AppliedNetwork {
    // The checker has made sure that averages do not follow each other in a circle.
    match &graph.networks[network].body {
        NetworkBody::Chain(chain) => AppliedNetwork {
            chain: chain.clone(),
            section: graph.networks[network].section,
            average: None,
            depth: 0,
            groups: 1,
            shuffle: false,
            is_frozen: false,
        },
        NetworkBody::Ema { of, .. } => {
            let own = resolve(graph, *of);
            let (average, depth) = (Some(network), own.depth + 1);
            let (groups, shuffle, is_frozen) = (1, false, false);
            AppliedNetwork { average, depth, groups, shuffle, is_frozen, ..own }
        }
        NetworkBody::Grouped { of, groups, shuffle } => {
            AppliedNetwork { groups: *groups, shuffle: *shuffle, ..resolve(graph, *of) }
        }
        NetworkBody::Frozen { of } => {
            AppliedNetwork { is_frozen: true, groups: 1, shuffle: false, ..resolve(graph, *of) }
        }
        NetworkBody::Encoder { of } => {
            let mut applied = resolve(graph, *of);
            applied.chain.truncate(1);
            applied.section = graph.networks[network].section;
            applied
        }
    }
}

/// Whether given parameters can stand in for fresh ones.
fn same_layout(fresh: &Params, given: &Params) -> Result<(), ObjectiveError> {
    let parts = |params: &Params| -> Vec<(String, Role, Vec<usize>)> {
        let parts = params.iter().map(|own| (own.name.to_owned(), own.role, own.value.shape()));
        parts.collect()
    };
    let (fresh, given) = (parts(fresh), parts(given));
    match fresh.iter().zip(&given).find(|(a, b)| a != b) {
        Some(((name, _, shape), (other, _, found))) => Err(ObjectiveError(format!(
            "the given encoder is another one: it has `{other}` {found:?} in the place of \
             `{name}` {shape:?}"
        ))),
        None if fresh.len() != given.len() => Err(ObjectiveError(format!(
            "the given encoder is another one: it has {} parameters in the place of {}",
            given.len(),
            fresh.len()
        ))),
        None => Ok(()),
    }
}

/// Why an objective cannot be run or restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectiveError(pub(super) String);

impl ObjectiveError {
    pub(super) fn unknown(name: &str) -> Self {
        Self(format!("there is no operation called `{name}`"))
    }
}

impl fmt::Display for ObjectiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ObjectiveError {}
