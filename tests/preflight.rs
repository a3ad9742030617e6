//! What is wrong is said before anything is begun.

use std::fs;

use crate::support::SMALL;
#[cfg(all(feature = "libtorch", target_os = "linux"))]
use crate::user::Process;
use crate::user::User;

/// A pipeline of which only the last stage needs photographs.
fn last_needs_photographs() -> String {
    let last = "  evaluate accuracy { model: classifier.model, protocol: top1(), on: photos.test }";
    let source = SMALL
        .replace("std.datasets.shapes", "std.datasets.{cifar10, shapes}")
        .replace("  encoder   backbone", "  dataset   photos   = cifar10()\n  encoder   backbone");
    let (before, _) = source.split_once("  evaluate accuracy").expect("its last stage");
    format!("{before}{last}\n}}\n")
}

#[test]
fn a_dataset_that_only_the_last_stage_needs_is_missed_first() {
    let user = User::with(&last_needs_photographs());
    let ended = user.run(&[]).with(2).says("dataset-missing").says("run once without --offline");
    ended.says("evaluate accuracy");
    user.has_not_begun();
    fs::create_dir(user.path("empty")).expect("a folder to write to");
    let ended = user.run(&["--data-dir", "empty"]).with(2).says("dataset-missing");
    ended.says("cifar10 is not in `empty`").says("--data-dir takes a folder that holds");
    user.has_not_begun();
}

#[test]
fn folders_that_cannot_be_made_are_named_and_nothing_else_is_made() {
    let user = User::with(SMALL);
    fs::write(user.path("file"), "in the way").expect("a folder to write to");
    for (option, name) in [("--store", "store-unwritable"), ("--output", "run-folder-unwritable")] {
        for place in ["file", "file/deeper"] {
            let ended = user.run(&[option, place]).with(2).says(name);
            let ended = ended.says(&format!("`{place}`")).says("is a file, not a folder");
            ended.says(option);
            assert_eq!(fs::read_dir(user.path("")).expect("a folder").count(), 2, "{option}");
        }
    }
}

#[test]
fn folders_that_are_not_there_yet_are_made() {
    let user = User::with(SMALL);
    let short = ["-o", "epochs=1 epochs", "--output", "deep/runs", "--store", "deep/store"];
    user.run(&short).with(0);
    assert_eq!(user.stored("deep/store").0, 4);
    assert_eq!(fs::read_dir(user.path("deep/runs")).expect("runs").count(), 1);
}

#[test]
fn wrong_options_are_answered_with_what_would_be_right() {
    let user = User::with(SMALL);
    for (option, value, answers) in [
        (
            "--device",
            "gpu",
            &["there is no device `gpu`", "did you mean `libtorch-cuda`?", "flex"][..],
        ),
        ("--seed", "-1", &["'-1'", "a seed is a whole number from 0 to 2^64-1"]),
        ("--seed", "1.5", &["'1.5'", "a seed is a whole number from 0 to 2^64-1"]),
        ("--seed", "18446744073709551616", &["a seed is a whole number from 0 to 2^64-1"]),
    ] {
        let mut ended = user.run(&[option, value]).with(2);
        for answer in answers {
            ended = ended.says(answer);
        }
        user.has_not_begun();
    }
}

#[test]
fn a_precision_that_the_device_lacks_is_refused() {
    let user = User::with(SMALL);
    let device = if cfg!(feature = "flex") { "flex" } else { "libtorch-cpu" };
    let ended = user.run(&["--device", device, "-o", "base.precision=tf32"]).with(2);
    let ended = ended
        .says("precision-unavailable")
        .says("has no tf32 on this machine, which `base` asks for");
    ended.says("`precision: f32` computes everywhere");
    let ended = user.run(&["--device", device, "-o", "neighbours.precision=tf32"]).with(2);
    ended.says("precision-unavailable").says("which `neighbours` asks for");
    user.has_not_begun();
}

/// What a shell leaves to its programs is not asked before, as the memory of a GPU is not: a step
/// finds no room.
#[cfg(all(feature = "libtorch", target_os = "linux"))]
#[test]
fn no_room_on_a_device_is_told_with_what_takes_less() {
    let user = User::with(SMALL);
    let large =
        ["data=shapes(train: 1024, test: 40)", "moco.queue=1024", "base.batch=512", "width=64"];
    let large: Vec<&str> = large.iter().flat_map(|own| ["-o", own]).collect();
    // What Rust finds no room for ends the process, and which comes first hangs on its threads.
    let ended = (0..5).map(|attempt| {
        let run = user.runs(&[&["--device", "libtorch-cpu"], &large[..]].concat());
        let limit = 3_000_000 + 40_000 * attempt;
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("ulimit -v {limit}; exec \"$@\""), "sh"]);
        shell.arg(run.get_program()).args(run.get_args()).current_dir(user.path(""));
        shell.env_remove("CPIPE_DATA").env("CPIPE_HOME", user.path("home"));
        // Each of many threads would be given room of its own.
        for name in ["MALLOC_ARENA_MAX", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"] {
            shell.env(name, "2");
        }
        Process::start(shell).end()
    });
    let mut ended = ended.skip_while(|ended| ended.err.contains("memory allocation of"));
    let ended = ended.next().expect("libtorch finds none first at least once");
    let ended = ended.with(1).says("memory-too-small");
    ended
        .says("there is no room for a step of `base` with a batch of 512")
        .says("`accumulate: 2` takes");
}
