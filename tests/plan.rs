//! What a plan says is what the next run does.

use std::fs;

use serde_json::Value;

use crate::support::SMALL;
use crate::user::{Ended, Process, User};

const STAGES: [&str; 4] = ["base", "neighbours", "classifier", "accuracy"];
const SHORT: [&str; 2] = ["-o", "epochs=1 epochs"];

/// `cpipe plan p.cpipe`, from the store of the runs.
fn plan(user: &User, arguments: &[&str]) -> Ended {
    let fixed = ["plan", "p.cpipe", "--offline", "--store", "store"];
    Process::start(user.command(&[&fixed, arguments].concat())).end()
}

fn json(user: &User, arguments: &[&str]) -> Value {
    let ended = plan(user, &[arguments, &["--json"]].concat()).with(0);
    let plan: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(plan["version"], 1);
    plan
}

/// The names of the stages in this state, in the order in which they run.
fn of<'p>(plan: &'p Value, state: &str) -> Vec<&'p str> {
    let stages = plan["stages"].as_array().expect("stages").iter();
    let those = stages.filter(|stage| stage["state"] == state);
    those.map(|stage| stage["name"].as_str().expect("a name")).collect()
}

fn stage<'p>(plan: &'p Value, name: &str) -> &'p Value {
    let mut stages = plan["stages"].as_array().expect("stages").iter();
    stages.find(|stage| stage["name"] == name).expect("a stage")
}

/// What has changed for a stage: each name, and the value before and after.
fn changes(plan: &Value, name: &str) -> Vec<[String; 3]> {
    let changes = stage(plan, name)["changes"].as_array().expect("changes").iter();
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    changes.map(|own| ["name", "before", "after"].map(|field| text(&own[field]))).collect()
}

fn change(name: &str, before: &str, after: &str) -> [String; 3] {
    [name, before, after].map(str::to_owned)
}

/// Plans, runs, and asserts that the run has taken from the store what the plan said.
#[track_caller]
fn agrees(user: &User, arguments: &[&str]) -> Value {
    let plan = json(user, arguments);
    user.run(arguments).with(0);
    let events = user.record().lines("events.jsonl");
    let cached = events.iter().filter(|event| event["event"] == "stage-cached");
    let cached: Vec<&str> = cached.map(|event| event["stage"].as_str().expect("a stage")).collect();
    assert_eq!(of(&plan, "cached"), cached);
    plan
}

/// Every path below a folder.
fn below(user: &User) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders = vec![user.path("")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            paths.push(path.display().to_string());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    paths.sort();
    paths
}

#[test]
fn a_plan_changes_nothing() {
    let user = User::with(SMALL);
    let before = below(&user);
    let ended = plan(&user, &[]).with(0);
    assert_eq!(before, below(&user));
    assert_eq!(ended.out.matches("never run").count(), 4, "{}", ended.out);
    assert!(ended.out.contains("0 cached, 4 to run, 10 steps"), "{}", ended.out);
    assert!(ended.out.lines().all(|line| line.chars().count() <= 80), "{}", ended.out);
    user.run(&SHORT).with(0);
    let before = below(&user);
    for arguments in [&SHORT[..], &[], &["-v"], &["--json"], &["--seed", "7"]] {
        plan(&user, arguments).with(0);
    }
    assert_eq!(before, below(&user));
}

#[test]
fn operations_are_those_of_the_networks() {
    let user = User::with(SMALL);
    let flops = |plan: &Value, name: &str| stage(plan, name)["flops"].as_u64().expect("a number");
    let whole = json(&user, &[]);
    // Two encoders are kept and judged; the model has ten outputs of 32 features.
    let forward = flops(&whole, "neighbours") / (2 * (64 + 40));
    assert_eq!(flops(&whole, "accuracy"), 40 * (forward + 2 * 32 * 10));
    // Two epochs, written as their steps.
    let in_steps = json(&user, &["-o", "epochs=8 steps"]);
    assert_eq!(flops(&in_steps, "neighbours"), flops(&whole, "neighbours"));
    // The first layer, 3x3 of three channels to four, is given images, which need no gradient.
    let first = 2 * 27 * 4 * 32 * 32;
    let head = 2 * 32 * 10;
    assert_eq!(flops(&whole, "classifier"), 2 * 16 * (3 * (forward + head) - first));
    // The head of the objective: 32 to 32 to 16. The keys are made without a gradient.
    let network = forward + 2 * 32 * (32 + 16);
    assert_eq!(flops(&whole, "base"), 2 * 4 * 16 * (4 * network - first));
    let all: u64 = STAGES.iter().map(|name| flops(&whole, name)).sum();
    assert_eq!(whole["flops"], all);
    assert_eq!(whole["seconds"], Value::Null);
    user.run(&[]).with(0);
    assert_eq!(json(&user, &[])["flops"], 0);
}

/// Two protocols judge one encoder, and between them one another: its features are read once, and
/// found by either alone.
#[test]
fn features_are_read_once() {
    let judge = |name: &str, protocol: &str| {
        format!(
            "  evaluate {name} {{ model: backbone, protocol: {protocol}, fit: data.train, \
             on: data.test }}\n"
        )
    };
    let (near, probe) = (judge("near", "knn(k: 5)"), judge("probe", "linear_probe()"));
    const CROP: &str = "use std.augment.center_crop\n";
    let of = |stages: &str| {
        let imported = if stages.contains("center_crop") { CROP } else { "" };
        let text = SMALL.replace("  finetune", &format!("{stages}  finetune"));
        User::with(&(imported.to_owned() + &text))
    };
    // Of smaller images they are others.
    let between = judge("between", "knn(k: 5)").replace("fit", "views: center_crop(size: 16), fit");
    let both = of(&format!("{near}{between}{probe}"));
    let plan = json(&both, &[]);
    let flops = |name: &str| stage(&plan, name)["flops"].as_u64().expect("a number");
    // As many as two encoders that were kept are judged with.
    assert_eq!([flops("near") * 2, flops("probe")], [flops("neighbours"), 0]);
    assert!(flops("between") > 0);
    both.run(&[]).with(0);
    let probe_alone = of(&probe);
    assert!(stage(&json(&probe_alone, &[]), "probe")["flops"].as_u64() > Some(0));
    probe_alone.run(&[]).with(0);
    let found = |user: &User| {
        let results = user.record().json("results.json");
        let mut results = results.as_array().expect("results").clone();
        results.retain(|result| result["stage"] == "probe");
        assert_eq!(results.len(), 1);
        results
    };
    assert_eq!(found(&both), found(&probe_alone));
    // Of more images it takes so long that a terminal tells of it.
    let many = User::with(&format!(
        "{CROP}use std.datasets.shapes\n\
         use std.encoders.resnet18\n\
         pipeline many() {{\n  \
           dataset data = shapes(train: 3000, test: 40)\n  \
           encoder backbone = resnet18(stem: small, width: 16)\n\
         {near}{between}{probe}}}\n"
    ));
    let ended = Process::on_terminal(many.runs(&[]), 80).end().with(0);
    let (before, after) = ended.err.split_once("probe: evaluate").expect("its beginning");
    assert!(before.contains("reading features of train"), "{before}");
    assert!(!after.contains("reading features"), "{after}");
}

#[test]
fn a_measured_plan_tells_the_time_and_leaves_nothing() {
    let user = User::with(SMALL);
    let before = below(&user);
    let plan = json(&user, &["--measure"]);
    assert_eq!(below(&user), before);
    let seconds = |name: &str| stage(&plan, name)["seconds"].as_f64().expect("measured");
    assert!(STAGES.iter().all(|name| seconds(name) > 0.0));
    let all: f64 = STAGES.iter().map(|name| seconds(name)).sum();
    assert!((plan["seconds"].as_f64().expect("all are measured") - all).abs() < 1e-9);
    if cfg!(target_os = "linux") {
        let (least, most) = (plan["memory"].as_u64(), plan["measured_memory"].as_u64());
        assert!(least < most && plan["expected_memory"].as_u64() > least, "{plan}");
    }
    // Half of it is there: the rest is measured with the weights of that.
    user.run(&["-o", "epochs=1 epochs"]).with(0);
    let plan = json(&user, &["-o", "epochs=1 epochs", "-o", "tune_lr=0.1", "--measure"]);
    assert_eq!(of(&plan, "cached"), ["base", "neighbours"]);
    assert_eq!(stage(&plan, "base")["seconds"], Value::Null);
    assert!(stage(&plan, "classifier")["seconds"].is_f64() && plan["seconds"].is_f64());
}

#[test]
fn what_is_not_there_is_not_measured() {
    let user = User::with(
        &SMALL
            .replace("shapes(train: 64, test: 40)", "cifar10()")
            .replace("std.datasets.shapes", "std.datasets.cifar10"),
    );
    let mut command = user.command(&["plan", "p.cpipe", "--store", "store", "--measure", "--json"]);
    command.env_remove("CPIPE_DATA");
    let ended = Process::start(command).end().with(0);
    let plan: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(plan["datasets"][0]["supply"], "download");
    assert_eq!(plan["seconds"], Value::Null);
    assert_eq!(plan["measured_memory"], Value::Null);
    assert_eq!(stage(&plan, "base")["unmeasured"], "`cifar10(normalize: own)` is not here");
}

/// A training whose encoders are judged as they are kept holds their features as well.
#[test]
fn what_is_judged_on_the_way_takes_its_memory() {
    let memory = |text: &str| {
        let plan = json(&User::with(text), &[]);
        let of = |name: &str| stage(&plan, name)["expected_memory"].as_u64().expect("bytes");
        (of("base"), of("neighbours"))
    };
    let (base, neighbours) = memory(SMALL);
    let (alone, _) = memory(&SMALL.replace("base.history", "base.encoder"));
    assert_eq!(base, alone + neighbours);
}

#[test]
fn what_a_plan_calls_cached_is_what_the_run_does_not_compute() {
    let user = User::with(SMALL);
    let first = agrees(&user, &SHORT);
    assert_eq!(of(&first, "to-run"), STAGES);
    assert!(STAGES.iter().all(|name| stage(&first, name)["has_run"] == false));
    let base = &stage(&first, "base")["training"];
    assert_eq!((&base["examples"], &base["batch"]), (&64.into(), &16.into()));
    assert_eq!((&base["steps"], &base["epochs"]), (&4.into(), &1.into()));
    // The average learns nothing.
    assert_eq!(base["parameters"].as_u64(), base["trained"].as_u64().map(|trained| 2 * trained));
    assert_eq!(first["steps"], 4 + 2);

    let second = agrees(&user, &SHORT);
    assert_eq!(of(&second, "cached"), STAGES);
    assert_eq!((&second["steps"], &second["disk"]), (&0.into(), &0.into()));

    let other = ["-o", "neighbours.protocol.k=7"];
    let evaluation = agrees(&user, &[&SHORT[..], &other].concat());
    assert_eq!(of(&evaluation, "to-run"), ["neighbours"]);
    assert_eq!(changes(&evaluation, "neighbours"), [change("neighbours.protocol.k", "5", "7")]);
    assert_eq!(stage(&evaluation, "neighbours")["changes"][0]["from"], "-o");
    assert_eq!(stage(&evaluation, "neighbours")["waits_for"], Value::Array(Vec::new()));

    let tuned = agrees(&user, &[&SHORT[..], &["-o", "tune_lr=0.05"]].concat());
    assert_eq!(of(&tuned, "to-run"), ["classifier", "accuracy"]);
    assert_eq!(changes(&tuned, "classifier"), [change("tune_lr", "0.03", "0.05")]);
    assert_eq!(stage(&tuned, "accuracy")["waits_for"][0], "classifier");
    assert!(changes(&tuned, "accuracy").is_empty());
}

#[test]
fn a_changed_objective_is_named_and_what_follows_says_so() {
    let user = User::with(SMALL);
    user.run(&SHORT).with(0);
    let arguments = [&SHORT[..], &["-o", "moco.temperature=0.2"]].concat();
    let ended = plan(&user, &arguments).with(0);
    let said = ended.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "`moco.temperature` 0.1 -> 0.2, from -o",
        "`base` is to run",
        "`classifier` is to run",
        "0 cached, 4 to run, 6 steps",
    ] {
        assert!(said.contains(text), "no `{text}` in {}", ended.out);
    }
    let plan = agrees(&user, &arguments);
    assert_eq!(of(&plan, "to-run"), STAGES);
    assert_eq!(changes(&plan, "base"), [change("moco.temperature", "0.1", "0.2")]);
    for name in ["neighbours", "classifier", "accuracy"] {
        assert!(changes(&plan, name).is_empty(), "{plan}");
    }
    assert_eq!(stage(&plan, "accuracy")["waits_for"][0], "classifier");
}

#[test]
fn only_the_values_that_matter_are_named() {
    let user = User::with(SMALL);
    user.run(&SHORT).with(0);
    let with = |more: &[&str]| {
        let more = more.iter().flat_map(|over| ["-o", *over]);
        json(&user, &SHORT.into_iter().chain(more).collect::<Vec<_>>())
    };
    // A parameter, and not also the argument that has its value.
    let plan = with(&["lr=0.1", "tune_lr=0.5"]);
    assert_eq!(changes(&plan, "base"), [change("lr", "0.05", "0.1")]);
    assert_eq!(changes(&plan, "classifier"), [change("tune_lr", "0.03", "0.5")]);
    // A declaration that several use.
    let plan = with(&["data.test=50"]);
    assert_eq!(changes(&plan, "accuracy"), [change("data.test", "40", "50")]);
    // Old values that do not fit the new ones, each by itself: a queue of whole batches.
    let plan = with(&["moco.queue=64", "base.batch=64", "tune_lr=0.5"]);
    let queue = [change("moco.queue", "32", "64"), change("base.batch", "16", "64")];
    assert_eq!(changes(&plan, "base"), queue);
    assert_eq!(changes(&plan, "classifier"), [change("tune_lr", "0.03", "0.5")]);
    // Another constructor: it, and not its arguments.
    let plan = with(&["base.schedule=constant()"]);
    let names: Vec<String> = changes(&plan, "base").into_iter().map(|[name, ..]| name).collect();
    assert_eq!(names, ["base.schedule"]);
    assert_eq!(of(&with(&[]), "cached"), STAGES);
    let seeded = json(&user, &[&SHORT[..], &["--seed", "3"]].concat());
    assert_eq!(changes(&seeded, "base"), [change("seed", "0", "3")]);
}

/// What is stored is taken, whatever has become of that from which it was made.
#[test]
fn a_stage_that_is_gone_is_computed_again_alone() {
    let user = User::with(SMALL);
    user.run(&SHORT).with(0);
    let stages = fs::read_dir(user.path("store")).expect("a store");
    let stages = stages.map(|entry| entry.expect("an entry").path());
    let trained = stages.filter(|path| path.join("encoder.safetensors").exists());
    let base: Vec<_> = trained.filter(|path| !path.join("model.safetensors").exists()).collect();
    assert_eq!(base.len(), 1);
    fs::write(base[0].join("encoder.safetensors"), b"other bytes").expect("a store to write to");
    let damaged = json(&user, &SHORT);
    let reason = stage(&damaged, "base")["reason"].as_str().expect("a reason");
    assert_eq!(reason, "what the store holds of it is damaged");
    fs::remove_dir_all(&base[0]).expect("a store to write to");
    let plan = agrees(&user, &SHORT);
    assert_eq!(of(&plan, "to-run"), ["base"]);
    assert_eq!(stage(&plan, "accuracy")["waits_for"], Value::Array(Vec::new()));
}

/// Two names for one computation: it is done once.
#[test]
fn a_stage_that_computes_the_same_is_taken_from_the_store() {
    let twin = "  evaluate again { model: base.history, protocol: knn(k: 5), fit: data.train, on: data.test }";
    let (before, after) = SMALL.split_once("  finetune").expect("a fine-tuning");
    let user = User::with(&format!("{before}{twin}\n\n  finetune{after}"));
    let plan = agrees(&user, &SHORT);
    assert_eq!(of(&plan, "cached"), ["again"]);
    assert_eq!(stage(&plan, "again")["reason"], "the same as `neighbours`");
}

/// Stored before it was kept what a stage was made from.
#[test]
fn old_stages_are_taken_and_say_nothing() {
    let user = User::with(SMALL);
    user.run(&SHORT).with(0);
    for entry in fs::read_dir(user.path("store")).expect("a store") {
        let path = entry.expect("an entry").path().join("stage.json");
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let mut manifest: Value = serde_json::from_str(&text).expect("JSON");
        let stage = manifest["stage"].as_object_mut().expect("a stage");
        stage.remove("lineage").expect("it was kept");
        // The digest is of the fields in the order in which they are declared.
        let file = |(name, own): (&String, &Value)| {
            format!("{name:?}:{{\"bytes\":{},\"blake3\":{}}}", own["bytes"], own["blake3"])
        };
        let files = stage["files"].as_object().expect("files").iter().map(file);
        let files = format!("{{{}}}", files.collect::<Vec<_>>().join(","));
        let fields = ["format", "key", "files", "result"].map(|name| match name {
            "files" => format!("{name:?}:{files}"),
            _ => format!("{name:?}:{}", stage[name]),
        });
        let digest = blake3::hash(format!("{{{}}}", fields.join(",")).as_bytes()).to_hex();
        manifest["blake3"] = Value::String(digest.to_string());
        fs::write(&path, manifest.to_string()).expect("a store to write to");
    }
    assert_eq!(of(&json(&user, &SHORT), "cached"), STAGES);
    let plan = json(&user, &[&SHORT[..], &["-o", "lr=0.1"]].concat());
    assert_eq!(of(&plan, "to-run"), STAGES);
    assert_eq!(stage(&plan, "base")["has_run"], Value::Null);
    assert!(changes(&plan, "base").is_empty());
}

#[test]
fn a_dataset_that_is_missing_blocks_what_reads_it() {
    let photographs = SMALL
        .replace("std.datasets.shapes", "std.datasets.{cifar10, shapes}")
        .replace("  encoder   backbone", "  dataset   photos   = cifar10()\n  encoder   backbone")
        .replace("protocol: top1(), on: data.test", "protocol: top1(), on: photos.test");
    let user = User::with(&photographs);
    let missing = json(&user, &[]);
    assert_eq!(of(&missing, "blocked"), ["accuracy"]);
    let obstacle = missing["obstacle"].as_str().expect("an obstacle");
    assert!(obstacle.starts_with("dataset-missing: "), "{obstacle}");
    user.run(&[]).with(2).says("dataset-missing");
    let online = user.command(&["plan", "p.cpipe", "--store", "store", "--json"]);
    let ended = Process::start(online).end().with(0);
    let plan: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(of(&plan, "to-run"), STAGES);
    assert_eq!(plan["datasets"][0]["supply"], "download");
    assert!(!user.path("home").exists());
}

#[test]
fn what_is_wrong_is_said_as_by_run() {
    let user = User::with(SMALL);
    plan(&user, &["-o", "moco.temperature=-1"]).with(2).says("out-of-range");
    plan(&user, &["--device", "gpu"]).with(2).says("there is no device `gpu`");
    plan(&user, &["--profile", "none"]).with(2).says("unknown-profile");
}

#[cfg(unix)]
mod stopped {
    use libc::{SIGCONT, SIGINT, SIGSTOP};

    use super::{json, of, plan, stage};
    use crate::support::SMALL;
    use crate::user::User;

    const EPOCHS: [&str; 2] = ["-o", "epochs=12 epochs"];

    #[test]
    fn an_interrupted_stage_goes_on_and_a_held_one_is_blocked() {
        let user = User::with(SMALL);
        let mut process = user.start(&EPOCHS);
        process.until("base epoch 2/");
        process.signal(SIGSTOP);
        let held = json(&user, &EPOCHS);
        assert_eq!(of(&held, "blocked"), ["base"]);
        let reason = stage(&held, "base")["reason"].as_str().expect("a reason").to_owned();
        let holder = format!("process {}, recorded in ", process.id());
        assert!(reason.starts_with(&holder) && reason.ends_with("computes it"), "{reason}");
        // It finds the second as it goes on, and does not reach its end before.
        process.signal(SIGINT);
        process.stop(SIGCONT).with(130);

        let left = json(&user, &EPOCHS);
        let step = stage(&left, "base")["from_step"].as_u64().expect("a step");
        assert!(step >= 8, "{left}");
        assert_eq!(left["steps"].as_u64(), Some(48 - step + 2));
        let ended = plan(&user, &EPOCHS).with(0);
        let said = ended.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(&format!("it was interrupted; it goes on after step {step}")));
        user.run(&EPOCHS).with(0).says(&format!("goes on after step {step}"));
    }

    #[test]
    fn a_failure_is_named() {
        let user = User::with(SMALL);
        let wild = ["-o", "lr=1e18"];
        user.run(&wild).with(1);
        let plan = json(&user, &wild);
        let reason = stage(&plan, "base")["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("it has failed before: loss-not-finite"), "{reason}");
    }
}
