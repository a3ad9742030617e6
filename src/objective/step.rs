//! One step of an objective: its graph, interpreted.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use super::Learner;
use super::operands::{Context, Operands};
use super::operations::{arithmetic, operation};
use super::parts::Encoded;
use super::phases::Phase;
use super::slot::keeping;
use crate::device::{Array, by_rank};
use crate::nn::{Params, Pass, Updates};
use crate::random::Key;
use crate::resolve::is_encoder;
use crate::schedule;
use crate::term::objective::{NetworkBody, Op, Section};

/// The named inputs of a batch.
pub struct Inputs {
    /// As many as [`Learner::graph`] says, each `[n, c, h, w]`.
    pub views: Vec<Array>,
    /// Whole numbers, `[n]`; read where the graph says so.
    pub labels: Array,
    /// The places of the examples in their split: whole numbers, `[n]`; read where the graph says so.
    pub index: Array,
}

/// What a step has computed.
pub struct StepOutput {
    /// What to minimize: one number, differentiable by the leaves.
    pub loss: Array,
    /// What `report` names, one number each, in the order of the graph.
    pub reports: Vec<(String, Array)>,
    /// For each module that receives a gradient, its parameters as this step differentiates them.
    pub leaves: Vec<Option<Params>>,
    /// The passes that have kept nothing, where a batch passes the encoders in parts.
    pub encoded: Vec<Encoded>,
    /// What the step changes besides the weights.
    pub effects: Effects,
}

/// A module, and what of it is applied: all where nothing is said.
#[derive(Clone, Copy)]
pub(super) struct Applied {
    pub module: usize,
    pub section: Option<Section>,
}

/// What applying a network reads and writes.
pub(super) struct Applying<'a> {
    /// The node that applies it: no two of them drop the same by chance.
    pub node: usize,
    /// Those of the modules that are differentiated, or none at all.
    pub leaves: &'a [Option<Params>],
    pub statistics: &'a mut Statistics,
    pub encoded: &'a mut Vec<Encoded>,
}

/// What a step changes besides the weights, held back until the optimizer has moved these.
#[derive(Default)]
pub struct Effects {
    pub(super) statistics: Statistics,
    /// What each node that keeps state was given, as constants, but for what others have kept.
    pub(super) given: Vec<(usize, Vec<Array>)>,
}

/// New running statistics, by whose weights they belong to.
pub(super) type Statistics = BTreeMap<Owner, Updates>;

/// Who owns a set of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Module(usize),
    /// An average of a module.
    Average {
        network: usize,
        module: usize,
    },
}

impl Learner {
    /// Computes the loss and the reports of a batch, in training mode, and changes nothing. Nothing
    /// here waits for the device but what says so of itself.
    pub fn forward(&self, batch: &Inputs, context: Context<'_>) -> StepOutput {
        let leaves: Vec<_> = (self.params.iter().zip(&self.flow.trained))
            .map(|(params, trained)| trained.then(|| params.leaves()))
            .collect();
        let mut effects = Effects::default();
        let mut encoded = Vec::new();
        let mut values: Vec<Array> = Vec::with_capacity(self.graph.nodes.len());
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let differentiated = self.flow.differentiated[index];
            // Through what is not differentiated, nothing is recorded either.
            let input = |position: usize| match &values[node.inputs[position]] {
                value if differentiated => value.clone(),
                value => value.constant(),
            };
            context.enter(match node.op {
                Op::Apply(network) if differentiated && !self.networks[network].is_constant() => {
                    Phase::Forward
                }
                Op::Apply(_) => Phase::Constant,
                _ => Phase::Objective,
            });
            let value = match &node.op {
                Op::View(view) => batch.views[*view].clone(),
                Op::Views { first, count } => joined(&batch.views[*first..first + count]),
                Op::Labels => batch.labels.clone(),
                Op::Index => batch.index.clone(),
                Op::Constant(number) => Array::number(*number, &self.device),
                Op::Count(size) => {
                    let [batch, examples] = self.sizes;
                    Array::number(size.signed(batch, examples) as f64, &self.device)
                }
                Op::Scheduled(term) => {
                    Array::number(schedule::value(term, context.progress), &self.device)
                }
                Op::Add | Op::Subtract | Op::Multiply | Op::Divide => {
                    arithmetic(&node.op, &input(0), &input(1))
                }
                Op::Primitive(name) => match self.slots.get(&index) {
                    Some(slot) => {
                        let given = node.inputs.iter().filter(|own| !self.slots.contains_key(own));
                        let given = given.map(|own| values[*own].constant());
                        effects.given.push((index, given.collect()));
                        (keeping(name).expect("looked up when the slot was made").read)(slot)
                    }
                    None => {
                        let operation = operation(name).expect("looked up with the graph");
                        let inputs: Vec<_> = (0..node.inputs.len()).map(input).collect();
                        let args = &node.args;
                        operation(&Operands { context, args, inputs: &inputs, node: index })
                    }
                },
                Op::Apply(network) => {
                    let leaves = if differentiated { &leaves[..] } else { &[] };
                    // What is only reported must not leave a trace in the training.
                    let mut unused = Statistics::new();
                    let statistics = match self.flow.reaches_loss[index] {
                        true => &mut effects.statistics,
                        false => &mut unused,
                    };
                    let encoded = &mut encoded;
                    let with = Applying { node: index, leaves, statistics, encoded };
                    self.apply(*network, input(0), with, &context)
                }
            };
            values.push(value);
        }
        StepOutput {
            loss: values[self.graph.loss].clone(),
            reports: (self.graph.reports.iter())
                .map(|(name, node)| (name.clone(), values[*node].constant()))
                .collect(),
            leaves,
            encoded,
            effects,
        }
    }

    /// Applies a network.
    pub(super) fn apply(
        &self,
        network: usize,
        mut x: Array,
        Applying { node, leaves, statistics, encoded }: Applying<'_>,
        context: &Context<'_>,
    ) -> Array {
        let own = &self.networks[network];
        let is_constant = own.is_constant();
        if is_constant {
            x = x.constant();
        }
        // Places are the same for every example.
        let has_rows = own.section != Some(Section::Places);
        let dealt = (own.shuffle && has_rows)
            .then(|| Deal::new(x.rows(), context.key.fold(network as u64)));
        if let Some(deal) = &dealt {
            x = deal.there(&x);
        }
        for (position, &module) in own.chain.iter().enumerate() {
            let section = own.section.filter(|_| position == 0);
            let owner = match own.average {
                Some(average) => Owner::Average { network: average, module },
                None => Owner::Module(module),
            };
            let params = self.weights(network, module);
            let leaf = leaves.get(module).and_then(Option::as_ref).filter(|_| !is_constant);
            // What is frozen sees nothing that the same step has moved.
            let mut none = Updates::new();
            let updates = match own.is_frozen {
                true => &mut none,
                false => statistics.entry(owner).or_default(),
            };
            let (kernels, training, groups) = (context.kernels, !own.is_frozen, own.groups);
            // What teaches sees everything.
            let chance = (!is_constant).then(|| context.key.named("drop").fold(node as u64));
            let mut pass = Pass { kernels, params, training, chance, groups, updates };
            let is_encoder = is_encoder(&self.graph.modules[module].term);
            let in_parts = self.parts > 1 && is_encoder && has_rows;
            let part = Applied { module, section };
            // What is given with a history is differentiated by, too, and passes as a whole.
            x = match in_parts && !x.is_tracked() {
                true => self.encode(part, &mut pass, x, leaf.is_some(), encoded),
                false => {
                    pass.params = leaf.unwrap_or(params);
                    self.pass(part, &mut pass, x)
                }
            };
        }
        x = context.kernels.finish(x);
        dealt.map_or(x.clone(), |deal| deal.back(&x))
    }

    /// Applies a module, or a section of it.
    pub(super) fn pass(
        &self,
        Applied { module, section }: Applied,
        pass: &mut Pass<'_>,
        x: Array,
    ) -> Array {
        let module = &self.modules[module];
        match section {
            Some(section) => module.section(section, pass, x),
            None => module.forward(pass, x),
        }
    }

    /// Ends a step, after the optimizer has moved the weights: running statistics become those that
    /// the step has seen, averages move, state takes up what it was given.
    ///
    /// The tensors of the step are best dropped before, so that state is written in place.
    pub fn commit(&mut self, effects: Effects, context: Context<'_>) {
        for (owner, updates) in effects.statistics {
            let params = match owner {
                Owner::Module(module) => &mut self.params[module],
                Owner::Average { network, module } => {
                    self.copies.get_mut(&(network, module)).expect("averages own copies")
                }
            };
            for (slot, value) in updates {
                params.set(slot, value.constant());
            }
        }
        for (params, trained) in self.params.iter_mut().zip(&self.flow.trained) {
            if *trained {
                params.settle();
            }
        }
        self.move_averages(&context);
        for (index, given) in effects.given {
            let node = &self.graph.nodes[index];
            let Op::Primitive(name) = &node.op else { unreachable!("only operations keep state") };
            // What is kept of what is kept sees it as this step leaves it: it comes before.
            let mut given = given.into_iter();
            let inputs: Vec<Array> = (node.inputs.iter())
                .filter_map(|input| match (&self.graph.nodes[*input].op, self.slots.get(input)) {
                    (Op::Primitive(name), Some(slot)) => Some((keeping(name)?.read)(slot)),
                    _ => given.next(),
                })
                .collect();
            let slot = self.slots.get_mut(&index).expect("only nodes with a slot are listed");
            let keeping = keeping(name).expect("looked up when the slot was made");
            let context = Context { key: context.key.fold(index as u64), ..context };
            (keeping.commit)(slot, &inputs, &node.args, &context);
        }
    }

    /// Moves each average towards what it follows: `m * average + (1 - m) * followed`.
    ///
    /// Running statistics are left alone where the loss normalises an average by its own batches:
    /// it keeps its own, as MoCo's key encoder does. Others follow, as an average that is only
    /// exported would be normalised by those of its first step for ever.
    fn move_averages(&mut self, context: &Context<'_>) {
        for network in self.averages() {
            let NetworkBody::Ema { of, momentum } = &self.graph.networks[network].body else {
                continue;
            };
            let (of, m) = (*of, schedule::value(momentum, context.progress));
            for &module in &self.networks[network].chain {
                let Some(mut average) = self.copies.remove(&(network, module)) else { continue };
                let all = !self.normalised.contains(&(network, module));
                average.follow(self.weights(of, module), context.kernels, m, all);
                average.settle();
                self.copies.insert((network, module), average);
            }
        }
    }
}

/// Rows in an order of chance, and back in their own.
struct Deal {
    order: Vec<i64>,
    places: Vec<i64>,
}

impl Deal {
    fn new(rows: usize, key: Key) -> Self {
        let mut order: Vec<i64> = (0..rows as i64).collect();
        key.named("shuffle").stream().shuffle(&mut order);
        let mut places = vec![0; rows];
        order.iter().zip(0..).for_each(|(row, place)| places[*row as usize] = place);
        Deal { order, places }
    }

    fn there(&self, x: &Array) -> Array {
        taken(x, &self.order)
    }

    fn back(&self, x: &Array) -> Array {
        taken(x, &self.places)
    }
}

/// The rows of all, one array after the other.
fn joined(arrays: &[Array]) -> Array {
    by_rank!(arrays[0].rank(), D => {
        Tensor::cat(arrays.iter().map(Array::tensor::<D>).collect(), 0).into()
    })
}

/// The rows of `x` at those places.
pub(super) fn taken(x: &Array, places: &[i64]) -> Array {
    let device = x.constant().device();
    let places = Array::from_whole(places.iter().copied(), &device);
    by_rank!(x.rank(), D => x.tensor::<D>().select(0, places.whole()).into())
}

#[cfg(test)]
mod mechanics;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
