//! Runs of encoders whose weights come from a file.

use std::fs;

use serde_json::Value;

use crate::support::root;
use crate::user::{Process, User};

/// A network judged as it is in the file, and trained on.
const GIVEN: &str = "\
use std.augment.moco_v2_crops
use std.datasets.shapes
use std.encoders.{convnet, weights}
use std.objectives.simclr

pipeline given(width: Int = 1) {
  dataset   data     = shapes(train: 40, test: 20)
  encoder   backbone = weights(\"moco.pth\", of: convnet(width: width), part: \"encoder_q\")
  objective contrast = simclr(backbone, dim: 8)

  pretrain base {
    data:      data.train.unlabeled
    views:     moco_v2_crops(size: 32)
    objective: contrast
    optimizer: sgd(lr: 0.01)
    length:    2 steps
    batch:     20
  }

  evaluate before { model: backbone, protocol: knn(k: 3), fit: data.train, on: data.test }

  evaluate after { model: base.encoder, protocol: knn(k: 3), fit: data.train, on: data.test }
}
";

fn user() -> User {
    let user = User::with(GIVEN);
    copy(&user, "moco.pth");
    user
}

fn copy(user: &User, name: &str) {
    let from = root().join("tests/fixtures/weights").join(name);
    fs::copy(from, user.path("moco.pth")).expect("a folder to write to");
}

/// The stages that the last run has computed.
fn computed(user: &User) -> Vec<String> {
    let lines = user.record().lines("events.jsonl");
    let computed = lines.iter().filter(|event| event["event"] == "stage-finished");
    computed.map(|event| event["stage"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn results_belong_to_what_the_file_holds() {
    let user = user();
    user.run(&[]).with(0);
    assert_eq!(computed(&user), ["base", "before", "after"]);
    user.run(&[]).with(0);
    assert_eq!(computed(&user), [""; 0]);
    // Other bytes are other weights, whatever they mean.
    copy(&user, "legacy.pth");
    user.run(&[]).with(0);
    assert_eq!(computed(&user), ["base", "before", "after"]);
    copy(&user, "moco.pth");
    user.run(&[]).with(0);
    assert_eq!(computed(&user), [""; 0]);
}

#[test]
fn what_does_not_fit_is_told_before_anything_is_computed() {
    let user = user();
    let wrong = |arguments: &[&str]| {
        let ended = user.run(arguments).with(2);
        user.has_not_begun();
        ended
    };
    let ended = wrong(&["-o", "width=2"]).says("weights-mismatch");
    let line = "\n  conv1.weight      F32 [2, 3, 3, 3]    F32 [1, 3, 3, 3]\n";
    assert!(ended.err.contains(line), "{}", ended.err);
    copy(&user, "only_code.pth");
    wrong(&[]).says("weights-unreadable").says("state_dict()");
    fs::remove_file(user.path("moco.pth")).expect("it is there");
    wrong(&[]).says("file-unreadable").says("there are no weights `moco.pth`");

    // A plan says so, and goes on.
    let arguments = ["plan", "p.cpipe", "--offline", "--store", "store", "--json"];
    let ended = Process::start(user.command(&arguments)).end().with(0);
    let plan: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(plan["stages"][0]["state"], "blocked", "{plan}");
    let obstacle = plan["obstacle"].as_str().expect("a run would end before it begins");
    assert!(obstacle.starts_with("file-unreadable: there are no weights"), "{obstacle}");
}
