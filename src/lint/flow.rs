//! What the loss of an objective needs, and where its gradient arrives.

use super::declared;
use crate::term::objective::{NetworkBody, ObjectiveGraph, Op};

/// By node, and by module.
pub(super) struct Flow {
    /// Whether the loss depends on the node, through whatever operation.
    pub needed: Vec<bool>,
    /// Whether the module receives a gradient.
    pub trained: Vec<bool>,
    /// Whether the loss depends on what the module makes.
    pub applied: Vec<bool>,
}

impl Flow {
    pub fn of(objective: &ObjectiveGraph) -> Self {
        let count = objective.nodes.len();
        let (mut needed, mut differentiated) = (vec![false; count], vec![false; count]);
        let modules = objective.modules.len();
        let (mut trained, mut applied) = (vec![false; modules], vec![false; modules]);
        needed[objective.loss] = true;
        differentiated[objective.loss] = true;
        // Inputs stand before the nodes that read them: backwards, each is settled when reached.
        for (index, node) in objective.nodes.iter().enumerate().rev() {
            if let (Op::Apply(network), true) = (&node.op, needed[index]) {
                for module in chain(objective, *network) {
                    applied[*module] = true;
                    trained[*module] |= differentiated[index] && is_trained(objective, *network);
                }
            }
            for (position, input) in node.inputs.iter().enumerate() {
                needed[*input] |= needed[index];
                let carries = match &node.op {
                    Op::Apply(network) => is_trained(objective, *network),
                    op => declared(op).is_none_or(|own| own.carries(position)),
                };
                differentiated[*input] |= differentiated[index] && carries;
            }
        }
        Flow { needed, trained, applied }
    }
}

/// Whether it is no average of another.
pub(super) fn is_trained(objective: &ObjectiveGraph, network: usize) -> bool {
    matches!(objective.networks[network].body, NetworkBody::Chain(_))
}

/// The modules that an input flows through, first to last.
pub(super) fn chain(objective: &ObjectiveGraph, mut network: usize) -> &[usize] {
    loop {
        match &objective.networks[network].body {
            NetworkBody::Chain(modules) => return modules,
            NetworkBody::Ema { of, .. } => network = *of,
        }
    }
}

/// The modules that a node is made by, through whatever operations, and the views it is made of.
pub(super) fn makers(objective: &ObjectiveGraph, root: usize) -> (Vec<usize>, Vec<usize>) {
    let (mut modules, mut views) = (Vec::new(), Vec::new());
    let mut seen = vec![false; objective.nodes.len()];
    let mut waiting = vec![root];
    while let Some(node) = waiting.pop() {
        if std::mem::replace(&mut seen[node], true) {
            continue;
        }
        match &objective.nodes[node].op {
            Op::Apply(network) => modules.extend(chain(objective, *network)),
            Op::View(view) => views.push(*view),
            _ => {}
        }
        waiting.extend(&objective.nodes[node].inputs);
    }
    for all in [&mut modules, &mut views] {
        all.sort_unstable();
        all.dedup();
    }
    (modules, views)
}
