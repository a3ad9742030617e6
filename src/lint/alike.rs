//! Tensors that are the same wherever they are written, or each other's transpose.

use std::collections::HashMap;

use super::declared;
use super::operations::{is, is_among, named, unscaled};
use crate::term::objective::{ObjectiveGraph, Op};

/// For each node the first that computes the same of the same. What is drawn, and what is kept, is
/// the same nowhere else.
pub(super) fn firsts(graph: &ObjectiveGraph) -> Vec<usize> {
    let mut known: HashMap<(String, Vec<usize>), usize> = HashMap::new();
    let mut firsts: Vec<usize> = Vec::with_capacity(graph.nodes.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        let is_own = declared(&node.op).is_some_and(|own| own.keeps_state() || own.is("draws"));
        let inputs = node.inputs.iter().map(|input| firsts[*input]).collect();
        let key = (format!("{:?} {:?}", node.op, node.args), inputs);
        let first = if is_own { index } else { *known.entry(key).or_insert(index) };
        firsts.push(first);
    }
    firsts
}

/// Beyond that, matrices are taken to be no transposes.
const DEEPEST: usize = 64;

/// Which matrices are the transposes of which.
pub(super) struct Turned<'g> {
    graph: &'g ObjectiveGraph,
    firsts: &'g [usize],
    known: HashMap<[usize; 2], bool>,
}

impl<'g> Turned<'g> {
    pub fn new(graph: &'g ObjectiveGraph, firsts: &'g [usize]) -> Self {
        Turned { graph, firsts, known: HashMap::new() }
    }

    /// Whether a matrix is its own transpose.
    pub fn is_symmetric(&mut self, node: usize) -> bool {
        self.are([node, node], 0)
    }

    fn are(&mut self, pair: [usize; 2], depth: usize) -> bool {
        let pair = pair.map(|node| self.firsts[node]);
        if depth > DEEPEST {
            return false;
        }
        if let Some(known) = self.known.get(&pair) {
            return *known;
        }
        let are = self.find(pair, depth + 1);
        self.known.insert(pair, are);
        are
    }

    /// Whether one is written as the transpose of the other, looked at as `seen`.
    fn is_written(&self, [x, y]: [usize; 2], seen: impl Fn(usize) -> usize) -> bool {
        [(x, y), (y, x)].into_iter().any(|(turned, whole)| {
            let inner = self.graph.nodes[turned].inputs.first().map(|inner| seen(*inner));
            let is_turned = is(self.graph, turned, named::TRANSPOSE);
            is_turned && inner.is_some_and(|inner| self.firsts[inner] == self.firsts[whole])
        })
    }

    fn find(&mut self, [x, y]: [usize; 2], depth: usize) -> bool {
        let graph = self.graph;
        let [one, other] = [x, y].map(|node| &graph.nodes[node]);
        // One number is everywhere.
        if one.shape.is_empty() && other.shape.is_empty() {
            return x == y || one.op == other.op && one.inputs.is_empty();
        }
        if self.is_written([x, y], |node| node) {
            return true;
        }
        if one.op != other.op || one.args != other.args {
            return false;
        }
        match (&one.op, &one.inputs[..], &other.inputs[..]) {
            (_, &[a, b], &[c, d]) if is(graph, x, named::MATMUL) => {
                // Numbers beside one factor are beside the product.
                [[a, d], [b, c]].into_iter().all(|pair| {
                    let pair = pair.map(|node| unscaled(graph, node));
                    self.is_written(pair, |node| unscaled(graph, node)) || self.are(pair, depth)
                })
            }
            (_, &[a, b], &[c, d]) if is_among(graph, x, named::CROSSED) => {
                let [a, b, c, d] = [a, b, c, d].map(|node| self.firsts[node]);
                a == d && b == c
            }
            (Op::Add | Op::Multiply, &[a, b], &[c, d]) => {
                self.are([a, c], depth) && self.are([b, d], depth)
                    || self.are([a, d], depth) && self.are([b, c], depth)
            }
            (_, inner, others) if is_by_element(graph, x) => {
                inner.len() == others.len()
                    && inner.iter().zip(others).all(|(a, c)| self.are([*a, *c], depth))
            }
            _ => false,
        }
    }
}

/// Whether each element of what a node makes is one of the same place of what it is given.
pub(super) fn is_by_element(graph: &ObjectiveGraph, node: usize) -> bool {
    let op = &graph.nodes[node].op;
    matches!(op, Op::Add | Op::Subtract | Op::Multiply | Op::Divide)
        || is_among(graph, node, named::RISING)
        || is_among(graph, node, named::DISTANCES)
        || is(graph, node, named::DETACH)
        || is(graph, node, named::GREATER)
}
