//! `cpipe compare`: runs beside each other, from what they have left in their folders.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use crate::doc::is_well_formed;

fn compare(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpipe"));
    command.current_dir(folder).arg("compare").args(arguments).output().expect("the binary runs")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

const TEST: &str =
    "weighted kNN, k 5; fitted on the 64 training examples; top-1 on the 40 test examples";

/// Leaves the record of a run of that graph and seed, whose neighbours are so often right.
fn leave(folder: &Path, name: &str, (graph, seed): (&str, u64), lr: &str, top1: f64) {
    let place = folder.join(name);
    fs::create_dir(&place).expect("a folder");
    let value = |name: &str, value: &str| json!({ "name": name, "value": value, "from": "here" });
    let values = json!({
        "pipeline": "small", "graph": graph, "seed": seed, "device": "flex", "cpipe": "0.1.0",
        "values": [
            value("data.train", "64"), value("data", "shapes(test: 40, train: 64)"),
            value("base.optimizer.lr", lr), value("base.optimizer", &format!("sgd(lr: {lr})")),
        ],
    });
    let counts = json!({ "correct": 20, "total": 40, "classes": [
        { "correct": 5, "total": 20 }, { "correct": 15, "total": 20 },
        { "correct": 0, "total": 0 }, { "correct": 0, "total": 0 }
    ], "confused": [
        { "class": 0, "given": 1, "count": 12 }, { "class": 0, "given": 3, "count": 2 },
        { "class": 0, "given": 2, "count": 1 }, { "class": 1, "given": 0, "count": 5 }
    ] });
    let results = json!([
        { "stage": "neighbours", "hash": "ab", "what": "kNN top-1", "value": top1,
          "unit": "share", "better": "higher", "protocol": TEST, "counts": counts },
    ]);
    let step = |step: u64| {
        json!({ "step": step, "epoch": 1, "loss": 5.0 - step as f64 / 100.0, "lr": 0.1, "metrics": { "spread": 0.5 } }).to_string() + "\n"
    };
    let events = [
        json!({ "time": 1, "event": "run-started", "pipeline": "small" }),
        json!({ "time": 2, "event": "stage-started", "stage": "base" }),
        json!({ "time": 3, "event": "stage-finished", "stage": "base", "seconds": 12.5 }),
        json!({ "time": 4, "event": "run-finished", "seconds": 13.0 }),
    ];
    let write = |file: &str, text: String| fs::write(place.join(file), text).expect("a file");
    write("values.json", values.to_string());
    write("results.json", results.to_string());
    write("base.metrics.jsonl", (1..=300).map(step).collect());
    let image = "<image href=\"data:image/jpeg;base64,AA==\"></image>";
    write("neighbours.map.svg", format!("<svg class=\"map\"><g>{image}</g></svg>\n"));
    write("events.jsonl", events.map(|event| event.to_string() + "\n").concat());
}

/// Writes something else into a file of the record of a run.
fn change(folder: &Path, run: &str, file: &str, from: &str, to: &str) {
    let path = folder.join(run).join(file);
    let text = fs::read_to_string(&path).expect("a file");
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).expect("a file");
}

#[test]
fn seeds_are_one_arm_and_others_are_told_apart_by_what_differs() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    leave(folder, "a", ("g", 0), "0.05", 0.5);
    leave(folder, "b", ("g", 1), "0.05", 0.6);
    leave(folder, "c", ("h", 0), "0.1", 0.4);
    let text = said(&compare(folder, &["a", "b", "c"]));
    // What goes to a file has letters that every one can hold.
    let expected = "\
A  small on flex, seeds 0 and 1: a, b
B  small on flex, seed 0: c

what differs          A    B
-----------------  ----  ---
base.optimizer.lr  0.05  0.1

stage       what                     A        B
----------  ---------  ---------------  -------
neighbours  kNN top-1  55.00 +- 7.07 *  40.00

in percent; +- the standard deviation over the seeds; * the best of what was measured in one way;
measured so:
- weighted kNN, k 5; fitted on the 64 training examples; top-1 on the 40 test examples
";
    assert_eq!(text, expected);
    let json = said(&compare(folder, &["a", "b", "c", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["arms"][0]["seeds"], json!([0, 1]));
    assert_eq!(json["differences"][0]["values"], json!(["0.05", "0.1"]));
    let deviation = json["rows"][0]["cells"][0]["deviation"].as_f64().expect("a number");
    assert!((deviation - 0.005_f64.sqrt()).abs() < 1e-12, "{deviation}");
}

/// A formula is no value: that it is another one is told all the same. And what is too long for a
/// column is cut so that it is told apart.
#[test]
fn what_no_value_tells_and_what_is_long_is_told_apart() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    for (run, graph) in [("a", "0123456789abcdef"), ("b", "fedcba9876543210")] {
        leave(folder, run, (graph, 0), "0.05", 0.5);
    }
    let text = said(&compare(folder, &["a", "b"]));
    assert!(text.contains("\nwhat the defines compute  0123456789ab  fedcba987654\n"), "{text}");
    leave(folder, "c", ("h", 0), "0.05", 0.5);
    let (from, to) = ("shapes(test: 40, train: 64)", "shapes(test: 40, train: 128)");
    change(folder, "c", "values.json", from, to);
    let text = said(&compare(folder, &["a", "c"]));
    assert!(text.contains(" ...train: 64)  ...train: 128)\n"), "{text}");
}

#[test]
fn what_cannot_be_compared_is_said_first() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    leave(folder, "a", ("g", 0), "0.05", 0.5);
    leave(folder, "again", ("g", 0), "0.05", 0.5);
    leave(folder, "other", ("h", 0), "0.05", 0.9);
    let change = |file: &str, from: &str, to: &str| change(folder, "other", file, from, to);
    change("results.json", "40 test", "10,000 test");
    change("values.json", "shapes(test: 40, train: 64)", "cifar10()");
    change("events.jsonl", "run-finished", "run-stopped");
    let text = said(&compare(folder, &["a", "again", "other"]));
    for doubt in [
        "! again is of the seed of another run of A: it is left out",
        "! other has not finished: what is missing is not there",
        "! some are of cifar10, others shapes: their numbers say nothing of each other",
        "! `neighbours` is not measured in the same way in all of them",
    ] {
        assert!(text.contains(doubt), "{doubt}\n{text}");
    }
    assert!(!text.contains(" *"), "none is the best\n{text}");
}

#[test]
fn what_was_stopped_gives_way_to_the_run_that_finished_it() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    leave(folder, "stopped", ("g", 0), "0.05", 0.5);
    leave(folder, "finished", ("g", 0), "0.05", 0.7);
    leave(folder, "other", ("h", 0), "0.1", 0.4);
    let change = |run: &str, file: &str, from: &str, to: &str| change(folder, run, file, from, to);
    change("stopped", "events.jsonl", "run-finished", "run-stopped");
    fs::remove_file(folder.join("stopped/results.json")).expect("a file");
    change("finished", "events.jsonl", "stage-started", "stage-resumed");
    // Whatever was no number is left out of a curve.
    for (from, to) in [("0.5}", "\"nan\"}"), ("\"loss\":4.9,", "\"loss\":\"-inf\",")] {
        change("finished", "base.metrics.jsonl", from, to);
    }
    for order in [["stopped", "finished", "other"], ["finished", "other", "stopped"]] {
        let html = ["--html", "page.html"];
        let text = said(&compare(folder, &[&order[..], &html].concat()));
        assert!(text.contains("A  small on flex, seed 0: finished\n"), "{text}");
        assert!(text.contains("! stopped is of the seed of another run of A: it is left out"));
        assert!(!text.contains("has not finished"), "{text}");
        assert!(text.contains("70.00 *"), "{text}");
        // How long the last part of a training took is not how long it took.
        let page = fs::read_to_string(folder.join("page.html")).expect("a page");
        assert!(page.contains("<td>–</td><td>12.5</td>"), "{page}");
    }
}

/// Pictures in other folders are other data, and a penalty that was chosen is no other way.
#[test]
fn folders_are_told_apart_and_chosen_penalties_are_not() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    leave(folder, "a", ("g", 0), "0.05", 0.5);
    leave(folder, "b", ("h", 0), "0.1", 0.4);
    let change = |run: &str, file: &str, from: &str, to: &str| change(folder, run, file, from, to);
    for (run, penalty) in [("a", "1e-4"), ("b", "1e-2")] {
        let chosen = format!(
            "linear probe, logistic regression, L2 penalty {penalty}, fitted on 64 (of 5, chosen on 6)"
        );
        change(run, "results.json", TEST, &chosen);
    }
    let text = said(&compare(folder, &["a", "b"]));
    assert!(text.contains(" *") && !text.contains('!'), "{text}");
    for (run, path) in [("a", "pets"), ("b", "cars")] {
        let pictures = format!("folder(\\\"{path}\\\", classes: 2, train: 64, test: 40)");
        change(run, "values.json", "shapes(test: 40, train: 64)", &pictures);
    }
    let text = said(&compare(folder, &["a", "b"]));
    assert!(text.contains("! some are of folder(\"cars\"), others folder(\"pets\")"), "{text}");
    assert!(!text.contains(" *"), "{text}");
    // The same images, wherever they lie.
    for (run, path) in [("a", "pets"), ("b", "cars")] {
        let held =
            format!("{{\"contents\":{{\"folder(classes: 2, path: \\\"{path}\\\")\":\"aa\"}},");
        change(run, "values.json", "{\"cpipe\"", &(held + "\"cpipe\""));
    }
    let text = said(&compare(folder, &["a", "b"]));
    assert!(text.contains(" *") && !text.contains('!'), "{text}");
}

/// A folder may hold other images than when another run has read it.
#[test]
fn a_folder_that_has_changed_is_other_data() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    for (run, held) in [("a", "aa"), ("b", "bb")] {
        leave(folder, run, ("g", 0), "0.05", 0.5);
        let pictures = "folder(\\\"pets\\\", classes: 2)";
        change(folder, run, "values.json", "shapes(test: 40, train: 64)", pictures);
        let contents = format!("{{\"contents\":{{\"{pictures}\":\"{held}\"}},\"cpipe\"");
        change(folder, run, "values.json", "{\"cpipe\"", &contents);
    }
    let text = said(&compare(folder, &["a", "b"]));
    assert!(text.contains("! folder(\"pets\") held other images in some"), "{text}");
    assert!(text.contains("what folder(\"pets\") holds"), "{text}");
    assert!(!text.contains(" *"), "{text}");
    // Of a record without it nothing is known: it is one of another seed.
    change(
        folder,
        "b",
        "values.json",
        "\"contents\":{\"folder(\\\"pets\\\", classes: 2)\":\"bb\"},",
        "",
    );
    change(folder, "b", "values.json", "\"seed\":0", "\"seed\":1");
    let text = said(&compare(folder, &["a", "b"]));
    assert!(text.contains("seeds 0 and 1") && !text.contains('!'), "{text}");
}

#[test]
fn the_page_is_whole_and_loads_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    leave(folder, "a <b>&\"", ("g", 0), "0.05", 0.5);
    leave(folder, "c", ("h", 7), "0.1", 0.4);
    let text = said(&compare(folder, &["a <b>&\"", "c", "--html", "page.html"]));
    assert!(text.ends_with("page  page.html\n"), "{text}");
    let html = fs::read_to_string(folder.join("page.html")).expect("a page");
    let tags = is_well_formed(&html);
    assert!(
        tags.iter().all(|tag| !["script", "link", "img", "iframe"].contains(&tag.name.as_str()))
    );
    for part in [
        "a &lt;b&gt;&amp;&quot;",
        "<code>base.optimizer.lr</code>",
        "<b>50.00</b>",
        "<b>loss</b> of base",
        "<b>spread</b> of base",
        "<td>25.0<small class=\"below\">as 1 60.0, as 3 10.0</small></td>",
        "<td>75.0<small class=\"below\">as 0 25.0</small></td>",
        "color-mix(in srgb, var(--arm1) 33.0%, transparent)\">60</td>",
        "<h2>Where images lie</h2>",
        "<td>12.5</td>",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // What each class was given, an arm.
    assert_eq!(html.matches("<table class=\"matrix\">").count(), 2);
    // A map an arm; one that was broken off is left out.
    assert_eq!(html.matches("<svg class=\"map\">").count(), 2);
    // So is one that is no drawing of a map alone.
    for other in [
        "<g>",
        "<circle onclick=\"x\"></circle></svg>",
        "<circle HREF=\"http://a\"></circle></svg>",
        "<image href=\"http://a\"></image></svg>",
        "<style>body{display:none}</style></svg>",
        "<style>.map{fill:url(http://a)}</style></svg>",
        "</svg><meta http-equiv=\"refresh\"><svg></svg>",
    ] {
        let drawn = format!("<svg class=\"map\">{other}");
        fs::write(folder.join("c/neighbours.map.svg"), drawn).expect("a file");
        said(&compare(folder, &["a <b>&\"", "c", "--html", "other.html"]));
        let page = fs::read_to_string(folder.join("other.html")).expect("a page");
        is_well_formed(&page);
        assert_eq!(page.matches("<svg class=\"map\">").count(), 1, "{other}");
    }
    // A line an arm in each of two drawings, of 240 points or fewer.
    assert_eq!(html.matches("class=\"line ").count(), 4);
    let longest = html.lines().filter(|line| line.contains("class=\"line ")).map(str::len).max();
    assert!(longest.is_some_and(|length| length < 240 * 14), "{longest:?}");
}

#[test]
fn what_is_no_record_is_named() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    leave(folder, "a", ("g", 0), "0.05", 0.5);
    fs::create_dir(folder.join("empty")).expect("a folder");
    leave(folder, "broken", ("g", 1), "0.05", 0.5);
    fs::write(folder.join("broken/results.json"), "[{}]").expect("a file");
    // A run that was killed in the middle of a line is one all the same.
    leave(folder, "killed", ("g", 2), "0.05", 0.5);
    let events = fs::read_to_string(folder.join("killed/events.jsonl")).expect("a file");
    fs::write(folder.join("killed/events.jsonl"), &events[..events.len() - 20]).expect("a file");
    let failed = |arguments: &[&str], code: i32, part: &str| {
        let output = compare(folder, arguments);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(part), "{said}");
    };
    failed(&["a", "empty"], 2, "`empty` holds no record of a run: values.json");
    failed(&["a", "absent"], 2, "`absent` holds no record of a run");
    failed(&["a", "broken"], 2, "results.json in `broken` is no part of a run's record");
    failed(&["a", "--html", "nowhere/page.html"], 1, "page-unwritable");
    failed(&[], 2, "RUN");
    let text = said(&compare(folder, &["a", "killed"]));
    assert!(text.contains("! killed has not finished"), "{text}");
}
