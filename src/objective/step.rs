//! One step of an objective: its graph, interpreted.

use std::collections::BTreeMap;

use burn::tensor::{Int, Tensor};
use indexmap::IndexMap;

use super::any_tensor::{self, AnyTensor};
use super::{Learner, primitive};
use crate::nn::{Activation, Array, Params, Pass, map_array};
use crate::term::Term;
use crate::term::objective::{NetworkBody, Op};

/// What a step has computed.
pub struct StepOutput {
    /// What to minimize: one element, differentiable by the tensors of `tracked`.
    pub loss: Tensor<1>,
    /// What `report` names, one element each, in the order of the graph.
    pub reports: Vec<(String, Tensor<1>)>,
    /// For each module that receives a gradient, its parameters as this step differentiates them.
    pub tracked: Vec<Option<Params>>,
    /// What the step changes besides the weights.
    pub effects: Effects,
}

/// What a step changes besides the weights, held back until the optimizer has moved these.
#[derive(Default)]
pub struct Effects {
    statistics: Statistics,
    /// The rows to push, by the node whose queue they go to.
    pushes: Vec<(usize, Tensor<2>)>,
}

/// New running statistics, by whose weights they belong to.
type Statistics = BTreeMap<Owner, IndexMap<String, Array>>;

/// Who owns a set of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Module(usize),
    /// An average of a module.
    Average {
        network: usize,
        module: usize,
    },
}

impl Learner {
    /// Computes the loss and the reports of a batch, in training mode, and changes nothing.
    ///
    /// `views` are as many as [`super::Learner::graph`] says, each `[n, c, h, w]`; `labels`, `[n]`,
    /// are given where it reads them. Nothing here waits for the device.
    pub fn forward(&self, views: &[Tensor<4>], labels: Option<&Tensor<1, Int>>) -> StepOutput {
        let tracked: Vec<_> = (self.params.iter().zip(&self.flow.trained))
            .map(|(params, trained)| trained.then(|| params.tracked()))
            .collect();
        let mut effects = Effects::default();
        let mut values: Vec<AnyTensor> = Vec::with_capacity(self.graph.nodes.len());
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let differentiated = self.flow.differentiated[index];
            // Through what is not differentiated, nothing is recorded either.
            let input = |position: usize| match &values[node.inputs[position]] {
                value if differentiated => value.clone(),
                value => value.constant(),
            };
            let value = match &node.op {
                Op::View(view) => AnyTensor::Maps(views[*view].clone()),
                Op::Labels => {
                    AnyTensor::Labels(labels.expect("the graph says that it reads labels").clone())
                }
                Op::Constant(number) => AnyTensor::Scalar(Tensor::full([1], *number, &self.device)),
                Op::Add => any_tensor::add(&input(0), &input(1)),
                Op::Subtract => any_tensor::subtract(&input(0), &input(1)),
                Op::Multiply => any_tensor::multiply(&input(0), &input(1)),
                Op::Divide => any_tensor::divide(&input(0), &input(1)),
                Op::Primitive(name) => {
                    let primitive = primitive(name).expect("looked up when the program was made");
                    let mut inputs: Vec<_> = (0..node.inputs.len()).map(input).collect();
                    if let Some(queue) = self.queues.get(&index) {
                        effects.pushes.push((index, inputs[0].constant().matrix()));
                        inputs.push(AnyTensor::Matrix(queue.rows.clone()));
                    }
                    primitive(&node.args, &inputs)
                }
                Op::Apply(network) => {
                    let x = input(0).activation();
                    let tracked = if differentiated { &tracked[..] } else { &[] };
                    // What is only reported must not leave a trace in the training.
                    let mut unused = Statistics::new();
                    let statistics = match self.flow.reaches_loss[index] {
                        true => &mut effects.statistics,
                        false => &mut unused,
                    };
                    self.apply(*network, x, tracked, statistics).into()
                }
            };
            values.push(value);
        }
        StepOutput {
            loss: values[self.graph.loss].scalar(),
            reports: (self.graph.reports.iter())
                .map(|(name, node)| (name.clone(), values[*node].constant().scalar()))
                .collect(),
            tracked,
            effects,
        }
    }

    /// Applies a network, with the tracked weights of its modules where there are any.
    fn apply(
        &self,
        network: usize,
        mut x: Activation,
        tracked: &[Option<Params>],
        statistics: &mut Statistics,
    ) -> Activation {
        let average = self.networks[network].depth > 0;
        if average {
            x = constant(x);
        }
        for &module in &self.networks[network].chain {
            let (owner, params) = match tracked.get(module) {
                _ if average => (Owner::Average { network, module }, self.weights(network, module)),
                Some(Some(params)) => (Owner::Module(module), params),
                _ => (Owner::Module(module), &self.params[module]),
            };
            let updates = statistics.entry(owner).or_default();
            x = self.modules[module].forward(&mut Pass { params, training: true, updates }, x);
        }
        x
    }

    /// Ends a step, after the optimizer has moved the weights: running statistics become those that
    /// the step has seen, averages move, queues take what was pushed.
    ///
    /// `momentum` evaluates an average's momentum, a number or a schedule, at this step. The tensors
    /// of the step are best dropped before, so that queues are written in place.
    pub fn commit(&mut self, effects: Effects, momentum: &dyn Fn(&Term) -> f64) {
        for (owner, updates) in effects.statistics {
            let params = match owner {
                Owner::Module(module) => &mut self.params[module],
                Owner::Average { network, module } => {
                    self.copies.get_mut(&(network, module)).expect("averages own copies")
                }
            };
            for (name, value) in updates {
                let param = params.0.get_mut(&name).expect("modules update their own statistics");
                param.value = map_array!(value, t => t.inner());
            }
        }
        self.move_averages(momentum);
        for (node, rows) in effects.pushes {
            self.queues.get_mut(&node).expect("only nodes with queues push").push(rows);
        }
    }

    /// Moves each average towards what it follows: `m * average + (1 - m) * followed`.
    ///
    /// Running statistics are left alone: an average is normalised by its own batches and keeps
    /// its own, as MoCo's key encoder does.
    fn move_averages(&mut self, momentum: &dyn Fn(&Term) -> f64) {
        for network in self.averages() {
            let NetworkBody::Ema { of, momentum: term } = &self.graph.networks[network].body else {
                continue;
            };
            let (of, m) = (*of, momentum(term));
            for &module in &self.networks[network].chain {
                let Some(mut average) = self.copies.remove(&(network, module)) else { continue };
                let followed = self.weights(of, module);
                for (param, target) in average.0.values_mut().zip(followed.0.values()) {
                    if param.role.is_trained() {
                        lerp(&mut param.value, &target.value, m);
                    }
                }
                self.copies.insert((network, module), average);
            }
        }
    }
}

/// `m * average + (1 - m) * target`, exact at 0 and 1.
fn lerp(average: &mut Array, target: &Array, m: f64) {
    match (average, target) {
        (Array::R1(a), Array::R1(t)) => a.inplace(|a| a * m + t.clone() * (1.0 - m)),
        (Array::R2(a), Array::R2(t)) => a.inplace(|a| a * m + t.clone() * (1.0 - m)),
        (Array::R4(a), Array::R4(t)) => a.inplace(|a| a * m + t.clone() * (1.0 - m)),
        _ => unreachable!("an average has the shapes of what it follows"),
    }
}

fn constant(x: Activation) -> Activation {
    match x {
        Activation::Maps(tensor) => Activation::Maps(tensor.inner()),
        Activation::Features(tensor) => Activation::Features(tensor.inner()),
    }
}

#[cfg(test)]
mod tests;
