//! How long the parts of an evaluation take, on features and images that lie ready.
//!
//! ```text
//! echo 3 | cargo bench --bench evaluation -- knn --device flex --dim 128
//! ```
//!
//! `features` passes images through a residual network (in `--precision bf16`, if asked), `knn` finds
//! the 200 nearest of `--train` features for each of `--test`, `probe` fits a linear classifier on
//! them. Each line that it reads
//! is a number of times. It does that as often and answers with one line: how many seconds that was.
//! `tests/python/evaluation_speed.py` compares it with PyTorch.

use std::io::{self, BufRead};
use std::time::Instant;

use cpipe::augment::{Augmentation, Normalization};
use cpipe::data::Images;
use cpipe::device::{self, Precision, Selected};
use cpipe::evaluate::{Extractor, Features, Probe, Problem, Shown, extract, knn, linear_probe};
use cpipe::interrupt::Interrupt;
use cpipe::nn;
use cpipe::random::Key;
use cpipe::term::{Args, Call, Part, Term};
use cpipe::watch::Watch;

const CLASSES: usize = 10;
const SIDE: usize = 32;

fn main() {
    device::keep_memory();
    let arguments = Arguments::read();
    let mut run = arguments.work();
    for line in io::stdin().lock().lines() {
        let times: usize = line.expect("a line").trim().parse().expect("a number of times");
        let begun = Instant::now();
        (0..times).for_each(|_| run());
        println!("{} 0", begun.elapsed().as_secs_f64());
    }
}

struct Arguments {
    what: String,
    device: Selected,
    /// Of features; of a network its width.
    dim: usize,
    train: usize,
    test: usize,
}

impl Arguments {
    fn read() -> Self {
        let (mut what, mut device) = (String::new(), "auto".to_owned());
        let (mut dim, mut train, mut test) = (128, 50_000, 10_000);
        let mut precision = Precision::F32;
        // What `cargo bench` itself adds.
        let mut given = std::env::args().skip(1).filter(|own| own != "--bench");
        while let Some(argument) = given.next() {
            let mut value = || given.next().unwrap_or_else(|| panic!("{argument} wants a value"));
            let number = |text: String| text.parse().expect("a number");
            match argument.as_str() {
                "--device" => device = value(),
                "--precision" => precision = Precision::named(&value()).expect("a precision"),
                "--dim" => dim = number(value()),
                "--train" => train = number(value()),
                "--test" => test = number(value()),
                _ => what = argument,
            }
        }
        let device = device::select(&device).and_then(|own| own.in_precision(precision));
        let device = device.unwrap_or_else(|error| panic!("{}", error.message));
        Arguments { what, device, dim, train, test }
    }

    /// What is done each time.
    fn work(self) -> Box<dyn FnMut()> {
        let Arguments { what, device, dim, train, test } = self;
        if what == "features" {
            let network = network(dim, &device);
            let images = images(test);
            let indices: Vec<u32> = (0..test as u32).collect();
            let recipe = Augmentation::none();
            let plain = Normalization { mean: [0.5; 3], std: [0.25; 3] };
            return Box::new(move || {
                watched(|watch| {
                    let shown =
                        Shown { images: &images, recipe: &recipe, view: 0, normalization: &plain };
                    let read = extract(&network, &shown, &indices, Part::Test, &device, watch);
                    assert_eq!(read.expect("nobody stops it").len(), test);
                });
            });
        }
        let (fit, on) = (features(train, dim, Part::Train), features(test, dim, Part::Test));
        Box::new(move || {
            watched(|watch| {
                let device = &device.for_protocols();
                let problem = Problem { fit: Some(&fit), on: &on, classes: CLASSES, device, watch };
                let found = match what.as_str() {
                    "knn" => knn(&problem, 200, 0.1),
                    "probe" => {
                        linear_probe(&problem, Probe { l2: 1e-4, iterations: 100, held_out: None })
                    }
                    other => panic!("`{other}` is neither features, knn nor probe"),
                };
                assert!(found.expect("a number").top1 > 0.3);
            });
        })
    }
}

fn watched(work: impl FnOnce(Watch<'_>)) {
    work(Watch::new(&Interrupt::default(), &|_| {}));
}

fn network(width: usize, device: &Selected) -> Extractor {
    let args = [("stem", Term::Symbol("small".into())), ("width", Term::Int(width as i64))];
    let args = Args(args.map(|(name, value)| (name.to_owned(), value)).into());
    let module = nn::build(&Term::Call(Call { name: "resnet18".to_owned(), args }), None);
    let params = module.init(Key::root(0), &device.device);
    Extractor { parts: vec![(module, params)] }
}

fn images(count: usize) -> Images {
    let mut noise = Key::root(1).stream();
    let pixels = (0..count * 3 * SIDE * SIDE).map(|_| (256.0 * noise.uniform()) as u8);
    let pixels: Vec<u8> = pixels.collect();
    let labels = (0..count).map(|index| (index % CLASSES) as u32).collect();
    Images::new(pixels, labels, [SIDE, SIDE])
}

/// Features that are scattered about a direction for each class, and overlap.
fn features(count: usize, dim: usize, part: Part) -> Features {
    let key = Key::root(2);
    let mut directions = key.named("directions").stream();
    let directions: Vec<f32> = (0..CLASSES * dim).map(|_| directions.normal()).collect();
    let mut noise = key.fold(part as u64).stream();
    let labels: Vec<u32> = (0..count).map(|index| (index % CLASSES) as u32).collect();
    let of = |label: &u32| directions[*label as usize * dim..][..dim].iter();
    // Closer together the more dimensions tell them apart.
    let near = 1.5 / (dim as f32).sqrt();
    let values = labels.iter().flat_map(of).map(|value| near * value + noise.normal()).collect();
    Features { values, dim, labels, part }
}
