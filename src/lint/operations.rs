//! What the operations of an objective do to what they are given, as far as a judgement needs it:
//! what the library declares of them, and for some their names.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::declared;
use crate::term::Term;
use crate::term::objective::{ObjectiveGraph, Op};

/// Operations that are known by name.
pub(super) mod named {
    pub const MATMULS: &[&str] = &["matmul", "matmul_rows"];
    pub const TRANSPOSE: &str = "transpose";
    pub const DIAGONAL: &str = "diagonal";
    pub const WHITEN: &str = "whiten";
    pub const OFF_DIAGONAL: &str = "off_diagonal";
    pub const DETACH: &str = "detach";
    pub const GREATER: &str = "greater";
    pub const GATHER: &str = "gather";
    pub const SPLIT: &str = "split";
    pub const GROUP: &str = "group";
    pub const CONCAT: &str = "concat";
    pub const COLUMN: &str = "column";
    pub const CONCAT_COLUMNS: &str = "concat_columns";
    pub const SOFTMAX: &str = "softmax";
    pub const SQUARE: &str = "square";
    pub const MAX: &str = "max";
    pub const SUM: &str = "sum";
    pub const CROSS_COVARIANCE: &str = "cross_covariance";
    pub const EXP: &str = "exp";
    pub const MEAN: &str = "mean";
    pub const LOG: &str = "log";
    pub const LOG_SOFTMAX: &str = "log_softmax";
    pub const LOG_SUM_EXP: &str = "log_sum_exp";
    pub const NORMALIZE: &str = "normalize";
    pub const SOFTPLUS: &str = "softplus";
    pub const SUMS: &[&str] = &["sum", "mean"];
    /// What makes a distance of a difference.
    pub const DISTANCES: &[&str] = &["square", "abs"];
    /// What takes some elements, or joins them, and leaves each as it is.
    pub const SELECTIONS: &[&str] =
        &["diagonal", "off_diagonal", "column", "concat_columns", "transpose"];
    /// What never falls as an element rises, beside selections and `reduces`.
    pub const RISING: &[&str] = &["exp", "log", "sqrt", "relu", "sigmoid", "softplus"];
    pub const PROBABILITIES: &[&str] = &["softmax", "log_softmax"];
    /// What takes the exponential of what it is given.
    pub const EXPONENTIALS: &[&str] = &[
        "exp",
        "softplus",
        "sigmoid",
        "log_sum_exp",
        "softmax",
        "log_softmax",
        "cross_entropy",
        "pick",
    ];
    /// What reads labels, or the places of examples.
    pub const TARGETS: &[&str] =
        &["cross_entropy", "pick", "one_hot", "class_index", "same_label", "same_example"];
    /// What compares each row, or each column, of one tensor with each of another.
    pub const CROSSED: &[&str] = &["same_label", "same_example", "cross_covariance"];
    /// What takes some of the rows that it is given.
    pub const PARTS: &[&str] =
        &["split", "gather", "choose", "take_rows", "last_rows", "but_last_rows", "following_rows"];
    /// What takes some of the first or the last rows.
    pub const ENDS: &[&str] = &["last_rows", "but_last_rows", "following_rows"];
    /// What takes a softmax of what it is given.
    pub const SOFTMAXES: &[&str] = &["softmax", "log_softmax", "cross_entropy", "pick"];
    /// What tells one of a row from the others of it.
    pub const CHOICES: &[&str] = &["log_sum_exp", "log_softmax", "cross_entropy", "pick"];
}

/// The name of the primitive that makes a node.
pub(super) fn primitive(graph: &ObjectiveGraph, node: usize) -> Option<&str> {
    match &graph.nodes[node].op {
        Op::Primitive(name) => Some(name),
        _ => None,
    }
}

pub(super) fn is(graph: &ObjectiveGraph, node: usize, name: &str) -> bool {
    primitive(graph, node) == Some(name)
}

pub(super) fn is_among(graph: &ObjectiveGraph, node: usize, names: &[&str]) -> bool {
    primitive(graph, node).is_some_and(|own| names.contains(&own))
}

/// What a reduction takes away: `all`, `first` or `last`.
pub(super) fn over(graph: &ObjectiveGraph, node: usize) -> Option<&str> {
    match graph.nodes[node].args.get("over") {
        Some(Term::Symbol(over)) => Some(over),
        _ => None,
    }
}

/// Whether it is a number, one of a schedule, or a size.
pub(super) fn is_number(graph: &ObjectiveGraph, node: usize) -> bool {
    matches!(graph.nodes[node].op, Op::Constant(_) | Op::Scheduled(_) | Op::Count(_))
}

/// Of a tensor times or by a number: the two.
pub(super) fn scaled(graph: &ObjectiveGraph, node: usize) -> Option<(usize, usize)> {
    let own = &graph.nodes[node];
    match (&own.op, &own.inputs[..]) {
        (Op::Multiply | Op::Divide, &[x, number]) if is_number(graph, number) => Some((x, number)),
        (Op::Multiply, &[number, x]) if is_number(graph, number) => Some((x, number)),
        _ => None,
    }
}

/// What is left of a tensor without the numbers that it is multiplied or divided by.
pub(super) fn unscaled(graph: &ObjectiveGraph, mut node: usize) -> usize {
    while let Some((x, _)) = scaled(graph, node) {
        node = x;
    }
    node
}

/// The inputs whose rows come through an operation unchanged.
pub(super) fn passed(graph: &ObjectiveGraph, node: usize) -> Vec<usize> {
    let own = &graph.nodes[node];
    declared(&own.op).map_or_else(Vec::new, |declared| declared.passed(&own.inputs).collect())
}

/// The inputs whose elements an operation hands on, each with something added or scaled at most.
pub(super) fn handed_on(graph: &ObjectiveGraph, node: usize) -> Vec<usize> {
    let own = &graph.nodes[node];
    match own.op {
        Op::Add | Op::Subtract | Op::Multiply => own.inputs.clone(),
        Op::Divide => own.inputs.iter().take(1).copied().collect(),
        _ if is_among(graph, node, named::SELECTIONS) => own.inputs.clone(),
        _ => passed(graph, node),
    }
}

/// The outputs of networks that something is made of; shared, since most make nothing new of them.
pub(super) type Stems = Rc<BTreeSet<usize>>;

/// For each node the networks' outputs that it is made of, none that stands behind another. What is
/// drawn, and what earlier steps have left, is of no example at hand.
pub(super) fn stems(graph: &ObjectiveGraph) -> Vec<Stems> {
    let mut all: Vec<Stems> = Vec::with_capacity(graph.nodes.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        let declaration = declared(&node.op);
        let is_strange = declaration.is_some_and(|own| own.keeps_state() || own.is("draws"));
        let own = match node.op {
            Op::Apply(_) => Rc::new(BTreeSet::from([index])),
            _ if is_strange => Stems::default(),
            _ => match passed(graph, index) {
                passed if passed.is_empty() => union(&all, &node.inputs),
                passed => union(&all, &passed),
            },
        };
        all.push(own);
    }
    all
}

fn union(all: &[Stems], inputs: &[usize]) -> Stems {
    let mut own = Stems::default();
    for input in inputs.iter().map(|input| &all[*input]) {
        if own.is_subset(input) {
            own = input.clone();
        } else if !input.is_subset(&own) {
            own = Rc::new(&*own | &**input);
        }
    }
    own
}

/// Of the tensors whose rows make up another, the first with rows of other lengths than one.
pub(super) fn bare(graph: &ObjectiveGraph, root: usize) -> Option<usize> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root]);
    while let Some(node) = waiting.pop() {
        let node = unscaled(graph, node);
        let yields = declared(&graph.nodes[node].op).and_then(|own| own.named("yields"));
        if yields == Some("unit") || !seen.insert(node) {
            continue;
        }
        match passed(graph, node) {
            passed if passed.is_empty() => return Some(node),
            passed => waiting.extend(passed.into_iter().rev()),
        }
    }
    None
}

/// For each node, whether it holds representations, or what is made of them row by row.
pub(super) fn representations(graph: &ObjectiveGraph) -> Vec<bool> {
    let mut held: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        let some = || node.inputs.iter().any(|input| held[*input]);
        let own = match (&node.op, declared(&node.op)) {
            (Op::Apply(_), _) => true,
            (_, Some(own)) if own.keeps_state() => own.named("keeps") != Some("mean"),
            (_, Some(own)) if own.states("spreads") || own.is("draws") => false,
            (_, Some(own)) if own.named("reduces").is_some() => false,
            // Similarities are none; an average of rows is.
            _ if is_among(graph, index, named::MATMULS) => {
                node.inputs.iter().filter(|input| held[**input]).count() == 1
            }
            _ => some(),
        };
        held.push(own);
    }
    held
}

#[cfg(test)]
mod tests {
    use super::named;
    use crate::resolve::declaration;

    #[test]
    fn what_is_known_by_name_is_declared() {
        let lists = [
            named::MATMULS,
            named::SUMS,
            named::DISTANCES,
            named::SELECTIONS,
            named::RISING,
            named::PROBABILITIES,
            named::EXPONENTIALS,
            named::TARGETS,
            named::CROSSED,
            named::PARTS,
            named::ENDS,
            named::SOFTMAXES,
            named::CHOICES,
        ];
        let single = [
            named::TRANSPOSE,
            named::DIAGONAL,
            named::OFF_DIAGONAL,
            named::WHITEN,
            named::DETACH,
            named::GREATER,
            named::GATHER,
            named::SPLIT,
            named::GROUP,
            named::CONCAT,
            named::COLUMN,
            named::CONCAT_COLUMNS,
            named::SOFTMAX,
            named::SQUARE,
            named::MAX,
            named::SUM,
            named::CROSS_COVARIANCE,
            named::EXP,
            named::MEAN,
            named::LOG,
            named::LOG_SOFTMAX,
            named::LOG_SUM_EXP,
            named::NORMALIZE,
            named::SOFTPLUS,
        ];
        for name in lists.concat().iter().chain(&single) {
            assert!(declaration(name).is_some(), "`{name}` is declared nowhere");
        }
    }
}
