//! How long a step of a pre-training takes on a batch that lies on the device: no views are made.
//!
//! ```text
//! echo 20 | cargo bench --bench step -- pipelines/moco_cifar10.cpipe --device flex -o width=16
//! ```
//!
//! Networks compute in the precision of the stage (`-o base.precision=bf16`).
//!
//! Each line that it reads is a number of steps. It takes them, waits for the device, and answers
//! with one line: how many seconds that was, and the loss of the last step.
//! `tests/python/step_speed.py` compares it with PyTorch.

use std::io::{self, BufRead};
use std::time::Instant;

use cpipe::augment::Augmentation;
use cpipe::device::{self, Array, Precision, Processes, Selected};
use cpipe::graph::Stage;
use cpipe::objective::{Context, Inputs, Learner};
use cpipe::random::Key;
use cpipe::resolve::Disk;
use cpipe::schedule::Progress;
use cpipe::term::Term;
use cpipe::train::{Task, Training, build_optimizer};
use cpipe::{Compiled, Request, compile};

/// Of the datasets that the pipelines read.
const SIDE: usize = 32;

fn main() {
    device::keep_memory();
    let arguments = Arguments::read();
    let Compiled { graph, .. } = arguments.compiled();
    let stage = graph.ordered().find(|stage| stage.fields.contains_key("objective"));
    let mut steps = Steps::new(stage.expect("the pipeline has a pre-training"), &arguments.device);
    for line in io::stdin().lock().lines() {
        let count = line.expect("a line").trim().parse().expect("a number of steps");
        let (seconds, loss) = steps.take(count);
        println!("{seconds} {loss}");
    }
}

/// `FILE [--device DEVICE] [-o NAME=VALUE]…`
struct Arguments {
    file: String,
    device: Selected,
    overrides: Vec<String>,
}

impl Arguments {
    fn read() -> Self {
        let (mut file, mut device, mut overrides) = (None, "auto".to_owned(), Vec::new());
        // What `cargo bench` itself adds.
        let mut given = std::env::args().skip(1).filter(|own| own != "--bench");
        while let Some(argument) = given.next() {
            let mut value = || given.next().unwrap_or_else(|| panic!("{argument} wants a value"));
            match argument.as_str() {
                "--device" => device = value(),
                "-o" => overrides.push(value()),
                _ => file = Some(argument),
            }
        }
        let device = device::select(&device).unwrap_or_else(|error| panic!("{}", error.message));
        Arguments { file: file.expect("a pipeline"), device, overrides }
    }

    fn compiled(&self) -> Compiled {
        let request = Request {
            file: &self.file,
            overrides: &self.overrides,
            required: true,
            ..Request::default()
        };
        let compilation = compile(&request, &Disk);
        let found = compilation.diagnostics;
        compilation.compiled.unwrap_or_else(|| panic!("{found:?}"))
    }
}

struct Steps {
    task: Training,
    batch: Inputs,
    device: Selected,
    taken: usize,
}

impl Steps {
    fn new(stage: &Stage, device: &Selected) -> Self {
        let number = |name| match &stage.fields[name] {
            Term::Int(number) => usize::try_from(*number).expect("a size"),
            other => panic!("{other:?} is no number"),
        };
        let Term::Objective(graph) = &stage.fields["objective"] else { panic!("no objective") };
        let Term::Symbol(precision) = &stage.fields["precision"] else { panic!("no precision") };
        let precision = Precision::named(precision).expect("it is checked");
        let device = device.in_precision(precision).unwrap_or_else(|error| panic!("{error:?}"));
        let batch = number("batch");
        let examples = 50_000;
        let key = Key::root(0);
        let program = Learner::new(graph, key, &device.device, [batch, examples]);
        let program = program.expect("an objective that runs");
        let optimizer = build_optimizer(&stage.fields["optimizer"]);
        let views = Augmentation::of_views(&stage.fields["views"], graph.views);
        let view = |(index, recipe): (usize, &std::sync::Arc<Augmentation>)| {
            let [height, width] = recipe.output_size(SIDE, SIDE);
            let mut noise = key.named("view").fold(index as u64).stream();
            let numbers = batch * 3 * height * width;
            let values = (0..numbers).map(|_| noise.uniform_in(-1.0, 1.0)).collect();
            Array::from_vec(values, &[batch, 3, height, width], &device.device)
        };
        let numbers = |most: usize| {
            Array::from_whole((0..batch).map(|own| (own % most) as i64), &device.device)
        };
        let batch = Inputs {
            views: views.iter().enumerate().map(view).collect(),
            labels: numbers(10),
            index: numbers(examples),
        };
        Steps { task: Training { program, optimizer }, batch, device, taken: 0 }
    }

    /// Takes so many steps, and waits for them.
    fn take(&mut self, count: usize) -> (f64, f64) {
        let begun = Instant::now();
        let mut loss = f64::NAN;
        for left in (0..count).rev() {
            let progress = Progress { step: self.taken, steps: 100_000, steps_per_epoch: 200 };
            let context = Context {
                kernels: self.device.kernels,
                progress,
                processes: Processes::ONE,
                key: Key::root(self.taken as u64),
                phases: None,
            };
            let measured = self.task.step(&self.batch, self.task.lr(), context);
            self.taken += 1;
            if left == 0 {
                loss = measured.loss.to_number();
            }
        }
        (begun.elapsed().as_secs_f64(), loss)
    }
}
