//! What a step hands to its optimizer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::Device;

use super::{Task, Training, build_optimizer};
use crate::device::testing::backends;
use crate::device::{Array, Selected};
use crate::graph::Graph;
use crate::nn::Params;
use crate::objective::{Context, Inputs, Learner};
use crate::random::Key;
use crate::schedule::Progress;
use crate::term::Term;
use crate::{Request, compile};

const TEXT: &str = "use std.augment.{crop_and_flip, simclr_crops}
use std.datasets.shapes
use std.encoders.convnet
use std.objectives.simclr

pipeline clipped {
  dataset data     = shapes(train: 20, test: 20)
  encoder backbone = convnet(width: 2)
  pretrain base {
    data: data.train.unlabeled, views: simclr_crops(size: 32)
    objective: simclr(backbone, temperature: 0.5)
    optimizer: sgd(lr: 1.0, clip: 0.01)
    length: 1 steps, batch: 4
  }
  finetune tuned {
    encoder: backbone, head: linear(out: 10), data: data.train, views: crop_and_flip(size: 32)
    optimizer: sgd(lr: 1.0, clip: 0.01), length: 1 steps, batch: 4
  }
  finetune top {
    encoder: backbone, head: linear(out: 10), data: data.train, views: crop_and_flip(size: 32)
    optimizer: sgd(lr: 1.0, clip: 0.01), length: 1 steps, batch: 4, train: head
  }
}
";

/// The learning rate times the norm that the gradients are clipped to.
const MOVED: f64 = 0.5 * 0.01;

fn graph() -> Graph {
    let files = BTreeMap::from([(PathBuf::from("clipped.cpipe"), TEXT.as_bytes().to_vec())]);
    let request = Request { file: "clipped.cpipe", required: true, ..Request::default() };
    let compilation = compile(&request, &files);
    let diagnostics = compilation.diagnostics;
    compilation.compiled.unwrap_or_else(|| panic!("{diagnostics:?}")).graph
}

fn fields(graph: &Graph, stage: &str) -> BTreeMap<String, Term> {
    let stage = graph.ordered().find(|own| own.name == stage).unwrap();
    stage.fields.clone()
}

fn inputs(views: u64, device: &Device) -> Inputs {
    let view = |view| {
        let mut rng = Key::root(1).fold(view).stream();
        let values = (0..4 * 3 * 32 * 32).map(|_| rng.normal()).collect();
        Array::from_vec(values, &[4, 3, 32, 32], device)
    };
    Inputs {
        views: (0..views).map(view).collect(),
        labels: Array::from_whole(0..4, device),
        index: Array::from_whole(0..4, device),
    }
}

fn context() -> Context<'static> {
    let progress = Progress { step: 0, steps: 1, steps_per_epoch: 1 };
    Context::of_test(progress)
}

/// The square of how far what is trained lies from where it lay.
fn distance(before: &Params, after: &Params) -> f64 {
    let trained = before.iter().zip(after.iter()).filter(|(own, _)| own.role.is_trained());
    trained
        .flat_map(|(before, after)| before.value.to_vec().into_iter().zip(after.value.to_vec()))
        .map(|(before, after)| f64::from(before - after).powi(2))
        .sum()
}

fn is_all(moved: f64) {
    assert!((moved.sqrt() / MOVED - 1.0).abs() < 1e-3, "{} is not {MOVED}", moved.sqrt());
}

#[test]
fn pretraining_is_clipped_over_all_modules() {
    for Selected { device, .. } in backends() {
        let fields = fields(&graph(), "base");
        let Term::Objective(objective) = &fields["objective"] else { panic!("no objective") };
        let program = Learner::new(objective, Key::root(2), &device, [4, 8]).unwrap();
        let before = program.params().to_vec();
        let optimizer = build_optimizer(&fields["optimizer"]);
        let mut task = Training { program, optimizer };
        task.step(&inputs(2, &device), 0.5, context());
        let after = task.program.params();
        let moved: Vec<f64> =
            before.iter().zip(after).map(|(before, after)| distance(before, after)).collect();
        assert!(moved.len() == 2 && moved.iter().all(|own| *own > 0.0), "{moved:?}");
        is_all(moved.iter().sum());
    }
}

#[test]
fn tuning_is_clipped_over_what_is_trained() {
    for Selected { device, .. } in backends() {
        for all in [true, false] {
            let name = if all { "tuned" } else { "top" };
            let fields = fields(&graph(), name);
            let Term::Objective(objective) = &fields["objective"] else { panic!("no objective") };
            let program = Learner::new(objective, Key::root(3), &device, [4, 8]).unwrap();
            let before = program.params().to_vec();
            let optimizer = build_optimizer(&fields["optimizer"]);
            let mut task = Training { program, optimizer };
            task.step(&inputs(1, &device), 0.5, context());
            let after = task.program.params().iter();
            let moved: Vec<f64> =
                before.iter().zip(after).map(|(before, after)| distance(before, after)).collect();
            let modules = objective.modules.iter().zip(&moved);
            for (module, moved) in modules {
                assert_eq!(*moved > 0.0, all || !module.encoder);
            }
            is_all(moved.iter().sum());
        }
    }
}
