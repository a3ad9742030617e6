//! What augmentations of the library make of images, as pictures.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::interrupt::Interrupt;
use crate::report::grid::Layout;
use crate::resolve::catalog::{self, Category};
use crate::run::Locations;
use crate::run::views::seen;
use crate::watch::Watch;
use crate::{Request, compile};

/// Examples in a picture, and the views of each.
const SHAPE: [usize; 2] = [2, 5];

/// Pixels of the side of what has to be told how large it is.
const SIDE: usize = 32;

/// Of the augmentation of that path, as a PNG in base64: a row is an image of `shapes`, then its views
/// in so many epochs. None of what takes more than a size.
pub fn picture(path: &str) -> Option<String> {
    let entries = catalog::entries();
    let entry = entries.iter().find(|entry| entry.path() == path)?;
    let named = &entry.named;
    if named.kind != Category::Augment {
        return None;
    }
    let is_size = |name: &str| name == "size";
    let mut needed = named.parameters.iter().filter(|own| own.default.is_none() && !own.optional);
    if !needed.all(|own| is_size(&own.name.text)) {
        return None;
    }
    let has_size = named.parameters.iter().any(|own| is_size(&own.name.text));
    let arguments = if has_size { format!("size: {SIDE}") } else { String::new() };
    let program = PROGRAM.replace("AUGMENTATION", &format!("{}({arguments})", named.name));
    let program = format!("use {path}\n{program}");
    let files = BTreeMap::from([(PathBuf::from("picture.cpipe"), program.into_bytes())]);
    let request = Request { file: "picture.cpipe", required: true, ..Request::default() };
    let compiled = compile(&request, &files).compiled?;
    let stage = compiled.graph.ordered().next()?;
    // The images are drawn: nothing is looked for.
    let locations = Locations {
        data_dir: None,
        environment: None,
        cache: PathBuf::new(),
        offline: true,
        mirror: None,
    };
    let interrupt = Interrupt::default();
    let seen = seen(stage, 0, SHAPE, &locations, Watch::new(&interrupt, &|_| {})).ok()?;
    let picture = Layout::whole(&seen).draw(&seen);
    picture.png().ok().map(|bytes| STANDARD.encode(bytes))
}

/// A training that sees one view of an image in each epoch.
const PROGRAM: &str = "\
use std.datasets.shapes
use std.encoders.convnet
use std.objectives.rotnet

pipeline picture() {
  dataset   data = shapes(train: 64, test: 10)
  objective told = rotnet(convnet(width: 1))

  pretrain base {
    data:      data.train.unlabeled
    views:     AUGMENTATION
    objective: told
    optimizer: sgd(lr: 0.1)
    schedule:  constant()
    length:    5 epochs
    batch:     2
  }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_more_than_a_size_has_a_picture() {
        let entries = catalog::entries();
        let augmentations = entries.iter().filter(|own| own.named.kind == Category::Augment);
        let without: Vec<String> =
            augmentations.map(|own| own.path()).filter(|path| picture(path).is_none()).collect();
        assert_eq!(without, ["std.augment.per_view"]);
        assert_eq!(picture("std.encoders.resnet18"), None);
        let path = "std.augment.hide_patches";
        assert_eq!(picture(path), picture(path));
        assert_ne!(picture(path), picture("std.augment.identity"));
    }
}
