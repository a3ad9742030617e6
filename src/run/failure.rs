//! Why a run has stopped before its end.

use crate::data::DataError;
use crate::diagnostics::{Finding, findings};
use crate::evaluate::EvaluateError;
use crate::graph::Stage;
use crate::interrupt::Interrupted;
use crate::nn::safetensors::WeightsError;
use crate::nn::weights::FileError;
use crate::objective::ObjectiveError;
use crate::train::TrainError;

use crate::store::error::RunError;

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
    Interrupted(Interrupted),
    Objective(ObjectiveError),
    Run(RunError),
    Train(TrainError),
    Weights(WeightsError),
    File(FileError),
    /// A stage with no step to take, or no example to take it on.
    Empty(String),
}

impl Failure {
    pub fn of(stage: &Stage, cause: Cause) -> Self {
        Failure { stage: Some(stage.name.clone()), cause }
    }

    /// Whether the user has asked for it.
    pub fn is_interrupt(&self) -> bool {
        self.cause.is_interrupt()
    }
}

impl Cause {
    /// Whether the user has asked for it.
    pub fn is_interrupt(&self) -> bool {
        matches!(
            self,
            Cause::Interrupted(_)
                | Cause::Train(TrainError::Interrupted)
                | Cause::Data(DataError::Interrupted)
                | Cause::Evaluate(EvaluateError::Interrupted)
        )
    }

    /// Whether there was no room for what had to be written.
    pub fn is_full_disk(&self) -> bool {
        matches!(self, Cause::Run(error) if error.is_full_disk())
    }

    /// Whether what was given, not what was tried, is wrong.
    pub fn is_bad_input(&self) -> bool {
        let data = |error: &DataError| {
            matches!(
                error,
                DataError::Missing { .. }
                    | DataError::Incomplete { .. }
                    | DataError::Damaged { .. }
                    | DataError::Pictures(_)
            )
        };
        match self {
            Cause::Data(error) => data(error),
            Cause::File(_)
            | Cause::Empty(_)
            | Cause::Evaluate(
                EvaluateError::TooFewNeighbours { .. } | EvaluateError::NoneHeldOut,
            ) => true,
            Cause::Run(error) => matches!(error, RunError::PrecisionUnavailable { .. }),
            _ => false,
        }
    }

    /// The stage that it says it is of, and the field of a stage that it is about.
    pub fn place(&self) -> (Option<&str>, Option<&'static str>) {
        match self {
            Cause::Data(_) => (None, Some("data")),
            Cause::Run(RunError::PrecisionUnavailable { stage, .. }) => {
                (stage.as_deref(), Some("precision"))
            }
            Cause::Run(
                RunError::StepTooLarge { stage, batch, .. }
                | RunError::DeviceFull { stage, batch, .. },
            ) => (Some(stage), batch.map(|_| "batch")),
            _ => (None, None),
        }
    }

    /// What kind of fault it is.
    pub fn finding(&self) -> &'static Finding {
        match self {
            Cause::Data(error) => error.finding(),
            Cause::Interrupted(_)
            | Cause::Evaluate(EvaluateError::Interrupted)
            | Cause::Train(TrainError::Interrupted) => findings::INTERRUPTED,
            Cause::Evaluate(_) => findings::EVALUATION_FAILED,
            Cause::Objective(_) => findings::OBJECTIVE_FAILED,
            Cause::Run(error) | Cause::Train(TrainError::Run(error)) => error.finding(),
            Cause::Train(TrainError::NotFinite(error)) => error.finding(),
            Cause::Train(TrainError::State(_)) => findings::CHECKPOINT_DAMAGED,
            Cause::Weights(_) | Cause::File(FileError::Mismatch { .. }) => {
                findings::WEIGHTS_MISMATCH
            }
            Cause::File(
                FileError::Missing { .. }
                | FileError::Unreadable { .. }
                | FileError::Changed { .. },
            ) => findings::FILE_UNREADABLE,
            Cause::File(_) => findings::WEIGHTS_UNREADABLE,
            Cause::Empty(_) => findings::NO_STEP,
        }
    }

    pub fn message(&self) -> String {
        match self {
            Cause::Data(error) => error.message(),
            Cause::Evaluate(error) => error.to_string(),
            Cause::Objective(error) => error.to_string(),
            Cause::Run(error) | Cause::Train(TrainError::Run(error)) => error.message(),
            Cause::Train(TrainError::Interrupted) => Interrupted.to_string(),
            Cause::Interrupted(stop) => stop.to_string(),
            Cause::Train(TrainError::NotFinite(error)) => error.message(),
            Cause::Train(TrainError::State(reason)) => {
                format!("the checkpoint does not fit this stage: {reason}")
            }
            Cause::Weights(error) => error.to_string(),
            Cause::File(error) => error.to_string(),
            Cause::Empty(message) => message.clone(),
        }
    }

    pub fn help(&self) -> Option<String> {
        match self {
            Cause::Data(error) => error.help(),
            Cause::File(error) => error.help(),
            Cause::Run(error) | Cause::Train(TrainError::Run(error)) => error.help(),
            Cause::Train(TrainError::NotFinite(error)) => Some(error.help()),
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
    Interrupted(Interrupted),
    Objective(ObjectiveError),
    Run(RunError),
    Train(TrainError),
    Weights(WeightsError),
    File(FileError)
);

impl From<Interrupted> for Failure {
    fn from(stop: Interrupted) -> Self {
        Failure { stage: None, cause: stop.into() }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Failure { stage: None, cause: error.into() }
    }
}
