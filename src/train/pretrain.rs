//! Pre-training: the step of an objective, an optimizer, averages that follow.

use super::optimizer::Optimizer;
use super::schedule::{self, Progress};
use super::session::{Inputs, Measurements, Task, prefixed, split_state};
use crate::nn::{Array, Params, safetensors};
use crate::objective::Learner;

/// An objective under training.
pub struct Pretraining {
    pub program: Learner,
    pub optimizer: Box<dyn Optimizer>,
}

impl Pretraining {
    /// The encoder that the objective was handed. The checker lets no objective without one train.
    pub fn encoder(&self) -> &Params {
        self.program.encoder().expect("the checker wants an encoder in every objective")
    }
}

impl Task for Pretraining {
    fn step(&mut self, batch: &Inputs, lr: f64, progress: Progress) -> Measurements {
        let labels = self.program.graph().labels.then_some(&batch.labels);
        let output = self.program.forward(&batch.views, labels);
        let mut gradients = output.loss.backward();
        for (index, tracked) in output.tracked.iter().enumerate() {
            if let Some(tracked) = tracked {
                let params = &mut self.program.params_mut()[index];
                self.optimizer.step(&slot(index), params, tracked, &mut gradients, lr);
            }
        }
        let loss = output.loss.inner();
        drop(output.tracked);
        self.program.commit(output.effects, &|term| schedule::value(term, progress));
        Measurements { loss, others: output.reports }
    }

    fn lr(&self) -> f64 {
        self.optimizer.lr()
    }

    fn state(&self) -> Vec<(String, Array)> {
        let program = self.program.state().into_iter().collect();
        prefixed("program", program).chain(prefixed("optimizer", self.optimizer.state())).collect()
    }

    fn load_state(&mut self, state: Vec<(String, Array)>) -> Result<(), String> {
        let [program, optimizer] = split_state(state, ["program", "optimizer"])?;
        let program: Vec<(String, Array)> = program.into_iter().collect();
        self.program.load_state(&program).map_err(|error| error.to_string())?;
        let slots: Vec<String> = (0..self.program.params().len()).map(slot).collect();
        let sets: Vec<(&str, &Params)> =
            slots.iter().map(String::as_str).zip(self.program.params()).collect();
        self.optimizer.load_state(optimizer, &sets).map_err(|error| error.to_string())
    }

    fn snapshot(&self) -> Vec<u8> {
        safetensors::to_bytes(&[("", self.encoder())])
    }
}

/// The optimizer's name for the parameters of a module.
fn slot(module: usize) -> String {
    format!("module.{module}")
}
