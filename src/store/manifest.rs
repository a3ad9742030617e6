//! The manifest of a finished stage: what its files must be.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::RunError;

/// `stage.json`: the contents and the digest that vouches for them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub blake3: String,
    pub stage: Contents,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Contents {
    pub format: u32,
    pub key: String,
    pub files: BTreeMap<String, Digest>,
    pub result: Value,
    /// Absent from what was stored before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Box<Lineage>>,
}

/// What a stage was made from, in the words of its text: for people, and no part of its key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    pub pipeline: String,
    pub stage: String,
    /// `pretrain`, `finetune` or `evaluate`.
    pub kind: String,
    /// The hash of the stage in its graph.
    pub hash: String,
    pub seed: u64,
    pub device: String,
    /// Of cpipe.
    pub version: String,
    /// Every value of the pipeline, by the name that an override gives it.
    pub values: BTreeMap<String, String>,
    /// The hashes of the stages whose outputs it used, by their names.
    pub inputs: BTreeMap<String, String>,
}

impl Contents {
    pub fn digest(&self) -> String {
        let text = serde_json::to_vec(self).expect("JSON values and texts");
        blake3::hash(&text).to_hex().to_string()
    }
}

/// What a file must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Digest {
    bytes: u64,
    blake3: String,
}

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        Digest { bytes: bytes.len() as u64, blake3: blake3::hash(bytes).to_hex().to_string() }
    }

    /// What is wrong with the file at `path`, if anything.
    pub fn difference(&self, path: &Path) -> Result<Option<String>, RunError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some("is missing".into()));
            }
            Err(cause) => {
                return Err(RunError::StoreUnreadable { path: path.to_owned(), cause });
            }
        };
        let bytes = file.metadata().map_err(RunError::store_read(path))?.len();
        if bytes != self.bytes {
            return Ok(Some(format!("has {bytes} bytes, not {}", self.bytes)));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&mut file).map_err(RunError::store_read(path))?;
        let same = hasher.finalize().to_hex().as_str() == self.blake3;
        Ok((!same).then(|| "is not what was written".into()))
    }
}
