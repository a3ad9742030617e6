//! Views of an image, on one core: the recipes of the library.
//!
//! ```text
//! cargo bench --bench views
//! ```
//!
//! Items are views. Each is of another image and another key, as in a training.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cpipe::augment::{Augmentation, Canvas, Normalization, Pixels};
use cpipe::random::Key;
use cpipe::{Request, compile};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// As many as lie in the caches of a processor beside the canvas.
const IMAGES: usize = 64;

/// Their side, that of CIFAR-10.
const SIDE: usize = 32;

const RECIPES: [&str; 5] = [
    "moco_v2_crops(size: 32)",
    "simclr_crops(size: 32, strength: 0.5, blur: false)",
    "random_resized_crop(size: 32)",
    "color_jitter(probability: 100%)",
    "gaussian_blur(probability: 100%)",
];

/// What a recipe stands for, as a stage of a pipeline has it.
fn augmentation(recipe: &str) -> Augmentation {
    let text = format!(
        "use std.augment.{{moco_v2_crops, simclr_crops}}
        use std.augment.{{color_jitter, gaussian_blur, random_resized_crop}}
        use std.datasets.shapes
        use std.encoders.convnet
        use std.objectives.simclr

        pipeline views() {{
          pretrain base {{
            data: shapes().train.unlabeled, views: {recipe}, objective: simclr(convnet())
            optimizer: sgd(lr: 0.03), length: 2 epochs, batch: 2
          }}
        }}"
    );
    let files = BTreeMap::from([(PathBuf::from("views.cpipe"), text.into_bytes())]);
    let request = Request { file: "views.cpipe", required: true, ..Request::default() };
    let compilation = compile(&request, &files);
    let found: Vec<_> = compilation.diagnostics.iter().map(|own| &own.message).collect();
    let compiled = compilation.compiled.unwrap_or_else(|| panic!("{found:?}"));
    let stage = compiled.graph.stage(0).expect("one stage");
    Augmentation::from_term(&stage.fields["views"])
}

#[divan::bench(args = RECIPES)]
fn views(bencher: Bencher<'_, '_>, recipe: &str) {
    let normalization = Normalization { mean: [0.49, 0.48, 0.45], std: [0.25, 0.24, 0.26] };
    let augmentation = augmentation(recipe);
    let bytes: Vec<u8> =
        (0..IMAGES * 3 * SIDE * SIDE).map(|place| (place * place * 7 % 251) as u8).collect();
    let [height, width] = augmentation.output_size(SIDE, SIDE);
    let mut out = vec![0.0; 3 * height * width];
    let mut canvas = Canvas::new();
    let mut key = 0;
    bencher.counter(ItemsCount::new(IMAGES)).bench_local(|| {
        for bytes in bytes.chunks_exact(3 * SIDE * SIDE) {
            let image = Pixels { bytes, height: SIDE, width: SIDE };
            key += 1;
            augmentation.render(image, Key::root(key), &normalization, &mut canvas, &mut out);
            black_box(&out);
        }
    });
}
