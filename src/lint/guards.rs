//! What keeps the representations of different images apart, and whether the loss lets it.

use std::collections::BTreeSet;

use super::compare::{Slope, product, readers, slopes};
use super::operations::{
    Stems, is, is_among, is_number, named, over, representations, scaled, stems, unscaled,
};
use super::{Objective, declared};
use crate::term::objective::Op;

/// An operation that may keep representations apart.
pub(super) struct Guard {
    pub node: usize,
    pub effect: Effect,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Effect {
    /// It does, as far as is known.
    Keeps,
    /// The loss falls as it does so less.
    Turned,
    /// No gradient comes through it to a network.
    Unlearned,
    /// It is multiplied by zero.
    Weightless,
}

/// What of the loss may keep representations apart: an operation that does so, one of each with
/// each, or a statistic over a batch.
pub(super) fn guards(objective: &Objective<'_>) -> Vec<Guard> {
    let search = Search::new(objective);
    let needed = (0..objective.graph.nodes.len()).filter(|own| objective.flow.reaches_loss[*own]);
    needed.filter_map(|node| Some(Guard { node, effect: search.effect(node)? })).collect()
}

struct Search<'o> {
    objective: &'o Objective<'o>,
    slopes: Vec<Slope>,
    readers: Vec<Vec<usize>>,
    stems: Vec<Stems>,
    /// What holds representations.
    held: Vec<bool>,
    /// What a network has made.
    made: Vec<bool>,
    /// The same, where it has not been compared since.
    bare: Vec<bool>,
}

impl<'o> Search<'o> {
    fn new(objective: &'o Objective<'o>) -> Self {
        let Objective { graph, flow, pairs, .. } = objective;
        let compared: BTreeSet<usize> =
            pairs.iter().flat_map(|pair| &pair.nodes).copied().collect();
        let (mut made, mut bare) = (Vec::new(), Vec::new());
        for (index, node) in graph.nodes.iter().enumerate() {
            let is_output = matches!(node.op, Op::Apply(_));
            made.push(is_output || node.inputs.iter().any(|input| made[*input]));
            let some = node.inputs.iter().any(|input| bare[*input]);
            bare.push(is_output || some && !compared.contains(&index));
        }
        Search {
            objective,
            slopes: slopes(graph),
            readers: readers(graph, flow),
            stems: stems(graph),
            held: representations(graph),
            made,
            bare,
        }
    }

    /// What becomes of a guard; nothing where a node is none.
    fn effect(&self, index: usize) -> Option<Effect> {
        let own = declared(&self.objective.graph.nodes[index].op)?;
        if own.states("spreads") {
            return self.declared(index, own.named("spreads"));
        }
        if own.named("keeps") == Some("mean") {
            return Some(self.weighed(index, Effect::Keeps));
        }
        if is_among(self.objective.graph, index, named::MATMULS) {
            return self.product(index);
        }
        own.named("reduces").and_then(|_| self.statistic(index))
    }

    /// That of one which says so: in itself, or as it rises or falls.
    fn declared(&self, index: usize, way: Option<&str>) -> Option<Effect> {
        let graph = self.objective.graph;
        let all = |kept: &[bool]| graph.nodes[index].inputs.iter().all(|input| kept[*input]);
        let is_softmax = is_among(graph, index, named::PROBABILITIES);
        // Probabilities of what a network says are no choice among rows: one answer to all is the
        // surest. Covariances of different dimensions are all zero where all rows are the same.
        if is_softmax && all(&self.held)
            || self.are_read_by(index, |reader| {
                let is_sharpened =
                    is_among(graph, reader, named::PROBABILITIES) && self.is_assignment(index);
                is(graph, reader, named::OFF_DIAGONAL)
                    || self.is_judged_itself(reader) && !is_sharpened
            })
        {
            return None;
        }
        let slope = self.slopes[index];
        // What is said of a way is said of the last size.
        let way = way.filter(|_| over(graph, index).is_none_or(|own| own == "last"));
        let (apart, together) = match way {
            None if is_softmax => return Some(self.learned(index, Effect::Keeps)),
            None => return Some(self.weighed(index, Effect::Keeps)),
            Some("rising") => (slope.falls, slope.rises),
            Some(_) => (slope.rises, slope.falls),
        };
        // Of scores that a network gives itself, the likeness of rows is not told by the sign.
        let is_of_scores = is_among(graph, index, named::CHOICES) && all(&self.held);
        let effect = Self::sign(apart, together && !is_of_scores);
        Some(self.learned(index, effect))
    }

    fn sign(apart: bool, together: bool) -> Effect {
        match together && !apart {
            true => Effect::Turned,
            false => Effect::Keeps,
        }
    }

    fn weighed(&self, index: usize, effect: Effect) -> Effect {
        let slope = self.slopes[index];
        if slope.rises || slope.falls { effect } else { Effect::Weightless }
    }

    fn learned(&self, index: usize, effect: Effect) -> Effect {
        let Objective { graph, flow, .. } = self.objective;
        let is_learned = graph.nodes[index].gradient && flow.differentiated[index];
        self.weighed(index, if is_learned { effect } else { Effect::Unlearned })
    }

    /// That of products of what networks have made.
    fn product(&self, index: usize) -> Option<Effect> {
        let graph = self.objective.graph;
        let node = &graph.nodes[index];
        if !node.inputs.iter().all(|input| self.made[*input])
            || self.is_read_as_diagonal(index)
            || self.are_read_by(index, |reader| {
                let is_joined = is(graph, reader, named::CONCAT_COLUMNS);
                self.is_judged_itself(reader)
                    || is_joined && self.are_read_by(reader, |next| self.is_judged_itself(next))
            })
        {
            return None;
        }
        let product = product(graph, index).filter(|own| {
            let sizes = node.shape.iter().rev().take(2);
            let are_rows = sizes.clone().count() == 2 && { sizes }.all(|size| size.is_in_batches());
            let is_made = |side: &usize| self.held[*side] && !self.stems[*side].is_empty();
            are_rows && own.sides.iter().all(is_made)
        });
        let slope = self.slopes[index];
        // Away from random directions no place is better than another.
        let is_of_chance = node.inputs.iter().any(|input| self.is_drawn(*input));
        if is_of_chance && slope.rises && !slope.falls {
            return None;
        }
        // Which way products of dimensions are to go is not known.
        let effect = product.map_or(Effect::Keeps, |_| Self::sign(slope.rises, slope.falls));
        Some(self.learned(index, effect))
    }

    /// That of a sum or a mean over the rows of a batch.
    fn statistic(&self, index: usize) -> Option<Effect> {
        let graph = self.objective.graph;
        let node = &graph.nodes[index];
        let is_over_rows = over(graph, index) == Some("first")
            && node.inputs.iter().all(|input| {
                let shape = &graph.nodes[*input].shape;
                let is_batch = shape.first().is_some_and(|rows| rows.constant().is_none());
                self.bare[*input] && is_batch && shape.len() > 1
            });
        if is_over_rows && self.is_variance(index) {
            let slope = self.slopes[index];
            return Some(self.learned(index, Self::sign(slope.falls, slope.rises)));
        }
        if is_over_rows && self.is_of_variances(index) {
            return None;
        }
        is_over_rows.then(|| {
            let turned = self.is_even(index) == Some(false);
            self.weighed(index, if turned { Effect::Turned } else { Effect::Keeps })
        })
    }

    /// Whether it is of the squares of what is left of rows without their mean.
    fn is_variance(&self, index: usize) -> bool {
        let Objective { graph, firsts, .. } = self.objective;
        let node = |index: usize| &graph.nodes[index];
        let Some(&squared) = node(index).inputs.first() else { return false };
        let centred = match (&node(squared).op, &node(squared).inputs[..]) {
            (Op::Multiply, &[a, b]) if firsts[a] == firsts[b] => a,
            (_, &[x]) if is(graph, squared, named::SQUARE) => x,
            _ => return false,
        };
        let (Op::Subtract, &[rows, mean]) = (&node(centred).op, &node(centred).inputs[..]) else {
            return false;
        };
        let is_mean = is(graph, mean, named::MEAN) && over(graph, mean) == Some("first");
        let of = node(mean).inputs.first();
        is_mean && of.is_some_and(|of| firsts[*of] == firsts[rows])
    }

    /// Whether a mean is that of variances, and nothing else: they are judged themselves.
    fn is_of_variances(&self, mean: usize) -> bool {
        let graph = self.objective.graph;
        let all = |node: usize, is_such: &dyn Fn(usize) -> bool| {
            !self.readers[node].is_empty() && self.readers[node].iter().all(|own| is_such(*own))
        };
        let is_squared = |squared: usize| all(squared, &|sum| self.is_variance(sum));
        let is_centred =
            |centred: usize| graph.nodes[centred].op == Op::Subtract && all(centred, &is_squared);
        all(mean, &is_centred)
    }

    /// Whether the loss wants the mean of probabilities to be even or not, where all that it reads of
    /// it is `sum(p * log(p))`, which falls as they become so.
    fn is_even(&self, mean: usize) -> Option<bool> {
        let Objective { graph, firsts, .. } = self.objective;
        let is_added = |node: usize, of: usize| {
            let own = &graph.nodes[node];
            let mut others = own.inputs.iter().filter(|input| **input != of);
            own.op == Op::Add && others.all(|other| is_number(graph, *other))
        };
        let core = |mut node: usize| {
            while graph.nodes[node].op == Op::Add {
                let inner = graph.nodes[node].inputs.iter().find(|own| !is_number(graph, **own));
                let Some(&inner) = inner.filter(|inner| is_added(node, **inner)) else { break };
                node = inner;
            }
            firsts[node]
        };
        let logarithm = |node: usize| {
            let inner = graph.nodes[node].inputs.first()?;
            is(graph, node, named::LOG).then(|| core(*inner))
        };
        let mut found = None;
        let (mut waiting, mut seen) = (vec![mean], BTreeSet::new());
        while let Some(node) = waiting.pop() {
            if !seen.insert(node) {
                continue;
            }
            for &reader in &self.readers[node] {
                let own = &graph.nodes[reader];
                if is(graph, reader, named::LOG) || is_added(reader, node) {
                    waiting.push(reader);
                    continue;
                }
                let (Op::Multiply, &[a, b]) = (&own.op, &own.inputs[..]) else { return None };
                let mean = Some(firsts[mean]);
                let is_entropy = [(a, b), (b, a)]
                    .into_iter()
                    .any(|(p, log)| Some(core(p)) == mean && logarithm(log) == mean);
                let Slope { rises, falls } = self.slopes[reader];
                if !is_entropy || rises == falls || found == Some(falls) {
                    return None;
                }
                found = Some(rises);
            }
        }
        found
    }

    /// Whether all its rows are drawn, at length one.
    fn is_drawn(&self, side: usize) -> bool {
        let graph = self.objective.graph;
        let side = unscaled(graph, side);
        let inner = graph.nodes[side].inputs.first();
        let rows = inner.filter(|_| is(graph, side, named::TRANSPOSE)).copied().unwrap_or(side);
        let own = declared(&graph.nodes[unscaled(graph, rows)].op);
        own.is_some_and(|own| own.is("draws") && own.named("yields") == Some("unit"))
    }

    /// Whether it deals the rows out as a constant: so it does where they are told apart further.
    fn is_assignment(&self, index: usize) -> bool {
        let own = declared(&self.objective.graph.nodes[index].op);
        own.is_some_and(|own| own.is("spreads") && !own.carries(0))
    }

    /// Whether an operation says itself which way it keeps rows apart.
    fn is_judged_itself(&self, index: usize) -> bool {
        declared(&self.objective.graph.nodes[index].op).is_some_and(|own| own.states("spreads"))
    }

    /// Whether it is a tensor times or by a number, which may be computed of sizes.
    fn is_scaled(&self, index: usize, x: usize) -> bool {
        let graph = self.objective.graph;
        let node = &graph.nodes[index];
        let is_product = matches!(node.op, Op::Multiply | Op::Divide);
        let mut others = node.inputs.iter().filter(|input| **input != x);
        let is_number = |node: usize| graph.nodes[node].shape.is_empty() && !self.made[node];
        is_product && node.inputs.first() == Some(&x) && others.all(|other| is_number(*other))
            || scaled(graph, index).is_some_and(|(scaled, _)| scaled == x)
    }

    /// Whether all that reads a tensor, but for numbers that it is multiplied by, is such.
    fn are_read_by(&self, index: usize, is_such: impl Fn(usize) -> bool) -> bool {
        let (mut waiting, mut seen) = (vec![index], BTreeSet::new());
        while let Some(node) = waiting.pop() {
            for &reader in self.readers[node].iter().filter(|reader| seen.insert(**reader)) {
                if self.is_scaled(reader, node) {
                    waiting.push(reader);
                } else if !is_such(reader) {
                    return false;
                }
            }
        }
        !seen.is_empty()
    }

    /// Whether of the products of each row with each other only those with the same row are read.
    fn is_read_as_diagonal(&self, index: usize) -> bool {
        let graph = self.objective.graph;
        self.are_read_by(index, |reader| is(graph, reader, named::DIAGONAL))
    }
}
