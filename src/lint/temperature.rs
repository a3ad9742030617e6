//! How strongly similarities are told apart: temperatures, and the lengths that they divide.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::compare::{Product, product, readers};
use super::operations::{
    bare, handed_on, is, is_among, named, over, passed, scaled, stems, unscaled,
};
use super::{Objective, Subject, declared};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::source::Span;
use crate::term::Term;
use crate::term::objective::{ObjectiveGraph, Op};

/// Temperatures that are in use lie between 0.05 and 0.5, and seldom beyond these.
const TEMPERATURES: std::ops::RangeInclusive<f64> = 0.01..=1.0;

/// Scores that are no similarities are softened as well: Hinton et al. 2015, arXiv:1503.02531.
const SOFTENED: std::ops::RangeInclusive<f64> = 0.01..=20.0;

/// Of a log-sum-exp that is added to another, as in the circle loss: Sun et al. 2020,
/// arXiv:2002.10857, take up to 256 for what a similarity is multiplied by.
const PAIRED: std::ops::RangeInclusive<f64> = 0.003..=1.0;

/// The numbers between rows and the exponential of their similarities.
#[derive(Clone, Copy)]
struct Scale {
    /// What the similarities are divided by, as far as that is a number.
    temperature: f64,
    /// Whether a schedule has a part in it.
    is_scheduled: bool,
    /// The node that states the number which is the farthest from one.
    most: Option<(f64, usize)>,
    /// How many numbers there are.
    numbers: usize,
    /// Whether a network has a part in it, so that it is no number.
    is_learned: bool,
    /// Whether it is that of a kernel, of which one may be a sum of narrow and wide ones.
    is_kernel: bool,
    /// Whether it is that of one of two log-sum-exps that are added.
    is_paired: bool,
}

impl Scale {
    const NONE: Scale = Scale {
        temperature: 1.0,
        is_scheduled: false,
        most: None,
        numbers: 0,
        is_learned: false,
        is_kernel: false,
        is_paired: false,
    };

    /// Whether, of two exponentials, this one is to be judged.
    fn is_before(&self, other: &Scale) -> bool {
        let is_usual = |own: &Scale| TEMPERATURES.contains(&own.temperature);
        match self.is_kernel && other.is_kernel && is_usual(self) != is_usual(other) {
            // Beside a kernel of a usual width, others may be narrower and wider.
            true => is_usual(self),
            false => !other.is_some(),
        }
    }

    fn is_some(&self) -> bool {
        self.is_scheduled || self.most.is_some()
    }

    /// Divided by a number that a node states.
    fn divided(mut self, by: f64, node: usize) -> Self {
        let far = by.abs().ln().abs();
        if far > 0.0 && far.is_finite() {
            self.temperature *= by.abs();
            self.numbers += 1;
            self.most = self.most.filter(|(most, _)| *most >= far).or(Some((far, node)));
        }
        self
    }

    /// With the numbers that stand around a tensor, whose own are left.
    fn around(mut self, graph: &ObjectiveGraph, mut node: usize) -> Self {
        while let Some((x, number)) = scaled(graph, node) {
            self = self.with(graph, node, number);
            node = x;
        }
        self
    }

    /// With the number of a product or a quotient.
    fn with(mut self, graph: &ObjectiveGraph, node: usize, number: usize) -> Self {
        let is_divided = graph.nodes[node].op == Op::Divide;
        match &graph.nodes[number].op {
            Op::Constant(value) if is_divided => self.divided(*value, number),
            Op::Constant(value) => self.divided(value.recip(), number),
            _ => {
                self.is_scheduled = true;
                self
            }
        }
    }

    /// That of an operation which takes an exponential.
    fn of(graph: &ObjectiveGraph, node: usize) -> Self {
        match graph.nodes[node].args.get("temperature") {
            Some(Term::Float(value)) => Scale::NONE.divided(*value, node),
            Some(_) => Scale { is_scheduled: true, ..Scale::NONE },
            None => Scale::NONE,
        }
    }
}

pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, products, subject, .. } = objective;
    let readers = readers(graph, flow);
    let scales = scales(objective, &readers);
    // A similarity of a contrast that stands outside of the exponential is one of its logarithm.
    let is_contrast = products.iter().any(|product| scales[product.node].is_some());
    let is_judged =
        |product: &&Product| is_contrast && !is_of_a_distance(objective, &readers, product);
    for product in products.iter().filter(is_judged) {
        let scale = scales[product.node].unwrap_or(Scale::NONE);
        let sides = product.sides.iter().chain(&product.columns);
        let scale = sides.fold(scale, |scale, side| scale.around(graph, *side));
        if !scale.is_some() {
            continue;
        }
        let are_long = product.sides.map(|side| bare(graph, side).is_some());
        // Of rows of any length a dot product is a score, and a number above one no temperature.
        let are_scores =
            are_long == [true; 2] && !scale.is_scheduled && scale.temperature > *TEMPERATURES.end();
        let are_weights = scale.temperature >= 1.0 && is_attention(graph, &readers, product.node);
        if !are_scores && !are_weights {
            let long = product.sides.iter().filter(|side| !is_bounded(graph, **side));
            long.filter_map(|side| bare(graph, *side))
                .for_each(|rows| not_normalized(subject, product, rows, found));
        }
        let is_number = are_long == [false; 2] && !scale.is_scheduled && !scale.is_learned;
        if let Some((_, node)) = scale.most.filter(|_| is_number) {
            let usual = if scale.is_paired { PAIRED } else { TEMPERATURES };
            unusual(graph, subject, (scale.temperature, scale.numbers), (node, usual), found);
        }
    }
    softened(objective, found);
    again(objective, found);
}

/// Whether similarities are made the weights of a mean of rows, as in attention, and nothing else.
/// Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1.
fn is_attention(graph: &ObjectiveGraph, readers: &[Vec<usize>], similarities: usize) -> bool {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![similarities]);
    let mut is_found = false;
    while let Some(node) = waiting.pop() {
        for &reader in readers[node].iter().filter(|reader| seen.insert(**reader)) {
            let own = &graph.nodes[reader];
            let are_weights = is(graph, node, named::SOFTMAX)
                && is_among(graph, reader, named::MATMULS)
                && own.inputs.first() == Some(&node);
            let is_masked = matches!(own.op, Op::Add | Op::Subtract) && own.shape.len() > 1;
            is_found |= are_weights;
            if are_weights {
                continue;
            }
            let goes_on = match is(graph, node, named::SOFTMAX) {
                true => is(graph, reader, named::DETACH),
                false => {
                    is_masked
                        || is(graph, reader, named::SOFTMAX)
                        || is(graph, reader, named::OFF_DIAGONAL)
                        || scaled(graph, reader).is_some()
                }
            };
            if !goes_on {
                return false;
            }
            waiting.push(reader);
        }
    }
    is_found
}

/// Whether rows can be no longer than a few of length one that they are the sum or the mean of.
fn is_bounded(graph: &ObjectiveGraph, root: usize) -> bool {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(node) = waiting.pop() {
        let node = unscaled(graph, node);
        let yields = declared(&graph.nodes[node].op).and_then(|own| own.named("yields"));
        if yields == Some("unit") || !seen.insert(node) {
            continue;
        }
        let own = &graph.nodes[node];
        let is_mean = is(graph, node, named::MEAN) && over(graph, node) == Some("first");
        match passed(graph, node) {
            passed if !passed.is_empty() => waiting.extend(passed),
            _ if is_mean || matches!(own.op, Op::Add | Op::Subtract) => {
                waiting.extend(&own.inputs);
            }
            _ => return false,
        }
    }
    true
}

/// Whether the lengths of the rows are added to a product, which makes it the square of a distance,
/// `|x|^2 - 2 x·y + |y|^2`, or as much of it as differs between the columns.
fn is_of_a_distance(objective: &Objective<'_>, readers: &[Vec<usize>], product: &Product) -> bool {
    let graph = objective.graph;
    let sides = product.sides.map(|side| objective.rows(side));
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![product.node]);
    while let Some(node) = waiting.pop() {
        for &reader in readers[node].iter().filter(|reader| seen.insert(**reader)) {
            let own = &graph.nodes[reader];
            let is_sum = matches!(own.op, Op::Add | Op::Subtract);
            let mut others = own.inputs.iter().filter(|input| **input != node);
            if is_sum && others.any(|other| has_length(objective, *other, &sides)) {
                return true;
            }
            // The matrix as it is, or turned.
            let is_whole = own.shape.len() == graph.nodes[product.node].shape.len();
            let is_turned = is(graph, reader, named::TRANSPOSE);
            if is_whole && (is_sum || scaled(graph, reader).is_some() || is_turned) {
                waiting.push(reader);
            }
        }
    }
    false
}

/// Whether something is made of the squared lengths of some of these rows.
fn has_length(objective: &Objective<'_>, root: usize, sides: &[usize]) -> bool {
    let graph = objective.graph;
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(node) = waiting.pop() {
        let own = &graph.nodes[node];
        if matches!(own.op, Op::Apply(_)) || !seen.insert(node) {
            continue;
        }
        let is_squared = |node: usize| {
            let squared = &graph.nodes[node];
            // A product of both sides is no length.
            let is_square = match (&squared.op, &squared.inputs[..]) {
                (Op::Multiply, [a, b]) => objective.rows(*a) == objective.rows(*b),
                _ => is(graph, node, named::SQUARE),
            };
            let of = squared.inputs.first().map(|x| objective.rows(*x));
            is_square && of.is_some_and(|of| sides.contains(&of))
        };
        let is_length = own.inputs.first().is_some_and(|input| {
            // What lies on the diagonal is of each row with itself.
            is_among(graph, node, named::SUMS) && is_squared(*input)
                || is(graph, node, named::DIAGONAL) && is_product(objective, *input, sides)
        });
        if is_length {
            return true;
        }
        waiting.extend(&own.inputs);
    }
    false
}

/// Whether a matrix is of the products of these rows with themselves.
fn is_product(objective: &Objective<'_>, matrix: usize, sides: &[usize]) -> bool {
    let own = product(objective.graph, unscaled(objective.graph, matrix));
    own.is_some_and(|own| {
        let [a, b] = own.sides.map(|side| objective.rows(side));
        a == b && sides.contains(&a)
    })
}

/// Judges a softmax of what a softmax has made: of numbers between zero and one it is nearly even.
fn again(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    for index in (0..graph.nodes.len()).filter(|index| flow.reaches_loss[*index]) {
        let logits = graph.nodes[index].inputs.first();
        let Some(&logits) = logits.filter(|_| is_among(graph, index, named::SOFTMAXES)) else {
            continue;
        };
        let scale = Scale::of(graph, index).around(graph, logits);
        // Divided by a low temperature they are told apart again.
        let is_sharper = scale.is_scheduled || scale.temperature < 1.0;
        if let Some(made) = probabilities(graph, logits).filter(|_| !is_sharper) {
            let [place, made] = [index, made].map(|node| subject.places.nodes[node].place);
            let message = "a softmax is taken here of probabilities";
            let mut warning = Diagnostic::new(findings::SOFTMAX_TWICE, place, message);
            if !place.holds(made) && !made.holds(place) {
                warning = warning.also(made, "a softmax has made them");
            }
            found.push(warning.help("give it the logits as they are"));
        }
    }
}

/// The softmax that probabilities come from, or one of those of which they are a mean.
fn probabilities(graph: &ObjectiveGraph, node: usize) -> Option<usize> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![node]);
    let mut found = None;
    while let Some(node) = waiting.pop() {
        let node = unscaled(graph, node);
        if is(graph, node, named::SOFTMAX) {
            found = Some(node);
        } else if graph.nodes[node].op == Op::Add {
            waiting.extend(graph.nodes[node].inputs.iter().filter(|own| seen.insert(**own)));
        } else {
            return None;
        }
    }
    found
}

/// For each node, how its elements are scaled until an exponential is taken of them; none where
/// that is not so.
fn scales(objective: &Objective<'_>, readers: &[Vec<usize>]) -> Vec<Option<Scale>> {
    let Objective { graph, flow, .. } = objective;
    let stems = stems(graph);
    let mut scales: Vec<Option<Scale>> = vec![None; graph.nodes.len()];
    let give = |scales: &mut Vec<Option<Scale>>, node: usize, scale: Scale| {
        // Of several exponentials, one with a temperature.
        if scales[node].is_none_or(|own| scale.is_before(&own)) {
            scales[node] = Some(scale);
        }
    };
    for index in (0..graph.nodes.len()).rev().filter(|own| flow.reaches_loss[*own]) {
        let inputs = &graph.nodes[index].inputs;
        if is_among(graph, index, named::EXPONENTIALS) {
            // What an exponential is taken of stands first.
            if let Some(x) = inputs.first() {
                let scale = Scale {
                    is_kernel: is_kernel(graph, readers, index),
                    is_paired: is_paired(graph, readers, index),
                    ..Scale::of(graph, index)
                };
                give(&mut scales, *x, scale);
            }
        } else if let Some(own) = scales[index] {
            match scaled(graph, index) {
                Some((x, number)) => give(&mut scales, x, own.with(graph, index, number)),
                None => handed_on(graph, index).into_iter().for_each(|x| {
                    let is_factor = matches!(graph.nodes[index].op, Op::Multiply | Op::Divide);
                    let mut others = inputs.iter().filter(|other| **other != x);
                    let is_learned = is_factor && others.any(|other| !stems[*other].is_empty());
                    give(&mut scales, x, Scale { is_learned: own.is_learned || is_learned, ..own });
                }),
            }
        }
    }
    scales
}

/// Whether exponentials are summed up as they are: no logarithm is taken of the sum.
fn is_kernel(graph: &ObjectiveGraph, readers: &[Vec<usize>], exponential: usize) -> bool {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![exponential]);
    while let Some(node) = waiting.pop() {
        for &reader in readers[node].iter().filter(|reader| seen.insert(**reader)) {
            let is_sum = matches!(graph.nodes[reader].op, Op::Add | Op::Subtract)
                || is_among(graph, reader, named::SUMS)
                || scaled(graph, reader).is_some();
            if !is_sum {
                return false;
            }
            waiting.push(reader);
        }
    }
    is(graph, exponential, named::EXP)
}

/// Whether a log-sum-exp is added to another, and a hinge taken of both.
fn is_paired(graph: &ObjectiveGraph, readers: &[Vec<usize>], node: usize) -> bool {
    let is_sum = |node: usize| is(graph, node, named::LOG_SUM_EXP);
    is_sum(node)
        && readers[node].iter().all(|&reader| {
            let own = &graph.nodes[reader];
            own.op == Op::Add
                && own.inputs.iter().all(|input| is_sum(*input))
                && readers[reader].iter().all(|next| is(graph, *next, named::SOFTPLUS))
        })
}

fn not_normalized(subject: &Subject<'_>, product: &Product, rows: usize, found: &mut Diagnostics) {
    let [made, compared] = [rows, product.node].map(|node| subject.places.nodes[node].place);
    let message = "this is compared under a temperature without its length being one";
    let mut warning = Diagnostic::new(findings::FEATURES_NOT_NORMALIZED, made, message);
    if !made.holds(compared) {
        warning = warning.also(compared, "compared here");
    }
    found.push(warning.help(
        "write `normalize(…)`: otherwise the loss grows with the lengths, and the temperature means \
         nothing",
    ));
}

/// Judges the temperatures of scores that are no similarities.
fn softened(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, products, subject, .. } = objective;
    let mut are_similarities = vec![false; graph.nodes.len()];
    products.iter().for_each(|product| are_similarities[product.node] = true);
    for index in (0..graph.nodes.len()).filter(|index| flow.reaches_loss[*index]) {
        let is_similarity = |input: &usize| are_similarities[*input];
        if is_among(graph, index, named::EXPONENTIALS) {
            let scale = Scale::of(graph, index);
            let is_judged = !graph.nodes[index].inputs.iter().take(1).any(is_similarity);
            if let Some((_, node)) = scale.most.filter(|_| is_judged) {
                unusual(graph, subject, (scale.temperature, 1), (node, SOFTENED), found);
            }
        } else if handed_on(graph, index).iter().any(is_similarity) {
            are_similarities[index] = true;
        }
    }
}

fn unusual(
    graph: &ObjectiveGraph,
    subject: &Subject<'_>,
    (temperature, numbers): (f64, usize),
    (node, usual): (usize, RangeInclusive<f64>),
    found: &mut Diagnostics,
) {
    // One alone may lie at the edge; several that come to it are one divided by twice.
    let is_twice = numbers > 1 && (temperature / usual.start() - 1.0).abs() < 1e-9;
    if usual.contains(&temperature) && !is_twice {
        return;
    }
    // Without the digits that the product alone brings in.
    let rounded: f64 = format!("{temperature:.11e}").parse().unwrap_or(temperature);
    let message = match is_twice {
        true => format!("several numbers come to a temperature of {rounded} here"),
        false => format!("a temperature of {rounded} is far from any in use"),
    };
    let warning =
        Diagnostic::new(findings::UNUSUAL_TEMPERATURE, stated(graph, subject, node), message);
    found.push(warning.help("published ones lie between 0.05 and 0.5"));
}

/// The text that states a temperature.
fn stated(graph: &ObjectiveGraph, subject: &Subject<'_>, node: usize) -> Span {
    let written = &subject.places.nodes[node];
    match graph.nodes[node].op {
        Op::Constant(_) => written.place,
        _ => written.argument("temperature"),
    }
}
