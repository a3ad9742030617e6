//! Pre-training: the step of an objective, an optimizer, averages that follow.

use super::optimizer::Optimizer;
use super::session::{Measurements, Task, prefixed, split_state};
use crate::device::Array;
use crate::nn::{Params, safetensors};
use crate::objective::{Context, Inputs, Learner};

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

    /// The optimizer's name for the parameters of each module.
    fn names(&self) -> Vec<String> {
        (0..self.program.params().len()).map(set).collect()
    }

    fn sets<'s>(&'s self, names: &'s [String]) -> Vec<(&'s str, &'s Params)> {
        names.iter().map(String::as_str).zip(self.program.params()).collect()
    }
}

impl Task for Pretraining {
    fn step(&mut self, batch: &Inputs, lr: f64, context: Context<'_>) -> Measurements {
        let output = self.program.forward(batch, context);
        let mut gradients = output.loss.backward();
        for (index, leaves) in output.leaves.into_iter().enumerate() {
            if let Some(leaves) = leaves {
                let gradients = leaves.take_gradients(&mut gradients);
                drop(leaves);
                let params = &mut self.program.params_mut()[index];
                self.optimizer.step(&set(index), params, gradients, lr);
            }
        }
        let loss = output.loss.constant();
        self.program.commit(output.effects, context);
        Measurements { loss, others: output.reports }
    }

    fn lr(&self) -> f64 {
        self.optimizer.lr()
    }

    fn state(&self) -> Vec<(String, Array)> {
        let program = self.program.state().into_iter().collect();
        let names = self.names();
        let optimizer = self.optimizer.state(&self.sets(&names));
        prefixed("program", program).chain(prefixed("optimizer", optimizer)).collect()
    }

    fn load_state(&mut self, state: Vec<(String, Array)>) -> Result<(), String> {
        let [program, optimizer] = split_state(state, ["program", "optimizer"])?;
        let program: Vec<(String, Array)> = program.into_iter().collect();
        self.program.load_state(&program).map_err(|error| error.to_string())?;
        let names = self.names();
        let sets: Vec<(&str, &Params)> =
            names.iter().map(String::as_str).zip(self.program.params()).collect();
        self.optimizer.load_state(optimizer, &sets).map_err(|error| error.to_string())
    }

    fn snapshot(&self) -> Vec<u8> {
        safetensors::to_bytes(&[("", self.encoder())])
    }
}

/// The optimizer's name for the parameters of a module.
fn set(module: usize) -> String {
    format!("module.{module}")
}
