//! What the loss of an objective needs, and where its gradient arrives.

use crate::resolve::declaration;
use crate::term::objective::{NetworkBody, ObjectiveGraph, Op, Section};

/// What a step has to differentiate, and what it only has to compute.
pub struct Flow {
    /// For each node, whether the loss depends on it, through whatever operation.
    pub reaches_loss: Vec<bool>,
    /// For each node, whether the gradient of the loss passes through it.
    pub differentiated: Vec<bool>,
    /// For each module, whether the loss depends on what it makes.
    pub applied: Vec<bool>,
    /// For each module, whether it receives a gradient.
    pub trained: Vec<bool>,
}

impl Flow {
    pub fn of(graph: &ObjectiveGraph) -> Self {
        let (nodes, modules) = (graph.nodes.len(), graph.modules.len());
        let mut flow = Flow {
            reaches_loss: vec![false; nodes],
            differentiated: vec![false; nodes],
            applied: vec![false; modules],
            trained: vec![false; modules],
        };
        flow.reaches_loss[graph.loss] = true;
        flow.differentiated[graph.loss] = true;
        // Inputs stand before the nodes that read them: backwards, each is settled when reached.
        for (index, node) in graph.nodes.iter().enumerate().rev() {
            for (position, &input) in node.inputs.iter().enumerate() {
                flow.reaches_loss[input] |= flow.reaches_loss[index];
                flow.differentiated[input] |=
                    flow.differentiated[index] && carries(graph, &node.op, position);
            }
            let Op::Apply(network) = node.op else { continue };
            for &module in chain(graph, network) {
                flow.applied[module] |= flow.reaches_loss[index];
                flow.trained[module] |= flow.differentiated[index] && is_trained(graph, network);
            }
        }
        flow
    }
}

/// Whether a gradient passes from an operation to its input at `position`.
fn carries(graph: &ObjectiveGraph, op: &Op, position: usize) -> bool {
    match op {
        Op::Apply(network) => is_trained(graph, *network),
        Op::Primitive(name) => declaration(name).is_some_and(|own| own.carries(position)),
        _ => true,
    }
}

/// Whether a gradient can reach the parameters of a network: it is no average of another, and not
/// frozen.
pub fn is_trained(graph: &ObjectiveGraph, network: usize) -> bool {
    match graph.networks[network].body {
        NetworkBody::Chain(_) => true,
        NetworkBody::Grouped { of, .. } | NetworkBody::Encoder { of } => is_trained(graph, of),
        NetworkBody::Ema { .. } | NetworkBody::Frozen { .. } => false,
    }
}

/// What of the encoder that a network begins with it applies; all of it where nothing is said.
pub fn section(graph: &ObjectiveGraph, network: usize) -> Option<Section> {
    let own = &graph.networks[network];
    match own.body {
        NetworkBody::Chain(_) | NetworkBody::Encoder { .. } => own.section,
        NetworkBody::Ema { of, .. }
        | NetworkBody::Grouped { of, .. }
        | NetworkBody::Frozen { of } => section(graph, of),
    }
}

/// The modules that an input flows through, first to last.
pub fn chain(graph: &ObjectiveGraph, network: usize) -> &[usize] {
    match &graph.networks[network].body {
        NetworkBody::Chain(modules) => modules,
        NetworkBody::Ema { of, .. }
        | NetworkBody::Grouped { of, .. }
        | NetworkBody::Frozen { of } => chain(graph, *of),
        NetworkBody::Encoder { of } => &chain(graph, *of)[..1],
    }
}

/// What a node is made of, through whatever operations.
#[derive(Default)]
pub struct Makers {
    pub modules: Vec<usize>,
    pub views: Vec<usize>,
    /// The nodes between.
    pub nodes: Vec<usize>,
}

impl Makers {
    pub fn of(graph: &ObjectiveGraph, root: usize) -> Self {
        Makers::of_all(graph, [root])
    }

    /// What several nodes are made of.
    pub fn of_all(graph: &ObjectiveGraph, roots: impl IntoIterator<Item = usize>) -> Self {
        let mut makers = Makers::default();
        let mut seen = vec![false; graph.nodes.len()];
        let mut waiting: Vec<usize> = roots.into_iter().collect();
        while let Some(node) = waiting.pop() {
            if std::mem::replace(&mut seen[node], true) {
                continue;
            }
            makers.nodes.push(node);
            match graph.nodes[node].op {
                Op::Apply(network) => makers.modules.extend(chain(graph, network)),
                Op::View(view) => makers.views.push(view),
                Op::Views { first, count } => makers.views.extend(first..first + count),
                _ => {}
            }
            waiting.extend(&graph.nodes[node].inputs);
        }
        for all in [&mut makers.modules, &mut makers.views, &mut makers.nodes] {
            all.sort_unstable();
            all.dedup();
        }
        makers
    }
}
