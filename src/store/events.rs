//! What happens in a run, as it happens.
//!
//! Events go to every [`Sink`]: the terminal, the run's `events.jsonl`, a test. A line of
//! `events.jsonl` is one [`Record`]. JSON has no infinities and no NaN: such a number is written
//! as one of the texts `"nan"`, `"inf"` and `"-inf"`, and read back as the number.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::error::RunError;
use crate::evaluate::{Better, Quantity};
use crate::watch::Work;

/// Names of metrics that the reports know how to show, as the objectives of the standard library
/// and the fine-tune stages give them; others are shown as they are.
pub mod metric {
    /// The share, in 0..=1, of right choices: in pre-training of a view's own partner among the
    /// negatives, in fine-tuning of the label.
    pub const ACCURACY: &str = "accuracy";
    /// How far the normalised features of a batch lie apart: 0 where all are the same, 1 where
    /// they cover the sphere evenly.
    pub const SPREAD: &str = "spread";
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    RunStarted {
        pipeline: String,
        /// The hash of the canonical graph.
        graph: String,
        device: String,
        seed: u64,
        /// The version of cpipe.
        version: String,
        /// The folder of the run's record.
        folder: PathBuf,
    },
    StageStarted {
        stage: String,
        /// The keyword: `pretrain`, `finetune`, `evaluate`.
        kind: String,
        /// Why it is not taken from the store.
        reason: String,
        /// The training's length in steps, for a stage that trains.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<u64>,
        /// The same in epochs, where the length is a whole number of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epochs: Option<u64>,
    },
    /// Another process is computing the stage; its result is waited for.
    StageWaiting {
        stage: String,
        /// Who that is, as far as it is known: `process 4711, recorded in runs/moco-1`.
        holder: String,
    },
    /// The stage was finished before and is taken from the store.
    StageCached {
        stage: String,
        kind: String,
    },
    /// The stage goes on after `step` steps and `epoch` epochs.
    StageResumed {
        stage: String,
        step: u64,
        epoch: u64,
    },
    Step {
        stage: String,
        #[serde(flatten)]
        measured: Measured,
        #[serde(with = "number")]
        images_per_second: f64,
    },
    /// An epoch is complete. `measured` holds the means over its steps, and its last step's
    /// counters and learning rate.
    Epoch {
        stage: String,
        #[serde(flatten)]
        measured: Measured,
        #[serde(with = "number")]
        images_per_second: f64,
    },
    CheckpointSaved {
        stage: String,
        step: u64,
    },
    /// A number that the run was for, whether computed now or taken from the store.
    EvaluationResult {
        stage: String,
        /// What was measured, in the field's words: `kNN top-1`.
        what: String,
        /// In its unit.
        #[serde(with = "number")]
        value: f64,
        unit: Quantity,
        /// Which of two numbers would be the better.
        better: Better,
        /// How, in cpipe's words: `knn(k: 200, temperature: 0.1), 10000 test images`.
        protocol: String,
    },
    /// What an evaluation of a training's history has found of an encoder that has just been kept.
    /// It is told again, as a result, when the turn of the evaluation comes.
    EncoderJudged {
        /// The evaluation.
        stage: String,
        what: String,
        #[serde(with = "number")]
        value: f64,
        unit: Quantity,
    },
    StageFinished {
        stage: String,
        #[serde(with = "number")]
        seconds: f64,
    },
    /// Something to look at that does not stop the run.
    Warning {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<String>,
        /// The stable name: `checkpoint-damaged`.
        name: String,
        message: String,
    },
    /// Stopped by Ctrl-C or a termination signal; the same command goes on from here.
    Interrupted {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<String>,
    },
    RunFailed {
        name: String,
        message: String,
    },
    RunFinished {
        #[serde(with = "number")]
        seconds: f64,
    },
}

impl Event {
    /// A warning about a fault that the run gets around.
    pub fn warning(stage: &str, error: &RunError) -> Self {
        let message = match error.help() {
            Some(help) => format!("{}; {help}", error.message()),
            None => error.message(),
        };
        Event::Warning {
            stage: Some(stage.to_owned()),
            name: error.finding().name.to_owned(),
            message,
        }
    }
}

/// What a step of training is measured by; nothing in it depends on the clock, so a stage keeps it
/// in its log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Steps taken, this one included.
    pub step: u64,
    /// Epochs begun, this one included.
    pub epoch: u64,
    #[serde(with = "number")]
    pub loss: f64,
    /// The learning rate.
    #[serde(with = "number")]
    pub lr: f64,
    /// Further numbers by name; see [`metric`].
    #[serde(default, with = "numbers", skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
}

/// An event with its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub time: u64,
    #[serde(flatten)]
    pub event: Event,
}

/// Whoever wants to know.
pub trait Sink: Send {
    /// Takes note of an event. An error stops the run.
    fn receive(&mut self, record: &Record) -> Result<(), RunError>;

    /// Is told how far a piece of work is, many times a second; `None` at its end. Nothing in it
    /// is worth keeping.
    fn work(&mut self, _work: Option<&Work>) {}
}

/// Passes each event to every sink. Cloned handles share the sinks.
#[derive(Clone, Default)]
pub struct Events {
    sinks: Arc<Mutex<Vec<Box<dyn Sink>>>>,
}

impl Events {
    pub fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        Events { sinks: Arc::new(Mutex::new(sinks)) }
    }

    /// Adds a sink, which is told of what happens from now on.
    pub fn add(&self, sink: Box<dyn Sink>) {
        self.sinks().push(sink);
    }

    /// Tells every sink how far a piece of work is.
    pub fn work(&self, work: Option<Work>) {
        self.sinks().iter_mut().for_each(|sink| sink.work(work.as_ref()));
    }

    /// Tells every sink, now. One that fails does not keep the event from the others; the first
    /// error is returned.
    pub fn emit(&self, event: Event) -> Result<(), RunError> {
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let time = time.unwrap_or(Duration::ZERO).as_millis() as u64;
        let record = Record { time, event };
        let mut result = Ok(());
        for sink in self.sinks().iter_mut() {
            result = result.and(sink.receive(&record));
        }
        result
    }

    fn sinks(&self) -> MutexGuard<'_, Vec<Box<dyn Sink>>> {
        // A sink that panicked in another thread has at most lost its own event.
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes one JSON object a line. Each is passed to the system as it happens, so the file is
/// complete however the process ends; after a power cut its last line may be torn.
pub struct JsonLines {
    path: PathBuf,
    file: File,
    /// The bytes of whole lines.
    written: u64,
}

impl JsonLines {
    /// Starts the file `path`, which must not exist yet.
    pub fn create(path: &Path) -> Result<Self, RunError> {
        let file = File::create_new(path).map_err(RunError::record_write(path))?;
        Ok(JsonLines { path: path.to_owned(), file, written: 0 })
    }
}

impl Sink for JsonLines {
    fn receive(&mut self, record: &Record) -> Result<(), RunError> {
        let line = serde_json::to_vec(record).map_err(Into::into).and_then(|mut line| {
            line.push(b'\n');
            let written = self.file.write_all(&line);
            match written {
                Ok(()) => self.written += line.len() as u64,
                // What a full disk has taken of it would spoil the next line.
                Err(_) => {
                    let _ = self.file.set_len(self.written);
                    let _ = self.file.seek(SeekFrom::Start(self.written));
                }
            }
            written
        });
        line.map_err(RunError::record_write(&self.path))
    }
}

/// Keeps the events for whoever holds a clone.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Vec<Event>>>);

impl Memory {
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Memory {
    fn receive(&mut self, record: &Record) -> Result<(), RunError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.event.clone());
        Ok(())
    }
}

/// A number that may be none of JSON's.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Other(Other),
}

#[derive(Serialize, Deserialize)]
enum Other {
    #[serde(rename = "nan")]
    Nan,
    #[serde(rename = "inf")]
    Infinity,
    #[serde(rename = "-inf")]
    MinusInfinity,
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        if value.is_nan() {
            Number::Other(Other::Nan)
        } else if value == f64::INFINITY {
            Number::Other(Other::Infinity)
        } else if value == f64::NEG_INFINITY {
            Number::Other(Other::MinusInfinity)
        } else {
            Number::Finite(value)
        }
    }
}

impl From<Number> for f64 {
    fn from(number: Number) -> Self {
        match number {
            Number::Finite(value) => value,
            Number::Other(Other::Nan) => f64::NAN,
            Number::Other(Other::Infinity) => f64::INFINITY,
            Number::Other(Other::MinusInfinity) => f64::NEG_INFINITY,
        }
    }
}

/// For `#[serde(with)]`: an `f64` of any value.
mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Number;

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Number::from(*value).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Number::deserialize(deserializer).map(f64::from)
    }
}

/// For `#[serde(with)]`: `f64`s of any value by name.
mod numbers {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::Number;

    type Map<T> = BTreeMap<String, T>;

    pub fn serialize<S: Serializer>(values: &Map<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(values.iter().map(|(name, value)| (name, Number::from(*value))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<f64>, D::Error> {
        let values = Map::<Number>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|(name, number)| (name, number.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    fn step(loss: f64) -> Event {
        let metrics = BTreeMap::from([(metric::SPREAD.to_owned(), f64::NEG_INFINITY)]);
        let measured = Measured { step: 12, epoch: 1, loss, lr: 0.06, metrics };
        Event::Step { stage: "base".into(), measured, images_per_second: f64::INFINITY }
    }

    #[test]
    fn a_record_is_one_flat_object() {
        let record = Record { time: 1_700_000_000_000, event: step(4.5) };
        let expected = json!({
            "time": 1_700_000_000_000u64, "event": "step", "stage": "base", "step": 12, "epoch": 1,
            "loss": 4.5, "lr": 0.06, "metrics": {"spread": "-inf"},
            "images_per_second": "inf",
        });
        assert_eq!(serde_json::to_value(&record).unwrap(), expected);
    }

    #[test]
    fn numbers_that_json_lacks_come_back() {
        for loss in [0.1, -0.0, 1e-310, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let text = serde_json::to_string(&Record { time: 1, event: step(loss) }).unwrap();
            let _: Value = serde_json::from_str(&text).unwrap();
            let back: Record = serde_json::from_str(&text).unwrap();
            let Event::Step { measured, images_per_second, .. } = back.event else {
                panic!("{text}")
            };
            assert_eq!(measured.loss.to_bits(), loss.to_bits(), "{text}");
            assert_eq!(measured.metrics[metric::SPREAD], f64::NEG_INFINITY);
            assert_eq!(images_per_second, f64::INFINITY);
        }
    }

    #[test]
    fn every_event_survives_its_line() {
        let name = || "base".to_owned();
        let events = [
            Event::RunStarted {
                pipeline: name(),
                graph: name(),
                device: name(),
                seed: u64::MAX,
                version: name(),
                folder: "runs/x".into(),
            },
            Event::StageStarted {
                stage: name(),
                kind: name(),
                reason: name(),
                steps: Some(3),
                epochs: None,
            },
            Event::StageWaiting { stage: name(), holder: name() },
            Event::StageCached { stage: name(), kind: name() },
            Event::StageResumed { stage: name(), step: 3, epoch: 1 },
            Event::Epoch {
                stage: name(),
                measured: Measured { loss: 1.0, ..Measured::default() },
                images_per_second: 2.0,
            },
            Event::CheckpointSaved { stage: name(), step: 3 },
            Event::EncoderJudged {
                stage: name(),
                what: "kNN top-1 after epoch 2".into(),
                value: 0.25,
                unit: Quantity::Share,
            },
            Event::EvaluationResult {
                stage: name(),
                what: name(),
                value: 0.915,
                unit: Quantity::Share,
                better: Better::Higher,
                protocol: name(),
            },
            Event::StageFinished { stage: name(), seconds: 1.5 },
            Event::Warning { stage: None, name: name(), message: "line\nbreak".into() },
            Event::Interrupted { stage: Some(name()) },
            Event::RunFailed { name: name(), message: name() },
            Event::RunFinished { seconds: 2.0 },
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let memory = Memory::default();
        let sinks = Events::new(vec![
            Box::new(JsonLines::create(&path).unwrap()),
            Box::new(memory.clone()),
        ]);
        for event in &events {
            sinks.emit(event.clone()).unwrap();
        }
        assert_eq!(memory.events(), events);
        let text = fs::read_to_string(&path).unwrap();
        let back: Vec<Record> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(back.iter().all(|record| record.time > 1_600_000_000_000));
        assert_eq!(back.into_iter().map(|record| record.event).collect::<Vec<_>>(), events);
    }

    #[test]
    fn a_failing_sink_is_told_and_does_not_silence_the_others() {
        struct Full;
        impl Sink for Full {
            fn receive(&mut self, _: &Record) -> Result<(), RunError> {
                let cause = std::io::ErrorKind::StorageFull.into();
                Err(RunError::RunFolderUnwritable { path: "/runs".into(), cause })
            }
        }
        let memory = Memory::default();
        let events = Events::new(vec![Box::new(Full), Box::new(memory.clone())]);
        let error = events.emit(step(1.0)).unwrap_err();
        assert_eq!(error.finding().name, "run-folder-unwritable");
        assert_eq!(memory.events().len(), 1);
    }

    #[test]
    fn an_existing_record_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, b"{}").unwrap();
        assert!(JsonLines::create(&path).is_err());
    }
}
