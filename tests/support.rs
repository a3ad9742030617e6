//! What several tests need.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cpipe::{Compilation, Request, compile};

/// Compiles a text as the file `test.cpipe`.
pub fn text(text: &str) -> Compilation {
    with(text, &Request::default())
}

/// Compiles a text with a profile or overrides.
pub fn with(text: &str, request: &Request<'_>) -> Compilation {
    let files = BTreeMap::from([(PathBuf::from("test.cpipe"), text.as_bytes().to_vec())]);
    compile(&Request { file: "test.cpipe", ..request.clone() }, &files)
}

/// The names of the diagnostics, in their order.
pub fn names(compilation: &Compilation) -> Vec<&'static str> {
    compilation.diagnostics.iter().map(|diagnostic| diagnostic.finding.name).collect()
}

/// The hash of the graph of a text that has to be right.
pub fn hash(source: &str) -> String {
    let compilation = text(source);
    assert_eq!(names(&compilation), [""; 0], "in\n{source}");
    compilation.compiled.expect("a pipeline").graph.hash()
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A small pipeline that trains, looks at neighbours, and tunes, in seconds.
pub const SMALL: &str = "\
use std.augment.{crop_and_flip, moco_v2_crops}
use std.datasets.shapes
use std.encoders.resnet18
use std.objectives.moco_v2

pipeline small(epochs: Duration = 2 epochs, lr: Float = 0.05, tune_lr: Float = 0.03, width: Int = 4) {
  dataset   data     = shapes(train: 64, test: 40)
  encoder   backbone = resnet18(stem: small, width: width)
  objective moco     = moco_v2(backbone, queue: 32, momentum: 0.9, temperature: 0.1, dim: 16)

  pretrain base {
    data:      data.train.unlabeled
    views:     moco_v2_crops(size: 32)
    objective: moco
    optimizer: sgd(lr: lr, momentum: 0.9, weight_decay: 5e-4)
    schedule:  cosine()
    length:    epochs
    batch:     16
    keep:      1 epochs
  }

  evaluate neighbours { model: base.history, protocol: knn(k: 5), fit: data.train, on: data.test }

  finetune classifier {
    encoder: base.encoder, head: linear(), data: data.train.sample(50%), views: crop_and_flip(size: 32)
    optimizer: sgd(lr: tune_lr, momentum: 0.9), length: 1 epochs, batch: 16
  }

  evaluate accuracy { model: classifier.model, protocol: top1(), on: data.test }
}
";
