//! What the library makes of images, as pictures: its augmentations, and its operations on images.

mod operations;

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::interrupt::Interrupt;
use crate::report::grid::Layout;
use crate::resolve::catalog::{self, Category};
use crate::run::Locations;
use crate::run::views::{Seen, seen};
use crate::watch::Watch;
use crate::{Request, compile};

/// Examples in a picture, and the views of each.
const SHAPE: [usize; 2] = [2, 5];

/// Pixels of the side of what has to be told how large it is.
const SIDE: usize = 32;

/// What takes two recipes, each of a size.
const MULTI_CROP: &str = "std.augment.per_view";

/// Where operations on images are.
const IMAGES: &str = "std.prelude.images.";

/// Of what that path names, as a PNG in base64: a row is an image of `shapes`, then what is made of it,
/// of augmentations in so many epochs. None of what makes no images, and of augmentations that take
/// more than a size.
pub fn picture(path: &str) -> Option<String> {
    let entries = catalog::entries();
    let entry = entries.iter().find(|entry| entry.path() == path)?;
    let named = &entry.named;
    let seen = match named.kind {
        Category::Augment if path == MULTI_CROP => trained(DEALT, "several()", SEVERAL),
        Category::Augment => {
            let is_size = |name: &str| name == "size";
            let mut needed =
                named.parameters.iter().filter(|own| own.default.is_none() && !own.optional);
            if !needed.all(|own| is_size(&own.name.text)) {
                return None;
            }
            let takes = |name: &str| named.parameters.iter().any(|own| own.name.text == name);
            let sides = [("size", SIDE), ("small", SIDE / 2)].into_iter();
            let sides = sides.filter(|(name, _)| takes(name));
            let arguments: Vec<_> = sides.map(|(name, side)| format!("{name}: {side}")).collect();
            let views = format!("{}({})", named.name, arguments.join(", "));
            let declared = format!("use {path}");
            // What deals recipes to several views has nothing to deal to one.
            trained(&declared, &views, ONE).or_else(|| trained(&declared, &views, SEVERAL))
        }
        _ if path.starts_with(IMAGES) => {
            let plain = trained("use std.augment.identity", "identity()", ONE)?;
            let images: Vec<_> = plain.into_iter().map(|own| own.image).collect();
            operations::seen(named.name, &images)
        }
        _ => None,
    }?;
    let picture = Layout::whole(&seen).draw(&seen);
    picture.png().ok().map(|bytes| STANDARD.encode(bytes))
}

/// What a training sees whose views are those, with what is declared for them, under an objective for
/// so many epochs.
fn trained(declared: &str, views: &str, (objective, epochs): (&str, usize)) -> Option<Vec<Seen>> {
    let program = PROGRAM
        .replace("DECLARED", declared)
        .replace("VIEWS", views)
        .replace("OBJECTIVE", objective)
        .replace("LENGTH", &epochs.to_string());
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
    seen(stage, 0, SHAPE, &locations, Watch::new(&interrupt, &|_| {})).ok()
}

/// One view in each epoch.
const ONE: (&str, usize) = ("rotnet(network)", SHAPE[1]);

/// Two large views of an image and four small ones, in one epoch.
const SEVERAL: (&str, usize) = ("dino(network, count: 4, small: 4, hidden: 2, dim: 2)", 1);

/// Recipes for such views.
const DEALT: &str = "\
use std.augment.{per_view, simclr_crops}

define several() -> Augment {
  per_view(
    first:  simclr_crops(size: 32, scale: 0.4..=1.0),
    others: simclr_crops(size: 16, scale: 0.05..=0.3),
    count:  2,
  )
}";

/// A training that sees one view of an image in each epoch, or several in one.
const PROGRAM: &str = "\
DECLARED
use std.datasets.shapes
use std.encoders.convnet
use std.objectives.{dino, rotnet}

pipeline picture() {
  dataset   data    = shapes(train: 64, test: 10)
  encoder   network = convnet(width: 1)
  objective told    = OBJECTIVE

  pretrain base {
    data:      data.train.unlabeled
    views:     VIEWS
    objective: told
    optimizer: sgd(lr: 0.1)
    schedule:  constant()
    length:    LENGTH epochs
    batch:     2
  }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_images_has_a_picture() {
        let entries = catalog::entries();
        let augmentations = entries.iter().filter(|own| own.named.kind == Category::Augment);
        let without: Vec<String> =
            augmentations.map(|own| own.path()).filter(|path| picture(path).is_none()).collect();
        assert_eq!(without, [""; 0]);
        let of_images = entries.iter().map(|own| own.path()).filter(|own| own.starts_with(IMAGES));
        let without: Vec<String> = of_images.filter(|path| picture(path).is_none()).collect();
        assert_eq!(without, ["std.prelude.images.patches"], "they are rows");
        assert_eq!(picture("std.encoders.resnet18"), None);
        let path = "std.augment.hide_patches";
        assert_eq!(picture(path), picture(path));
        assert_ne!(picture(path), picture("std.augment.identity"));
    }
}
