//! Where a stage stands: what it takes to go on to the same bits as if it had never stopped.
//!
//! A checkpoint is one safetensors file. Its metadata hold, under `cpipe`, the counters, the order
//! of the tensors and a BLAKE3 digest of everything.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::Partial;
use super::error::RunError;
use super::files;
use super::finished::LOG;

pub(super) const CURRENT: &str = "checkpoint.safetensors";
pub(super) const PREVIOUS: &str = "checkpoint.previous.safetensors";

/// The key of our part of the file's metadata.
///
/// One key alone: a safetensors file has its metadata in no particular order, and equal
/// checkpoints are equal files.
const METADATA: &str = "cpipe";

/// The state of a stage after `step` steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Steps taken.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// [`Partial::log_len`] at this step.
    pub log_len: u64,
    /// Whatever else the stage needs to go on.
    pub meta: BTreeMap<String, String>,
    /// Name, shape and row-major values of each tensor. No name comes twice.
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

/// A checkpoint that was found.
#[derive(Debug)]
pub struct Loaded {
    pub checkpoint: Checkpoint,
    /// Why it is not the newest, where that one could not be used.
    pub newest_damaged: Option<RunError>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    step: u64,
    epoch: u64,
    log_len: u64,
    meta: BTreeMap<String, String>,
    order: Vec<String>,
    blake3: String,
}

/// A tensor as safetensors writes it: little-endian, whatever the machine is.
struct Values<'a> {
    shape: &'a [usize],
    values: &'a [f32],
}

impl View for Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0; self.data_len()];
        for (bytes, value) in bytes.chunks_exact_mut(4).zip(self.values) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

impl Checkpoint {
    /// The checkpoint as a safetensors file. Equal checkpoints give equal bytes.
    ///
    /// Panics where two tensors share a name or a shape does not fit its values.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut views = BTreeMap::new();
        for (name, shape, values) in &self.tensors {
            let size: usize = shape.iter().product();
            assert_eq!(size, values.len(), "`{name}` has shape {shape:?}");
            let previous = views.insert(name.as_str(), Values { shape, values });
            assert!(previous.is_none(), "two tensors are named `{name}`");
        }
        let header = Header {
            step: self.step,
            epoch: self.epoch,
            log_len: self.log_len,
            meta: self.meta.clone(),
            order: self.tensors.iter().map(|(name, ..)| name.clone()).collect(),
            blake3: self.digest(),
        };
        let header = serde_json::to_string(&header).expect("numbers and texts");
        let metadata = HashMap::from([(METADATA.to_owned(), header)]);
        safetensors::serialize(views, Some(metadata)).expect("sizes checked above")
    }

    /// Where the newest checkpoint of a stage lies.
    pub fn path(partial: &Partial) -> PathBuf {
        partial.folder().join(CURRENT)
    }

    /// Reads what [`Checkpoint::to_bytes`] wrote. The error says how the bytes differ from that.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let metadata = metadata.metadata().as_ref().and_then(|metadata| metadata.get(METADATA));
        let header = metadata.ok_or("it was not written by cpipe")?;
        let header: Header = serde_json::from_str(header).map_err(|error| error.to_string())?;

        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let mut tensors = Vec::with_capacity(header.order.len());
        for name in header.order {
            let view = file.tensor(&name).map_err(|error| error.to_string())?;
            if view.dtype() != Dtype::F32 {
                return Err(format!("`{name}` holds {}, not F32", view.dtype()));
            }
            let (values, _) = view.data().as_chunks();
            let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            tensors.push((name, view.shape().to_vec(), values));
        }
        let Header { step, epoch, log_len, meta, blake3, .. } = header;
        let checkpoint = Checkpoint { step, epoch, log_len, meta, tensors };
        if file.len() != checkpoint.tensors.len() || checkpoint.digest() != blake3 {
            return Err("it is not what was written".into());
        }
        Ok(checkpoint)
    }

    /// The digest of the contents; each part goes in with its length, so that no two checkpoints
    /// read the same.
    fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for number in [self.step, self.epoch, self.log_len, self.meta.len() as u64] {
            hasher.update(&number.to_le_bytes());
        }
        let text = |text: &str, hasher: &mut blake3::Hasher| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        for (name, value) in &self.meta {
            text(name, &mut hasher);
            text(value, &mut hasher);
        }
        for (name, shape, values) in &self.tensors {
            text(name, &mut hasher);
            hasher.update(&(shape.len() as u64).to_le_bytes());
            for size in shape {
                hasher.update(&(*size as u64).to_le_bytes());
            }
            hasher.update(&Values { shape, values }.data());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Makes this the stage's newest checkpoint, as [`Saver::save`] does.
    #[cfg(test)]
    fn save(&self, partial: &mut Partial) -> Result<(), RunError> {
        partial.saver()?.save(self)
    }

    /// The newest whole checkpoint of a stage, or `None` where it has none yet. The stage's log
    /// is set back to where it stood then.
    ///
    /// Fails with [`RunError::CheckpointDamaged`] where there are checkpoints and none is whole.
    pub fn load(partial: &mut Partial) -> Result<Option<Loaded>, RunError> {
        let Some(loaded) = newest(partial.folder())? else { return Ok(None) };
        partial.restore_log(loaded.checkpoint.log_len)?;
        if loaded.newest_damaged.is_some() {
            // Or the next save would keep the damaged one in place of this.
            let path = partial.folder().join(CURRENT);
            let restored = fs::rename(partial.folder().join(PREVIOUS), &path);
            restored.map_err(RunError::store_write(&path))?;
        }
        Ok(Some(loaded))
    }
}

/// What writes a checkpoint of a stage, also while the stage goes on. The stage must not end before.
#[derive(Debug)]
pub struct Saver {
    pub(super) folder: PathBuf,
    pub(super) log: File,
}

impl Saver {
    /// Makes it the stage's newest checkpoint, and what was the newest the one before it.
    ///
    /// At any moment of this, a whole checkpoint is on the disk if one was before.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        let folder = &self.folder;
        // The checkpoint refers to the log: the log comes first.
        self.log.sync_all().map_err(RunError::store_write(&folder.join(LOG)))?;
        let path = folder.join(CURRENT);
        let bytes = checkpoint.to_bytes();
        let write = || -> io::Result<()> {
            let new = files::write_unfinished(folder, CURRENT, &bytes)?;
            match fs::rename(&path, folder.join(PREVIOUS)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::rename(new, &path)?;
            files::sync_folder(folder)
        };
        write().map_err(RunError::store_write(&path))
    }
}

/// How far a stage in progress has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Steps taken.
    pub step: u64,
    /// Epochs completed.
    pub epoch: u64,
}

/// Where the stage in this folder would go on; changes nothing there.
pub(super) fn standing(folder: &Path) -> Result<Option<Standing>, RunError> {
    let loaded = newest(folder)?;
    Ok(loaded
        .map(|Loaded { checkpoint: Checkpoint { step, epoch, .. }, .. }| Standing { step, epoch }))
}

/// The newest whole checkpoint in a folder.
fn newest(folder: &Path) -> Result<Option<Loaded>, RunError> {
    let mut newest_damaged = None;
    for name in [CURRENT, PREVIOUS] {
        match read(&folder.join(name))? {
            None => {}
            Some(Ok(checkpoint)) => return Ok(Some(Loaded { checkpoint, newest_damaged })),
            Some(Err(error)) => newest_damaged = newest_damaged.or(Some(error)),
        }
    }
    newest_damaged.map_or(Ok(None), Err)
}

/// Reads one file; the inner error is its damage.
fn read(path: &Path) -> Result<Option<Result<Checkpoint, RunError>>, RunError> {
    let bytes = files::read_if_there(path).map_err(RunError::store_read(path))?;
    Ok(bytes.map(|bytes| {
        Checkpoint::from_bytes(&bytes)
            .map_err(|what| RunError::CheckpointDamaged { path: path.to_owned(), what })
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{StageStore, Store};

    fn example(step: u64) -> Checkpoint {
        // A quiet and a signalling NaN, both with a payload, and the smallest of numbers.
        let odd = [0x7fc0_1234, 0xff80_0001, 1, 0x8000_0000].map(f32::from_bits);
        Checkpoint {
            step,
            epoch: 3,
            log_len: 0,
            meta: BTreeMap::from([("optimizer".into(), "sgd".into())]),
            tensors: vec![
                ("z.weight".into(), vec![2, 2], odd.to_vec()),
                ("a.bias".into(), vec![1], vec![step as f32]),
                ("queue".into(), vec![0, 128], vec![]),
                ("scalar".into(), vec![], vec![0.1]),
            ],
        }
    }

    fn bits(checkpoint: &Checkpoint) -> Vec<Vec<u32>> {
        let values = checkpoint.tensors.iter().map(|(_, _, values)| values);
        values.map(|values| values.iter().map(|value| value.to_bits()).collect()).collect()
    }

    fn stage() -> (tempfile::TempDir, StageStore) {
        let folder = tempfile::tempdir().unwrap();
        let stage = Store::open(folder.path()).unwrap().stage("ab");
        (folder, stage)
    }

    #[test]
    fn every_bit_comes_back() {
        let checkpoint = example(7);
        let bytes = checkpoint.to_bytes();
        let back = Checkpoint::from_bytes(&bytes).unwrap();
        assert_eq!(bits(&back), bits(&checkpoint));
        let shapes = |c: &Checkpoint| -> Vec<_> {
            c.tensors.iter().map(|(name, shape, _)| (name.clone(), shape.clone())).collect()
        };
        assert_eq!(shapes(&back), shapes(&checkpoint));
        assert_eq!((back.step, back.epoch, back.meta), (7, 3, checkpoint.meta));
        assert_eq!(example(7).to_bytes(), bytes);
    }

    #[test]
    fn any_other_tool_can_read_the_tensors() {
        let bytes = example(7).to_bytes();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("a.bias").unwrap().data(), 7.0f32.to_le_bytes());
    }

    #[test]
    fn a_changed_byte_is_noticed_or_changes_nothing() {
        let bytes = example(7).to_bytes();
        let same = |back: &Checkpoint| bits(back) == bits(&example(7)) && back.step == 7;
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            // White space in the header, for one, says nothing.
            let back = Checkpoint::from_bytes(&changed);
            assert!(back.as_ref().map_or(true, same), "byte {at} of {}", bytes.len());
        }
        for len in 0..bytes.len() {
            assert!(Checkpoint::from_bytes(&bytes[..len]).is_err());
        }
    }

    #[test]
    fn the_newest_is_loaded_and_its_damage_costs_one_interval() {
        let (_folder, stage) = stage();
        let mut partial = stage.begin(stage.lock("me").unwrap()).unwrap();
        assert!(Checkpoint::load(&mut partial).unwrap().is_none());
        for step in 1..=3 {
            partial.log(&json!({ "step": step })).unwrap();
            Checkpoint { log_len: partial.log_len(), ..example(step) }.save(&mut partial).unwrap();
        }
        let loaded = Checkpoint::load(&mut partial).unwrap().unwrap();
        assert_eq!(loaded.checkpoint.step, 3);
        assert!(loaded.newest_damaged.is_none());

        let path = partial.folder().join(CURRENT);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 0x40;
        fs::write(&path, bytes).unwrap();
        drop(partial);
        let mut partial = stage.begin(stage.lock("me").unwrap()).unwrap();
        let loaded = Checkpoint::load(&mut partial).unwrap().unwrap();
        assert_eq!(loaded.checkpoint.step, 2);
        assert_eq!(loaded.newest_damaged.unwrap().finding().name, "checkpoint-damaged");

        // The good one has taken the place of the damaged one.
        let loaded = Checkpoint::load(&mut partial).unwrap().unwrap();
        assert_eq!(loaded.checkpoint.step, 2);
        assert!(loaded.newest_damaged.is_none());

        // The log went back with it.
        partial.log(&json!({"step": 3, "again": true})).unwrap();
        let log: Vec<Value> = partial.finish(json!(null)).unwrap().log().unwrap();
        let again = json!({"step": 3, "again": true});
        assert_eq!(log, [json!({"step": 1}), json!({"step": 2}), again]);
    }

    #[test]
    fn a_crash_while_saving_loses_nothing() {
        let (_folder, stage) = stage();
        let mut partial = stage.begin(stage.lock("me").unwrap()).unwrap();
        example(1).save(&mut partial).unwrap();
        let folder = partial.folder().to_owned();
        drop(partial);

        // In the middle of the write.
        fs::write(folder.join(".unfinished-checkpoint.safetensors"), b"half").unwrap();
        let mut partial = stage.begin(stage.lock("me").unwrap()).unwrap();
        assert_eq!(Checkpoint::load(&mut partial).unwrap().unwrap().checkpoint.step, 1);
        drop(partial);

        // Between the two renames.
        fs::rename(folder.join(CURRENT), folder.join(PREVIOUS)).unwrap();
        let mut partial = stage.begin(stage.lock("me").unwrap()).unwrap();
        let loaded = Checkpoint::load(&mut partial).unwrap().unwrap();
        assert_eq!(loaded.checkpoint.step, 1);
        assert!(loaded.newest_damaged.is_none());
    }

    #[test]
    fn damage_without_a_previous_checkpoint_is_an_error() {
        let (_folder, stage) = stage();
        let mut partial = stage.begin(stage.lock("me").unwrap()).unwrap();
        fs::write(partial.folder().join(CURRENT), b"nonsense").unwrap();
        let error = Checkpoint::load(&mut partial).unwrap_err();
        assert_eq!(error.finding().name, "checkpoint-damaged");
        let folder = partial.folder().to_str().unwrap().to_owned();
        assert!(error.help().unwrap().contains(&folder));
    }
}
