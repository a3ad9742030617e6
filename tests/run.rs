//! Runs, small enough to take seconds: what is kept, what is repeated, what goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cpipe::Request;
use cpipe::device;
use cpipe::interrupt::Interrupt;
use cpipe::run::folder::RunFolder;
use cpipe::run::{Cause, Contents, Failure, Locations, Run};
use cpipe::store::Store;
use cpipe::store::error::RunError;
use cpipe::store::events::{Event, Events, Memory, Record, Sink};
use cpipe::train::{NotFinite, TrainError};

use crate::language::{OWN, with_teacher};
use crate::support::{SMALL, with};

/// The device of the tests for which it does not matter: the embedded one, if it is built in.
const DEVICE: &str = if cfg!(feature = "flex") { "flex" } else { "libtorch-cpu" };

/// A place for the stores and records of one test.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs a pipeline in the store called `store`; what happened, and how it ended.
    fn run(
        &self,
        source: &str,
        overrides: &[&str],
        store: &str,
        device: &str,
        stop: Stop,
    ) -> (Vec<Event>, Result<PathBuf, Failure>) {
        let overrides: Vec<String> = overrides.iter().map(|over| (*over).to_owned()).collect();
        let request = Request { overrides: &overrides, required: true, ..Request::default() };
        let compilation = with(source, &request);
        let compiled =
            compilation.compiled.unwrap_or_else(|| panic!("{:?}", compilation.diagnostics));
        let folder = RunFolder::create(&self.path().join("runs"), "test", SystemTime::now())
            .expect("a folder");
        let memory = Memory::default();
        let interrupt = Interrupt::default();
        let stopper = Stopper { stop, interrupt: interrupt.clone() };
        let run = Run {
            graph: &compiled.graph,
            values: &compiled.resolved,
            seed: 1,
            device: device::select(device).expect("it is built in"),
            store: Store::open(self.path().join(store)).expect("a folder"),
            locations: Locations {
                data_dir: None,
                environment: None,
                cache: self.path().join("data"),
                offline: true,
                mirror: None,
            },
            contents: Contents::default(),
            events: Events::new(vec![Box::new(memory.clone()), Box::new(stopper)]),
            interrupt,
            wait: true,
        };
        let result = run.prepare(self.path()).and_then(|prepared| run.execute(prepared, &folder));
        let result = result.map(|_| folder.path().to_owned());
        (memory.events(), result)
    }

    fn whole(&self, source: &str, overrides: &[&str], store: &str) -> (Vec<Event>, PathBuf) {
        let (events, result) = self.run(source, overrides, store, DEVICE, Stop::Never);
        (events, result.unwrap_or_else(|failure| panic!("{failure:?}")))
    }
}

/// When a run is asked to stop, as by Ctrl-C.
#[derive(Clone, Copy, PartialEq)]
enum Stop {
    Never,
    /// After the first step.
    Step,
    /// After the first checkpoint, at the end of an epoch.
    Checkpoint,
}

struct Stopper {
    stop: Stop,
    interrupt: Interrupt,
}

impl Sink for Stopper {
    fn receive(&mut self, record: &Record) -> Result<(), RunError> {
        let asked = match record.event {
            Event::Step { .. } => self.stop == Stop::Step,
            Event::CheckpointSaved { .. } => self.stop == Stop::Checkpoint,
            _ => false,
        };
        if asked {
            self.interrupt.request();
        }
        Ok(())
    }
}

fn cached(events: &[Event]) -> Vec<&str> {
    let cached = events.iter().filter_map(|event| match event {
        Event::StageCached { stage, .. } => Some(stage.as_str()),
        _ => None,
    });
    cached.collect()
}

fn started(events: &[Event]) -> Vec<&str> {
    let started = events.iter().filter_map(|event| match event {
        Event::StageStarted { stage, .. } => Some(stage.as_str()),
        _ => None,
    });
    started.collect()
}

fn results(events: &[Event]) -> Vec<(String, f64)> {
    let results = events.iter().filter_map(|event| match event {
        Event::EvaluationResult { what, value, .. } => Some((what.clone(), *value)),
        _ => None,
    });
    results.collect()
}

/// What training has left that depends on its numbers.
fn bits(record: &Path) -> Vec<Vec<u8>> {
    let files = [
        "base.encoder.safetensors",
        "base.metrics.jsonl",
        "classifier.model.safetensors",
        "classifier.metrics.jsonl",
    ];
    files
        .map(|file| fs::read(record.join(file)).unwrap_or_else(|error| panic!("{file}: {error}")))
        .into()
}

#[test]
fn a_second_run_computes_nothing_and_a_changed_stage_only_itself() {
    let place = Place::new();
    let (first, record) = place.whole(SMALL, &[], "store");
    assert_eq!(started(&first), ["base", "neighbours", "classifier", "accuracy"]);
    let what: Vec<String> = results(&first).into_iter().map(|(what, _)| what).collect();
    assert_eq!(what, ["kNN top-1 after epoch 1", "kNN top-1 after epoch 2", "top-1"]);

    let (second, again) = place.whole(SMALL, &[], "store");
    assert_eq!(started(&second), [""; 0]);
    assert_eq!(cached(&second).len(), 4);
    assert_eq!(results(&second), results(&first), "results are told again");
    assert_eq!(bits(&again), bits(&record));

    let (third, _) = place.whole(SMALL, &["tune_lr=0.05"], "store");
    assert_eq!(cached(&third), ["base", "neighbours"]);
    assert_eq!(started(&third), ["classifier", "accuracy"]);
}

/// By neighbours, by a linear probe, and by two views of each image.
#[test]
fn what_a_training_keeps_is_judged_as_it_is_kept() {
    let place = Place::new();
    let line = "  evaluate neighbours { model: base.history, protocol: knn(k: 5), fit: data.train, on: data.test }\n";
    let program = SMALL.replace(
        line,
        &format!(
            "{line}
  evaluate probe {{ model: base.history, protocol: linear_probe(iterations: 30), fit: data.train, on: data.test }}
  evaluate close {{ model: base.history, protocol: alignment(), on: data.test, views: moco_v2_crops(size: 32) }}
"
        ),
    );
    assert_ne!(program, SMALL);
    let (events, first_record) = place.whole(&program, &[], "store");
    let judged: Vec<(usize, String, f64)> = (events.iter().enumerate())
        .filter_map(|(at, event)| match event {
            Event::EncoderJudged { what, value, .. } => Some((at, what.clone(), *value)),
            _ => None,
        })
        .collect();
    let epochs: Vec<usize> = (events.iter().enumerate())
        .filter(|(_, event)| matches!(event, Event::Epoch { stage, .. } if stage == "base"))
        .map(|(at, _)| at)
        .collect();
    let expected = [1, 2].map(|epoch| {
        ["kNN top-1", "linear probe top-1", "alignment"]
            .map(|own| format!("{own} after epoch {epoch}"))
    });
    let named: Vec<&String> = judged.iter().map(|(_, what, _)| what).collect();
    assert_eq!(named, expected.iter().flatten().collect::<Vec<_>>());
    assert!(epochs[0] < judged[0].0 && judged[2].0 < epochs[1] && epochs[1] < judged[3].0);
    // Views of an image differ, and what is normalised is no further apart than two.
    assert!(judged[2].2 > 0.0 && judged[2].2 < 4.0, "{judged:?}");

    // Trained by itself, and judged afterwards, it is the same encoder with the same results.
    let (_, trained) = place.whole(&SMALL.replace(line, ""), &[], "another");
    let (after, record) = place.whole(&program, &[], "another");
    assert_eq!(started(&after), ["neighbours", "probe", "close"]);
    let by_stage = [0, 3, 1, 4, 2, 5].map(|at| (judged[at].1.clone(), judged[at].2));
    assert_eq!(by_stage, results(&after)[..6]);
    assert_eq!(bits(&trained), bits(&first_record));
    assert_eq!(bits(&record), bits(&first_record));
}

#[test]
fn the_record_of_a_run() {
    let place = Place::new();
    let (_, record) = place.whole(SMALL, &["epochs=1 epochs"], "store");
    for file in ["graph.ron", "values.json", "events.jsonl", "results.json", "report.txt"] {
        let is_events = file == "events.jsonl";
        // The events go through a sink of the command line, which this test replaces.
        assert_eq!(
            record.join(file).exists(),
            !is_events && !matches!(file, "graph.ron" | "values.json"),
            "{file}"
        );
    }
    let report = fs::read_to_string(record.join("report.txt")).expect("a report");
    assert!(
        report.contains("accuracy: top-1") && report.contains("nothing was selected on them"),
        "{report}"
    );
    let metrics = fs::read_to_string(record.join("base.metrics.jsonl")).expect("metrics");
    assert_eq!(metrics.lines().count(), 4, "one line a step");
    let line: serde_json::Value =
        serde_json::from_str(metrics.lines().next().expect("a line")).expect("JSON");
    for name in ["step", "epoch", "loss", "lr"] {
        assert!(line[name].is_number(), "{name} in {line}");
    }
    assert!(
        line["metrics"]["accuracy"].is_number() && line["metrics"]["spread"].is_number(),
        "{line}"
    );
}

/// An objective with state of every kind: an average of a network, a queue, a memory by example and
/// its clusters, a mean over batches, prototypes that are held at first, and what depends on the step.
const STATEFUL: &str = "\
define stateful(encoder: Encoder, dim: Int > 0 = 16) -> Objective {
  let online  = encoder >> mlp(hidden: 16, out: dim, norm: batch)
  let target  = ema(online, momentum: cosine(from: 0.9, to: 1.0))
  let centres = prototypes(count: 8, frozen: 2 steps)
  given views a, b and index i
  let z       = normalize(online(a))
  let k       = normalize(grouped_norm(target, groups: 2, shuffle: true)(b))
  let earlier = fifo(k, size: 32)
  let memory  = bank(k, index: i, momentum: 0.5)
  let centred = normalize(k - running_mean(k))
  let shares  = sinkhorn(centres(k), epsilon: 0.05)
  let middles = clusters(memory, count: 8, rounds: 2)
  let drawn   = gather(memory, rows: random_rows(memory, count: 4))
  minimize info_nce(z, k, negatives: earlier, temperature: cosine(from: 0.5, to: 0.1))
    + (mean(log_sum_exp(similarity(z, middles))) + mean(square(similarity(z, drawn)))) / 10
    + pick(similarity(z / 0.1, memory), rows: i) / 10 + cosine_distance(z, centred)
    - mean(sum(shares * log_softmax(centres(z), 0.1), over: last))
  report spread = spread(z)
  export teacher = target.encoder
}

";

fn stateful() -> String {
    let moco = "moco_v2(backbone, queue: 32, momentum: 0.9, temperature: 0.1, dim: 16)";
    let pipeline =
        SMALL.replace("use std.objectives.moco_v2\n", "").replace(moco, "stateful(backbone)");
    let start = pipeline.find("pipeline small").expect("a pipeline");
    format!("{}{STATEFUL}{}", &pipeline[..start], &pipeline[start..])
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    goes_on(SMALL, bits);
}

#[test]
fn state_of_every_kind_goes_on_to_the_same_bits() {
    goes_on(&stateful(), |record| {
        let teacher = record.join("base.teacher.safetensors");
        [bits(record), vec![fs::read(teacher).expect("an output")]].concat()
    });
}

/// Stops a run, takes it up, and compares what it leaves with an undisturbed one.
fn goes_on(source: &str, bits: impl Fn(&Path) -> Vec<Vec<u8>>) {
    let place = Place::new();
    let (_, undisturbed) = place.whole(source, &[], "undisturbed");
    for (store, stop) in [("by-step", Stop::Step), ("by-epoch", Stop::Checkpoint)] {
        let (events, result) = place.run(source, &[], store, DEVICE, stop);
        assert!(result.expect_err("it was stopped").is_interrupt());
        assert_eq!(started(&events), ["base"]);
        let (events, record) = place.whole(source, &[], store);
        let resumed = events.iter().any(|event| matches!(event, Event::StageResumed { stage, step, .. } if stage == "base" && *step > 0));
        assert!(resumed, "{events:?}");
        assert!(bits(&record) == bits(&undisturbed), "{store} differs from an undisturbed run");
        assert_eq!(results(&events).len(), 3);
    }
}

#[test]
fn equal_seeds_give_equal_bits() {
    let place = Place::new();
    let (_, one) = place.whole(SMALL, &["epochs=1 epochs"], "one");
    let (_, other) = place.whole(SMALL, &["epochs=1 epochs"], "other");
    assert!(bits(&one) == bits(&other));
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let place = Place::new();
    let (_, result) = place.run(SMALL, &["lr=1e18"], "store", DEVICE, Stop::Never);
    let failure = result.expect_err("such a learning rate diverges");
    assert_eq!(failure.stage.as_deref(), Some("base"));
    let Cause::Train(TrainError::NotFinite(NotFinite { step, .. })) = failure.cause else {
        panic!("{failure:?}")
    };
    assert!(step > 1);
    assert!(
        failure.cause.message().contains(&format!("in step {step}")),
        "{}",
        failure.cause.message()
    );
}

#[test]
fn a_damaged_store_is_noticed_and_repaired() {
    let place = Place::new();
    let (_, record) = place.whole(SMALL, &["epochs=1 epochs"], "store");
    let before = bits(&record);
    // The record may share its files with the store.
    drop(fs::remove_dir_all(&record));
    let stages = fs::read_dir(place.path().join("store")).expect("the store");
    let mut damaged = 0;
    for stage in stages {
        let file = stage.expect("an entry").path().join("model.safetensors");
        if let Ok(mut bytes) = fs::read(&file) {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(&file, bytes).expect("the store is writable");
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    let (events, record) = place.whole(SMALL, &["epochs=1 epochs"], "store");
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Warning { name, .. } if name == "stage-damaged"))
    );
    assert_eq!(started(&events), ["classifier"]);
    assert!(bits(&record) == before);
}

/// An evaluation judges what its views make of the images; features of others are not taken for it.
#[test]
fn an_evaluation_looks_at_its_views() {
    let source = "\
use std.augment.{center_crop, identity}
use std.datasets.shapes
use std.encoders.resnet18

pipeline judged() {
  dataset data     = shapes(train: 64, test: 40)
  encoder backbone = resnet18(stem: small, width: 4)
  evaluate plain { model: backbone, protocol: rank_me(), on: data.test }
  evaluate middle { model: backbone, protocol: rank_me(), on: data.test, views: center_crop(size: 16) }
  evaluate same { model: backbone, protocol: rank_me(), on: data.test.unlabeled, views: identity() }
}
";
    let place = Place::new();
    let (events, record) = place.whole(source, &[], "store");
    let values: Vec<f64> = results(&events).into_iter().map(|(_, value)| value).collect();
    let [plain, middle, same] = values[..] else { panic!("{values:?}") };
    assert_eq!(plain, same);
    assert!((plain - middle).abs() > 1e-6, "{plain} {middle}");
    let results = fs::read_to_string(record.join("results.json")).expect("a file");
    assert_eq!(results.matches("plain images").count(), 1, "{results}");
    assert!(results.contains("features, images by center_crop(size: 16); on"), "{results}");
    // Each has left a picture of what it was shown.
    for stage in ["plain", "middle", "same"] {
        let drawn = fs::read_to_string(record.join(format!("{stage}.map.svg"))).expect("a map");
        assert_eq!(drawn.matches("<image ").count(), 40);
    }
}

/// Of two encoders, each of which has a recipe of its own, the features stand behind each other.
#[test]
fn two_encoders_are_judged_together() {
    let source = "\
use std.augment.{lab_colors, lab_lightness, per_view}
use std.datasets.shapes
use std.encoders.{convnet, resnet18}

pipeline judged() {
  dataset data    = shapes(train: 64, test: 40)
  augment parts   = per_view(first: lab_lightness(), others: lab_colors())
  encoder light   = resnet18(stem: small, width: 4)
  encoder colours = convnet(width: 4)
  evaluate one { model: light, protocol: rank_me(), on: data.test, views: lab_lightness() }
  evaluate both { model: light, beside: colours, protocol: rank_me(), on: data.test, views: parts }
  evaluate plain { model: light, beside: colours, protocol: rank_me(), on: data.test }
  evaluate probe {
    model: light, beside: colours, protocol: linear_probe(), fit: data.train, on: data.test, views: parts
  }
}
";
    let place = Place::new();
    let (events, record) = place.whole(source, &[], "store");
    let values: Vec<f64> = results(&events).into_iter().map(|(_, value)| value).collect();
    let [one, both, plain, _] = values[..] else { panic!("{values:?}") };
    assert!(both > one && (both - plain).abs() > 1e-6, "{values:?}");
    let results = fs::read_to_string(record.join("results.json")).expect("a file");
    assert_eq!(results.matches("both encoders' 64 ").count(), 3, "{results}");
    assert_eq!(results.matches("the encoder's 32 ").count(), 1, "{results}");
}

/// Features in bfloat16 are others, and the results say so.
#[cfg(feature = "libtorch")]
#[test]
fn an_evaluation_computes_in_its_precision() {
    let own = device::select("libtorch-cpu").expect("it is built in");
    if own.offers(device::Precision::Bf16).is_err() {
        eprintln!("skipped: this processor has no bf16");
        return;
    }
    let source = "\
use std.datasets.shapes
use std.encoders.resnet18

pipeline judged() {
  dataset data     = shapes(train: 64, test: 40)
  encoder backbone = resnet18(stem: small, width: 4)
  evaluate exact { model: backbone, protocol: rank_me(), on: data.test }
  evaluate rounded { model: backbone, protocol: rank_me(), on: data.test, precision: bf16 }
}
";
    let place = Place::new();
    let (events, record) = place.run(source, &[], "store", "libtorch-cpu", Stop::Never);
    let values: Vec<f64> = results(&events).into_iter().map(|(_, value)| value).collect();
    let [exact, rounded] = values[..] else { panic!("{values:?}") };
    let apart = (exact - rounded).abs() / exact;
    assert!(apart > 1e-7 && apart < 0.05, "{exact} {rounded}");
    let record = record.unwrap_or_else(|failure| panic!("{failure:?}"));
    let results = fs::read_to_string(record.join("results.json")).expect("a file");
    assert_eq!(results.matches("; network in bf16").count(), 1, "{results}");
}

#[test]
fn an_objective_of_a_users_own_trains() {
    let place = Place::new();
    let (events, _) = place.whole(OWN, &[], "store");
    let epoch = events.iter().find_map(|event| match event {
        Event::Epoch { measured, .. } => Some(measured.clone()),
        _ => None,
    });
    let measured = epoch.expect("an epoch");
    assert!(measured.loss.is_finite() && measured.metrics["spread"] > 0.0, "{measured:?}");
}

#[test]
fn what_an_objective_exports_is_kept_and_judged() {
    let place = Place::new();
    let (events, record) = place.whole(&with_teacher(), &[], "store");
    assert_eq!(results(&events).len(), 2);
    let read = |name: &str| fs::read(record.join(name)).expect("an output");
    let [encoder, teacher] = ["base.encoder.safetensors", "base.teacher.safetensors"].map(read);
    assert!(encoder.len() == teacher.len() && encoder != teacher);
}

/// A student learns from an encoder that another stage has trained, and that stays as it is.
#[test]
fn an_encoder_of_another_stage_teaches() {
    let place = Place::new();
    let distil = "\
define distil(student: Encoder, teacher: Encoder) -> Objective {
  let follower = student >> linear(out: teacher.width)
  let leader   = frozen(teacher)
  given view a
  minimize cosine_distance(follower(a), leader(a))
  report spread = spread(follower(a))
}

pipeline own";
    let stage = "\
  pretrain small {
    data: data.train.unlabeled, views: moco_v2_crops(size: 32)
    objective: distil(resnet18(stem: small, width: 2), base.teacher)
    optimizer: sgd(lr: 0.1), length: 1 epochs, batch: 16
  }
}
";
    let source = with_teacher().replace("pipeline own", distil);
    let source = source.trim_end().strip_suffix('}').expect("a pipeline").to_owned() + stage;
    let loss = |events: &[Event]| {
        let mut epochs = events.iter().filter_map(|event| match event {
            Event::Epoch { stage, measured, .. } if stage == "small" => Some(measured.loss),
            _ => None,
        });
        epochs.next().expect("an epoch")
    };
    let (events, _) = place.whole(&source, &["epochs=1 epochs"], "store");
    let taught = loss(&events);
    // Of a teacher that is drawn anew, another.
    let fresh = source.replace("width: 2), base.teacher)", "width: 2), backbone)");
    let (events, _) = place.whole(&fresh, &["epochs=1 epochs"], "store");
    assert!(taught.is_finite() && taught != loss(&events));
}

#[test]
fn the_head_alone_leaves_the_encoder_as_it_was() {
    let place = Place::new();
    let source = SMALL
        .replace("tune_lr, momentum: 0.9), length", "tune_lr, momentum: 0.9), train: head, length");
    let (_, record) = place.whole(&source, &["epochs=1 epochs"], "store");
    let read = |name: &str| fs::read(record.join(name)).expect("an output");
    assert!(read("base.encoder.safetensors") == read("classifier.encoder.safetensors"));
}

/// Both backends train the same, to rounding, where nothing has collapsed.
#[cfg(all(feature = "flex", feature = "libtorch"))]
#[test]
fn backends_agree() {
    let place = Place::new();
    // Loss and spread of each step.
    let curve = |device: &str, lr: &str| -> Vec<[f64; 2]> {
        let lr = format!("lr={lr}");
        let overrides = ["epochs=10 steps", "width=8", "base.batch=32", "moco.queue=64", &lr];
        let (_, result) = place.run(SMALL, &overrides, device, device, Stop::Never);
        let record = result.unwrap_or_else(|failure| panic!("{failure:?}"));
        let metrics = fs::read_to_string(record.join("base.metrics.jsonl")).expect("metrics");
        let step = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            [&line["loss"], &line["metrics"]["spread"]].map(|n| n.as_f64().expect("a number"))
        };
        metrics.lines().map(step).collect()
    };
    // At larger rates this network is chaotic: after ten steps a rate that differs by a millionth
    // moves the loss more than a tenth of a percent.
    let (flex, libtorch) = (curve("flex", "0.001"), curve("libtorch-cpu", "0.001"));
    assert_eq!((flex.len(), libtorch.len()), (10, 10));
    for ([a, spread], [b, _]) in flex.iter().zip(&libtorch) {
        assert!(*spread > 0.2, "a collapsed network tells nothing: {flex:?}");
        assert!((a - b).abs() <= 1e-4 * a, "{flex:?} and {libtorch:?}");
    }
    // What the weights have learned shows in the losses beyond that.
    let still = curve("flex", "1e-9");
    let moved = |([a, _], [b, _]): (&[f64; 2], &[f64; 2])| (a - b).abs() > 5e-4 * a;
    assert!(flex.iter().zip(&still).any(moved), "{flex:?} and {still:?}");
}

/// More than is free, but no more than the machine has: that the checker lets through.
#[cfg(target_os = "linux")]
#[test]
fn what_does_not_fit_into_free_memory_is_refused_before_anything_is_written() {
    let told = fs::read_to_string("/proc/meminfo").expect("Linux says so");
    let total = told.lines().find_map(|line| line.strip_prefix("MemTotal:")).expect("a total");
    let kibibytes: u64 = total.trim().trim_end_matches("kB").trim_end().parse().expect("a number");
    let images = kibibytes * 1024 / (3 * 32 * 32) - 1000;
    let place = Place::new();
    let data = format!("data=shapes(train: {images}, test: 40)");
    let (_, result) = place.run(SMALL, &[&data], "store", "auto", Stop::Never);
    let failure = result.expect_err("some of it is in use");
    assert_eq!(failure.cause.finding().name, "memory-too-small");
    let store = place.path().join("store");
    let left = fs::read_dir(store).expect("the store").map(|entry| entry.expect("an entry").path());
    assert_eq!(left.filter(|path| !path.ends_with("locks")).count(), 0);
}

/// Of a GPU nobody knows what is free.
#[cfg(target_os = "linux")]
const HOST: &str = if cfg!(feature = "flex") { "flex" } else { "libtorch-cpu" };

/// What a step holds is told before the first, and with it what would fit.
#[cfg(target_os = "linux")]
#[test]
fn a_batch_that_does_not_fit_is_refused_with_what_would() {
    let data = "data=shapes(train: 40000, test: 40)";
    // A power of two, another that has divisors, and a prime: a queue wants one that divides it.
    for (batch, fits) in [(32768, true), (32767, true), (32749, false)] {
        let place = Place::new();
        let [batch, queue] = ["base.batch", "moco.queue"].map(|field| format!("{field}={batch}"));
        let options = [data, &batch, &queue, "width=256"];
        let (_, result) = place.run(SMALL, &options, "store", HOST, Stop::Never);
        let failure = result.expect_err("hardly a machine has 600 GiB free");
        assert_eq!(failure.cause.finding().name, "memory-too-small");
        let message = failure.cause.message();
        assert!(message.contains("`base` takes about"), "{message}");
        let help = failure.cause.help().expect("a help");
        // Which of both fits, and how much of it, hangs on the machine.
        let does_fit = ["`accumulate:", "`batch:"].iter().any(|own| help.contains(own));
        assert_eq!(does_fit, fits, "{help}");
    }
}

/// Before the training that it would judge.
#[cfg(target_os = "linux")]
#[test]
fn an_evaluation_that_does_not_fit_is_refused_before_anything_runs() {
    let source = "\
use std.augment.{resize, simclr_crops}
use std.datasets.shapes
use std.encoders.convnet
use std.objectives.simclr

pipeline judged() {
  dataset data     = shapes(train: 600, test: 40)
  encoder backbone = convnet(width: 64)
  pretrain base {
    data: data.train.unlabeled, views: simclr_crops(size: 32), objective: simclr(backbone)
    optimizer: sgd(lr: 0.01), length: 1 epochs, batch: 64
  }
  evaluate near {
    model: base.encoder, protocol: knn(k: 3), fit: data.train, on: data.test
    views: resize(size: 4096)
  }
}
";
    let place = Place::new();
    let (events, result) = place.run(source, &[], "store", HOST, Stop::Never);
    let failure = result.expect_err("hardly a machine has 2 TiB free");
    assert_eq!(failure.cause.finding().name, "memory-too-small");
    let message = failure.cause.message();
    assert!(message.contains("`near` takes about") && !message.contains("batch"), "{message}");
    assert!(failure.cause.help().expect("a help").contains("smaller network"));
    assert!(events.is_empty(), "{events:?}");
}
