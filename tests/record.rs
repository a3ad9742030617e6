//! What a run leaves: its record, whole and safe, also where its last update breaks the weights.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use safetensors::{Dtype, SafeTensors};

use crate::support::SMALL;
use crate::user::{Process, User};

const SHORT: [&str; 2] = ["-o", "epochs=1 epochs"];

#[test]
fn the_record_holds_the_graph_the_values_the_events_and_the_results() {
    let user = User::with(SMALL);
    user.run(&[&SHORT[..], &["-o", "moco.temperature=0.2", "--seed", "7"]].concat()).with(0);
    let record = user.record();
    let names: Vec<String> = record.files().into_keys().collect();
    let expected = [
        "accuracy.map.svg",
        "base.encoder-00001.safetensors",
        "base.encoder.safetensors",
        "base.metrics.jsonl",
        "classifier.encoder.safetensors",
        "classifier.metrics.jsonl",
        "classifier.model.safetensors",
        "events.jsonl",
        "graph.ron",
        "report.txt",
        "results.json",
        "values.json",
    ];
    assert_eq!(names, expected, "evaluations log nothing");

    let graph = ["graph", "p.cpipe", "-o", "epochs=1 epochs", "-o", "moco.temperature=0.2"];
    let graph = Process::start(user.command(&graph)).end().with(0);
    assert_eq!(record.text("graph.ron"), graph.out);

    let values = record.json("values.json");
    assert_eq!(values["pipeline"], "small");
    assert_eq!(values["seed"], 7);
    assert!(values["device"].is_string() && values["cpipe"] == env!("CARGO_PKG_VERSION"));
    let value = |name: &str| {
        let all = values["values"].as_array().expect("a list");
        let found = all.iter().find(|value| value["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {name} in {values}"));
        [&found["value"], &found["from"]].map(|text| text.as_str().expect("a text").to_owned())
    };
    assert_eq!(value("epochs"), ["1 epochs", "-o"]);
    assert_eq!(value("moco.temperature"), ["0.2", "-o"]);
    assert_eq!(value("base.batch"), ["16", "p.cpipe:18:16"]);

    let events = record.events();
    assert_eq!(events.first().map(String::as_str), Some("run-started"));
    assert_eq!(events.last().map(String::as_str), Some("run-finished"));
    let started = &record.lines("events.jsonl")[0];
    assert_eq!(started["graph"], values["graph"]);
    assert_eq!(started["seed"], 7);
    let count = |name: &str| events.iter().filter(|event| *event == name).count();
    assert_eq!((count("stage-started"), count("stage-finished")), (4, 4));
    assert_eq!(count("evaluation-result"), 2);

    for (stage, steps) in [("base", 4), ("classifier", 2)] {
        let metrics = record.lines(&format!("{stage}.metrics.jsonl"));
        assert_eq!(metrics.len(), steps, "{stage}");
        for (index, line) in metrics.iter().enumerate() {
            assert_eq!(line["step"], index + 1);
            assert!(line["loss"].as_f64().is_some_and(f64::is_finite), "{line}");
        }
    }

    let results = record.json("results.json");
    let results = results.as_array().expect("a list");
    let stages: Vec<_> = results.iter().map(|result| &result["stage"]).collect();
    assert_eq!(stages, ["neighbours", "accuracy"]);
    let report = record.text("report.txt");
    for result in results {
        let value = result["value"].as_f64().expect("a number");
        assert!((0.0..=1.0).contains(&value), "{result}");
        assert_eq!((&result["unit"], &result["better"]), (&"share".into(), &"higher".into()));
        assert_eq!(result["counts"]["total"], 40);
        assert!(report.contains(result["protocol"].as_str().expect("a text")));
    }

    for (name, tensor) in [
        ("base.encoder.safetensors", "conv1.weight"),
        ("base.encoder-00001.safetensors", "conv1.weight"),
        ("classifier.encoder.safetensors", "layer1.0.conv1.weight"),
        ("classifier.model.safetensors", "fc.weight"),
    ] {
        let bytes = fs::read(record.path(name)).expect("weights");
        let weights = SafeTensors::deserialize(&bytes).expect("safetensors");
        let view = weights.tensor(tensor).unwrap_or_else(|_| panic!("{tensor} in {name}"));
        assert_eq!(view.dtype(), Dtype::F32);
    }
}

#[test]
fn what_is_written_into_the_record_does_not_reach_the_store() {
    let user = User::with(SMALL);
    user.run(&SHORT).with(0);
    let record = user.record();
    let before = record.bits();
    for name in record.files().into_keys() {
        // In place, as an editor of weights may do it.
        let mut file = File::options().read(true).write(true).open(record.path(&name));
        let file = file.as_mut().expect("the record is the user's");
        let mut byte = [0];
        file.read_exact(&mut byte).expect("no file is empty");
        file.seek(SeekFrom::Start(0)).expect("it is a file");
        file.write_all(&[!byte[0]]).expect("the record is the user's");
    }
    assert_eq!(user.stored("store").0, 4);
    let ended = user.run(&SHORT).with(0);
    assert_eq!(ended.err.matches("taken from the store").count(), 4, "{}", ended.err);
    let after: BTreeMap<_, _> = user.record().bits();
    assert_eq!(after.len(), before.len());
    for (name, bytes) in before {
        assert!(after[&name] == bytes, "{name} is not what was computed");
    }
}

/// Asserts that no checkpoint of a stage in progress holds a number that is none.
fn checkpoints_are_finite(user: &User) -> usize {
    let mut count = 0;
    for entry in user.stored("store").1.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let bytes = fs::read(&path).expect("a file");
            let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
            for (name, view) in tensors.tensors() {
                let (values, _) = view.data().as_chunks::<4>();
                let finite = values.iter().all(|value| f32::from_le_bytes(*value).is_finite());
                assert!(finite, "{name} in {}", path.display());
            }
            count += 1;
        }
    }
    count
}

#[test]
fn a_last_update_that_breaks_the_weights_finishes_nothing() {
    let source =
        SMALL.replace("    keep:      1 epochs\n", "").replace("base.history", "base.encoder");
    let user = User::with(&source);
    let ended = user.run(&["-o", "epochs=1 steps", "-o", "lr=1e300"]).with(1);
    let ended = ended.says("state-not-finite").says("step 1, in epoch 1, has left numbers in `");
    ended.says("that are not finite").says("it happened before the first checkpoint");
    assert_eq!((user.stored("store").0, checkpoints_are_finite(&user)), (0, 0));
    assert!(!user.record().path("base.encoder.safetensors").exists());

    // The eighth of eight steps is the first with the other rate.
    let last = "-o base.schedule=ramp(from:~1,~to:~1e300,~over:~1~steps,~warmup:~6~steps)";
    let last: Vec<String> = last.split(' ').map(|word| word.replace('~', " ")).collect();
    let last: Vec<&str> = last.iter().map(String::as_str).collect();
    for reason in ["the store does not hold it", "it has failed before: state-not-finite"] {
        let ended = user.run(&last).with(1).says("state-not-finite").says(reason);
        let ended = ended.says("step 8, in epoch 2, has left numbers in `");
        let ended = ended.says("the state after step 4 is kept in `");
        assert!(ended.err.contains("checkpoint.safetensors"), "{}", ended.err);
        assert_eq!(user.stored("store").0, 0);
        assert_eq!(checkpoints_are_finite(&user), 1);
    }
}

#[test]
fn simclr_ships_as_a_pipeline() {
    let user = User::new();
    let tiny = [
        "data=shapes(train: 256, test: 40)",
        "backbone=convnet(width: 4)",
        "epochs=2 steps",
        "tune=2 steps",
        "classifier.batch=16",
    ];
    let mut arguments = vec!["run", "std.pipelines.simclr_cifar10", "--profile", "quick"];
    arguments.extend(tiny.iter().flat_map(|over| ["-o", over]));
    let ended = Process::start(user.command(&arguments)).end().with(0);
    let rows = ended.out.lines().skip(2).take_while(|line| !line.is_empty());
    let rows: Vec<&str> = rows.filter_map(|row| row.split_whitespace().next()).collect();
    assert_eq!(rows, ["untrained", "neighbours", "probe", "accuracy"], "{}", ended.out);
    assert!(user.record().path("classifier.model.safetensors").exists());
}
