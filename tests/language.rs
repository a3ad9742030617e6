//! What the language promises.

use cpipe::diagnostics::Severity;
use cpipe::term::Term;
use cpipe::term::objective::NetworkBody;
use cpipe::{Request, compile};

use crate::format::formatted;
use crate::lints::training;
use crate::support::{SMALL, hash, names, text, with};

// ---------------------------------------------------------------- the canonical form

#[test]
fn the_hash_ignores_names_layout_comments_and_order() {
    let original = hash(SMALL);
    let renamed =
        SMALL.replace("backbone", "network").replace("base", "first").replace("neighbours", "near");
    assert_eq!(hash(&renamed), original, "names");
    let spaced = SMALL.replace("\n\n", "\n\n// a remark\n\n").replace(": ", ":   ");
    assert_eq!(hash(&spaced), original, "layout and comments");
    let encoder = "  encoder   backbone = resnet18(stem: small, width: width)\n";
    let moved = SMALL
        .replace(encoder, "")
        .replace("\n  evaluate accuracy", &format!("\n{encoder}\n  evaluate accuracy"));
    assert_eq!(hash(&moved), original, "order of declarations");
    let reordered = SMALL.replace("queue: 32, momentum: 0.9", "momentum: 0.9, queue: 32");
    assert_eq!(hash(&reordered), original, "order of arguments");
    let explicit = SMALL.replace("linear()", "linear(bias: true)");
    assert_eq!(hash(&explicit), original, "defaults written out");
}

#[test]
fn the_hash_sees_every_value() {
    let original = hash(SMALL);
    for (from, to) in [
        ("temperature: 0.1", "temperature: 0.2"),
        ("moco_v2_crops(size: 32)", "moco_v2_crops(size: 32, blur: false)"),
        ("data.train.sample(50%)", "data.train"),
        ("k: 5", "k: 6"),
        ("batch:     16", "batch:     32"),
    ] {
        let changed = SMALL.replace(from, to);
        assert_ne!(changed, SMALL);
        assert_ne!(hash(&changed), original, "{from} to {to}");
    }
}

#[test]
fn a_stage_keeps_its_hash_when_a_later_one_changes() {
    let hashes = |source: &str| -> Vec<(String, String)> {
        let graph = text(source).compiled.expect("a pipeline").graph;
        graph.ordered().map(|stage| (stage.name.clone(), stage.hash.clone())).collect()
    };
    let before = hashes(SMALL);
    let after = hashes(&SMALL.replace("tune_lr: Float = 0.03", "tune_lr: Float = 0.04"));
    let changed = before.iter().zip(&after).filter(|(a, b)| a != b).map(|(a, _)| a.0.as_str());
    let mut changed: Vec<&str> = changed.collect();
    changed.sort_unstable();
    assert_eq!(changed, ["accuracy", "classifier"]);
}

#[test]
fn unneeded_parts_of_an_objective_leave_no_trace() {
    let with_helper =
        OWN.replace("  minimize", "  let _spare = mlp(hidden: 7, out: 7)\n  minimize");
    assert_eq!(hash(&with_helper), hash(OWN));
}

#[test]
fn the_hash_ignores_the_names_of_reports() {
    // Two reports, so that the new name also changes their order.
    let two = OWN.replace("  report spread", "  report near = spread(online(b))\n  report spread");
    let original = hash(&two);
    assert_ne!(original, hash(OWN), "what is reported is computed");
    let renamed = two.replace("report near", "report zeal");
    assert_eq!(hash(&renamed), original);
    let graph = text(&renamed).compiled.expect("it is right").graph;
    assert!(graph.to_ron().contains("zeal"), "the graph names its reports");
    let line = "  report near = spread(online(b))\n";
    let moved =
        two.replace(line, "").replace("spread(online(a))\n", &format!("spread(online(a))\n{line}"));
    assert_ne!(moved, two);
    assert_eq!(hash(&moved), original, "order of reports");
}

#[test]
fn the_hash_ignores_the_sign_of_zero() {
    let with_decay = |decay: &str| SMALL.replace("weight_decay: 5e-4", decay);
    assert_eq!(hash(&with_decay("weight_decay: -0.0")), hash(&with_decay("weight_decay: 0.0")));
}

#[test]
fn the_hash_ignores_identity_in_a_chain() {
    let original = hash(SMALL);
    for chain in [
        "identity() >> moco_v2_crops(size: 32)",
        "moco_v2_crops(size: 32) >> identity()",
        "identity() >> identity() >> moco_v2_crops(size: 32)",
    ] {
        let with_identity = SMALL
            .replace("moco_v2_crops(size: 32)", chain)
            .replace("augment.{", "augment.{identity, ");
        assert_eq!(hash(&with_identity), original, "{chain}");
    }
    let alone = |views: &str| {
        SMALL.replace("crop_and_flip(size: 32)", views).replace("{crop_and_flip", "{identity")
    };
    assert_eq!(hash(&alone("identity() >> identity()")), hash(&alone("identity()")));
}

#[test]
fn a_sample_is_as_large_as_the_run_makes_it() {
    // Ten classes of 6 or 7, half of each rounded: 4 * 4 + 6 * 3 = 34 examples.
    let with_k = |k: &str| {
        SMALL.replace("fit: data.train", "fit: data.train.sample(50%)").replace("k: 5", k)
    };
    assert_eq!(names(&text(&with_k("k: 34"))), [""; 0]);
    assert_eq!(names(&text(&with_k("k: 35"))), ["out-of-range"]);
}

#[test]
fn a_crop_may_reach_into_its_padding() {
    // Four pixels on both sides of 32, unless the text says otherwise.
    let crop = |arguments: &str| {
        let views = format!("crop_and_flip({arguments})");
        text(&SMALL.replace("crop_and_flip(size: 32)", &views))
    };
    assert_eq!(names(&crop("size: 40")), [""; 0]);
    assert_eq!(names(&crop("size: 41")), ["crop-too-large"]);
    assert_eq!(names(&crop("size: 33, padding: 0")), ["crop-too-large"]);
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(hash(&format!("\u{feff}{SMALL}")), hash(SMALL));
}

// ---------------------------------------------------------------- objectives of users

/// Somebody's own objective: asymmetric agreement of two views, with a predictor.
pub const OWN: &str = "\
use std.augment.moco_v2_crops
use std.datasets.shapes
use std.encoders.resnet18

define follow(encoder: Encoder, dim: Int > 0 = 16, weight: Float >= 0 = 1.0) -> Objective {
  let online    = encoder >> mlp(hidden: encoder.width, out: dim, norm: batch)
  let predictor = mlp(hidden: dim * 2, out: dim, norm: batch)
  let target    = ema(online, momentum: cosine(from: 0.9, to: 1.0))

  given views a, b

  minimize weight * cosine_distance(predictor(online(a)), target(b))
         + weight * cosine_distance(predictor(online(b)), target(a))

  report spread = spread(online(a))
}

pipeline own(epochs: Duration = 1 epochs) {
  dataset   data     = shapes(train: 64, test: 40)
  encoder   backbone = resnet18(stem: small, width: 4)
  objective mine     = follow(backbone)

  pretrain base {
    data:      data.train.unlabeled
    views:     moco_v2_crops(size: 32)
    objective: mine
    optimizer: adamw(lr: 0.001)
    length:    epochs
    batch:     16
  }

  evaluate probe { model: base.encoder, protocol: linear_probe(), fit: data.train, on: data.test }
}
";

#[test]
fn an_objective_of_a_users_own_compiles() {
    let compiled = text(OWN).compiled.expect("it is right");
    let stage = compiled.graph.ordered().next().expect("a stage");
    let Some(Term::Objective(objective)) = stage.fields.get("objective") else {
        panic!("no objective")
    };
    assert_eq!((objective.views, objective.modules.len(), objective.networks.len()), (2, 3, 3));
    assert_eq!(
        objective.modules[2].input,
        Some(16),
        "the predictor reads what the projector yields"
    );
}

/// The same, and its teacher is an output of the stage.
pub fn with_teacher() -> String {
    let export = "  report spread = spread(online(a))\n  export teacher = target.encoder\n";
    let judged = "  evaluate taught { model: base.teacher, protocol: linear_probe(), fit: data.train, \
                  on: data.test }\n}\n";
    let own = OWN.replace("  report spread = spread(online(a))\n", export);
    own.trim_end().strip_suffix('}').expect("a pipeline").to_owned() + judged
}

#[test]
fn a_name_hides_no_choice() {
    // A stage, and a parameter that is a number.
    let source = OWN
        .replace("pretrain base", "pretrain small")
        .replace("base.encoder", "small.encoder")
        .replace("epochs: Duration", "batch: Int = 16, epochs: Duration")
        .replace("batch:     16", "batch:     batch")
        .replace("dim: Int > 0 = 16, weight", "dim: Int > 0 = 16, batch: Int > 0 = 1, weight")
        .replace("minimize weight *", "minimize batch * weight *");
    assert_eq!(names(&text(&source)), [""; 0], "in\n{source}");
    // A parameter that is a choice of its own is what it says.
    let own = "stem: small | imagenet = imagenet, epochs: Duration";
    let chosen = OWN.replace("stem: small", "stem: stem").replace("epochs: Duration", own);
    assert_eq!(names(&text(&chosen)), ["features-too-coarse"]);
}

#[test]
fn what_an_objective_exports_is_an_output() {
    let source = with_teacher();
    assert_eq!(names(&text(&source)), [""; 0]);
    let graph = text(&source).compiled.expect("it is right").graph;
    let base = graph.ordered().next().expect("a stage");
    let objective = base.objective().expect("it trains");
    assert_eq!(objective.encoders(), ["encoder", "teacher"]);
    let teacher = &objective.networks[objective.export("teacher").expect("exported")];
    // The average of all of it, and of that the encoder.
    let NetworkBody::Encoder { of } = teacher.body else { panic!("{teacher:?}") };
    assert!(matches!(objective.networks[of].body, NetworkBody::Ema { .. }));
    let models: Vec<String> =
        graph.ordered().skip(1).map(|stage| stage.fields["model"].to_string()).collect();
    assert!(models.contains(&"stage 0.teacher".to_owned()), "{models:?}");
    // The name is one of a file in the store.
    let renamed = source.replace("teacher", "tutor");
    assert_ne!(hash(&renamed), hash(&source));
    // What nobody exports changes no stage.
    let first = |source: &str| {
        let graph = text(source).compiled.expect("it is right").graph;
        graph.ordered().next().expect("a stage").hash.clone()
    };
    assert_ne!(first(&source), first(OWN));
    let exported = OWN.replace("  report spread", "  export encoder = encoder\n  report spread");
    assert_eq!(names(&text(&exported)), [""; 0]);
}

/// The modules of an objective that tells what its second encoder sees by what its first one does:
/// the constructor of each, and whether the stage yields it.
fn modules_of_two(encoders: &str) -> Vec<(String, bool)> {
    let define = "\
define agree(query: Encoder, key: Encoder) -> Objective {
  let q = query >> linear(out: 8)
  let k = key >> linear(out: 8)
  given views a, b
  minimize nt_xent(normalize(k(a)), normalize(q(b)))
}

pipeline own";
    let source = OWN
        .replace("pipeline own", define)
        .replace("follow(backbone)", &format!("agree({encoders})"))
        .replace("encoders.resnet18", "encoders.{convnet, resnet18}");
    let graph = text(&source).compiled.expect("it is right").graph;
    let stage = graph.ordered().next().expect("a stage");
    let Some(Term::Objective(objective)) = stage.fields.get("objective") else {
        panic!("no objective")
    };
    let modules = objective.modules.iter().map(|module| match &module.term {
        Term::Call(call) => (call.name.clone(), module.encoder),
        term => panic!("{term} is no constructor"),
    });
    modules.collect()
}

#[test]
fn a_stage_yields_the_first_encoder_of_its_objective() {
    let modules = |encoders: &str| {
        let modules = modules_of_two(encoders);
        modules.into_iter().filter(|(name, _)| name != "linear").collect::<Vec<_>>()
    };
    let (resnet, convnet) = ("resnet18".to_owned(), "convnet".to_owned());
    // The loss reads the second encoder first, and the graph numbers it so.
    assert_eq!(
        modules("backbone, convnet(width: 4)"),
        [(convnet.clone(), false), (resnet.clone(), true)]
    );
    assert_eq!(
        modules("key: backbone, query: convnet(width: 4)"),
        [(resnet.clone(), false), (convnet, true)]
    );
    // Two calls are two networks; one that is named twice is one.
    assert_eq!(
        modules("backbone, resnet18(stem: small, width: 4)"),
        [(resnet.clone(), false), (resnet.clone(), true)]
    );
    assert_eq!(modules("backbone, backbone"), [(resnet, true)]);
}

#[test]
fn a_division_in_a_define_is_made_where_it_is_used() {
    let divided =
        |by: &str| OWN.replace("hidden: encoder.width", &format!("hidden: encoder.width / {by}"));
    // The encoder of the pipeline is 32 wide.
    assert_eq!(hash(&divided("2")), hash(&OWN.replace("hidden: encoder.width", "hidden: 16")));
    assert_eq!(names(&text(&divided("3"))), ["out-of-range"]);
    assert_eq!(names(&text(&divided("0"))), ["out-of-range"]);
    // On its own, only what no width could make right is wrong.
    let alone = |by| {
        let source = divided(by);
        let define = source.split("pipeline own").next().expect("the text before it").to_owned();
        names(&text(&define)).into_iter().filter(|name| *name != "unused-import").collect()
    };
    let (right, wrong): (Vec<&str>, Vec<&str>) = (alone("3"), alone("0"));
    assert_eq!(right, [""; 0]);
    assert_eq!(wrong, ["out-of-range"]);
}

/// What a schedule is, is a number of each step.
#[test]
fn schedules_combine_with_numbers_in_an_objective() {
    let define =
        "define own(encoder: Encoder, w: Schedule in 0..=1 = cosine(from: 0.9)) -> Objective {
  let f = encoder >> mlp(hidden: 8, out: 8)
  given views a, b
  minimize w * nt_xent(normalize(f(a)), normalize(f(b))) + (1.0 - w) * mean_squared(f(a), f(b))
}";
    for written in ["(1.0 - w)", "(2 - w / 2)", "(w + w)", "(1 + -w)"] {
        let define = define.replace("(1.0 - w)", written);
        assert_eq!(names(&text(&training(&define, "own(backbone)"))), [""; 0], "{define}");
    }
}

#[test]
fn an_objective_with_labels_wants_labels() {
    let supervised = OWN.replace("given views a, b", "given views a, b and label y").replace(
        "weight * cosine_distance(predictor(online(b)), target(a))",
        "sup_con(normalize(online(a)), normalize(online(b)), y)",
    );
    assert_eq!(names(&text(&supervised)), ["labels-missing"]);
    let labeled = supervised.replace("data.train.unlabeled", "data.train");
    assert_eq!(names(&text(&labeled)), [""; 0]);
}

// ---------------------------------------------------------------- overrides and origins

fn overridden(overrides: &[&str], profile: Option<&str>) -> cpipe::Compilation {
    let overrides: Vec<String> = overrides.iter().map(|over| (*over).to_owned()).collect();
    let source =
        SMALL.replace("\n}\n", "\n  profile fast { epochs: 1 epochs, moco.temperature: 0.3 }\n}\n");
    with(&source, &Request { overrides: &overrides, profile, required: true, ..Request::default() })
}

fn value(compilation: &cpipe::Compilation, path: &str) -> (String, String) {
    let resolved = &compilation.compiled.as_ref().expect("it is right").resolved;
    let found =
        resolved.iter().find(|resolved| resolved.path == path).expect("a value of that name");
    (found.value.clone(), found.origin.show(&compilation.sources))
}

#[test]
fn overrides_win_over_profiles_and_profiles_over_defaults() {
    let plain = overridden(&[], None);
    assert_eq!(value(&plain, "epochs").0, "2 epochs");
    assert!(value(&plain, "epochs").1.starts_with("test.cpipe:6:"));
    assert!(value(&plain, "backbone.stem").1.starts_with("test.cpipe:8:"));
    let fast = overridden(&[], Some("fast"));
    assert_eq!(value(&fast, "epochs").0, "1 epochs");
    assert!(value(&fast, "epochs").1.starts_with("profile fast, test.cpipe:"));
    assert_eq!(value(&fast, "moco.temperature").0, "0.3");
    let given = overridden(&["epochs=3 epochs", "base.optimizer.lr=0.5"], Some("fast"));
    assert_eq!(value(&given, "epochs"), ("3 epochs".to_owned(), "-o".to_owned()));
    assert_eq!(value(&given, "base.optimizer.lr").0, "0.5");
    assert!(value(&given, "base.optimizer.nesterov").1.starts_with("default of sgd"));
    // What may be left out, too.
    let clipped = overridden(&["base.optimizer.clip=1.0"], None);
    assert_eq!(value(&clipped, "base.optimizer.clip"), ("1".to_owned(), "-o".to_owned()));
    // Through a name, and inside of what is given.
    assert!(value(&given, "base.length").1.ends_with(", from -o"));
    let whole = overridden(&["backbone=resnet18(stem: small, width: 8)"], None);
    assert_eq!(value(&whole, "backbone.width"), ("8".to_owned(), "-o".to_owned()));
}

#[test]
fn overrides_are_typed_and_must_exist() {
    for (over, expected) in [
        ("epocs=3 epochs", "unknown-parameter"),
        ("base.optimizer.clip=0.0", "out-of-range"),
        ("moco.temprature=0.2", "unknown-parameter"),
        ("epochs=3", "type-mismatch"),
        ("moco.momentum=1.5", "out-of-range"),
        ("epochs=", "bad-override"),
        ("epochs=3 +", "syntax-error"),
        ("=3", "bad-override"),
        ("epochs", "bad-override"),
        ("width=many", "unknown-name"),
    ] {
        let compilation = overridden(&[over], None);
        assert_eq!(names(&compilation), [expected], "-o {over}");
    }
    let near = overridden(&["moco.temprature=0.2"], None);
    assert_eq!(near.diagnostics[0].help.as_deref(), Some("did you mean `moco.temperature`?"));
}

#[test]
fn an_override_is_shown_as_it_was_written() {
    let shown = |over: &str| {
        let compilation = overridden(&[over], None);
        let [diagnostic] = compilation.diagnostics.as_slice() else { panic!("one, for {over}") };
        let span = diagnostic.primary.as_ref().expect("a place").span;
        let source = compilation.sources.get(span.file);
        assert_eq!((source.name.as_str(), &*source.text), ("-o", over));
        (diagnostic.message.clone(), compilation.sources.text(span).to_owned())
    };
    let whole = |message: &str, text: &str| (message.to_owned(), text.to_owned());
    assert_eq!(shown("=3"), whole("`-o =3` names nothing to give a value to", "=3"));
    assert_eq!(shown("epochs="), whole("`-o epochs=` gives no value", "epochs="));
    assert_eq!(shown("epochs=-1 epochs"), whole("a length is not negative", "-1 epochs"));
    assert_eq!(shown("epoc\u{302}s=3").1, "\u{302}");
    assert_eq!(shown("moco.temprature=1").1, "moco.temprature");
    assert_eq!(shown("moco.momentum=1.5").1, "1.5");
    assert_eq!(shown("epochs=3 )").1, ")");
}

#[test]
fn unknown_modules_of_the_library_are_answered() {
    let nothing: std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> = Default::default();
    let found = |file| {
        let compilation =
            compile(&Request { file, required: true, ..Request::default() }, &nothing);
        (names(&compilation), compilation.diagnostics[0].help.clone().expect("what would be right"))
    };
    let near = "did you mean `std.pipelines.moco_cifar10`?".to_owned();
    assert_eq!(found("std.pipelines.moco_cifar11"), (vec!["unknown-module"], near));
    assert_eq!(found("std.cpipe").0, ["file-unreadable"]);
}

#[test]
fn unknown_profiles_and_pipelines_are_answered() {
    let compilation = overridden(&[], Some("fsat"));
    assert_eq!(names(&compilation), ["unknown-profile"]);
    assert_eq!(compilation.diagnostics[0].help.as_deref(), Some("did you mean `fast`?"));
    let two = SMALL.to_owned()
        + &SMALL[SMALL.find("pipeline").expect("one")..].replace("small(", "other(");
    let required = Request { required: true, ..Request::default() };
    assert_eq!(names(&with(&two, &required)), ["several-pipelines"]);
    let typo = |pipeline| with(&two, &Request { pipeline: Some(pipeline), ..required.clone() });
    assert_eq!(names(&typo("othre")), ["unknown-pipeline"]);
    assert_eq!(typo("othre").diagnostics[0].help.as_deref(), Some("did you mean `other`?"));
    assert_eq!(typo("x").diagnostics[0].help.as_deref(), Some("it has small, other"));
    let chosen = Request { pipeline: Some("other"), ..required };
    assert_eq!(with(&two, &chosen).compiled.expect("chosen").graph.name, "other");
}

#[test]
fn library_pipelines_run_from_anywhere() {
    let request =
        Request { file: "std.pipelines.moco_cifar10", required: true, ..Request::default() };
    let nothing: std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> = Default::default();
    assert!(compile(&request, &nothing).compiled.is_some());
}

#[test]
fn files_use_files_beside_them() {
    let files = [
        (
            "lab/main.cpipe",
            "use .mine.crops\n\ndefine both() -> Augment {\n  crops() >> crops()\n}\n",
        ),
        (
            "lab/mine.cpipe",
            "use std.augment.identity\n\ndefine crops() -> Augment {\n  identity()\n}\n",
        ),
    ];
    let files = files.map(|(path, text)| (path.into(), text.as_bytes().to_vec()));
    let files: std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> = files.into();
    let compilation = compile(&Request { file: "lab/main.cpipe", ..Request::default() }, &files);
    assert_eq!(names(&compilation), [""; 0]);
}

// ---------------------------------------------------------------- warnings

#[test]
fn what_only_a_profile_uses_is_used() {
    let source = SMALL
        .replace("width: Int = 4)", "width: Int = 4, warm: Float = 0.3)")
        .replace("\n}\n", "\n  profile fast { moco.temperature: warm }\n}\n");
    for profile in [None, Some("fast")] {
        let compilation = with(&source, &Request { profile, required: true, ..Request::default() });
        assert_eq!(names(&compilation), [""; 0], "{profile:?}");
    }
    // And what a profile replaces is used without it.
    let source = SMALL.replace("\n}\n", "\n  profile fast { base.optimizer.lr: 0.3 }\n}\n");
    assert_eq!(names(&text(&source)), [""; 0]);
}

#[test]
fn an_import_may_be_used_by_what_could_not_be_read() {
    let broken = SMALL.replace("backbone = resnet18(", "backbone = = resnet18(");
    let compilation = text(&broken);
    assert!(
        names(&compilation).iter().all(|name| *name == "syntax-error"),
        "{:?}",
        names(&compilation)
    );
}

// ---------------------------------------------------------------- after a syntax error

#[test]
fn nothing_follows_from_what_could_not_be_read() {
    for source in [SMALL, OWN] {
        for (index, (at, _)) in source.char_indices().enumerate().step_by(11) {
            let extra = ["(", ")", "=", ":", ","][index % 5];
            let broken = format!("{}{extra}{}", &source[..at], &source[at..]);
            let compilation = text(&broken);
            let found = names(&compilation);
            let syntax = found.iter().filter(|name| **name == "syntax-error").count();
            assert!(syntax == 0 || syntax == found.len(), "{found:?} in\n{broken}");
        }
    }
}

#[test]
fn what_a_broken_file_may_define_is_not_missed_elsewhere() {
    let files = [
        (
            "main.cpipe",
            "use .mine.{crops, other}\n\ndefine both(size: Int) -> Augment {\n  crops() >> other(size) >> crops(1 + \"1\")\n}\n\ndefine wrong() -> Int {\n  1.5\n}\n",
        ),
        (
            "mine.cpipe",
            "use std.augment.identity\n\ndefine crops( -> Augment {\n  identity()\n}\n\ndefine other(size: Int) -> Augment {\n  identity()) >> identity()\n}\n",
        ),
    ];
    let files = files.map(|(path, text)| (path.into(), text.as_bytes().to_vec()));
    let files: std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> = files.into();
    let compilation = compile(&Request { file: "main.cpipe", ..Request::default() }, &files);
    assert_eq!(names(&compilation), ["type-mismatch", "syntax-error", "syntax-error"]);
}

#[test]
fn a_name_is_missed_where_no_lost_line_can_declare_it() {
    let define = "define twice(size: Int) -> Int {\n  sise * 2\n}\n\n";
    // The line that is lost stands in the pipeline, which declares nothing for the define.
    let broken = SMALL.replace("backbone = resnet18(", "backbone = = resnet18(");
    let found = text(&broken.replace("pipeline small", &format!("{define}pipeline small")));
    assert_eq!(names(&found), ["unknown-name", "syntax-error"]);
}

#[test]
fn neither_overrides_nor_profiles_nor_pipelines_are_missed_in_what_could_not_be_read() {
    let broken = SMALL.replace("backbone = resnet18(", "backbone = = resnet18(");
    let overrides = ["backbone.width=8".to_owned(), "moco.dim=8".to_owned()];
    let required = Request { required: true, ..Request::default() };
    let overridden = Request { overrides: &overrides, ..required.clone() };
    assert_eq!(names(&with(&broken, &overridden)), ["syntax-error"]);
    let profile = Request { profile: Some("fast"), ..required.clone() };
    assert_eq!(names(&with(&broken, &profile)), ["syntax-error"]);
    let headless = SMALL.replace("pipeline small(", "pipeline small((");
    let pipeline = Request { pipeline: Some("small"), ..required };
    assert_eq!(names(&with(&headless, &pipeline)), ["syntax-error"]);
}

#[test]
fn equality_decides_a_condition() {
    let encoder = "resnet18(stem: small, width: width)";
    let chosen = |condition: &str| {
        let chosen = format!("if {condition} {{ {encoder} }} else {{ convnet(width: width) }}");
        let both = "use std.encoders.{convnet, resnet18}";
        let program = SMALL.replace(encoder, &chosen);
        hash(&program.replace("use std.encoders.resnet18", both))
    };
    let convnet = chosen("false");
    assert_ne!(convnet, hash(SMALL));
    for (holds, fails) in [("width == 4", "width == 5"), ("\"a\" == \"a\"", "\"a\" == \"b\"")] {
        assert_eq!(chosen(holds), hash(SMALL), "{holds}");
        assert_eq!(chosen(fails), convnet, "{fails}");
    }
}

#[test]
fn a_choice_is_compared_with_its_own_names() {
    let sized =
        "define sized(stem: small | imagenet) -> Int {\n  if stem == small { 1 } else { 2 }\n}\n";
    assert_eq!(names(&text(sized)), [] as [&str; 0]);
    let turned = sized.replace("stem == small", "small == stem");
    assert_eq!(names(&text(&turned)), [] as [&str; 0]);
    assert_eq!(names(&text(&turned.replace("small ==", "smal =="))), ["unknown-name"]);
    assert_eq!(names(&text(&sized.replace("== small", "== smal"))), ["unknown-name"]);
    assert_eq!(names(&text(&sized.replace("== small", "== 1"))), ["type-mismatch"]);
}

#[test]
fn an_objective_may_be_another_with_arguments_of_its_own() {
    let preset = "define small_queue(encoder: Encoder, queue: Int > 0 = 32) -> Objective {
  let share = 0.1
  moco_v2(encoder, queue: queue, momentum: 0.9, temperature: share, dim: 16)
}

pipeline small";
    let call = "moco_v2(backbone, queue: 32, momentum: 0.9, temperature: 0.1, dim: 16)";
    let program = SMALL.replace("pipeline small", preset);
    let program = program.replace(call, "small_queue(backbone)");
    assert_ne!(program, SMALL);
    assert_eq!(hash(&program), hash(SMALL));
    let wrong = program.replace("small_queue(backbone)", "small_queue(backbone, queue: 24)");
    let found = text(&wrong);
    assert_eq!(names(&found), ["queue-batch"]);
    let place = found.diagnostics[0].place().expect("a place");
    assert_eq!(found.sources.text(place), "24");
}

/// A size times a number is known to the run alone; it is no number of the text.
#[test]
fn sizes_and_fractions_are_combined_by_the_run() {
    let objective = |body: &str| {
        format!(
            "use std.augment.simclr_crops\nuse std.datasets.shapes\nuse std.encoders.convnet\n\
             define part(a: Tensor[n, d], t: Float) -> Tensor[] {{ {body} }}\n\
             define own(encoder: Encoder) -> Objective {{\n\
               let network = encoder >> mlp(hidden: 16, out: 8)\n  given view a\n\
               minimize part(network(a), 0.25)\n}}\n\
             pipeline p {{ pretrain base {{\n\
               data: shapes().train.unlabeled, views: simclr_crops(size: 32)\n\
               objective: own(convnet(width: 4)), optimizer: sgd(lr: 0.03)\n\
               length: 1 epochs, batch: 64\n}} }}\n"
        )
    };
    for (body, parts) in [
        ("mean(a) * (n * t)", &["Count(\"batch\")", "Constant(0.25)"][..]),
        ("mean(a) + (2 * n - 2) / 0.5", &["2 batch - 2", "Constant(0.5)"]),
        ("mean(a) - 1.0 / n", &["Count(\"batch\")", "Divide"]),
        ("mean(a) * (n / 2)", &["Count(\"batch / 2\")"]),
        ("mean(a) * exp(-1 / t)", &["Constant(-4.0)", "Primitive(\"exp\")"]),
    ] {
        let compilation = text(&objective(body));
        let errors = compilation.diagnostics.iter().filter(|own| own.severity() == Severity::Error);
        assert_eq!(errors.count(), 0, "{body}: {:?}", compilation.diagnostics);
        let graph = compilation.compiled.expect("a right program").graph.to_ron();
        for part in parts.iter() {
            assert!(graph.contains(part), "{body}: no {part} in {graph}");
        }
    }
    let whole = text(&objective("mean(a) * (1 / n)"));
    assert!(names(&whole).contains(&"type-mismatch"));
    // A batch of 64 has no third.
    let third = text(&objective("mean(a) * (n / 3)"));
    assert!(names(&third).contains(&"out-of-range"));
}

/// Any tensor of its shape would be taken: it is one of `random_order`, or of rows of some.
#[test]
fn what_follows_an_order_is_given_one() {
    let found = |order: &str| {
        let program = format!(
            "use std.augment.simclr_crops
use std.datasets.shapes
use std.encoders.convnet

define own(encoder: Encoder) -> Objective {{
  given view a and index i
  let t = encoder.tokens(a)
  let r = random_order(t)
  minimize mean(take_rows(t, {order}, count: 2)) + nt_xent(encoder(a), encoder(a))
}}

pipeline p {{
  pretrain base {{
    data: shapes().train.unlabeled, views: simclr_crops(size: 32)
    objective: own(convnet(width: 4)), optimizer: sgd(lr: 0.03)
    length: 1 epochs, batch: 64
  }}
}}
"
        );
        let found = text(&program);
        let errors = found.diagnostics.iter().filter(|own| own.severity() == Severity::Error);
        errors.map(|own| own.finding.name).collect::<Vec<_>>()
    };
    for right in ["r", "random_order(t)", "detach(r)", "gather(r, random_permutation(r))"] {
        assert_eq!(found(right), [""; 0], "{right}");
    }
    for wrong in ["0 * r", "swap(swap(r))", "gather(bank(r, index: i), i)", "mean(t, over: last)"] {
        assert_eq!(found(wrong), ["type-mismatch"], "{wrong}");
    }
}

/// The views tell them, and the encoder its own, wherever the formula stands.
#[test]
fn sizes_of_images_and_features_stand_in_formulas() {
    let program = "use std.augment.simclr_crops
use std.datasets.shapes
use std.encoders.convnet

define halves(x: Tensor[n, c, h, w]) -> Tensor[] { sum(x) / (n * c * h * (w / 2)) }
define area(x: Tensor[n, c, h, w]) -> Tensor[] { sum(x) / (h * w) }
define features(x: Tensor[n, d]) -> Tensor[] { sum(x) / (n * d) }

define own(encoder: Encoder) -> Objective {
  given view a
  minimize features(encoder(a)) - halves(a) - area(a)
}

pipeline p {
  pretrain base {
    data: shapes().train.unlabeled, views: simclr_crops(size: 32)
    objective: own(convnet(width: 4)), optimizer: sgd(lr: 0.03)
    length: 1 epochs, batch: 64
  }
}
";
    let compilation = text(program);
    assert_eq!(names(&compilation), [] as [&str; 0]);
    let graph = compilation.compiled.expect("a right program").graph.to_ron();
    for part in ["Count(\"1536 batch\")", "Constant(1024.0)", "Count(\"32 batch\")"] {
        assert!(graph.contains(part), "no {part} in {graph}");
    }
}

/// What a define makes may begin with a parenthesis; no name of the line before is called then.
#[test]
fn a_call_begins_on_the_line_of_its_name() {
    let rights = [
        "  let head = a\n  (head + b) / 2",
        "  let head = square(a)\n\n  // Of both.\n  (head + b) / 2",
        "  let head = if true { a } else { b }\n  (head + b) / 2",
        "  let head = square (\n    a\n  )\n  head + b",
        "  (a +\n  (b))",
    ];
    for right in rights {
        let define =
            format!("define own(a: Tensor[n], b: Tensor[n]) -> Tensor[n] {{\n{right}\n}}\n");
        let found = text(&define);
        let found: Vec<_> = names(&found).into_iter().filter(|own| *own != "no-pipeline").collect();
        assert_eq!(found, [""; 0], "{right}");
        let written = formatted(&define);
        assert_eq!(
            written.lines().filter(|line| line.trim() == "(head + b) / 2").count(),
            right.matches("\n  (head").count(),
            "{written}"
        );
    }
    let found = text("pipeline p() {\n  encoder backbone = convnet\n  (width: 16)\n}\n");
    let own = &found.diagnostics[0];
    assert_eq!(own.finding.name, "syntax-error");
    assert_eq!(own.place().map(|place| found.sources.text(place)), Some("("));
    let help = own.help.as_deref().unwrap_or_default();
    assert!(help.contains("on the line of what is called"), "{help}");
}
