//! Why a run has stopped before its end.

use crate::data::DataError;
use crate::evaluate::EvaluateError;
use crate::nn::safetensors::WeightsError;
use crate::objective::ProgramError;
use crate::train::TrainError;

use super::error::RunError;

/// A fault and the stage in which it arose.
#[derive(Debug)]
pub struct Failure {
    pub stage: Option<String>,
    pub cause: Cause,
}

#[derive(Debug)]
pub enum Cause {
    Data(DataError),
    Evaluate(EvaluateError),
    Objective(ProgramError),
    Run(RunError),
    Train(TrainError),
    Weights(WeightsError),
    /// A stage with no step to take, or no example to take it on.
    Empty(String),
}

impl Failure {
    /// Whether the user has asked for it.
    pub fn is_interrupt(&self) -> bool {
        matches!(self.cause, Cause::Train(TrainError::Interrupted))
    }
}

impl Cause {
    /// Kebab-case and stable.
    pub fn name(&self) -> &'static str {
        match self {
            Cause::Data(error) => error.name(),
            Cause::Evaluate(_) => "evaluation-failed",
            Cause::Objective(_) => "objective-failed",
            Cause::Run(error) | Cause::Train(TrainError::Run(error)) => error.name(),
            Cause::Train(TrainError::Interrupted) => "interrupted",
            Cause::Train(TrainError::NotFinite { .. }) => "loss-not-finite",
            Cause::Train(TrainError::State(_)) => "checkpoint-damaged",
            Cause::Weights(_) => "weights-mismatch",
            Cause::Empty(_) => "no-step",
        }
    }

    pub fn message(&self) -> String {
        match self {
            Cause::Data(error) => error.message(),
            Cause::Evaluate(error) => error.to_string(),
            Cause::Objective(error) => error.to_string(),
            Cause::Run(error) | Cause::Train(TrainError::Run(error)) => error.message(),
            Cause::Train(TrainError::Interrupted) => {
                "stopped; the same command goes on from here".to_owned()
            }
            Cause::Train(TrainError::NotFinite { step, epoch, loss, .. }) => {
                format!("the loss became {loss} in step {step}, in epoch {epoch}")
            }
            Cause::Train(TrainError::State(reason)) => {
                format!("the checkpoint does not fit this stage: {reason}")
            }
            Cause::Weights(error) => error.to_string(),
            Cause::Empty(message) => message.clone(),
        }
    }

    pub fn help(&self) -> Option<String> {
        match self {
            Cause::Data(error) => error.help(),
            Cause::Run(error) | Cause::Train(TrainError::Run(error)) => error.help(),
            Cause::Train(TrainError::NotFinite { saved, .. }) => {
                let kept = match saved {
                    Some(step) => format!("the state after step {step} is kept"),
                    None => "it happened before the first checkpoint".to_owned(),
                };
                Some(format!("{kept}; a smaller learning rate, or a warm-up, is the usual remedy"))
            }
            _ => None,
        }
    }
}

macro_rules! causes {
    ($($variant:ident($error:ty)),+) => {
        $(impl From<$error> for Cause {
            fn from(error: $error) -> Self {
                Cause::$variant(error)
            }
        })+
    };
}

causes!(
    Data(DataError),
    Evaluate(EvaluateError),
    Objective(ProgramError),
    Run(RunError),
    Train(TrainError),
    Weights(WeightsError)
);

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Failure { stage: None, cause: error.into() }
    }
}
