//! Which images the rows of a tensor are of, against those of the batch in their order.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::declared;
use super::operations::{is, is_among, named, passed};
use crate::term::objective::{ObjectiveGraph, Op};

/// Rows of more orders are of any images, for all that is known.
const MOST_ORDERS: usize = 16;

/// The orders in which the rows of a tensor are taken; none where that is not known.
type Taken = Option<Rc<BTreeSet<usize>>>;

/// For each node in which orders its rows are those of the batch.
pub(super) struct Orders {
    taken: Vec<Taken>,
    /// For each order whether chance has made it.
    drawn: Vec<bool>,
}

impl Orders {
    pub fn of(graph: &ObjectiveGraph, firsts: &[usize]) -> Self {
        let mut known: HashMap<(usize, String, Vec<usize>), usize> = HashMap::new();
        // The first is that of the batch.
        let (mut drawn, mut taken) = (vec![false], Vec::<Taken>::with_capacity(graph.nodes.len()));
        for (index, node) in graph.nodes.iter().enumerate() {
            let own = match (&node.op, &node.inputs[..]) {
                (Op::View(_) | Op::Views { .. }, _) => Some(Rc::new(BTreeSet::from([0]))),
                _ if is_strange(graph, index) => Some(Rc::default()),
                (Op::Primitive(name), &[x, ref by @ ..]) if takes_others(graph, index) => {
                    let by: Vec<usize> = by.iter().map(|own| firsts[*own]).collect();
                    let is_drawn = by.iter().any(|own| is_drawn(graph, *own));
                    taken[x].clone().map(|orders| {
                        let place = |order: &usize| {
                            let key = (*order, format!("{name} {:?}", node.args), by.clone());
                            let next = drawn.len();
                            let own = *known.entry(key).or_insert(next);
                            if own == next {
                                drawn.push(is_drawn || drawn[*order]);
                            }
                            own
                        };
                        Rc::new(orders.iter().map(place).collect())
                    })
                }
                _ => {
                    let passed = passed(graph, index);
                    let inputs = if passed.is_empty() { &node.inputs } else { &passed };
                    joined(&taken, inputs)
                }
            };
            taken.push(own);
        }
        Orders { taken, drawn }
    }

    /// Whether each row of two tensors is of two images, unless chance has dealt the same one.
    pub fn are_others(&self, [one, other]: [usize; 2]) -> bool {
        match (&self.taken[one], &self.taken[other]) {
            (Some(one), Some(other)) => {
                !one.is_empty() && !other.is_empty() && one.is_disjoint(other)
            }
            _ => false,
        }
    }

    /// The same, where chance has dealt them.
    pub fn are_dealt(&self, sides: [usize; 2]) -> bool {
        let is_drawn = |side: usize| {
            let orders = self.taken[side].as_ref();
            orders.is_some_and(|own| own.iter().all(|order| self.drawn[*order]))
        };
        self.are_others(sides) && sides.into_iter().any(is_drawn)
    }
}

/// Whether an operation takes rows such that they are of other images than those of the batch in
/// their places. Whole batches of several, one for each view, are of the same.
fn takes_others(graph: &ObjectiveGraph, node: usize) -> bool {
    let own = &graph.nodes[node];
    let is_whole = own.shape.first().is_some_and(|rows| rows.batches_alone().is_some());
    let given = own.inputs.first().and_then(|x| graph.nodes[*x].shape.first());
    is(graph, node, named::GATHER)
        || is(graph, node, named::SPLIT) && !is_whole
        || is_among(graph, node, named::ENDS) && given.is_some_and(|rows| rows.is_in_batches())
}

/// Whether places are those that chance deals.
fn is_drawn(graph: &ObjectiveGraph, node: usize) -> bool {
    declared(&graph.nodes[node].op).is_some_and(|own| own.is("draws"))
}

/// Whether it is of no example at hand.
fn is_strange(graph: &ObjectiveGraph, node: usize) -> bool {
    let own = declared(&graph.nodes[node].op);
    own.is_some_and(|own| own.keeps_state() || own.is("draws"))
}

fn joined(taken: &[Taken], inputs: &[usize]) -> Taken {
    let mut all = Rc::<BTreeSet<usize>>::default();
    for input in inputs {
        let own = taken[*input].as_ref()?;
        if all.is_subset(own) {
            all = own.clone();
        } else if !own.is_subset(&all) {
            all = Rc::new(&*all | &**own);
        }
    }
    (all.len() <= MOST_ORDERS).then_some(all)
}
