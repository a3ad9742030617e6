//! Where gradients flow in an objective's graph.

use super::ObjectiveError;
use crate::resolve::declaration;
use crate::term::objective::{NetworkBody, ObjectiveGraph, Op};

/// What a step has to differentiate, and what it only has to compute.
pub struct Flow {
    /// For each node, whether the loss depends on it, through whatever operation.
    pub reaches_loss: Vec<bool>,
    /// For each node, whether the gradient of the loss passes through it.
    pub differentiated: Vec<bool>,
    /// For each module, whether it receives a gradient.
    pub trained: Vec<bool>,
}

impl Flow {
    pub fn of(graph: &ObjectiveGraph) -> Result<Self, ObjectiveError> {
        let count = graph.nodes.len();
        let mut flow = Self {
            reaches_loss: vec![false; count],
            differentiated: vec![false; count],
            trained: vec![false; graph.modules.len()],
        };
        flow.reaches_loss[graph.loss] = true;
        flow.differentiated[graph.loss] = true;
        // Inputs stand before the nodes that read them: backwards, each is settled when reached.
        for (index, node) in graph.nodes.iter().enumerate().rev() {
            for (position, &input) in node.inputs.iter().enumerate() {
                flow.reaches_loss[input] |= flow.reaches_loss[index];
                flow.differentiated[input] |=
                    flow.differentiated[index] && carries(graph, &node.op, position)?;
            }
            if let (Op::Apply(network), true) = (&node.op, flow.differentiated[index])
                && let NetworkBody::Chain(modules) = &graph.networks[*network].body
            {
                modules.iter().for_each(|&module| flow.trained[module] = true);
            }
        }
        Ok(flow)
    }
}

/// Whether a gradient passes from an operation to its input at `position`.
fn carries(graph: &ObjectiveGraph, op: &Op, position: usize) -> Result<bool, ObjectiveError> {
    Ok(match op {
        Op::Apply(network) => matches!(graph.networks[*network].body, NetworkBody::Chain(_)),
        Op::Primitive(name) => {
            let declaration = declaration(name).ok_or_else(|| ObjectiveError::unknown(name))?;
            declaration.carries(position)
        }
        _ => true,
    })
}
