//! `cpipe bench`: where the time of a training goes.

use serde_json::Value;

use crate::support::SMALL;
use crate::user::{Process, User};

fn bench(user: &User, arguments: &[&str]) -> Value {
    let fixed = ["bench", "p.cpipe", "--offline", "--seconds", "0.5", "--json"];
    let ended = Process::start(user.command(&[&fixed, arguments].concat())).end().with(0);
    serde_json::from_str(&ended.out).expect("JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn a_training_is_looked_at_and_nothing_is_left() {
    let user = User::with(SMALL);
    let seen = bench(&user, &[]);
    assert_eq!(user.entries(), ["p.cpipe"]);
    assert_eq!(seen["stage"], "base");
    assert_eq!([&seen["steps"], &seen["epochs"]], [8, 2]);
    assert_eq!([&seen["batch"], &seen["views"]], [16, 2]);
    assert!(seen["measured_steps"].as_u64() > Some(1));
    let took = |phase: &str| number(&seen["phases"][phase]);
    let learning = ["forward", "constant", "objective", "backward", "optimizer", "state"];
    assert!(learning.iter().all(|phase| took(phase) > 0.0), "{seen}");
    assert!(["views", "copy", "metrics"].iter().all(|phase| took(phase) > 0.0), "{seen}");
    // Epochs of four steps end while it is looked at, and are no part of a step.
    assert!(number(&seen["between_epochs"]) > 0.0, "{seen}");
    assert_eq!(seen["phases"]["checkpoint"], Value::Null);
    assert_eq!(seen["steps_per_epoch"], 4);
    assert!(number(&seen["seconds"]) > 0.0 && number(&seen["flops"]) > 0.0);
    assert!(["product", "copy"].iter().all(|of| number(&seen["ceilings"][of]) > 0.0));
    let names = |recipe: &Value| -> Vec<String> {
        let parts = recipe["parts"].as_array().expect("parts").iter();
        parts.map(|part| part["name"].as_str().expect("a name").to_owned()).collect()
    };
    let recipes = seen["recipes"].as_array().expect("recipes");
    assert_eq!((recipes.len(), &recipes[0]["views"]), (1, &Value::from(2)));
    let expected = ["(load)", "random_resized_crop", "color_jitter", "random_grayscale"];
    assert_eq!(names(&recipes[0])[..4], expected);
}

#[test]
fn a_step_has_its_batch_where_epochs_are_one_step() {
    let user = User::with(SMALL);
    let seen = bench(&user, &["-o", "base.batch=64", "-o", "moco.queue=64"]);
    assert_eq!(seen["steps_per_epoch"], 1);
    assert!(["views", "copy"].iter().all(|phase| number(&seen["phases"][phase]) > 0.0), "{seen}");
}

#[test]
fn what_is_stored_at_the_end_stands_for_the_ends_of_epochs() {
    let user = User::with(SMALL);
    let seen = bench(&user, &["-o", "data.train=65536"]);
    assert_eq!(seen["steps_per_epoch"], 4096);
    assert!(number(&seen["between_epochs"]) > 0.0, "{seen}");
}

#[test]
fn a_later_training_stands_on_weights_that_stand_in() {
    let user = User::with(SMALL);
    let seen = bench(&user, &["--stage", "classifier", "-o", "classifier.batch=8"]);
    assert_eq!([&seen["batch"], &seen["views"]], [8, 1]);
    assert_eq!(number(&seen["phases"]["constant"]), 0.0);
    assert_eq!(user.entries(), ["p.cpipe"]);
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let user = User::with(SMALL);
    let wrong = |arguments: &[&str]| {
        let command = user.command(&[&["bench", "p.cpipe", "--offline"], arguments].concat());
        Process::start(command).end().with(2).err
    };
    assert!(wrong(&["--stage", "bas"]).contains("did you mean `base`?"));
    assert!(wrong(&["--seconds", "0"]).contains("from 0.1 to 3600 seconds"));
    assert!(wrong(&["--device", "gpu"]).contains("there is no device"));
    // No processor has these numbers, whatever the build computes on.
    let device = if cfg!(feature = "flex") { "flex" } else { "libtorch-cpu" };
    let seen = wrong(&["-o", "base.precision=tf32", "--device", device]);
    assert!(seen.contains(&format!("`{device}` has no tf32")), "{seen}");
}
