//! Fine-tuning: an encoder and a head under cross entropy, all of it or the head alone.

use burn::tensor::Tensor;
use indexmap::IndexMap;

use super::optimizer::{Optimizer, ParamSet};
use super::session::{Measurements, Task, prefixed, split_state};
use crate::device::Array;
use crate::nn::{Architecture, Params, Pass, Updates, safetensors};
use crate::objective::{Context, Inputs, Operands, operation};
use crate::store::events::metric;
use crate::term::Args;

/// An encoder with a head that yields a logit for each class.
pub struct Classifier {
    pub encoder: Box<dyn Architecture>,
    pub head: Box<dyn Architecture>,
    pub encoder_params: Params,
    pub head_params: Params,
}

impl Classifier {
    /// The model as safetensors: a torchvision network of as many classes, head and all.
    pub fn to_bytes(&self) -> Vec<u8> {
        safetensors::to_bytes(&[("", &self.encoder_params), (HEAD, &self.head_params)])
    }
}

/// The name of the last layer in torchvision's residual networks.
pub const HEAD: &str = "fc";

/// A classifier under training.
pub struct Tuned {
    pub classifier: Classifier,
    pub optimizer: Box<dyn Optimizer>,
    /// Whether the encoder is trained too. Where it is not, it normalises by its running
    /// statistics, which stay as they are.
    pub all: bool,
}

const ENCODER_SLOT: &str = "encoder";
const HEAD_SLOT: &str = "head";

impl Tuned {
    /// What the optimizer moves.
    fn sets(&self) -> Vec<(&str, &Params)> {
        let Classifier { encoder_params, head_params, .. } = &self.classifier;
        let mut sets = vec![(HEAD_SLOT, head_params)];
        if self.all {
            sets.push((ENCODER_SLOT, encoder_params));
        }
        sets
    }
}

impl Task for Tuned {
    fn step(&mut self, batch: &Inputs, lr: f64, context: Context<'_>) -> Measurements {
        let Classifier { encoder, head, encoder_params, head_params } = &mut self.classifier;
        let leaves = |params: &Params, trained: bool| {
            if trained { params.leaves() } else { params.clone() }
        };
        let encoder_leaves = leaves(encoder_params, self.all);
        let head_leaves = leaves(head_params, true);
        let [mut updates, mut head_updates] = [Updates::new(), Updates::new()];
        let kernels = context.kernels;
        let view = batch.views.first().expect("a fine-tune stage asks for one view");
        let (params, training) = (&encoder_leaves, self.all);
        let mut pass = Pass { kernels, params, training, groups: 1, updates: &mut updates };
        let features = encoder.forward(&mut pass, view.clone());
        let params = &head_leaves;
        let mut pass =
            Pass { kernels, params, training: true, groups: 1, updates: &mut head_updates };
        let logits = head.forward(&mut pass, features);
        let loss = cross_entropy(&logits, batch, context);
        let mut gradients = loss.backward();
        let mut sets = Vec::new();
        if self.all {
            let gradients = encoder_leaves.take_gradients(&mut gradients);
            sets.push(ParamSet { name: ENCODER_SLOT, params: &mut *encoder_params, gradients });
        }
        let own = head_leaves.take_gradients(&mut gradients);
        sets.push(ParamSet { name: HEAD_SLOT, params: &mut *head_params, gradients: own });
        // Gone before the step, so that each value is held once.
        drop((encoder_leaves, head_leaves));
        self.optimizer.step(sets, lr);
        settle(encoder_params, updates);
        settle(head_params, head_updates);
        let others = vec![(metric::ACCURACY.to_owned(), accuracy(&logits, batch))];
        Measurements { loss: loss.constant(), others }
    }

    fn lr(&self) -> f64 {
        self.optimizer.lr()
    }

    fn state(&self) -> Vec<(String, Array)> {
        let arrays = |params: &Params| {
            params.iter().map(|own| (own.name.to_owned(), own.value.clone())).collect()
        };
        prefixed(ENCODER_SLOT, arrays(&self.classifier.encoder_params))
            .chain(prefixed(HEAD_SLOT, arrays(&self.classifier.head_params)))
            .chain(prefixed("optimizer", self.optimizer.state(&self.sets())))
            .collect()
    }

    fn load_state(&mut self, state: Vec<(String, Array)>) -> Result<(), String> {
        let [encoder, head, optimizer] =
            split_state(state, [ENCODER_SLOT, HEAD_SLOT, "optimizer"])?;
        restore(&mut self.classifier.encoder_params, encoder)?;
        restore(&mut self.classifier.head_params, head)?;
        let Classifier { encoder_params, head_params, .. } = &self.classifier;
        let mut sets = vec![(HEAD_SLOT, head_params)];
        if self.all {
            sets.push((ENCODER_SLOT, encoder_params));
        }
        self.optimizer.load_state(optimizer, &sets).map_err(|error| error.to_string())
    }

    fn snapshot(&self) -> Vec<u8> {
        safetensors::to_bytes(&[("", &self.classifier.encoder_params)])
    }
}

/// The loss of the library, as an objective would call it.
fn cross_entropy(logits: &Array, batch: &Inputs, context: Context<'_>) -> Array {
    let operation = operation("cross_entropy").expect("a loss of the library");
    let inputs = [logits.clone(), batch.labels.clone()];
    operation(&Operands { context, args: &Args::default(), inputs: &inputs, node: 0 })
}

/// The share of examples whose highest logit is their label's.
fn accuracy(logits: &Array, batch: &Inputs) -> Array {
    let logits: Tensor<2> = logits.constant().into_tensor();
    let [n, _] = logits.dims();
    let predicted = logits.argmax(1).reshape([n]);
    predicted.equal(batch.labels.whole()).float().mean().into()
}

/// Puts the running statistics that a step has seen in their place.
fn settle(params: &mut Params, updates: Updates) {
    for (slot, value) in updates {
        params.set(slot, value.constant());
    }
}

fn restore(params: &mut Params, mut arrays: IndexMap<String, Array>) -> Result<(), String> {
    let mut values = Vec::new();
    for param in params.iter() {
        let name = param.name;
        match arrays.swap_remove(name) {
            Some(array) if array.shape() == param.value.shape() => values.push(array),
            Some(array) => {
                let (found, expected) = (array.shape(), param.value.shape());
                return Err(format!("`{name}` is {found:?}, not {expected:?}"));
            }
            None => return Err(format!("`{name}` is missing")),
        }
    }
    if let Some(name) = arrays.keys().next() {
        return Err(format!("`{name}` belongs to no part of the model"));
    }
    *params = Params::new(params.layout().clone(), values);
    Ok(())
}
