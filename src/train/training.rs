//! A training: the step of an objective, an optimizer, averages and memories that follow. A
//! fine-tuning is one, too: its objective is `classify` of the library.

use super::optimizer::{Now, Optimizer, ParamSet};
use super::session::{Measurements, Task};
use super::state::{prefixed, split_state};
use crate::device::Array;
use crate::nn::{Params, safetensors};
use crate::objective::{Context, Inputs, Learner, Phase};

/// An objective under training.
pub struct Training {
    pub program: Learner,
    pub optimizer: Box<dyn Optimizer>,
}

impl Training {
    /// The encoder that the objective was handed. The checker lets no objective without one train.
    pub fn encoder(&self) -> &Params {
        self.program.encoder().expect("the checker wants an encoder in every objective")
    }

    /// The optimizer's name for the parameters of each module.
    fn names(&self) -> Vec<String> {
        (0..self.program.params().len()).map(|module| format!("module.{module}")).collect()
    }

    fn sets<'s>(&'s self, names: &'s [String]) -> Vec<(&'s str, &'s Params)> {
        names.iter().map(String::as_str).zip(self.program.params()).collect()
    }
}

impl Task for Training {
    fn step(&mut self, batch: &Inputs, lr: f64, context: Context<'_>) -> Measurements {
        let output = self.program.forward(batch, context);
        context.enter(Phase::Backward);
        let gradients =
            self.program.gradients(&output.loss, output.leaves, output.encoded, &context);
        context.enter(Phase::Optimizer);
        let moving = |(own, params): (Option<Vec<Option<Array>>>, &Params)| {
            let held = params.held(context.progress);
            let own = own?.into_iter().zip(held);
            Some(own.map(|(own, is_held)| own.filter(|_| !is_held)).collect::<Vec<_>>())
        };
        let gradients: Vec<_> =
            gradients.into_iter().zip(self.program.params()).map(moving).collect();
        let names = self.names();
        let sets = (names.iter().zip(self.program.params_mut()).zip(gradients))
            .filter_map(|((name, params), own)| Some(ParamSet { name, params, gradients: own? }));
        let now = Now { lr, progress: context.progress };
        self.optimizer.step(context.kernels, sets.collect(), now);
        context.enter(Phase::State);
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
