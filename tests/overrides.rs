//! What `-o` reaches: the same graph as where its value is written into the text.

use cpipe::diagnostics::{Diagnostic, Severity};
use cpipe::graph::Graph;
use cpipe::{Compilation, Request};

use crate::support::{SMALL, with};

/// A pipeline whose views are chains, with a method of its own that reads a schedule by default.
const CHAINED: &str = "\
use std.augment.{color_jitter, gaussian_blur, identity, random_grayscale, random_resized_crop}
use std.augment.random_horizontal_flip
use std.datasets.{cifar10, shapes}
use std.encoders.{convnet, resnet18}

define follow(encoder: Encoder, momentum: Schedule = cosine(), width: Int > 0 = 8, dim: Int > 0 = 2 * width) -> Objective {
  let online = encoder >> mlp(hidden: width, out: dim)
  let target = ema(online, momentum: momentum)
  given views a, b
  minimize cosine_distance(online(a), target(b))
}

pipeline chained(blur: Bool = true, size: Int = 32, half: Int = size / 2) {
  dataset   data     = shapes(train: 64, test: 40)
  encoder   backbone = if blur { convnet(width: 4) } else { resnet18(stem: small, width: 4) }
  objective mine     = follow(backbone)
  augment   crops    = (random_resized_crop(size: size) >> color_jitter(hue: 0.1))
    >> if blur { gaussian_blur(sigma: 0.1..=2.0) } else { identity() }
    >> random_horizontal_flip()

  pretrain base {
    data: data.train.unlabeled, views: crops, objective: mine, optimizer: sgd(lr: 0.1), length: 1 epochs, batch: 16
  }

  finetune classifier {
    encoder: base.encoder, head: mlp(hidden: 8), data: data.train
    views: random_resized_crop(size: half) >> color_jitter(hue: 0.2) >> color_jitter(hue: 0.3)
    optimizer: sgd(lr: 0.1), length: 1 epochs, batch: 16
  }

  evaluate accuracy { model: classifier.model, protocol: top1(), on: data.test }

  profile fast { crops.color_jitter.hue: 0.3, mine.dim: 4, backbone: convnet(width: 2), backbone.width: 3 }
}
";

const BACKBONE: &str = "if blur { convnet(width: 4) } else { resnet18(stem: small, width: 4) }";

fn overridden(source: &str, profile: Option<&str>, overrides: &[&str]) -> Compilation {
    let overrides: Vec<String> = overrides.iter().map(|over| (*over).to_owned()).collect();
    with(source, &Request { overrides: &overrides, profile, required: true, ..Request::default() })
}

/// The graph of what has to be right; names that an override leaves unread are warned of.
#[track_caller]
fn graph(compilation: Compilation) -> Graph {
    let Some(compiled) = compilation.compiled else { panic!("{:?}", compilation.diagnostics) };
    compiled.graph
}

fn written(text: &str) -> Graph {
    graph(overridden(text, None, &[]))
}

fn errors(compilation: &Compilation) -> Vec<&Diagnostic> {
    let all = compilation.diagnostics.iter();
    all.filter(|diagnostic| diagnostic.severity() == Severity::Error).collect()
}

/// Holds that overrides make the graph of the source in which `text` stands in place of `instead`,
/// and another than that of the source.
#[track_caller]
fn same(source: &str, overrides: &[&str], instead: &str, text: &str) {
    assert_eq!(source.matches(instead).count(), 1, "{instead:?} stands once in the text");
    let by_override = graph(overridden(source, None, overrides));
    let by_text = written(&source.replace(instead, text));
    assert_eq!(by_override.to_ron(), by_text.to_ron(), "{overrides:?}");
    assert_ne!(by_override.hash(), written(source).hash(), "{overrides:?} change something");
}

#[test]
fn a_head_of_its_own_is_completed() {
    let head = "head: linear()";
    same(SMALL, &["classifier.head=mlp(hidden: 8)"], head, "head: mlp(hidden: 8)");
    let both = ["classifier.head=mlp(hidden: 8)", "classifier.head.hidden=16"];
    same(SMALL, &both, head, "head: mlp(hidden: 16)");
    let turned = ["classifier.head.hidden=16", "classifier.head=mlp(hidden: 8)"];
    same(SMALL, &turned, head, "head: mlp(hidden: 16)");
    same(SMALL, &["classifier.head=linear(bias: false)"], head, "head: linear(bias: false)");
    same(SMALL, &["classifier.head.bias=false"], head, "head: linear(bias: false)");
    let named = SMALL.replace("head: linear()", "head: top");
    let named = named.replace("  pretrain base", "  let top = linear(out: 10)\n  pretrain base");
    same(
        &named,
        &["classifier.head=linear(bias: false)"],
        "head: top",
        "head: linear(bias: false)",
    );
    // And one that the text does not have at all.
    let without = SMALL.replace("head: linear(), ", "");
    let graph = graph(overridden(&without, None, &["classifier.head=linear()"]));
    assert_eq!(graph.hash(), written(SMALL).hash());
}

#[test]
fn what_completes_a_head_is_overridden_too() {
    let other = "cifar10().train";
    for head in [&[][..], &["classifier.head=mlp(hidden: 8)"]] {
        let data = format!("classifier.data={other}");
        let overrides = [head, &[data.as_str()]].concat();
        let text = SMALL.replace("data.train.sample(50%)", other);
        let text = text.replace("std.datasets.shapes", "std.datasets.{cifar10, shapes}");
        let text = match head {
            [] => text,
            _ => text.replace("head: linear()", "head: mlp(hidden: 8)"),
        };
        // Ten classes, and not those of the dataset in the text; `top1` is judged on that one.
        let judged = text.replace("on: data.test }\n}", "on: cifar10().test }\n}");
        let all = [&overrides[..], &["accuracy.on=cifar10().test"]].concat();
        assert_eq!(graph(overridden(SMALL, None, &all)).hash(), written(&judged).hash());
    }
}

#[test]
fn constructors_and_their_arguments() {
    let optimizer = "sgd(lr: lr, momentum: 0.9, weight_decay: 5e-4)";
    let adamw = ["base.optimizer=adamw(lr: 0.1)", "base.optimizer.weight_decay=0.5"];
    same(SMALL, &adamw, optimizer, "adamw(lr: 0.1, weight_decay: 0.5)");
    let backbone = ["backbone=convnet(width: 8)", "backbone.width=2"];
    same(CHAINED, &backbone, BACKBONE, "convnet(width: 2)");
}

#[test]
fn what_depends_on_an_overridden_value_sees_it() {
    same(CHAINED, &["size=16"], "size: Int = 32", "size: Int = 16");
    same(CHAINED, &["mine.width=4"], "follow(backbone)", "follow(backbone, width: 4)");
    same(CHAINED, &["blur=false"], "blur: Bool = true", "blur: Bool = false");
}

#[test]
fn arguments_of_defaults_and_of_the_branch_taken() {
    let from = "follow(backbone, momentum: cosine(warmup: 3 steps))";
    same(CHAINED, &["mine.momentum.warmup=3 steps"], "follow(backbone)", from);
    same(CHAINED, &["backbone.width=8"], "convnet(width: 4)", "convnet(width: 8)");
    let other = CHAINED.replace("blur: Bool = true", "blur: Bool = false");
    same(&other, &["backbone.width=8"], "small, width: 4", "small, width: 8");
    assert_eq!(
        errors(&overridden(CHAINED, None, &["backbone.stem=small"]))[0].finding.name,
        "unknown-parameter",
        "the other branch"
    );
}

#[test]
fn steps_of_chains() {
    same(CHAINED, &["crops.color_jitter.hue=0.2"], "hue: 0.1", "hue: 0.2");
    same(CHAINED, &["crops.random_resized_crop.size=16"], "crop(size: size)", "crop(size: 16)");
    same(CHAINED, &["crops.gaussian_blur.probability=10%"], "..=2.0", "..=2.0, probability: 10%");
    same(CHAINED, &["classifier.views.random_resized_crop.size=8"], "size: half", "size: 8");
    let gray = ["crops.color_jitter=random_grayscale()", "crops.color_jitter.probability=10%"];
    same(CHAINED, &gray, "color_jitter(hue: 0.1)", "random_grayscale(probability: 10%)");
    same(CHAINED, &["crops.color_jitter=identity()"], "color_jitter(hue: 0.1)", "identity()");
    let chain = "classifier.views=color_jitter() >> random_grayscale()";
    let views =
        "random_resized_crop(size: half) >> color_jitter(hue: 0.2) >> color_jitter(hue: 0.3)";
    let both = [chain, "classifier.views.color_jitter.hue=0.25"];
    same(CHAINED, &both, views, "color_jitter(hue: 0.25) >> random_grayscale()");
}

#[test]
fn steps_that_are_not_there_are_answered() {
    let answered = |over: &str| {
        let compilation = overridden(CHAINED, None, &[over]);
        let [diagnostic] = errors(&compilation)[..] else {
            panic!("one, for {over}: {:?}", compilation.diagnostics)
        };
        let help = diagnostic.help.clone().unwrap_or_default();
        (diagnostic.finding.name, diagnostic.message.clone(), help)
    };
    let (name, _, help) = answered("crops.color_jiter.hue=0.2");
    assert_eq!(
        (name, help.as_str()),
        ("unknown-parameter", "did you mean `crops.color_jitter.hue`?")
    );
    let (name, _, help) = answered("crops.color_jitter.heu=0.2");
    assert_eq!(
        (name, help.as_str()),
        ("unknown-parameter", "did you mean `crops.color_jitter.hue`?")
    );
    // What ends alike is nearer than what begins so.
    assert_eq!(answered("base.lr=0.2").2, "did you mean `base.optimizer.lr`?");
    let (_, _, help) = answered("base.optimizer.wd=0.2");
    assert!(help.starts_with("below `base.optimizer` there are "), "{help}");
    for over in
        ["classifier.views.color_jitter.hue=0.1", "classifier.views.color_jitter=identity()"]
    {
        let (name, message, help) = answered(over);
        assert_eq!(name, "ambiguous-parameter");
        assert_eq!(message, "`classifier.views.color_jitter` is 2 steps of its chain");
        assert!(help.contains("augment"), "{help}");
    }
    assert_eq!(answered("crops.color_jitter=sgd(lr: 0.1)").0, "type-mismatch");
    assert_eq!(answered("crops.color_jitter.hue=0.9").0, "out-of-range");
    assert_eq!(answered("crops.identity=color_jitter()").0, "unknown-parameter");
}

#[test]
fn an_override_replaces_what_a_profile_sets_below_it() {
    let plain = graph(overridden(CHAINED, Some("fast"), &[]));
    let text = CHAINED
        .replace("hue: 0.1", "hue: 0.3")
        .replace("follow(backbone)", "follow(backbone, dim: 4)")
        .replace(BACKBONE, "convnet(width: 3)");
    assert_eq!(plain.hash(), written(&text).hash());
    let given = graph(overridden(CHAINED, Some("fast"), &["backbone=convnet(width: 5)"]));
    let text = text.replace("convnet(width: 3)", "convnet(width: 5)");
    assert_eq!(given.hash(), written(&text).hash());
}

#[test]
fn a_value_of_another_type_is_blamed_on_the_override() {
    let compilation = overridden(SMALL, None, &["backbone=shapes()"]);
    let [diagnostic] = compilation.diagnostics.as_slice() else { panic!("one error") };
    let span = diagnostic.place().expect("a place");
    assert_eq!(
        (diagnostic.finding.name, compilation.sources.text(span)),
        ("type-mismatch", "shapes()")
    );
}
