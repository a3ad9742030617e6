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

/// Beyond these, matrices may be transposes, for all that is known.
const DEEPEST: usize = 64;
const MOST_TERMS: usize = 32;

/// Which matrices may be the transposes of which.
pub(super) struct Turned<'g> {
    graph: &'g ObjectiveGraph,
    firsts: &'g [usize],
    known: HashMap<[usize; 2], bool>,
}

impl<'g> Turned<'g> {
    pub fn new(graph: &'g ObjectiveGraph, firsts: &'g [usize]) -> Self {
        Turned { graph, firsts, known: HashMap::new() }
    }

    /// Whether a matrix may be its own transpose.
    pub fn may_be_symmetric(&mut self, node: usize) -> bool {
        self.may_be([node, node], 0)
    }

    /// The first that has the same values, whether or not a gradient flows through it.
    fn value(&self, mut node: usize) -> usize {
        while is(self.graph, node, named::DETACH) {
            node = self.graph.nodes[node].inputs[0];
        }
        self.firsts[node]
    }

    /// The same of its rows without the numbers that they are multiplied by.
    fn rows(&self, mut node: usize) -> usize {
        loop {
            let inner = unscaled(self.graph, self.value(node));
            if inner == node {
                return inner;
            }
            node = inner;
        }
    }

    fn may_be(&mut self, pair: [usize; 2], depth: usize) -> bool {
        let pair = pair.map(|node| self.value(node));
        if depth > DEEPEST {
            return true;
        }
        if let Some(known) = self.known.get(&pair) {
            return *known;
        }
        let found = self.find(pair, depth + 1);
        self.known.insert(pair, found);
        found
    }

    /// Whether one is written as the transpose of the other, looked at as `seen`.
    fn is_written(&self, [x, y]: [usize; 2], seen: impl Fn(&Self, usize) -> usize) -> bool {
        [(x, y), (y, x)].into_iter().any(|(turned, whole)| {
            let inner = self.graph.nodes[turned].inputs.first();
            let is_turned = is(self.graph, turned, named::TRANSPOSE);
            is_turned && inner.is_some_and(|inner| seen(self, *inner) == seen(self, whole))
        })
    }

    fn find(&mut self, [x, y]: [usize; 2], depth: usize) -> bool {
        let graph = self.graph;
        let [one, other] = [x, y].map(|node| &graph.nodes[node]);
        // One number is everywhere.
        if one.shape.is_empty() && other.shape.is_empty() {
            return x == y || one.op == other.op && one.inputs.is_empty();
        }
        if self.is_written([x, y], Self::value) {
            return true;
        }
        if one.op != other.op || one.args != other.args {
            return false;
        }
        match (&one.op, &one.inputs[..], &other.inputs[..]) {
            (_, &[a, b], &[c, d]) if is_among(graph, x, named::MATMULS) => {
                // Numbers beside one factor are beside the product.
                [[a, d], [b, c]].into_iter().all(|pair| {
                    let pair = pair.map(|node| self.rows(node));
                    self.is_written(pair, Self::rows) || self.may_be(pair, depth)
                })
            }
            (_, &[a, b], &[c, d]) if is_among(graph, x, named::CROSSED) => {
                let [a, b, c, d] = [a, b, c, d].map(|node| self.value(node));
                a == d && b == c
            }
            (Op::Add | Op::Multiply, ..) => {
                let [own, mut others] = [x, y].map(|node| self.terms(node));
                if own.len().max(others.len()) > MOST_TERMS {
                    return true;
                }
                own.len() == others.len()
                    && own.into_iter().all(|term| {
                        let place = (0..others.len())
                            .find(|place| self.may_be([term, others[*place]], depth));
                        place.map(|place| others.swap_remove(place)).is_some()
                    })
            }
            // Of a difference that changes its sign, a distance stays.
            (_, &[a], &[c]) if is_among(graph, x, named::DISTANCES) => {
                let [a, c] = [a, c].map(|node| self.value(node));
                let [inner, turned] = [a, c].map(|node| &graph.nodes[node]);
                let is_turned = match (&inner.op, &inner.inputs[..], &turned.inputs[..]) {
                    (Op::Subtract, &[a, b], &[c, d]) if turned.op == Op::Subtract => {
                        self.may_be([a, d], depth) && self.may_be([b, c], depth)
                    }
                    _ => false,
                };
                is_turned || self.may_be([a, c], depth)
            }
            (_, inner, others) if is_by_element(graph, x) => {
                inner.len() == others.len()
                    && inner.iter().zip(others).all(|(a, c)| self.may_be([*a, *c], depth))
            }
            _ => false,
        }
    }

    /// What a sum is the sum of, or a product the product; one more than the most, where they are more.
    fn terms(&self, root: usize) -> Vec<usize> {
        let op = &self.graph.nodes[root].op;
        let (mut waiting, mut terms) = (vec![root], Vec::new());
        while let Some(node) = waiting.pop().filter(|_| terms.len() <= MOST_TERMS) {
            let node = self.value(node);
            match self.graph.nodes[node].op == *op {
                true => waiting.extend(&self.graph.nodes[node].inputs),
                false => terms.push(node),
            }
        }
        terms
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
