//! Fine-tuning: an encoder and a head under cross entropy, all of it or the head alone.

use burn::tensor::Tensor;
use indexmap::IndexMap;

use super::optimizer::Optimizer;
use super::schedule::Progress;
use super::session::{Inputs, Measurements, Task, prefixed, split_state};
use crate::nn::{Activation, Architecture, Array, Params, Pass, map_array, safetensors};
use crate::objective::{AnyTensor, primitive};
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

impl Task for Tuned {
    fn step(&mut self, batch: &Inputs, lr: f64, _: Progress) -> Measurements {
        let Classifier { encoder, head, encoder_params, head_params } = &mut self.classifier;
        let leaves = |params: &Params, tracked: bool| {
            if tracked { params.tracked() } else { params.clone() }
        };
        let encoder_leaves = leaves(encoder_params, self.all);
        let head_leaves = leaves(head_params, true);
        let mut updates = IndexMap::new();
        let mut head_updates = IndexMap::new();
        let view = batch.views.first().expect("a fine-tune stage asks for one view");
        let mut pass = Pass { params: &encoder_leaves, training: self.all, updates: &mut updates };
        let features = encoder.forward(&mut pass, Activation::Maps(view.clone()));
        let mut pass = Pass { params: &head_leaves, training: true, updates: &mut head_updates };
        let Activation::Features(logits) = head.forward(&mut pass, features) else {
            unreachable!("a head yields a logit for each class")
        };
        let loss = cross_entropy(logits.clone(), batch);
        let mut gradients = loss.backward();
        if self.all {
            self.optimizer.step(ENCODER_SLOT, encoder_params, &encoder_leaves, &mut gradients, lr);
        }
        self.optimizer.step(HEAD_SLOT, head_params, &head_leaves, &mut gradients, lr);
        settle(encoder_params, updates);
        settle(head_params, head_updates);
        let others = vec![(metric::ACCURACY.to_owned(), accuracy(logits.inner(), batch))];
        Measurements { loss: loss.inner(), others }
    }

    fn lr(&self) -> f64 {
        self.optimizer.lr()
    }

    fn state(&self) -> Vec<(String, Array)> {
        let arrays = |params: &Params| {
            params.0.iter().map(|(name, p)| (name.clone(), p.value.clone())).collect()
        };
        prefixed(ENCODER_SLOT, arrays(&self.classifier.encoder_params))
            .chain(prefixed(HEAD_SLOT, arrays(&self.classifier.head_params)))
            .chain(prefixed("optimizer", self.optimizer.state()))
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
fn cross_entropy(logits: Tensor<2>, batch: &Inputs) -> Tensor<1> {
    let primitive = primitive("cross_entropy").expect("a loss of the library");
    let inputs = [AnyTensor::Matrix(logits), AnyTensor::Labels(batch.labels.clone())];
    match primitive(&Args::default(), &inputs) {
        AnyTensor::Scalar(loss) => loss,
        _ => unreachable!("a loss is a scalar"),
    }
}

/// The share of examples whose highest logit is their label's.
fn accuracy(logits: Tensor<2>, batch: &Inputs) -> Tensor<1> {
    let [n, _] = logits.dims();
    let predicted = logits.argmax(1).reshape([n]);
    predicted.equal(batch.labels.clone()).float().mean()
}

/// Puts the running statistics that a step has seen in their place.
fn settle(params: &mut Params, updates: IndexMap<String, Array>) {
    for (name, value) in updates {
        let param = params.0.get_mut(&name).expect("modules update their own statistics");
        param.value = map_array!(value, t => t.inner());
    }
}

fn restore(params: &mut Params, mut arrays: IndexMap<String, Array>) -> Result<(), String> {
    for (name, param) in &mut params.0 {
        match arrays.swap_remove(name) {
            Some(array) if array.shape() == param.value.shape() => param.value = array,
            Some(array) => {
                return Err(format!(
                    "`{name}` is {:?}, not {:?}",
                    array.shape(),
                    param.value.shape()
                ));
            }
            None => return Err(format!("`{name}` is missing")),
        }
    }
    match arrays.keys().next() {
        Some(name) => Err(format!("`{name}` belongs to no part of the model")),
        None => Ok(()),
    }
}
