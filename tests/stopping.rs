//! A run that is stopped: by Ctrl-C, by SIGTERM, by a second Ctrl-C, or by its own failure.

use std::fs;

use libc::{SIGINT, SIGTERM};

use crate::server::{Manner, Server};
use crate::support::SMALL;
use crate::user::{Process, User, until};

/// An evaluation alone.
const LOOK: &str = "\
use std.datasets.{cifar10, shapes}
use std.encoders.{convnet, resnet18}

pipeline look(
  data: Dataset = shapes(train: 64, test: 40), many: Dataset = shapes(train: 64, test: 41), steps: Int = 500,
) {
  encoder backbone = convnet(width: 24)
  encoder deep     = resnet18(stem: small, width: 32)

  evaluate probe {
    model: backbone, protocol: linear_probe(l2: 0.0, iterations: steps), fit: data.train, on: data.test
  }

  evaluate neighbours { model: deep, protocol: knn(k: 5), fit: many.train, on: many.test }
}
";

const EPOCHS: [&str; 2] = ["-o", "epochs=12 epochs"];

/// A stopped run has a record that says so and holds no results.
fn says_that_it_was_stopped(user: &User) {
    let record = user.record();
    assert!(!record.path("results.json").exists() && !record.path("report.txt").exists());
    assert_eq!(record.events().last().map(String::as_str), Some("interrupted"));
}

#[test]
fn a_stopped_training_goes_on_to_the_same_bits() {
    let user = User::with(SMALL);
    let mut process = user.start(&EPOCHS);
    process.until("base epoch 2/");
    process.stop(SIGINT).with(130).says("interrupted in base; the same command goes on from there");
    says_that_it_was_stopped(&user);
    assert_eq!((user.stored("store").0, user.stored("store").1.len()), (0, 1));

    let mut process = user.start(&EPOCHS);
    process.until("base: pretrain for 12 epochs, 48 steps (it was interrupted)");
    process.until("base: goes on after step");
    process.stop(SIGTERM).with(143);
    says_that_it_was_stopped(&user);

    user.run(&EPOCHS).with(0).says("base: goes on after step");
    let (finished, partial) = user.stored("store");
    assert_eq!((finished, partial.len()), (4, 0));
    let bits = user.record().bits();
    user.run(&[&EPOCHS[..], &["--store", "other"]].concat()).with(0);
    assert_eq!(user.stored("other").0, 4);
    for (name, bytes) in user.record().bits() {
        assert!(bits[&name] == bytes, "{name} differs from that of an undisturbed run");
    }
}

#[test]
fn a_stopped_evaluation_is_known_as_interrupted() {
    let user = User::with(LOOK);
    // No features of so many images are read in ten seconds.
    let long = ["-o", "many=shapes(train: 64, test: 6000)", "-o", "steps=1"];
    let mut process = Process::on_terminal(user.runs(&long), 80);
    process.until("neighbours: evaluate (the store does not hold it)");
    process.stop(SIGINT).with(130).says("interrupted in neighbours");
    says_that_it_was_stopped(&user);
    let mut process = user.start(&long);
    process.until("probe: evaluate, taken from the store");
    process.until("neighbours: evaluate (it was interrupted)");
    process.stop(SIGTERM).with(143);
    says_that_it_was_stopped(&user);
    assert_eq!((user.stored("store").0, user.stored("store").1.len()), (1, 1));
}

#[test]
fn a_probe_stops() {
    let user = User::with(LOOK);
    // Hundreds of steps: about a second of them.
    let long = ["-o", "data=shapes(train: 3000, test: 40)", "-o", "steps=100000000"];
    let mut process = Process::on_terminal(user.runs(&long), 80);
    process.until("probe: evaluate (the store does not hold it)");
    process.until("probe: fitting the probe");
    process.stop(SIGINT).with(130).says("interrupted in probe");
    says_that_it_was_stopped(&user);
    let mut process = user.start(&long);
    process.until("probe: evaluate (it was interrupted)");
    process.stop(SIGTERM).with(143);
    says_that_it_was_stopped(&user);
    assert_eq!((user.stored("store").0, user.stored("store").1.len()), (0, 1));
}

#[test]
fn drawing_stops_before_anything_is_begun() {
    let user = User::with(LOOK);
    for (signal, code) in [(SIGINT, 130), (SIGTERM, 143)] {
        let long = ["-o", "data=shapes(train: 300000, test: 40)"];
        let mut process = Process::on_terminal(user.runs(&long), 80);
        process.until("drawing shapes.train");
        process.stop(signal).with(code);
        user.has_not_begun();
    }
}

#[test]
fn a_training_that_is_looked_at_stops() {
    let user = User::with(SMALL);
    for (signal, code) in [(SIGINT, 130), (SIGTERM, 143)] {
        let arguments = ["bench", "p.cpipe", "--offline", "--seconds", "600"];
        let mut process = Process::on_terminal(user.command(&arguments), 80);
        process.until("looking at base for some 600 s");
        // Into the scratch folder, which lies beside the store that is not there yet.
        until(|| user.entries().len() > 1);
        process.stop(signal).with(code);
        assert_eq!(user.entries(), ["p.cpipe"]);
    }
}

#[test]
fn a_download_that_stalls_stops_and_is_kept() {
    let user = User::with(
        &SMALL
            .replace("use std.datasets.shapes", "use std.datasets.cifar10")
            .replace("shapes(train: 64, test: 40)", "cifar10()"),
    );
    let server = Server::start(vec![7; 1 << 22], Manner::Stall(1 << 19));
    for (signal, code) in [(SIGINT, 130), (SIGTERM, 143)] {
        for (name, more) in [("run", None), ("bench", None), ("views", Some("--output=a.png"))] {
            let arguments = [name, "p.cpipe"].into_iter().chain(more);
            let mut command = user.command(&arguments.collect::<Vec<_>>());
            command.env("CPIPE_MIRROR", server.address());
            let mut process = Process::on_terminal(command, 80);
            process.until("downloading cifar-10-binary.tar.gz");
            process.stop(signal).with(code);
            user.has_not_begun();
            let kept = fs::read_dir(user.path("home/data")).expect("a folder").flatten();
            let kept = kept.map(|file| file.file_name().to_string_lossy().into_owned());
            assert_eq!(kept.filter(|name| name.ends_with(".part")).count(), 1);
        }
    }
}

#[test]
fn between_stages_what_was_not_begun_is_not_known_as_interrupted() {
    let user = User::with(SMALL);
    let short = ["-o", "epochs=1 epochs"];
    user.run(&[&short[..], &["--store", "other"]].concat()).with(0);
    // Whoever holds a stage keeps a run before it.
    let keys = fs::read_dir(user.path("other")).expect("a store").filter_map(|entry| {
        let path = entry.expect("an entry").path();
        let trained = path.join("encoder.safetensors").exists();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (!trained && name != "locks").then_some(name)
    });
    let store = cpipe::store::Store::open(user.path("store")).expect("a store");
    let held: Vec<_> = keys
        .map(|key| store.stage(&key).lock("process 1, recorded in nowhere").expect("nobody has it"))
        .collect();
    assert_eq!(held.len(), 2, "two evaluations");

    let mut process = user.start(&short);
    process.until("neighbours: waits for process 1, recorded in nowhere, which computes it");
    process.stop(SIGINT).with(130).says("interrupted in neighbours");
    says_that_it_was_stopped(&user);
    let (finished, partial) = user.stored("store");
    assert_eq!((finished, partial.len()), (1, 0));

    drop(held);
    let ended = user.run(&short).with(0).says("base: pretrain, taken from the store");
    ended.says("neighbours: evaluate (the store does not hold it)");
}

#[test]
fn a_stage_that_has_failed_is_not_known_as_interrupted() {
    let user = User::with(SMALL);
    let wild = ["-o", "lr=1e18"];
    user.run(&wild).with(1).says("loss-not-finite").says("(the store does not hold it)");
    let ended = user.run(&wild).with(1).says("(it has failed before: loss-not-finite)");
    assert!(!ended.err.contains("interrupted"), "{}", ended.err);
    assert_eq!(user.stored("store").0, 0);
    let record = user.record();
    assert!(!record.path("results.json").exists());
    assert_eq!(record.events().last().map(String::as_str), Some("run-failed"));
}

#[test]
fn a_second_request_ends_at_once() {
    let user = User::with(SMALL);
    // A step of some seconds: the first request waits for its end, to save it.
    let slow = ["-o", "width=32", "-o", "base.batch=64", "-o", "moco.queue=64"];
    let mut process = user.start(&slow);
    process.until("base: pretrain");
    process.signal(SIGINT);
    process.until("stopping; again to stop at once");
    let ended = process.stop(SIGINT).with(130);
    assert!(!ended.err.contains("interrupted in"), "it did not wait: {}", ended.err);
    let (finished, partial) = user.stored("store");
    assert_eq!((finished, partial.len()), (0, 1));
    assert!(!partial[0].join("checkpoint.safetensors").exists());
    assert!(!user.record().path("results.json").exists());
    let mut process = user.start(&slow);
    process.until("(it was interrupted)");
    process.stop(SIGTERM).with(143);
}
