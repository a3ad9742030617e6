//! Twenty steps of methods of the library against PyTorch in f64, on every backend.
//!
//! `steps.json` is written by `tests/python/steps.py`, which states each method from its paper.
//! Weights, images and queues are numbers that both sides compute from their names; the labels are
//! the places in the batch, counted modulo eight.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use burn::tensor::Device;

use super::{Task, Training, build_optimizer};
use crate::augment::Augmentation;
use crate::device::testing::backends;
use crate::device::{Array, Selected};
use crate::graph::{Graph, Stage};
use crate::nn::{Param, Params, Role};
use crate::objective::{Context, Inputs, Learner};
use crate::random::Key;
use crate::resolve::catalog::{Category, entries};
use crate::resolve::declaration;
use crate::schedule::{self, Progress};
use crate::term::Term;
use crate::term::objective::{ObjectiveGraph, Op};
use crate::{Request, compile};

const TEXT: &str = include_str!("steps.cpipe");
const STEPS: usize = 20;
const EPOCH: usize = 5;
const BATCH: usize = 32;

/// Of the numbers: with these, no rectifier comes so near to its kink that rounding would decide.
/// Where one does, two right trainings part by more than the tolerance.
const SEED: u64 = 0;

/// How far a loss may be off, relative to the larger of it and one.
const TOLERANCE: f64 = 1e-4;

#[derive(serde::Deserialize)]
struct Trained {
    losses: Vec<f64>,
    /// What the losses would be with one mistake.
    mistakes: BTreeMap<String, Vec<f64>>,
}

fn expected() -> BTreeMap<String, Trained> {
    serde_json::from_str(include_str!("steps.json")).expect("steps.py writes it")
}

fn graph() -> Graph {
    let files = BTreeMap::from([(PathBuf::from("steps.cpipe"), TEXT.as_bytes().to_vec())]);
    let request = Request { file: "steps.cpipe", required: true, ..Request::default() };
    let compilation = compile(&request, &files);
    let diagnostics = compilation.diagnostics;
    compilation.compiled.unwrap_or_else(|| panic!("{diagnostics:?}")).graph
}

/// Numbers in `[-1, 1)` without a rule, the same for the same name: multiples of 2^-23.
///
/// The name by FNV-1a, the places by the finalizer of SplitMix64 (Steele et al. 2014).
fn numbers(name: &str, count: usize) -> Vec<f64> {
    let seed = format!("{SEED}.{name}").bytes().fold(0xCBF2_9CE4_8422_2325_u64, |seed, byte| {
        (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let number = |place: u64| {
        let z = seed.wrapping_add(place.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    (1..=count as u64).map(number).collect()
}

fn single(values: impl IntoIterator<Item = f64>) -> Vec<f32> {
    values.into_iter().map(|value| value as f32).collect()
}

/// Rows of length one.
fn unit_rows(values: &[f64], width: usize) -> Vec<f32> {
    let row = |row: &[f64]| {
        let length = row.iter().map(|own| own * own).sum::<f64>().sqrt();
        row.iter().map(|own| own / length).collect::<Vec<_>>()
    };
    single(values.chunks(width).flat_map(row))
}

/// What a parameter of a module starts as: weights and biases uniform as by He et al. 2015,
/// arXiv:1502.01852, tokens near zero, norms as they are.
fn start(full: &str, param: Param<'_>, params: &Params) -> Vec<f32> {
    let shape = param.value.shape();
    // A bias has the fan-in of its layer's weight.
    let weight = params.get(&param.name.replace("bias", "weight")).map(Array::shape);
    let bound = || {
        let fan_in: usize = weight.unwrap()[1..].iter().product();
        (6.0 / fan_in as f64).sqrt()
    };
    let values = || numbers(full, shape.iter().product());
    match param.role {
        Role::Weight | Role::Bias => {
            let bound = bound();
            single(values().into_iter().map(|value| value * bound))
        }
        Role::UnitRows => unit_rows(&values(), shape[1]),
        Role::Token => single(values().into_iter().map(|value| value * 0.02)),
        Role::NormScale | Role::NormShift | Role::Buffer => param.value.to_vec(),
    }
}

/// Puts the numbers in place that PyTorch started from.
fn prepare(learner: &mut Learner, device: &Device) {
    let module = |own: &str| {
        let (module, name) = own.split_once('.').unwrap();
        let params = &learner.params()[module.parse::<usize>().unwrap()];
        let param = params.iter().find(|param| param.name == name).unwrap();
        start(&format!("module.{own}"), param, params)
    };
    let value = |(name, array): (String, Array)| {
        let shape = array.shape();
        let values = match name.split_once('.').unwrap() {
            ("module", own) => module(own),
            // An average starts as what it follows.
            ("average", own) => module(own.split_once('.').unwrap().1),
            ("state", own) if own.ends_with("rows") => {
                unit_rows(&numbers("queue", array.len()), shape[1])
            }
            _ => array.to_vec(),
        };
        (name, Array::from_vec(values, &shape, device))
    };
    let state: Vec<_> = learner.state().into_iter().map(value).collect();
    learner.load_state(&state).unwrap();
}

/// How large each view of a stage is.
fn sizes(stage: &Stage, views: usize) -> Vec<usize> {
    let recipes = Augmentation::of_views(&stage.fields["views"], views);
    recipes.iter().map(|recipe| recipe.output_size(32, 32)[0]).collect()
}

/// The views of a step: the upper left of its images, of four squares each, and some noise. The
/// squares have a side of four, or of eight in views of more than eight pixels.
fn inputs(step: usize, sizes: &[usize], device: &Device) -> Inputs {
    let images = numbers(&format!("images.{step}"), BATCH * 3 * 2 * 2);
    let view = |(view, &size): (usize, &usize)| {
        let side = if size <= 8 { 4 } else { 8 };
        let own = numbers(&format!("view.{step}.{view}"), BATCH * 3 * size * size);
        let value = |(place, own): (usize, f64)| {
            let (column, row, map) = (place % size, place / size % size, place / (size * size));
            (3.0 * images[(map * 2 + row / side) * 2 + column / side] + own) / 4.0
        };
        let values = single(own.into_iter().enumerate().map(value));
        Array::from_vec(values, &[BATCH, 3, size, size], device)
    };
    Inputs {
        views: sizes.iter().enumerate().map(view).collect(),
        labels: Array::from_whole((0..BATCH as i64).map(|place| place % 8), device),
        index: Array::from_whole(0..BATCH as i64, device),
    }
}

/// What an objective draws at random, for which both sides take numbers by name.
struct Draw {
    name: String,
    shape: Vec<usize>,
    /// What whole numbers are below.
    below: usize,
}

/// The objective with what it draws as inputs behind its views.
fn with_draws(objective: &ObjectiveGraph) -> (ObjectiveGraph, Vec<Draw>) {
    let (mut graph, mut draws) = (objective.clone(), Vec::new());
    let shape = |node: usize| -> Vec<usize> {
        let shape = objective.nodes[node].shape.iter();
        shape.map(|extent| extent.number(BATCH, STEPS * BATCH)).collect()
    };
    for index in 0..graph.nodes.len() {
        let node = &mut graph.nodes[index];
        let Op::Primitive(name) = &node.op else { continue };
        if !declaration(name).unwrap().is("draws") {
            continue;
        }
        let below = match name.as_str() {
            "random_labels" => node.args.size("classes"),
            _ => shape(node.inputs[0])[0],
        };
        draws.push(Draw { name: name.clone(), shape: shape(index), below });
        node.op = Op::View(objective.views + draws.len() - 1);
        node.inputs.clear();
    }
    (graph, draws)
}

impl Draw {
    /// The one of that place in the objective, in a step.
    fn take(&self, step: usize, place: usize, device: &Device) -> Array {
        let numbers = |count| numbers(&format!("draw.{step}.{place}"), count);
        let Draw { name, shape, below } = self;
        match name.as_str() {
            "noise" => Array::from_vec(single(numbers(shape.iter().product())), shape, device),
            // Their shape is that of places: how many there are, and of how many.
            "random_labels" | "random_rows" => {
                let whole = |u: f64| ((u + 1.0) / 2.0 * *below as f64).floor() as i64;
                Array::from_whole(numbers(shape[0]).into_iter().map(whole), device)
            }
            "random_order" | "random_blocks" => {
                let values = numbers(shape.iter().product());
                let order = |row: &[f64]| {
                    let mut places: Vec<usize> = (0..row.len()).collect();
                    places.sort_by(|one, other| row[*one].total_cmp(&row[*other]));
                    places.into_iter().map(|place| place as f32).collect::<Vec<_>>()
                };
                let orders = values.chunks(shape[1]).flat_map(order).collect();
                Array::from_vec(orders, shape, device)
            }
            "random_directions" => {
                let rows = unit_rows(&numbers(shape.iter().product()), shape[1]);
                Array::from_vec(rows, shape, device)
            }
            other => panic!("no numbers stand for `{other}`"),
        }
    }
}

/// The losses of a stage's training.
fn losses(stage: &Stage, Selected { device, kernels, .. }: &Selected) -> Vec<f64> {
    let Term::Objective(objective) = &stage.fields["objective"] else { panic!("no objective") };
    let rows = [BATCH, STEPS * BATCH];
    let (graph, draws) = with_draws(objective);
    let mut program = Learner::new(&graph, Key::root(0), device, rows).unwrap();
    prepare(&mut program, device);
    let optimizer = build_optimizer(&stage.fields["optimizer"]);
    let mut task = Training { program, optimizer };
    let sizes = sizes(stage, objective.views);
    let step = |step| {
        let progress = Progress { step, steps: STEPS, steps_per_epoch: EPOCH };
        let lr = task.lr() * schedule::value(&stage.fields["schedule"], progress);
        let context = Context { kernels: *kernels, ..Context::of_test(progress) };
        let mut inputs = inputs(step, &sizes, device);
        let drawn = draws.iter().enumerate().map(|(place, own)| own.take(step, place, device));
        inputs.views.extend(drawn);
        task.step(&inputs, lr, context).loss.to_number()
    };
    (0..STEPS).map(step).collect()
}

/// The largest difference of two rows of losses.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!([found.len(), expected.len()], [STEPS; 2]);
    let pairs = found.iter().zip(expected);
    pairs.map(|(own, other)| (own - other).abs() / other.abs().max(1.0)).fold(0.0, f64::max)
}

#[test]
fn every_method_of_the_library_is_trained() {
    let entries = entries();
    let methods = entries.iter().filter(|own| own.named.kind == Category::Objective);
    let missing: Vec<&str> = methods
        .map(|own| own.named.name)
        .filter(|name| !TEXT.contains(&format!(" {name}(")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn twenty_steps_are_pytorchs() {
    let graph = graph();
    let expected = expected();
    let method = |stage: &'_ Stage| stage.name.strip_suffix("_steps").unwrap().to_owned();
    let methods: BTreeSet<String> = graph.ordered().map(method).collect();
    assert!(methods.iter().eq(expected.keys()), "{methods:?}");
    let mut faults = Vec::new();
    for selected in backends() {
        for stage in graph.ordered() {
            let (method, kind) = (method(stage), &selected.kind);
            let expected = &expected[&method];
            let found = losses(stage, &selected);
            let difference = apart(&found, &expected.losses);
            println!("{method} on {kind}: {difference:.1e}");
            if difference > TOLERANCE {
                let of = &expected.losses;
                faults.push(format!(
                    "{method} on {kind}, by {difference:.1e}: {found:?} is not {of:?}"
                ));
            }
            // The comparison tells a training with a mistake from the right one.
            assert!(!expected.mistakes.is_empty(), "{method} could not be wrong");
            for (mistake, wrong) in &expected.mistakes {
                let difference = apart(&found, wrong);
                if difference <= 10.0 * TOLERANCE {
                    faults.push(format!("{method} on {kind}, {mistake}: {difference:.1e}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
