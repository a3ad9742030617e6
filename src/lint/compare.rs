//! What an objective compares with what, found in its operations: what a user has written by hand is
//! a comparison like those of the library.

use std::collections::{BTreeMap, BTreeSet};

use super::operations::{
    Stems, bare, is, is_among, named, over, passed, representations, scaled, stems, unscaled,
};
use super::{Objective, declared};
use crate::graph::flow::{Flow, Makers};
use crate::term::Term;
use crate::term::objective::{ObjectiveGraph, Op};

/// Rows that the loss makes like the same rows of another tensor, by a dot product or a distance.
pub(super) struct Pair {
    /// The product or the difference; several where it is written again.
    pub nodes: Vec<usize>,
    pub sides: [usize; 2],
    /// The outputs of networks that each side is made of.
    pub stems: [Stems; 2],
}

/// Rows of a tensor compared with rows of another by dot products.
pub(super) struct Product {
    /// The similarities.
    pub node: usize,
    pub sides: [usize; 2],
    /// The second side as columns, where each row is compared with each of the other.
    pub columns: Option<usize>,
}

/// Which way the loss goes as an element rises.
#[derive(Clone, Copy, Default)]
pub(super) struct Slope {
    pub rises: bool,
    pub falls: bool,
}

impl Slope {
    const UNKNOWN: Slope = Slope { rises: true, falls: true };

    fn turned(self) -> Self {
        Slope { rises: self.falls, falls: self.rises }
    }

    fn add(&mut self, other: Slope) {
        self.rises |= other.rises;
        self.falls |= other.falls;
    }
}

/// For each node, which way the loss goes with it; neither where it does not depend on it, as on what
/// is multiplied by zero.
pub(super) fn slopes(graph: &ObjectiveGraph) -> Vec<Slope> {
    let mut slopes = vec![Slope::default(); graph.nodes.len()];
    slopes[graph.loss].rises = true;
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        let own = slopes[index];
        if !own.rises && !own.falls {
            continue;
        }
        if let Some((x, number)) = scaled(graph, index) {
            if node.op == Op::Multiply && is_zero(graph, number) {
                continue;
            }
            let is_negative = matches!(graph.nodes[number].op, Op::Constant(value) if value < 0.0);
            slopes[x].add(if is_negative { own.turned() } else { own });
            continue;
        }
        let keeps = is_among(graph, index, named::RISING)
            || is_among(graph, index, named::SELECTIONS)
            || declared(&node.op).is_some_and(|own| own.named("reduces").is_some())
            || !passed(graph, index).is_empty();
        for (position, &input) in node.inputs.iter().enumerate() {
            slopes[input].add(match (&node.op, position) {
                (Op::Add, _) | (Op::Subtract, 0) => own,
                (Op::Subtract, _) => own.turned(),
                (Op::Primitive(_), _) if keeps => own,
                _ => Slope::UNKNOWN,
            });
        }
    }
    slopes
}

/// Whether it is zero in every step.
fn is_zero(graph: &ObjectiveGraph, number: usize) -> bool {
    match &graph.nodes[number].op {
        Op::Constant(value) => *value == 0.0,
        Op::Scheduled(Term::Call(schedule)) => {
            let values = schedule.scheduled();
            !values.is_empty() && values.iter().all(|value| *value == 0.0)
        }
        _ => false,
    }
}

/// For each node, those that read it and that the loss needs.
pub(super) fn readers(graph: &ObjectiveGraph, flow: &Flow) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().filter(|own| flow.reaches_loss[own.0]) {
        node.inputs.iter().for_each(|input| readers[*input].push(index));
    }
    readers
}

/// What the loss makes alike, each two sides once.
pub(super) fn pairs(graph: &ObjectiveGraph, flow: &Flow, firsts: &[usize]) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut known: BTreeMap<[usize; 2], usize> = BTreeMap::new();
    let all = stems(graph);
    for (node, sides, likeness) in comparisons(graph, flow) {
        let mut key = sides;
        key.sort_unstable();
        if let Some(position) = known.get(&key) {
            pairs[*position].nodes.push(node);
            continue;
        }
        let stems = sides.map(|side| all[side].clone());
        let is_made = stems.iter().all(|own| !own.is_empty());
        let is_pair = stems[0].is_disjoint(&stems[1]) || is_one(graph, node, sides, &all);
        if likeness.falls && is_made && is_pair {
            known.insert(key, pairs.len());
            pairs.push(Pair { nodes: vec![node], sides, stems });
        }
    }
    // Beside what makes views alike, an entropy is a term of its own: that of one view.
    let is_of_views = |own: &Pair| {
        let [one, other] = own.sides.map(|side| Makers::of(graph, side).views);
        one != other
    };
    if pairs.iter().any(is_of_views) {
        pairs.retain(|own| !is_entropy(graph, firsts, own.sides));
    }
    pairs
}

/// Whether probabilities meet the logarithms of themselves, and both learn.
fn is_entropy(graph: &ObjectiveGraph, firsts: &[usize], [a, b]: [usize; 2]) -> bool {
    let logits = |node: usize, name: &str| {
        let softmax = Some(unscaled(graph, node)).filter(|own| is(graph, *own, name))?;
        let logits = *graph.nodes[softmax].inputs.first()?;
        Some((firsts[logits], &graph.nodes[softmax].args))
    };
    let logarithm = |node: usize| match unscaled(graph, node) {
        log if is(graph, log, named::LOG) => {
            let inner = *graph.nodes[log].inputs.first()?;
            // A small number keeps it from zero.
            let is_added = graph.nodes[inner].op == Op::Add;
            let p = graph.nodes[inner].inputs.first().filter(|_| is_added).unwrap_or(&inner);
            logits(*p, named::SOFTMAX)
        }
        log => logits(log, named::LOG_SOFTMAX),
    };
    [(a, b), (b, a)].into_iter().any(|(p, log)| {
        let probabilities = logits(p, named::SOFTMAX);
        probabilities.is_some() && probabilities == logarithm(log)
    })
}

/// What the loss may make less alike of representations, those of two outputs or of one for two
/// images: the products and differences.
pub(super) fn pushed(objective: &Objective<'_>) -> Vec<usize> {
    let Objective { graph, flow, orders, .. } = objective;
    let (held, stems) = (representations(graph), stems(graph));
    let all = comparisons(graph, flow).into_iter();
    all.filter(|(_, sides, likeness)| {
        let are_held = sides.iter().all(|side| held[*side]);
        let [one, other] = sides.map(|side| &stems[side]);
        let are_two = one.is_disjoint(other) || orders.are_others(*sides);
        likeness.rises && are_held && are_two
    })
    .map(|(node, ..)| node)
    .collect()
}

/// Whether the loss may fall as something becomes more like something else.
pub(super) fn attracts(graph: &ObjectiveGraph, flow: &Flow) -> bool {
    comparisons(graph, flow).iter().any(|(.., likeness)| likeness.falls)
}

/// Whether the loss may fall as the rows of two tensors become more like each other.
pub(super) fn are_drawn_near(objective: &Objective<'_>, sides: [usize; 2]) -> bool {
    let graph = objective.graph;
    let rows = |sides: [usize; 2]| {
        let mut rows = sides.map(|side| {
            let own = unscaled(graph, side);
            let turned =
                graph.nodes[own].inputs.first().filter(|_| is(graph, own, named::TRANSPOSE));
            objective.rows(turned.copied().unwrap_or(own))
        });
        rows.sort_unstable();
        rows
    };
    let all = comparisons(graph, &objective.flow);
    all.into_iter().any(|(_, own, likeness)| likeness.falls && rows(own) == rows(sides))
}

/// What the loss makes alike: the products and differences, and their sides.
pub(super) fn attracted(graph: &ObjectiveGraph, flow: &Flow) -> Vec<(usize, [usize; 2])> {
    let all = comparisons(graph, flow).into_iter();
    all.filter(|(.., likeness)| likeness.falls && !likeness.rises)
        .map(|(node, sides, _)| (node, sides))
        .collect()
}

/// A comparison of the same rows of two views that the loss makes less alike, where it makes nothing
/// alike that is seen here but rows of images that chance has put together, and reads no labels or
/// places, by which it may.
pub(super) fn repelled(objective: &Objective<'_>) -> Option<usize> {
    let Objective { graph, flow, orders, .. } = objective;
    let mut needed = (0..graph.nodes.len()).filter(|index| flow.reaches_loss[*index]);
    let all = comparisons(graph, flow);
    if needed.any(|index| is_among(graph, index, named::TARGETS))
        || all.iter().any(|(_, sides, likeness)| likeness.falls && !orders.are_dealt(*sides))
    {
        return None;
    }
    let is_of_two_views = |sides: [usize; 2]| {
        let [one, other] = sides.map(|side| Makers::of(graph, side).views);
        !one.is_empty() && !other.is_empty() && !one.iter().any(|view| other.contains(view))
    };
    let mut rising = all.into_iter().filter(|(.., likeness)| likeness.rises);
    let found = rising.find(|(_, sides, _)| {
        sides.iter().all(|side| keeps_rows(graph, *side)) && is_of_two_views(*sides)
    });
    found.map(|(node, ..)| node)
}

/// Whether its rows are those of networks' outputs, in their places.
pub(super) fn keeps_rows(graph: &ObjectiveGraph, side: usize) -> bool {
    let (mut waiting, mut seen) = (vec![side], BTreeSet::new());
    let mut has_output = false;
    while let Some(index) = waiting.pop() {
        let node = &graph.nodes[index];
        if matches!(node.op, Op::Apply(_)) {
            has_output = true;
            continue;
        }
        if !passed(graph, index).is_empty() && !is(graph, index, named::DETACH) {
            return false;
        }
        waiting.extend(node.inputs.iter().filter(|input| seen.insert(**input)));
    }
    has_output
}

/// What is compared row by row: the product or difference, its sides, and which way the loss goes
/// with their likeness.
fn comparisons(graph: &ObjectiveGraph, flow: &Flow) -> Vec<(usize, [usize; 2], Slope)> {
    let (slopes, readers) = (slopes(graph), readers(graph, flow));
    let needed = (0..graph.nodes.len()).filter(|index| flow.reaches_loss[*index]);
    let all = needed.filter_map(|index| {
        let (sides, likeness) = compared(graph, index, &readers, &slopes)?;
        Some((index, sides, likeness))
    });
    all.collect()
}

/// The sides of a comparison, and which way the loss goes with their likeness.
fn compared(
    graph: &ObjectiveGraph,
    index: usize,
    readers: &[Vec<usize>],
    slopes: &[Slope],
) -> Option<([usize; 2], Slope)> {
    let node = &graph.nodes[index];
    match (&node.op, &node.inputs[..]) {
        (Op::Subtract, &[a, b]) if !node.shape.is_empty() => {
            let mut distances = readers[index].iter().filter(|own| is_distance(graph, **own));
            let distance = *distances.next()?;
            Some(([a, b], slopes[distance].turned()))
        }
        (Op::Multiply, &[a, b]) if !node.shape.is_empty() => {
            let is_whole = graph.nodes[a].shape == graph.nodes[b].shape;
            let mut sums = readers[index].iter().filter(|own| {
                is_among(graph, **own, named::SUMS) && over(graph, **own) != Some("first")
            });
            (is_whole && sums.next().is_some()).then_some(([a, b], slopes[index]))
        }
        (Op::Primitive(name), &[matrix]) if name == named::DIAGONAL => {
            let mut matrix = unscaled(graph, matrix);
            // Of probabilities as well the diagonal is of each row with its own.
            while is_among(graph, matrix, named::PROBABILITIES) {
                matrix = unscaled(graph, *graph.nodes[matrix].inputs.first()?);
            }
            let product = &graph.nodes[matrix];
            match (&product.op, &product.inputs[..]) {
                (Op::Primitive(_), &[a, b]) => Some(([a, b], slopes[index])),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether it makes a distance of a difference: a square, a magnitude, or a product with the same
/// difference written again.
fn is_distance(graph: &ObjectiveGraph, node: usize) -> bool {
    let own = &graph.nodes[node];
    let (Op::Multiply, &[a, b]) = (&own.op, &own.inputs[..]) else {
        return is_among(graph, node, named::DISTANCES);
    };
    let [a, b] = [&graph.nodes[a], &graph.nodes[b]];
    let is_difference = a.op == Op::Subtract && b.op == Op::Subtract;
    let is_turned = a.inputs.iter().eq(b.inputs.iter().rev());
    is_difference && (a.inputs == b.inputs || is_turned)
}

/// Whether rows of length one are multiplied with themselves, an assignment is predicted from what
/// it was made of, or views are drawn to their own mean.
fn is_one(graph: &ObjectiveGraph, index: usize, sides: [usize; 2], stems: &[Stems]) -> bool {
    let [a, b] = sides.map(|side| unscaled(graph, side));
    match &graph.nodes[index].op {
        Op::Subtract => {
            let is_mean = is(graph, b, named::MEAN) && over(graph, b) == Some("first");
            let views = graph.nodes[a].shape.first();
            let of = graph.nodes[b].inputs.first();
            // Of the rows of a batch it is a variance.
            is_mean && of == Some(&a) && views.is_some_and(|views| views.constant().is_some())
        }
        Op::Multiply => {
            let assigned = [a, b].map(|side| is_assigned(graph, side));
            let are_same = stems[a] == stems[b];
            (a == b && bare(graph, a).is_none()) || (assigned[0] != assigned[1] && are_same)
        }
        _ => {
            let rows = graph.nodes[b].inputs.first().map(|rows| unscaled(graph, *rows));
            is(graph, b, named::TRANSPOSE) && rows == Some(a) && bare(graph, a).is_none()
        }
    }
}

/// Whether it is made, as a constant, such that it keeps the rows apart.
fn is_assigned(graph: &ObjectiveGraph, mut node: usize) -> bool {
    loop {
        let own = &graph.nodes[node];
        if declared(&own.op).is_some_and(|own| own.is("spreads") && !own.carries(0)) {
            return true;
        }
        match (passed(graph, node).first(), scaled(graph, node)) {
            (Some(&x), _) | (_, Some((x, _))) => node = x,
            _ => return false,
        }
    }
}

/// The dot products of representations that the loss needs.
pub(super) fn products(graph: &ObjectiveGraph, flow: &Flow) -> Vec<Product> {
    let held = representations(graph);
    let needed = (0..graph.nodes.len()).filter(|index| flow.reaches_loss[*index]);
    let all = needed.filter_map(|node| product(graph, node));
    all.filter(|own| own.sides.iter().all(|side| held[*side])).collect()
}

pub(super) fn product(graph: &ObjectiveGraph, node: usize) -> Option<Product> {
    let inputs = &graph.nodes[node].inputs;
    if is_among(graph, node, named::MATMULS) {
        let &[a, columns] = &inputs[..] else { return None };
        let transposed = unscaled(graph, columns);
        let b = *graph.nodes[transposed].inputs.first()?;
        let is_rows = is(graph, transposed, named::TRANSPOSE);
        return is_rows.then_some(Product { node, sides: [a, b], columns: Some(columns) });
    }
    let product = *inputs.first().filter(|_| is(graph, node, "sum"))?;
    let own = &graph.nodes[product];
    let &[a, b] = &own.inputs[..] else { return None };
    let is_whole = graph.nodes[a].shape == graph.nodes[b].shape;
    let is_dot = own.op == Op::Multiply && over(graph, node) == Some("last") && is_whole;
    is_dot.then_some(Product { node, sides: [a, b], columns: None })
}
