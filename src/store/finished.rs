//! The store of finished stages, addressed by what made them.
//!
//! ```text
//! <root>/<key>/            a finished stage: its outputs, metrics.jsonl and stage.json
//! <root>/<key>.partial/    a stage in progress, kept when it is interrupted
//! <root>/locks/<key>       held by whoever computes the stage
//! ```
//!
//! The key is the hash of all that determines the result. `stage.json` is written last, with the
//! size and the digest of every file, and the folder gets its final name by one rename: whenever a
//! process or a machine stops, a stage is finished and whole, or it is not finished.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::checkpoint::{self, Standing};
use super::error::RunError;
use super::files;
use super::manifest::{Contents, Lineage, Manifest};
use super::partial::Partial;

/// The version of the layout above and of `stage.json`. It belongs into each stage's key.
pub const FORMAT: u32 = 2;

pub(super) const MANIFEST: &str = "stage.json";
pub(super) const LOG: &str = "metrics.jsonl";
/// Of a stage in progress: the name of the error that has ended it.
pub(super) const FAILURE: &str = "failure";

/// How often a lock that is held is asked for again.
const ASKED_AGAIN: usize = 5;

/// A folder of finished stages.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens the store at `root`, creating it where there is none, and makes sure that it can be
    /// written.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, RunError> {
        let root = root.into();
        let made = || -> io::Result<()> {
            files::check_writable(&root)?;
            fs::create_dir_all(root.join("locks"))
        };
        made().map_err(RunError::store_write(&root))?;
        Ok(Store { root })
    }

    /// The store at `root`, only to be looked into: nothing is created, and there may be none.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Store { root: root.into() }
    }

    /// What the finished stages were made from. A stage that cannot be read is none of these.
    pub fn lineages(&self) -> Lineages {
        let mut lineages = Lineages::default();
        let Ok(entries) = fs::read_dir(&self.root) else { return lineages };
        for entry in entries.flatten() {
            let path = entry.path().join(MANIFEST);
            let Some(key) = entry.file_name().to_str().map(str::to_owned) else { continue };
            // A stage in progress may have a manifest that is about to be its own.
            if !key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                continue;
            }
            let when = fs::metadata(&path).and_then(|metadata| metadata.modified());
            let Ok(Ok(contents)) = self.stage(&key).read_manifest(&entry.path()) else { continue };
            match contents.lineage {
                Some(lineage) => lineages.known.push(Made { lineage: *lineage, when: when.ok() }),
                None => lineages.unknown += 1,
            }
        }
        lineages
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The place of one stage. `key` is the hash of what makes it, in hexadecimal.
    ///
    /// Panics where the key is no such hash: it is a file name.
    pub fn stage(&self, key: &str) -> StageStore {
        let is_hex = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_hex, "a stage's key is a hexadecimal hash, not {key:?}");
        StageStore { root: self.root.clone(), key: key.to_owned() }
    }
}

/// The place of one stage in the store, whether it is finished or not.
#[derive(Clone, Debug)]
pub struct StageStore {
    pub(super) root: PathBuf,
    pub(super) key: String,
}

/// What the store has of a stage.
#[derive(Debug)]
pub enum Lookup {
    Absent,
    Finished(Finished),
    /// Something is there that is not what was written. It is never used: the stage is computed
    /// again and takes its place.
    Damaged(RunError),
}

/// What a store says of how its stages came about.
#[derive(Clone, Debug, Default)]
pub struct Lineages {
    pub known: Vec<Made>,
    /// How many stages were stored before this was kept.
    pub unknown: usize,
}

/// A finished stage that may be another one than what is asked for.
#[derive(Clone, Debug)]
pub struct Made {
    pub lineage: Lineage,
    /// When it was finished.
    pub when: Option<SystemTime>,
}

/// How the last attempt at a stage that is not finished has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    Nothing,
    /// It was stopped, or its process or machine was.
    Interrupted,
    /// By an error of this name.
    Failed(String),
}

/// The right to compute a stage: nobody else has one for the same stage.
#[derive(Debug)]
pub struct Lock {
    /// Locked until it is closed.
    _file: File,
}

impl StageStore {
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where the stage lies once it is finished.
    pub fn folder(&self) -> PathBuf {
        self.root.join(&self.key)
    }

    fn partial_folder(&self) -> PathBuf {
        self.root.join(format!("{}.partial", self.key))
    }

    /// The finished stage, if there is one and it is whole. [`StageStore::lookup`] also tells a
    /// damaged stage from an absent one.
    pub fn finished(&self) -> Result<Option<Finished>, RunError> {
        Ok(match self.lookup()? {
            Lookup::Finished(finished) => Some(finished),
            Lookup::Absent | Lookup::Damaged(_) => None,
        })
    }

    /// What the store has of this stage, with every byte of it checked.
    pub fn lookup(&self) -> Result<Lookup, RunError> {
        let folder = self.folder();
        if !folder.try_exists().map_err(RunError::store_read(&folder))? {
            return Ok(Lookup::Absent);
        }
        let contents = match self.read_manifest(&folder)? {
            Ok(contents) => contents,
            Err(what) => return Ok(Lookup::Damaged(RunError::StageDamaged { path: folder, what })),
        };
        for (name, expected) in &contents.files {
            if let Some(what) = expected.difference(&folder.join(name))? {
                let what = format!("`{name}` {what}");
                return Ok(Lookup::Damaged(RunError::StageDamaged { path: folder, what }));
            }
        }
        Ok(Lookup::Finished(Finished { folder, contents }))
    }

    /// What an earlier attempt has left here, to be taken up by [`StageStore::begin`].
    pub fn left(&self) -> Left {
        let folder = self.partial_folder();
        match fs::read_to_string(folder.join(FAILURE)) {
            Ok(name) => Left::Failed(name),
            Err(_) if folder.is_dir() => Left::Interrupted,
            Err(_) => Left::Nothing,
        }
    }

    /// Where [`StageStore::begin`] would find the stage standing: at its newest whole checkpoint.
    /// Fails as the stage would, where it has checkpoints and none is whole.
    pub fn standing(&self) -> Result<Option<Standing>, RunError> {
        checkpoint::standing(&self.partial_folder())
    }

    /// Who computes the stage now, as [`StageStore::lock`] was told. Takes no right to it, but for
    /// the moment of asking, and leaves no file.
    pub fn holder(&self) -> Result<Option<String>, RunError> {
        let path = self.lock_file();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(RunError::StoreUnreadable { path, cause }),
        };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                Ok(Some(fs::read_to_string(&path).unwrap_or_default()))
            }
            // Where a file system knows no locks, nobody can have said that it computes this.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(None),
        }
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("locks").join(&self.key)
    }

    /// Reads `stage.json`. The inner error says how it is damaged.
    fn read_manifest(&self, folder: &Path) -> Result<Result<Contents, String>, RunError> {
        let path = folder.join(MANIFEST);
        let Some(bytes) = files::read_if_there(&path).map_err(RunError::store_read(&path))? else {
            return Ok(Err(format!("`{MANIFEST}` is missing")));
        };
        let manifest: Manifest = match serde_json::from_slice(&bytes) {
            Ok(manifest) => manifest,
            Err(error) => return Ok(Err(format!("`{MANIFEST}` cannot be read: {error}"))),
        };
        let contents = manifest.stage;
        Ok(if manifest.blake3 != contents.digest() {
            Err(format!("`{MANIFEST}` is not what was written"))
        } else if contents.format != FORMAT {
            Err(format!("its layout is version {}, not {FORMAT}", contents.format))
        } else if contents.key != self.key {
            Err(format!("it is the stage {}", contents.key))
        } else if let Some(name) = contents.files.keys().find(|name| !files::is_plain(name)) {
            Err(format!("`{name}` is no name of an output"))
        } else {
            Ok(contents)
        })
    }

    /// Takes the right to compute the stage. `who` is told to those who want it meanwhile.
    ///
    /// Fails with [`RunError::StageLocked`] while another process, or another [`Lock`] of this one,
    /// has it.
    pub fn lock(&self, who: &str) -> Result<Lock, RunError> {
        // The lock file is never removed: whoever had opened it before would hold a lock on a name
        // that somebody else then creates anew.
        let path = self.lock_file();
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        let mut file = opened.map_err(RunError::store_write(&path))?;
        let mut locked = file.try_lock();
        for _ in 0..ASKED_AGAIN {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            // Whoever asks who computes the stage holds the lock for a moment.
            thread::sleep(Duration::from_millis(2));
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {
                let told = file.set_len(0).and_then(|()| file.write_all(who.as_bytes()));
                told.map_err(RunError::store_write(&path))?;
                Ok(Lock { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                Err(RunError::StageLocked { path, holder })
            }
            Err(TryLockError::Error(cause)) => Err(RunError::StoreUnwritable { path, cause }),
        }
    }

    /// Starts the stage, or takes it up where it was left.
    pub fn begin(&self, lock: Lock) -> Result<Partial, RunError> {
        let folder = self.partial_folder();
        let prepare = || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            files::remove_if_there(&folder.join(FAILURE))?;
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(files::UNFINISHED) {
                    fs::remove_file(entry.path())?;
                }
            }
            files::sync_folder(&self.root)
        };
        prepare().map_err(RunError::store_write(&folder))?;
        Ok(Partial::new(self.clone(), folder, lock))
    }

    /// Notes that the stage in progress has ended by an error of this name, so that the next
    /// attempt does not take it for interrupted. Where that cannot be written, it will.
    pub fn note_failure(&self, name: &str) {
        let folder = self.partial_folder();
        if folder.is_dir() {
            let _ = files::write_atomic(&folder, FAILURE, name.as_bytes());
        }
    }
}

/// A finished stage, checked when it was looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub(super) folder: PathBuf,
    pub(super) contents: Contents,
}

impl Finished {
    /// Where its files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the stage found: such as an evaluation's numbers.
    pub fn result(&self) -> &Value {
        &self.contents.result
    }

    /// The names of the outputs, in alphabetical order.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.contents.files.keys().map(String::as_str).filter(|name| *name != LOG)
    }

    /// The file of an output.
    pub fn output(&self, name: &str) -> Option<PathBuf> {
        self.contents.files.contains_key(name).then(|| self.folder.join(name))
    }

    /// The bytes of an output, or `None` where the stage has none of that name.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, RunError> {
        let Some(path) = self.output(name) else { return Ok(None) };
        fs::read(&path).map(Some).map_err(RunError::store_read(&path))
    }

    /// The lines that [`Partial::log`] wrote, oldest first.
    pub fn log<T: DeserializeOwned>(&self) -> Result<Vec<T>, RunError> {
        let bytes = self.read(LOG)?.unwrap_or_default();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let parsed: Result<Vec<T>, _> = lines.map(serde_json::from_slice).collect();
        let path = self.folder.join(LOG);
        parsed.map_err(|error| RunError::LogDamaged { path, what: error.to_string() })
    }

    /// Frees the room of checkpoints. The stage is whole with them and without, so a failure is
    /// none of the run's.
    pub(super) fn remove_leftovers(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name != MANIFEST && !self.contents.files.contains_key(name.as_ref()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "0123456789abcdef";

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("deep/store")).unwrap();
        (folder, store)
    }

    fn begin(store: &Store, key: &str) -> Partial {
        let place = store.stage(key);
        place.begin(place.lock("process 1").unwrap()).unwrap()
    }

    fn finish_one(store: &Store) -> Finished {
        let mut partial = begin(store, KEY);
        partial.write("encoder.safetensors", b"weights").unwrap();
        partial.log(&json!({"step": 1, "loss": 0.5})).unwrap();
        partial.finish(json!({"steps": 1, "top1": 91.25})).unwrap()
    }

    fn damage(store: &Store) -> String {
        match store.stage(KEY).lookup().unwrap() {
            Lookup::Damaged(error) => {
                assert_eq!(error.finding().name, "stage-damaged");
                error.message()
            }
            other => panic!("the damage went unnoticed: {other:?}"),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_finished_stage_is_found_again() {
        let (_folder, store) = store();
        assert!(store.stage(KEY).finished().unwrap().is_none());
        let finished = finish_one(&store);
        // As another process sees it.
        let store = Store::open(store.root()).unwrap();
        assert_eq!(store.stage(KEY).finished().unwrap(), Some(finished.clone()));
        assert_eq!(finished.result()["top1"], 91.25);
        assert_eq!(finished.read("encoder.safetensors").unwrap().unwrap(), b"weights");
        assert_eq!(finished.outputs().collect::<Vec<_>>(), ["encoder.safetensors"]);
        assert_eq!(finished.log::<Value>().unwrap(), [json!({"step": 1, "loss": 0.5})]);
        assert_eq!(finished.output("classifier"), None);
        assert_eq!(names(store.root()), [KEY, "locks"]);
        assert!(store.stage("ff").finished().unwrap().is_none());
    }

    #[test]
    fn a_flipped_byte_or_a_missing_one_is_noticed() {
        for name in ["encoder.safetensors", LOG, MANIFEST] {
            let (_folder, store) = store();
            let path = finish_one(&store).folder.join(name);
            let bytes = fs::read(&path).unwrap();
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                // Another digit, another letter, other white space.
                flipped[at] ^= 1;
                fs::write(&path, &flipped).unwrap();
                let _ = damage(&store);
            }
            fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
            let _ = damage(&store);
            fs::remove_file(&path).unwrap();
            let message = damage(&store);
            assert!(message.contains(name) && message.contains("missing"), "{message}");
            assert!(store.stage(KEY).finished().unwrap().is_none());
        }
    }

    #[test]
    fn a_damaged_stage_is_replaced() {
        let (_folder, store) = store();
        let finished = finish_one(&store);
        fs::write(finished.output("encoder.safetensors").unwrap(), b"weighty").unwrap();
        assert!(store.stage(KEY).finished().unwrap().is_none());
        assert_eq!(finish_one(&store), finished);
        assert_eq!(store.stage(KEY).finished().unwrap(), Some(finished));
        assert_eq!(names(store.root()), [KEY, "locks"]);
    }

    #[test]
    fn a_stage_under_another_key_is_not_taken() {
        let (_folder, store) = store();
        let finished = finish_one(&store);
        let stage = store.stage("ffff");
        fs::rename(&finished.folder, stage.folder()).unwrap();
        assert!(matches!(stage.lookup().unwrap(), Lookup::Damaged(_)));
    }

    #[test]
    fn what_a_crash_leaves_is_not_finished_and_does_not_get_into_the_result() {
        let (_folder, store) = store();
        let place = store.stage(KEY);
        let mut partial = place.begin(place.lock("me").unwrap()).unwrap();
        partial.write("encoder.safetensors", b"old weights").unwrap();
        partial.write("outdated.safetensors", b"old").unwrap();
        partial.log(&json!({"step": 1})).unwrap();
        let folder = partial.folder().to_owned();
        drop(partial);
        fs::write(folder.join(".unfinished-encoder.safetensors"), b"hal").unwrap();
        fs::write(folder.join(".unfinished-stage.json"), b"{\"bla").unwrap();
        // Even a crash between the manifest and the rename.
        fs::write(folder.join(MANIFEST), b"{}").unwrap();
        assert!(matches!(place.lookup().unwrap(), Lookup::Absent));
        assert_eq!(place.left(), Left::Interrupted);

        let finished = finish_one(&store);
        assert_eq!(place.finished().unwrap(), Some(finished.clone()));
        assert_eq!(finished.log::<Value>().unwrap().len(), 1);
        assert_eq!(names(&finished.folder), ["encoder.safetensors", LOG, MANIFEST]);
        assert_eq!(place.left(), Left::Nothing);
    }

    #[test]
    fn a_failure_is_told_from_an_interruption() {
        let (_folder, store) = store();
        let place = store.stage(KEY);
        place.note_failure("too-early");
        assert_eq!(place.left(), Left::Nothing);
        drop(begin(&store, KEY));
        assert_eq!(place.left(), Left::Interrupted);
        place.note_failure("loss-not-finite");
        assert_eq!(place.left(), Left::Failed("loss-not-finite".into()));
        drop(begin(&store, KEY));
        assert_eq!(place.left(), Left::Interrupted);
        assert_eq!(names(finish_one(&store).folder()), ["encoder.safetensors", LOG, MANIFEST]);
    }

    #[test]
    fn one_stage_has_one_writer() {
        let (_folder, store) = store();
        let first = begin(&store, KEY);
        let error = Store::open(store.root()).unwrap().stage(KEY).lock("process 2").unwrap_err();
        assert_eq!(error.finding().name, "stage-locked");
        assert!(error.message().contains("process 1"), "{error}");
        begin(&store, "ff");
        drop(first);
        begin(&store, KEY);
    }

    #[test]
    fn a_stage_finished_by_somebody_else_meanwhile_is_kept() {
        let (_folder, store) = store();
        let finished = finish_one(&store);
        let mut late = begin(&store, KEY);
        late.write("encoder.safetensors", b"weights").unwrap();
        assert_eq!(late.finish(json!(null)).unwrap(), finished);
        assert_eq!(names(store.root()), [KEY, "locks"]);
    }

    #[test]
    fn the_log_resumes_where_the_checkpoint_left_it() {
        let (_folder, store) = store();
        let place = store.stage(KEY);
        let mut partial = place.begin(place.lock("me").unwrap()).unwrap();
        partial.log(&json!({"step": 1})).unwrap();
        let len = partial.log_len();
        partial.log(&json!({"step": 2, "lost": true})).unwrap();
        drop(partial);

        let mut partial = place.begin(place.lock("me").unwrap()).unwrap();
        let error = partial.restore_log(1000).unwrap_err();
        assert_eq!(error.finding().name, "log-damaged");
        partial.restore_log(len).unwrap();
        partial.log(&json!({"step": 2})).unwrap();
        let finished = partial.finish(json!(null)).unwrap();
        assert_eq!(finished.log::<Value>().unwrap(), [json!({"step": 1}), json!({"step": 2})]);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = Store::open(file.join("store")).unwrap_err();
        assert_eq!(error.finding().name, "store-unwritable");
        assert!(error.message().contains(file.to_str().unwrap()), "{error}");
        assert!(error.help().unwrap().contains("CPIPE_HOME"));
    }

    #[test]
    #[should_panic(expected = "cannot name an output")]
    fn an_output_stays_in_its_folder() {
        let (_folder, store) = store();
        let _ = begin(&store, KEY).write("../escape", b"");
    }
}
