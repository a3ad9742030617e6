//! Objectives that tests of a step put together, and what they ask of one.

use burn::tensor::{Device, Tensor, activation};

use super::*;
use crate::device::testing::device;
use crate::random::Key;
use crate::schedule::Progress;
use crate::term::objective::{Extent, ModuleNode, NetworkNode, ObjectiveGraph, TensorNode};
use crate::term::{Args, Call, Term};

pub(super) const BATCH: usize = 4;
pub(super) const QUEUE: usize = 12;
pub(super) const EXAMPLES: usize = 20;
pub(super) const DIM: usize = 8;

pub(super) fn call(name: &str, args: &[(&str, Term)]) -> Term {
    let args = args.iter().map(|(name, term)| (name.to_string(), term.clone())).collect();
    Term::Call(Call { name: name.into(), args: Args(args) })
}

pub(super) fn symbol(name: &str) -> Term {
    Term::Symbol(name.into())
}

pub(super) fn encoder() -> ModuleNode {
    let args = [("stem", symbol("small")), ("width", Term::Int(2))];
    ModuleNode { term: call("resnet18", &args), input: None, output: 16, encoder: true }
}

pub(super) fn head(input: usize) -> ModuleNode {
    let args = [
        ("hidden", Term::Int(16)),
        ("out", Term::Int(DIM as i64)),
        ("layers", Term::Int(2)),
        ("norm", symbol("batch")),
        ("output_norm", symbol("none")),
        ("activation", symbol("relu")),
        ("bias", Term::Bool(true)),
    ];
    ModuleNode { term: call("mlp", &args), input: Some(input), output: DIM, encoder: false }
}

pub(super) fn rows(rows: Extent) -> Vec<Extent> {
    vec![rows, Extent::fixed(DIM)]
}

pub(super) fn node(op: Op, inputs: &[usize]) -> TensorNode {
    let (inputs, args) = (inputs.to_vec(), Args::default());
    TensorNode { op, inputs, args, shape: rows(Extent::batches(1)), gradient: false }
}

pub(super) fn primitive(name: &str, inputs: &[usize]) -> TensorNode {
    node(Op::Primitive(name.into()), inputs)
}

pub(super) fn with(mut node: TensorNode, name: &str, term: Term) -> TensorNode {
    node.args.0.insert(name.into(), term);
    node
}

pub(super) fn chain(modules: &[usize]) -> NetworkNode {
    NetworkNode { body: NetworkBody::Chain(modules.to_vec()), section: None }
}

pub(super) fn ema(of: usize, momentum: Term) -> NetworkNode {
    NetworkNode { body: NetworkBody::Ema { of, momentum }, section: None }
}

/// Nodes of a graph that is being written.
#[derive(Default)]
pub(super) struct Nodes(pub Vec<TensorNode>);

impl Nodes {
    pub(super) fn put(&mut self, node: TensorNode) -> usize {
        self.0.push(node);
        self.0.len() - 1
    }

    pub(super) fn op(&mut self, op: Op, inputs: &[usize]) -> usize {
        self.put(node(op, inputs))
    }

    pub(super) fn call(&mut self, name: &str, inputs: &[usize]) -> usize {
        self.put(primitive(name, inputs))
    }

    pub(super) fn reduce(&mut self, name: &str, input: usize, over: &str) -> usize {
        self.put(with(primitive(name, &[input]), "over", symbol(over)))
    }

    pub(super) fn number(&mut self, value: f64) -> usize {
        self.op(Op::Constant(value), &[])
    }

    /// A network applied to a view, and the rows of it at length one.
    pub(super) fn project(&mut self, network: usize, view: usize) -> [usize; 3] {
        let view = self.op(Op::View(view), &[]);
        let features = self.op(Op::Apply(network), &[view]);
        [view, features, self.call("normalize", &[features])]
    }

    pub(super) fn dot(&mut self, a: usize, b: usize) -> usize {
        let product = self.op(Op::Multiply, &[a, b]);
        self.reduce("sum", product, "last")
    }

    /// InfoNCE of queries, keys and negatives.
    pub(super) fn info_nce(
        &mut self,
        [query, key, negatives]: [usize; 3],
        temperature: f64,
    ) -> usize {
        let temperature = self.number(temperature);
        let scaled = self.op(Op::Divide, &[query, temperature]);
        let columns = self.call("transpose", &[negatives]);
        let logits = self.call("matmul", &[scaled, columns]);
        let others = self.reduce("log_sum_exp", logits, "last");
        let own = self.dot(scaled, key);
        let difference = self.op(Op::Subtract, &[others, own]);
        let losses = self.call("softplus", &[difference]);
        self.reduce("mean", losses, "all")
    }

    /// `2 - 2 cos(a, b)`
    pub(super) fn cosine_distance(&mut self, a: usize, b: usize) -> usize {
        let [a, b] = [a, b].map(|side| self.call("normalize", &[side]));
        let cosines = self.dot(a, b);
        let (mean, two) = (self.reduce("mean", cosines, "all"), self.number(2.0));
        let twice = self.op(Op::Multiply, &[two, mean]);
        self.op(Op::Subtract, &[two, twice])
    }
}

/// The node of MoCo's queue.
pub(super) const RING: usize = 6;

pub(super) fn moco() -> ObjectiveGraph {
    let mut nodes = Nodes::default();
    let [_, _, query] = nodes.project(0, 0);
    let [_, _, key] = nodes.project(1, 1);
    let mut ring = with(primitive("fifo", &[key]), "size", Term::Int(QUEUE as i64));
    ring.shape = rows(Extent::fixed(QUEUE));
    let ring = nodes.put(ring);
    assert_eq!(ring, RING);
    let loss = nodes.info_nce([query, key, ring], 0.2);
    let own = nodes.dot(query, key);
    let columns = nodes.call("transpose", &[ring]);
    let others = nodes.call("matmul", &[query, columns]);
    let nearest = nodes.reduce("max", others, "last");
    let greater = nodes.call("greater", &[own, nearest]);
    let accuracy = nodes.reduce("mean", greater, "all");
    ObjectiveGraph {
        views: 2,
        labels: false,
        index: false,
        modules: vec![encoder(), head(16)],
        networks: vec![chain(&[0, 1]), ema(0, Term::Float(0.9))],
        nodes: nodes.0,
        loss,
        reports: vec![("accuracy".into(), accuracy)],
        exports: Vec::new(),
    }
}

/// InfoNCE of each view among the other views of the batch, half of it plus one, with the mean of
/// the features reported.
pub(super) fn simclr() -> ObjectiveGraph {
    let mut nodes = Nodes::default();
    let [_, features, a] = nodes.project(0, 0);
    let [_, _, b] = nodes.project(0, 1);
    let loss = nodes.info_nce([a, b, b], 0.5);
    let two = nodes.number(2.0);
    let half = nodes.op(Op::Divide, &[loss, two]);
    let one = nodes.number(1.0);
    let loss = nodes.op(Op::Add, &[half, one]);
    let report = nodes.reduce("mean", features, "all");
    ObjectiveGraph {
        views: 2,
        labels: false,
        index: false,
        modules: vec![encoder(), head(16)],
        networks: vec![chain(&[0, 1])],
        nodes: nodes.0,
        loss,
        reports: vec![("mean".into(), report)],
        exports: Vec::new(),
    }
}

/// Both directions of BYOL, with a second average behind the first.
pub(super) fn byol() -> ObjectiveGraph {
    // 0.75 in every step.
    let args =
        [("value", Term::Float(0.75)), ("warmup", Term::Duration(0.0, crate::term::Unit::Steps))];
    let mut nodes = Nodes::default();
    let [a, b] = [0, 1].map(|view| nodes.op(Op::View(view), &[]));
    let online = [a, b].map(|view| nodes.op(Op::Apply(1), &[view]));
    let predicted = online.map(|own| nodes.op(Op::Apply(3), &[own]));
    let target = [b, a].map(|view| nodes.op(Op::Apply(2), &[view]));
    let [first, second] = [0, 1].map(|at| nodes.cosine_distance(predicted[at], target[at]));
    let loss = nodes.op(Op::Add, &[first, second]);
    let slower = nodes.op(Op::Apply(0), &[a]);
    let difference = nodes.op(Op::Subtract, &[online[0], slower]);
    let squares = nodes.call("square", &[difference]);
    let drift = nodes.reduce("mean", squares, "all");
    ObjectiveGraph {
        views: 2,
        labels: false,
        index: false,
        modules: vec![encoder(), head(16), head(DIM)],
        // The average of the average stands before what it follows.
        networks: vec![
            ema(2, Term::Float(0.5)),
            chain(&[0, 1]),
            ema(1, call("constant", &args)),
            chain(&[2]),
        ],
        nodes: nodes.0,
        loss,
        reports: vec![("drift".into(), drift)],
        exports: Vec::new(),
    }
}

pub(super) fn program(graph: &ObjectiveGraph, seed: u64) -> Learner {
    Learner::new(graph, Key::root(seed), &device(), [BATCH, EXAMPLES]).unwrap()
}

pub(super) fn views(step: u64) -> Inputs {
    noise(step, BATCH, 8, &device())
}

pub(super) fn context() -> Context<'static> {
    let progress = Progress { step: 0, steps: 10, steps_per_epoch: 5 };
    Context::of_test(progress)
}

/// Two views of `batch` images of noise.
pub(super) fn noise(step: u64, batch: usize, size: usize, device: &Device) -> Inputs {
    let view = |view| {
        let mut rng = Key::root(100).fold(step).fold(view).stream();
        let values: Vec<f32> = (0..batch * 3 * size * size).map(|_| rng.normal()).collect();
        Array::from_vec(values, &[batch, 3, size, size], device)
    };
    let whole = || Array::from_whole(0..batch as i64, device);
    Inputs { views: vec![view(0), view(1)], labels: whole(), index: whole() }
}

/// Plain gradient descent.
pub(super) fn descend(program: &mut Learner, loss: &Array, leaves: &[Option<Params>]) {
    let mut tape = loss.backward();
    for (params, leaves) in program.params_mut().iter_mut().zip(leaves) {
        let Some(leaves) = leaves else { continue };
        let gradients = leaves.take_gradients(&mut tape);
        for (value, gradient) in params.values_mut().iter_mut().zip(gradients) {
            let Some(gradient) = gradient else { continue };
            let pairs = value.to_vec().into_iter().zip(gradient.to_vec());
            let moved = pairs.map(|(value, slope)| value - 0.1 * slope).collect();
            *value = Array::from_vec(moved, &value.shape(), &value.device());
        }
    }
}

/// A whole step; gives the loss.
pub(super) fn train(program: &mut Learner, step: u64) -> f32 {
    let StepOutput { loss, leaves, effects, .. } = program.forward(&views(step), context());
    descend(program, &loss, &leaves);
    program.commit(effects, context());
    loss.to_vec()[0]
}

pub(super) fn state(program: &Learner) -> Vec<(String, Vec<f32>)> {
    program.state().iter().map(|(name, array)| (name.clone(), array.to_vec())).collect()
}

pub(super) fn queue(program: &Learner) -> (Array, usize) {
    let slot = &program.slots[&RING];
    (slot.arrays[0].1.clone(), slot.position.unwrap().at)
}

/// What network `network` of a program makes of a view, differentiated by `leaves`.
pub(super) fn applied(
    program: &Learner,
    network: usize,
    view: &Array,
    leaves: &[Option<Params>],
    statistics: &mut Statistics,
) -> Array {
    let with = Applying { node: 0, leaves, statistics, encoded: &mut Vec::new() };
    program.apply(network, view.clone(), with, &context())
}

/// What network `network` of a program makes of a view, normalised.
pub(super) fn project(program: &Learner, network: usize, view: &Array) -> Array {
    let x = applied(program, network, view, &[], &mut Statistics::new());
    operate("normalize", &[], &[x])
}

pub(super) fn operate(name: &str, args: &[(&str, Term)], inputs: &[Array]) -> Array {
    let args = args.iter().map(|(name, term)| (name.to_string(), term.clone()));
    let args = Args(args.collect());
    operation(name).unwrap()(&Operands { context: context(), args: &args, inputs, node: 0 })
}

/// InfoNCE at the temperature 0.2, written out.
pub(super) fn info_nce(query: &Array, key: &Array, negatives: &Array) -> Tensor<1> {
    let [query, key, negatives] = [query, key, negatives].map(Array::tensor::<2>);
    let own = (query.clone() * key).sum_dim(1);
    let others = query.matmul(negatives.transpose());
    let logits = Tensor::cat(vec![own, others], 1) / 0.2;
    let [n, columns] = logits.dims();
    let probability = activation::log_softmax(logits, 1).slice([0..n, 0..1]);
    assert!(columns > 1);
    probability.mean().neg()
}
