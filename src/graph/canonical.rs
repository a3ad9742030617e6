//! The canonical form of an objective: what its text computes, numbered by the computation.

use std::collections::BTreeMap;

use super::places::Numbering;
use crate::check::objective::{Body, Builder};
use crate::check::size::{self, Known, Symbol};
use crate::term::Term;
use crate::term::objective::{
    Extent, ModuleNode, NetworkBody, NetworkNode, ObjectiveGraph, Op, TensorNode,
};

/// Numbers what the loss, the reports and the exports need, depth first; drops the rest.
///
/// `encoder` is the identity of the encoder that the objective yields, `image` the size of a view
/// by its place, `[channels, height, width]`. `None` where a part of the objective
/// is not known, which a checked pipeline excludes.
pub fn canonical(
    builder: &Builder,
    encoder: Option<usize>,
    image: &dyn Fn(usize) -> [i64; 3],
) -> Option<(ObjectiveGraph, Numbering)> {
    let mut walk = Walk { encoder, ..Walk::new(builder) };
    walk.known.push((Known::Channels.symbol(), image(0)[0]));
    for group in &builder.groups {
        let [_, height, width] = image(group.first);
        walk.known.extend(group.sides.iter().cloned().zip([height, width]));
    }
    walk.graph.views = builder.views;
    walk.graph.labels = builder.labels.is_some();
    walk.graph.index = builder.index.is_some();
    walk.graph.loss = walk.visit(builder.loss?)?;
    let reports: BTreeMap<&String, usize> =
        builder.reports.iter().map(|(name, node)| (name, *node)).collect();
    // Numbered by what they compute and listed by name: a new name renumbers nothing.
    let mut order = Vec::with_capacity(reports.len());
    for node in reports.values() {
        order.push((walk.trace(*node)?, *node));
    }
    order.sort();
    for (_, node) in order {
        walk.visit(node)?;
    }
    for (name, node) in &reports {
        let node = walk.visit(*node)?;
        walk.graph.reports.push(((*name).clone(), node));
    }
    let exports: BTreeMap<&String, usize> =
        builder.exports.iter().map(|own| (&own.name.text, own.network)).collect();
    for (name, network) in exports {
        let network = walk.network(network)?;
        walk.graph.exports.push((name.clone(), network));
    }
    let Walk { graph, nodes, networks, modules, .. } = walk;
    Some((graph, Numbering { nodes, networks, modules }))
}

/// The graph of tensors alone: of a builder without encoders or images. `None` where a size or an
/// argument is not known.
pub fn alone(builder: &Builder) -> Option<ObjectiveGraph> {
    canonical(builder, None, &|_| [0; 3]).map(|(graph, _)| graph)
}

struct Walk<'b> {
    builder: &'b Builder,
    encoder: Option<usize>,
    /// The sizes of the views.
    known: Vec<(Symbol, i64)>,
    graph: ObjectiveGraph,
    nodes: Vec<Option<usize>>,
    networks: Vec<Option<usize>>,
    modules: Vec<Option<usize>>,
}

impl<'b> Walk<'b> {
    fn new(builder: &'b Builder) -> Self {
        Walk {
            builder,
            encoder: None,
            known: Vec::new(),
            graph: ObjectiveGraph::default(),
            nodes: vec![None; builder.nodes.len()],
            networks: vec![None; builder.networks.len()],
            modules: vec![None; builder.modules.len()],
        }
    }

    /// What a node adds to the graph as it stands, as text; leaves the graph as it was.
    fn trace(&mut self, node: usize) -> Option<String> {
        let graph = &self.graph;
        let before = [graph.nodes.len(), graph.networks.len(), graph.modules.len()];
        let number = self.visit(node)?;
        let graph = &mut self.graph;
        let [nodes, networks, modules] = before;
        let added = (
            number,
            graph.nodes.split_off(nodes),
            graph.networks.split_off(networks),
            graph.modules.split_off(modules),
        );
        for (numbers, kept) in
            [&mut self.nodes, &mut self.networks, &mut self.modules].into_iter().zip(before)
        {
            for number in numbers.iter_mut() {
                *number = number.filter(|number| *number < kept);
            }
        }
        Some(serde_json::to_string(&added).expect("a graph is plain data"))
    }

    /// The new number of a node, after its inputs. Iterative: sums of losses can be long.
    fn visit(&mut self, root: usize) -> Option<usize> {
        let mut stack = vec![(root, false)];
        while let Some((node, ready)) = stack.pop() {
            if self.nodes[node].is_some() {
                continue;
            }
            if ready {
                self.nodes[node] = Some(self.emit(node)?);
            } else {
                stack.push((node, true));
                stack.extend(
                    self.builder.nodes[node].inputs.iter().rev().map(|input| (*input, false)),
                );
            }
        }
        self.nodes[root]
    }

    fn emit(&mut self, node: usize) -> Option<usize> {
        let node = &self.builder.nodes[node];
        let op = match &node.op {
            Op::Apply(network) => Op::Apply(self.network(*network)?),
            Op::Count(_) => self.count(node.counts.as_ref()?)?,
            other => other.clone(),
        };
        let inputs = node.inputs.iter().map(|input| self.nodes[*input]).collect::<Option<_>>()?;
        let shape = node.shape.sizes()?.into_iter().map(|size| self.size(size));
        let shape = shape.collect::<Option<_>>()?;
        let args = node.args.clone()?;
        self.graph.nodes.push(TensorNode { op, inputs, args, shape, gradient: node.gradient });
        Some(self.graph.nodes.len() - 1)
    }

    fn size(&self, size: &size::Size) -> Option<Extent> {
        self.numbers(size)?.extent()
    }

    /// A size as a number of a formula.
    fn count(&self, size: &size::Size) -> Option<Op> {
        let size = self.numbers(size)?;
        Some(match size.as_constant() {
            Some(number) => Op::Constant(number as f64),
            None => Op::Count(size.extent()?),
        })
    }

    /// With the numbers of what is known in the place of its names.
    fn numbers(&self, size: &size::Size) -> Option<size::Size> {
        size.substitute(&|symbol| {
            let (_, number) = self.known.iter().find(|(own, _)| own == symbol)?;
            Some(size::Size::constant(*number))
        })
    }

    fn network(&mut self, network: usize) -> Option<usize> {
        // In one group a network sees its batch as it does anyway, in whatever order; but for one
        // that is in groups by itself, or begins with one that is.
        if let Body::Grouped { of, groups: Some(1), .. } = self.builder.networks[network].body
            && !matches!(
                self.builder.networks[of].body,
                Body::Grouped { .. } | Body::Encoder { .. }
            )
        {
            self.networks[network] = self.network(of);
        }
        if self.networks[network].is_none() {
            let body = match &self.builder.networks[network].body {
                Body::Chain(modules) => NetworkBody::Chain(
                    modules.iter().map(|module| self.module(*module)).collect::<Option<_>>()?,
                ),
                Body::Ema { of, momentum } => {
                    NetworkBody::Ema { of: self.network(*of)?, momentum: momentum.clone()? }
                }
                Body::Grouped { of, groups, shuffle } => NetworkBody::Grouped {
                    of: self.network(*of)?,
                    groups: (*groups)?,
                    shuffle: (*shuffle)?,
                },
                Body::Frozen { of } => NetworkBody::Frozen { of: self.network(*of)? },
                Body::Encoder { of } => NetworkBody::Encoder { of: self.network(*of)? },
            };
            let section = self.builder.networks[network].section;
            self.graph.networks.push(NetworkNode { body, section });
            self.networks[network] = Some(self.graph.networks.len() - 1);
        }
        self.networks[network]
    }

    fn module(&mut self, module: usize) -> Option<usize> {
        if self.modules[module].is_none() {
            let built = &self.builder.modules[module];
            let size = |size: &size::Size| {
                let size = self.numbers(size)?;
                usize::try_from(size.as_constant()?).ok()
            };
            let input = match &built.input {
                Some(input) => Some(size(input)?),
                None => None,
            };
            let term: Term = built.term.clone()?;
            let encoder = built.is_encoder && Some(built.id) == self.encoder;
            self.graph.modules.push(ModuleNode {
                term,
                input,
                output: size(&built.output)?,
                encoder,
            });
            self.modules[module] = Some(self.graph.modules.len() - 1);
        }
        self.modules[module]
    }
}
