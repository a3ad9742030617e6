//! What an evaluation has found.

use serde::{Deserialize, Serialize};

use crate::check::StageKind;
use crate::evaluate::{Better, Counts, Judged, Quantity, Warning};
use crate::graph::Stage;
use crate::resolve::declaration;
use crate::store::Finished;
use crate::store::error::RunError;
use crate::term::Call;

/// One result of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// In the field's words: `kNN top-1`.
    pub what: String,
    /// The epochs of training before it, for the encoders that a training kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// In its unit.
    pub value: f64,
    pub unit: Quantity,
    pub better: Better,
    /// What was done, in a sentence for people.
    pub protocol: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<Warning>,
}

impl Measured {
    /// What a protocol has found of a network, after so many epochs where it is one of several.
    pub(super) fn of(protocol: &Call, epoch: Option<u64>, found: Judged) -> Self {
        let Judged { value, protocol: how, counts, warning } = found;
        let measures = measures(protocol);
        let what = match epoch {
            Some(epoch) => format!("{measures} after epoch {epoch}"),
            None => measures.to_owned(),
        };
        let (unit, better) = direction(protocol);
        Measured { what, epoch, value, unit, better, protocol: how, counts, warning }
    }

    /// The number as people read it.
    pub fn shown(&self) -> String {
        self.unit.show(self.value).to_string()
    }
}

/// The results that a finished stage holds.
pub fn results(stage: &Stage, finished: &Finished) -> Result<Vec<Measured>, RunError> {
    if stage.kind != StageKind::Evaluate {
        return Ok(Vec::new());
    }
    let results = finished.result().get("results").cloned().unwrap_or_default();
    serde_json::from_value(results).map_err(|error| RunError::StageDamaged {
        path: finished.folder().to_owned(),
        what: error.to_string(),
    })
}

/// What a protocol measures, in the field's words.
fn measures(protocol: &Call) -> &'static str {
    // A test looks for it in every protocol.
    declaration(&protocol.name).and_then(|own| own.text("measures")).unwrap_or_default()
}

/// What the number of a protocol counts, and which of two is the better.
fn direction(protocol: &Call) -> (Quantity, Better) {
    // A test looks for both in every protocol.
    let declared = declaration(&protocol.name);
    let of = declared.and_then(|own| Some((Quantity::of(own)?, Better::of(own)?)));
    of.unwrap_or((Quantity::Number, Better::Higher))
}
