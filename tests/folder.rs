//! Runs on a folder of pictures.

use std::fs;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::user::{Ended, Process, User};

/// A pre-training on the folder, and a stage that reads no folder but stands on it.
const PETS: &str = "\
use std.augment.crop_and_flip
use std.datasets.{folder, shapes}
use std.encoders.convnet
use std.objectives.simclr

pipeline pets(train: Int = 12) {
  dataset   data     = folder(\"pets\", classes: 2, train: train, test: 4, size: 32)
  dataset   others   = shapes(train: 40, test: 20)
  encoder   backbone = convnet(width: 4)
  objective contrast = simclr(backbone, dim: 8)

  pretrain base {
    data:      data.train.unlabeled
    views:     crop_and_flip(size: 32)
    objective: contrast
    optimizer: sgd(lr: 0.01)
    length:    2 epochs
    batch:     4
  }

  evaluate near { model: base.encoder, protocol: knn(k: 3), fit: data.train, on: data.test }

  evaluate far { model: base.encoder, protocol: knn(k: 3), fit: others.train, on: others.test }

  evaluate apart { model: backbone, protocol: knn(k: 3), fit: others.train, on: others.test }
}
";
const STAGES: [&str; 4] = ["base", "near", "far", "apart"];

fn user() -> User {
    let user = User::with(PETS);
    for class in ["cat", "dog"] {
        (0..6).for_each(|index| write(&user, &format!("train/{class}/{index}.png"), index));
        (6..8).for_each(|index| write(&user, &format!("val/{class}/{index}.jpg"), index));
    }
    user
}

fn write(user: &User, name: &str, index: u32) {
    write_at(user, &format!("pets/{name}"), index);
}

/// A picture that no other index has.
fn write_at(user: &User, name: &str, index: u32) {
    let path = user.path(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder to write to");
    let value = |x: u32, y: u32, channel: u32| (17 * x * (index + 1) + 5 * y + 60 * channel) as u8;
    let picture =
        RgbImage::from_fn(48, 40 + index, |x, y| Rgb([0, 1, 2].map(|own| value(x, y, own))));
    picture.save(path).expect("a folder to write to");
}

/// The stages that the last run has computed.
fn computed(user: &User) -> Vec<String> {
    let lines = user.record().lines("events.jsonl");
    let computed = lines.iter().filter(|event| event["event"] == "stage-finished");
    computed.map(|event| event["stage"].as_str().expect("a name").to_owned()).collect()
}

fn plan(user: &User) -> Value {
    let arguments = ["plan", "p.cpipe", "--offline", "--store", "store", "--json"];
    let ended = Process::start(user.command(&arguments)).end().with(0);
    serde_json::from_str(&ended.out).expect("JSON")
}

/// What a plan says of each stage.
fn planned(user: &User) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let plan = plan(user);
    let stages = plan["stages"].as_array().expect("stages").iter();
    stages.map(|stage| (text(&stage["name"]), text(&stage["state"]))).collect()
}

fn states(of: [&str; 4]) -> Vec<(String, String)> {
    STAGES.into_iter().zip(of).map(|(name, state)| (name.to_owned(), state.to_owned())).collect()
}

fn wrong(user: &User, arguments: &[&str]) -> Ended {
    let ended = user.run(arguments).with(2);
    user.has_not_begun();
    ended
}

#[test]
fn results_are_those_of_the_pictures() {
    let user = user();
    assert_eq!(planned(&user), states(["to-run"; 4]));
    user.run(&[]).with(0);
    assert_eq!(computed(&user), STAGES);
    assert_eq!(planned(&user), states(["cached"; 4]));
    user.run(&[]).with(0);
    assert_eq!(computed(&user), [""; 0]);

    // What stands on another picture is another result, whatever it reads itself.
    write(&user, "train/cat/3.png", 30);
    assert_eq!(planned(&user), states(["to-run", "to-run", "to-run", "cached"]));
    let before = user.record().text("values.json");
    user.run(&[]).with(0);
    assert_eq!(computed(&user), ["base", "near", "far"]);
    // The text is the same, and the record says that the pictures are not.
    assert_ne!(user.record().text("values.json"), before);
    // The pictures from before are the results from before.
    write(&user, "train/cat/3.png", 3);
    user.run(&[]).with(0);
    assert_eq!(computed(&user), [""; 0]);
    assert_eq!(user.record().text("values.json"), before);
}

#[test]
fn a_plan_counts_what_is_decoded_first() {
    let user = user();
    let disk = || plan(&user)["disk"].as_u64().expect("bytes");
    let before = disk();
    // To show views, pictures are decoded.
    let command = user.command(&["views", "p.cpipe", "-o", "grid.png", "--offline"]);
    Process::start(command).end().with(0);
    assert_eq!(before - disk(), (12 + 4) * 3 * 32 * 32);
}

#[test]
fn a_folder_is_looked_at_before_anything_is_begun() {
    let user = user();
    let ended = wrong(&user, &["-o", "train=100"]).says("dataset-differs");
    let ended = ended.says("has 12 pictures to train on, not 100");
    ended.says("or say `classes: 2, train: 12, test: 4`");
    fs::write(user.path("pets/train/cat/2.png"), "no picture").expect("a folder to write to");
    let ended = wrong(&user, &[]).says("dataset-damaged");
    ended.says("1 of 12 pictures cannot be read: `").says("2.png` (it is neither JPEG nor PNG)");
    fs::remove_dir_all(user.path("pets/val")).expect("a folder of this user");
    wrong(&user, &[]).says("dataset-incomplete").says("has no folder `val`, `validation`,");
    fs::remove_dir_all(user.path("pets")).expect("a folder of this user");
    wrong(&user, &[]).says("dataset-missing").says("there is no folder `pets`");
}

/// How many a sample of a folder holds, only its labels tell: they are looked at before the training.
#[test]
fn samples_of_a_folder_are_counted_before_anything_is_begun() {
    let user = user();
    for (from, to, said) in [
        ("data.train.unlabeled", "data.train.few(1).unlabeled", "2 examples make no batch of 4"),
        ("fit: data.train,", "fit: data.train.few(1),", "knn asks for 3 neighbours of 2 examples"),
    ] {
        let text = PETS.replace(from, to);
        assert_ne!(text, PETS);
        fs::write(user.path("p.cpipe"), text).expect("a folder to write to");
        wrong(&user, &[]).says(said);
        // The pictures are decoded now, so that a plan knows as much.
        let command = user.command(&["plan", "p.cpipe", "--json", "--offline"]);
        let plan = Process::start(command).end().with(0).out;
        let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
        let obstacle = plan["obstacle"].as_str().unwrap_or_default();
        assert!(obstacle.contains(said), "{plan}");
    }
}

#[test]
fn a_run_says_how_many_pictures_it_leaves_out() {
    let user = user();
    let text = PETS.replace("size: 32)\n  dataset", "size: 32, damaged: skip)\n  dataset");
    fs::write(user.path("p.cpipe"), text).expect("a folder to write to");
    fs::write(user.path("pets/train/cat/2.png"), "no picture").expect("a folder to write to");
    wrong(&user, &[]).says("has 11 pictures to train on, not 12");
    let ended = user.run(&["-o", "train=11"]).with(0);
    let ended = ended.says("1 of the pictures of folder").says("cannot be read and is left out");
    ended.says("2.png` (it is neither JPEG nor PNG)");
    let events = user.record().lines("events.jsonl");
    let mut warnings = events.iter().filter(|event| event["event"] == "warning");
    assert!(warnings.any(|event| event["name"] == "dataset-damaged"), "{events:?}");
    let left_out = user.record().json("left_out.json");
    let picture = left_out[0]["pictures"][0]["picture"].as_str().expect("a path");
    assert!(picture.ends_with("2.png"), "{left_out}");
}

/// The same pictures in archives.
fn pack(user: &User) {
    for (part, indices) in [("train", 0..6), ("val", 6..8)] {
        let name = user.path("pets").join(format!("{part}-0.tar"));
        let mut archive = tar::Builder::new(fs::File::create(name).expect("a folder to write to"));
        for (label, class) in ["cat", "dog"].into_iter().enumerate() {
            for index in indices.clone() {
                let kind = if part == "train" { "png" } else { "jpg" };
                let file = user.path("pets").join(format!("{part}/{class}/{index}.{kind}"));
                let sample = format!("{class}{index}");
                archive.append_path_with_name(file, format!("{sample}.{kind}")).expect("a member");
                let mut head = tar::Header::new_gnu();
                head.set_size(1);
                let number = label.to_string();
                let class = format!("{sample}.cls");
                archive.append_data(&mut head, class, number.as_bytes()).expect("a member");
            }
        }
        archive.finish().expect("an archive");
        fs::remove_dir_all(user.path("pets").join(part)).expect("a folder of this user");
    }
}

#[test]
fn shards_of_the_same_pictures_are_the_same_run() {
    let user = user();
    user.run(&[]).with(0);
    let counts = || -> Vec<Value> {
        let results = user.record().json("results.json");
        results.as_array().expect("results").iter().map(|own| own["counts"].clone()).collect()
    };
    let of_folder = counts();
    pack(&user);
    let text = PETS.replace("folder", "shards");
    fs::write(user.path("p.cpipe"), text).expect("a folder to write to");
    let ended = user.run(&["-o", "train=13"]).with(2).says("dataset-differs");
    let ended = ended.says("has 12 pictures to train on, not 13");
    ended.says("or say `classes: 2, train: 12, test: 4`");
    assert_eq!(planned(&user), states(["to-run", "to-run", "to-run", "cached"]));
    user.run(&[]).with(0);
    assert_eq!(counts(), of_folder);
    assert_eq!(planned(&user), states(["cached"; 4]));
}

/// A pre-training on pictures that nobody has sorted, judged on others.
const PHOTOS: &str = "\
use std.augment.crop_and_flip
use std.datasets.{images, shapes}
use std.encoders.convnet
use std.objectives.simclr

pipeline photos(count: Int = 9) {
  dataset   data     = images(\"photos\", count: count, size: 32)
  dataset   others   = shapes(train: 40, test: 20)
  encoder   backbone = convnet(width: 4)
  objective contrast = simclr(backbone, dim: 8)

  pretrain base {
    data:      data.train
    views:     crop_and_flip(size: 32)
    objective: contrast
    optimizer: sgd(lr: 0.01)
    length:    2 epochs
    batch:     4
  }

  evaluate spread { model: base.encoder, protocol: rank_me(), on: data.train }

  evaluate far { model: base.encoder, protocol: knn(k: 3), fit: others.train, on: others.test }
}
";

#[test]
fn pictures_need_no_labels() {
    let user = User::with(PHOTOS);
    let names = ["1.png", "2.png", "a/3.png", "a/b/4.png", "a/b/5.jpg", "c/6.png", "c/7.jpg"];
    for (name, index) in names.into_iter().zip(0..) {
        write_at(&user, &format!("photos/{name}"), index);
    }
    fs::write(user.path("photos/notes.txt"), "no picture").expect("a folder to write to");
    let ended = wrong(&user, &[]).says("dataset-differs").says("has 7 pictures, not 9");
    ended.says("complete the set, or say `count: 7`");

    let given = ["-o", "count=7"];
    user.run(&given).with(0);
    assert_eq!(computed(&user), ["base", "spread", "far"]);
    user.run(&given).with(0);
    assert_eq!(computed(&user), [""; 0]);
    // What one of them holds is what the results stand on.
    write_at(&user, "photos/a/b/4.png", 30);
    user.run(&given).with(0);
    assert_eq!(computed(&user), ["base", "spread", "far"]);
}
