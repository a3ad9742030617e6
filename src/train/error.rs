//! Why a training has stopped.

use std::path::PathBuf;

use crate::diagnostics::{Finding, findings};
use crate::store::error::RunError;

/// Why a training has stopped.
#[derive(Debug)]
pub enum TrainError {
    /// Asked to; a checkpoint holds the state.
    Interrupted,
    NotFinite(NotFinite),
    /// A checkpoint that fits another training.
    State(String),
    Run(RunError),
}

/// A training that has diverged: its loss, or something that steps change, is NaN or infinite.
#[derive(Clone, Debug, PartialEq)]
pub struct NotFinite {
    /// The last step, and the epoch it belongs to, from 1.
    pub step: u64,
    pub epoch: u64,
    pub loss: f64,
    /// The first tensor of the state that holds such a number, if there is one.
    pub tensor: Option<String>,
    /// The step of the last good state, and the file that holds it.
    pub saved: Option<(u64, PathBuf)>,
}

impl NotFinite {
    /// What kind of fault it is.
    pub fn finding(&self) -> &'static Finding {
        if self.loss.is_finite() { findings::STATE_NOT_FINITE } else { findings::LOSS_NOT_FINITE }
    }

    pub fn message(&self) -> String {
        let NotFinite { step, epoch, loss, .. } = self;
        match &self.tensor {
            Some(tensor) if loss.is_finite() => format!(
                "step {step}, in epoch {epoch}, has left numbers in `{tensor}` that are not finite"
            ),
            Some(tensor) => format!(
                "the loss became {loss} in step {step}, in epoch {epoch}, and `{tensor}` holds \
                 numbers that are not finite"
            ),
            None => format!("the loss became {loss} in step {step}, in epoch {epoch}"),
        }
    }

    pub fn help(&self) -> String {
        let kept = match &self.saved {
            Some((step, file)) => {
                format!("the state after step {step} is kept in `{}`", file.display())
            }
            None => "it happened before the first checkpoint".to_owned(),
        };
        format!("{kept}; a smaller learning rate, or a warm-up, is the usual remedy")
    }
}

impl From<RunError> for TrainError {
    fn from(error: RunError) -> Self {
        TrainError::Run(error)
    }
}
