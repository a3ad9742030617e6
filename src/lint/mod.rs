//! Findings about what a pipeline does: legal programs whose science is doubtful, judged by their
//! graph, so that a user's own objective is judged like one of the library.

mod alike;
mod axes;
mod collapse;
mod compare;
mod contrast;
pub mod deprecated;
mod gradient;
mod guards;
mod itself;
mod leakage;
mod logarithms;
pub mod names;
mod negatives;
mod norms;
mod operations;
mod order;
pub mod overrides;
mod queue;
mod schedule;
mod shape;
mod temperature;
mod views;
mod whitening;

use self::compare::{Pair, Product};
use self::operations::unscaled;
use self::order::Orders;
use crate::check::{declared_sizes, examples_of};
use crate::diagnostics::Diagnostics;
use crate::graph::flow::Flow;
use crate::graph::places::StagePlaces;
use crate::graph::{Graph, Places, Stage};
use crate::resolve::{Declaration, declaration};
use crate::term::Term;
use crate::term::objective::{ObjectiveGraph, Op};

/// A stage that is judged, and where its parts were written.
struct Subject<'g> {
    stage: &'g Stage,
    places: &'g StagePlaces,
}

/// What a pre-training minimizes.
struct Objective<'s> {
    graph: &'s ObjectiveGraph,
    flow: Flow,
    /// What is made alike row by row, and what is compared by dot products.
    pairs: Vec<Pair>,
    products: Vec<Product>,
    /// For each node the first that computes the same.
    firsts: Vec<usize>,
    orders: Orders,
    subject: &'s Subject<'s>,
}

impl Objective<'_> {
    /// The first tensor of the same rows, but for numbers that they are multiplied by.
    fn rows(&self, node: usize) -> usize {
        self.firsts[unscaled(self.graph, node)]
    }
}

/// Judges every stage of a graph.
pub fn lint(graph: &Graph, places: &Places) -> Diagnostics {
    let mut found = Diagnostics::default();
    for (stage, own) in graph.ordered().zip(&places.0) {
        let subject = Subject { stage, places: own };
        if let Some(graph) = subject.objective() {
            let flow = Flow::of(graph);
            let firsts = alike::firsts(graph);
            let pairs = compare::pairs(graph, &flow, &firsts);
            let products = compare::products(graph, &flow);
            let orders = Orders::of(graph, &firsts);
            let objective =
                Objective { graph, flow, pairs, products, firsts, orders, subject: &subject };
            axes::check(&objective, &mut found);
            collapse::check(&objective, &mut found);
            whitening::check(&objective, &mut found);
            norms::check(&objective, &mut found);
            gradient::check(&objective, &mut found);
            contrast::check(&objective, &mut found);
            temperature::check(&objective, &mut found);
            negatives::check(&objective, &mut found);
            itself::check(&objective, &mut found);
            queue::check(&objective, &mut found);
            logarithms::check(&objective, &mut found);
            views::check(&objective, &mut found);
            shape::check(&objective, &mut found);
        }
        schedule::check(&subject, &mut found);
        leakage::check(&subject, graph, places, &mut found);
    }
    found
}

impl Subject<'_> {
    fn objective(&self) -> Option<&ObjectiveGraph> {
        match self.stage.fields.get("objective") {
            Some(Term::Objective(objective)) => Some(objective),
            _ => None,
        }
    }

    fn batch(&self) -> Option<f64> {
        match self.stage.fields.get("batch") {
            Some(Term::Int(batch)) => Some(*batch as f64),
            _ => None,
        }
    }

    /// How many examples it trains on.
    fn examples(&self) -> Option<usize> {
        examples_of(self.stage.data()?)
    }

    /// Height and width of the images that it trains on.
    fn image(&self) -> Option<[usize; 2]> {
        match declared_sizes(&self.stage.data()?.dataset, "Image")?[..] {
            [_, height, width] => Some([height, width]),
            _ => None,
        }
    }
}

/// What the library declares of an operation.
fn declared(op: &Op) -> Option<&'static Declaration> {
    match op {
        Op::Primitive(name) => declaration(name),
        _ => None,
    }
}
