//! Operations and losses against PyTorch in f64, values and gradients, on every backend.
//!
//! `golden.json` is written by `tests/python/golden.py`. Each is compiled from a call, as an objective
//! would be, and so its shapes and its gradient are those that the checker tells.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Device, Tensor};

use super::{Context, Inputs, KEEPING, Learner, Operands, StepOutput, operation, operations};
use crate::check::helper;
use crate::check::types::TypeName;
use crate::device::testing::{backends, device};
use crate::device::{Array, Selected};
use crate::graph;
use crate::random::Key;
use crate::resolve::{Declaration, Item, Program, declaration, load};
use crate::schedule::Progress;
use crate::source::Sources;
use crate::syntax::tree::{Parameter, TypeKind};
use crate::term::objective::ObjectiveGraph;
use crate::term::{Args, Term};

#[derive(serde::Deserialize)]
struct Golden {
    arrays: BTreeMap<String, Floats>,
    whole: BTreeMap<String, Whole>,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Floats {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// Places among `of` rows.
#[derive(serde::Deserialize)]
struct Whole {
    values: Vec<i64>,
    of: usize,
}

#[derive(serde::Deserialize)]
struct Case {
    /// Of an operation or of a define of the library.
    name: String,
    arguments: BTreeMap<String, serde_json::Value>,
    /// What each tensor parameter is given.
    tensors: Vec<String>,
    shape: Vec<usize>,
    value: Vec<f64>,
    /// By tensor parameter. The value is added up with the weights 0.1, 0.2, … if it is no number.
    gradients: BTreeMap<String, Vec<f64>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden.json")).expect("golden.py writes it")
}

/// A program in which nothing but the library is in sight.
fn library() -> Program {
    let files = BTreeMap::from([("main.cpipe".into(), Vec::new())]);
    let (program, found) = load(&mut Sources::default(), &files, "main.cpipe");
    assert!(found.is_empty(), "{found:?}");
    program.expect("an empty program is one")
}

fn context() -> Context<'static> {
    let progress = Progress { step: 0, steps: 1, steps_per_epoch: 1 };
    Context::of_test(progress)
}

/// The tensor parameters of an operation or a define, and whether they are places among rows.
fn tensors(program: &Program, name: &str) -> Vec<(String, bool)> {
    let signature = match program.item(program.root, name) {
        Some(Item::Define(module, index)) => &program.define(module, index).signature,
        Some(Item::Extern(declaration)) => declaration.signature(),
        _ => panic!("`{name}` is nowhere in the library"),
    };
    let kind = |own: &Parameter| match &own.kind.kind {
        TypeKind::Named(kind, _) => TypeName::parse(kind).filter(|kind| kind.is_tensor()),
        TypeKind::Choices(_) => None,
    };
    let parameters = signature.parameters.iter();
    let tensors = parameters.filter_map(|own| Some((own.name.text.clone(), kind(own)?)));
    tensors.map(|(name, kind)| (name, kind == TypeName::Index)).collect()
}

impl Case {
    fn args(&self) -> Args {
        let term = |value: &serde_json::Value| match value {
            serde_json::Value::Bool(value) => Term::Bool(*value),
            serde_json::Value::String(choice) => Term::Symbol(choice.clone()),
            value => match value.as_i64() {
                Some(value) => Term::Int(value),
                None => Term::Float(value.as_f64().expect("a number")),
            },
        };
        Args(self.arguments.iter().map(|(name, value)| (name.clone(), term(value))).collect())
    }

    /// What it computes, compiled from the call.
    fn graph(&self, golden: &Golden, program: &Program) -> ObjectiveGraph {
        let tensors = tensors(program, &self.name);
        let shape =
            |(given, (_, is_index)): (&String, &(String, bool))| match golden.whole.get(given) {
                Some(whole) if *is_index => vec![whole.values.len(), whole.of],
                Some(whole) => vec![whole.values.len()],
                None => golden.arrays[given].shape.clone(),
            };
        let shapes: Vec<_> = self.tensors.iter().zip(&tensors).map(shape).collect();
        let builder = helper(program, &self.name, &self.args(), &shapes)
            .unwrap_or_else(|found| panic!("{}: {found:?}", self.name));
        graph::alone(&builder).expect("every size is known")
    }

    /// What `graph` computes, and how that, added up with the weights, changes with each tensor.
    fn computed(
        &self,
        golden: &Golden,
        graph: &ObjectiveGraph,
        names: &[(String, bool)],
        device: &Device,
    ) -> Result<Computed, String> {
        let mut leaves = Vec::new();
        let mut views = Vec::new();
        for ((parameter, _), given) in names.iter().zip(&self.tensors) {
            views.push(match golden.whole.get(given) {
                Some(whole) => Array::from_whole(whole.values.iter().copied(), device),
                None => {
                    let leaf = golden.array(given, device).leaf();
                    leaves.push((parameter.clone(), leaf.clone()));
                    leaf
                }
            });
        }
        let learner =
            Learner::new(graph, Key::root(0), device, [1, 1]).map_err(|error| error.to_string())?;
        let none = || Array::from_whole([0], device);
        let batch = Inputs { views, labels: none(), index: none() };
        let StepOutput { loss: value, .. } = learner.forward(&batch, context());
        let mut gradients = BTreeMap::new();
        if value.is_tracked() {
            let rows = value.as_rows();
            let weights = match self.shape.is_empty() {
                true => vec![1.0; value.len()],
                false => (1..=value.len()).map(|i| i as f32 / 10.0).collect(),
            };
            let weights = Array::from_vec(weights, &rows.dims(), device);
            let mut tape = (rows * weights.into_tensor()).sum().backward();
            for (parameter, leaf) in leaves {
                if let Some(gradient) = leaf.take_gradient(&mut tape) {
                    gradients.insert(parameter, gradient.to_vec());
                }
            }
        }
        Ok(Computed { value, gradients })
    }

    /// What of it `graph` does not give.
    fn compare(
        &self,
        golden: &Golden,
        graph: &ObjectiveGraph,
        names: &[(String, bool)],
        device: &Device,
    ) -> Result<(), String> {
        let Computed { value, gradients } = self.computed(golden, graph, names, device)?;
        let shape = if self.shape.is_empty() { vec![1] } else { self.shape.clone() };
        if value.shape() != shape {
            return Err(format!("it is {:?}, not {shape:?}", value.shape()));
        }
        let sizes: Vec<usize> =
            graph.nodes[graph.loss].shape.iter().map(|size| size.number(1, 1)).collect();
        let is_index = !value.is_float();
        if sizes != self.shape && !is_index {
            return Err(format!("the checker says {sizes:?}, not {:?}", self.shape));
        }
        close("the value", &value.to_vec(), &self.value)?;
        match (self.gradients.is_empty(), value.is_tracked()) {
            (true, true) => return Err("a gradient flows where there should be none".to_owned()),
            (false, false) => return Err("no gradient flows at all".to_owned()),
            _ => {}
        }
        for (parameter, expected) in &self.gradients {
            let gradient = gradients.get(parameter);
            let gradient = gradient.ok_or_else(|| format!("no gradient reaches `{parameter}`"))?;
            close(&format!("the gradient of `{parameter}`"), gradient, expected)?;
        }
        Ok(())
    }
}

struct Computed {
    value: Array,
    /// By tensor parameter, where one flows to it.
    gradients: BTreeMap<String, Vec<f32>>,
}

/// The numbers that operations and losses give on a device, each in the first of its cases, and
/// their gradients.
pub fn numbers(names: &[&str], device: &Device) -> Vec<f32> {
    let (golden, program) = (golden(), library());
    let mut all = Vec::new();
    for name in names {
        let case = golden.cases.iter().find(|case| case.name == *name).expect("it has a case");
        let graph = case.graph(&golden, &program);
        let computed = case.computed(&golden, &graph, &tensors(&program, &case.name), device);
        let Computed { value, gradients } = computed.unwrap_or_else(|error| panic!("{error}"));
        all.extend(value.to_vec());
        all.extend(gradients.into_values().flatten());
    }
    all
}

impl Golden {
    fn array(&self, name: &str, device: &Device) -> Array {
        let Floats { shape, values } = &self.arrays[name];
        Array::from_vec(values.clone(), shape, device)
    }
}

/// The largest error allowed, of the largest number beside it.
const TOLERANCE: f64 = 1e-5;

fn close(what: &str, found: &[f32], expected: &[f64]) -> Result<(), String> {
    let largest = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let near = |(&a, &b): (&f32, &f64)| (f64::from(a) - b).abs() <= TOLERANCE * largest;
    match found.len() == expected.len() && found.iter().zip(expected).all(near) {
        true => Ok(()),
        false => Err(format!("{what} is {found:?}, not {expected:?}")),
    }
}

#[test]
fn operations_and_losses_are_pytorchs() {
    let (golden, program) = (golden(), library());
    let mut wrong = Vec::new();
    for case in &golden.cases {
        let graph = case.graph(&golden, &program);
        let names = tensors(&program, &case.name);
        for backend in backends() {
            if let Err(error) = case.compare(&golden, &graph, &names, &backend.device) {
                wrong.push(format!("{} {:?} on {backend:?}: {error}", case.name, case.arguments));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All that have a value of their own: state and what is drawn at random are tested with the step.
#[test]
fn every_operation_and_loss_is_compared() {
    let (golden, program) = (golden(), library());
    let compared: BTreeSet<&str> = golden.cases.iter().map(|case| case.name.as_str()).collect();
    for &(name, _) in operations() {
        let declared = declaration(name).expect("a declared operation");
        if name == "detach" || declared.is("draws") {
            continue;
        }
        assert!(compared.contains(name), "nothing holds `{name}` against PyTorch");
        let tensors: Vec<_> = declared.tensors().map(|own| own.name.text.as_str()).collect();
        for case in golden.cases.iter().filter(|case| case.name == name) {
            let carrying = (0..tensors.len()).filter(|position| declared.carries(*position));
            let carrying: BTreeSet<&str> = carrying.map(|position| tensors[position]).collect();
            let of: BTreeSet<&str> = case.gradients.keys().map(String::as_str).collect();
            // What compares or counts has no gradient by its nature.
            let is_constant = case.gradients.is_empty() && carrying.is_empty();
            assert!(is_constant || of == carrying, "{name}: {of:?} {carrying:?}");
            assert_eq!(case.tensors.len(), tensors.len(), "{name}");
        }
    }
    for name in program.prelude().keys() {
        // Objectives are compared by their steps.
        let is_compared = match program.prelude()[name] {
            Item::Define(module, index) => {
                let result = &program.define(module, index).signature.result.kind;
                !matches!(result, TypeKind::Named(name, _) if name == "Objective")
            }
            _ => false,
        };
        assert!(!is_compared || compared.contains(name.as_str()), "nothing holds `{name}`");
    }
}

/// A comparison that lets mistakes pass is worth nothing.
#[test]
fn mistakes_are_noticed() {
    let (golden, program) = (golden(), library());
    let case = |name: &str| golden.cases.iter().find(|case| case.name == name).unwrap();
    let compare = |graph_of: &str, against: &str| {
        let graph = case(graph_of).graph(&golden, &program);
        let names = tensors(&program, graph_of);
        case(against).compare(&golden, &graph, &names, &device()).unwrap_err()
    };
    assert!(compare("exp", "square").starts_with("the value is"));
    assert!(compare("transpose", "square").starts_with("it is [4, 3]"));
    assert_eq!(compare("greater", "mean_squared"), "it is [3, 4], not [1]");
    let mut own = case("mean_squared").graph(&golden, &program);
    let names = tensors(&program, "mean_squared");
    let wrong = Case {
        gradients: case("mean_squared")
            .gradients
            .keys()
            .map(|n| (n.clone(), vec![0.5; 12]))
            .collect(),
        name: "mean_squared".to_owned(),
        arguments: BTreeMap::new(),
        tensors: case("mean_squared").tensors.clone(),
        shape: Vec::new(),
        value: case("mean_squared").value.clone(),
    };
    let found = wrong.compare(&golden, &own, &names, &device()).unwrap_err();
    assert!(found.starts_with("the gradient of `a` is"), "{found}");
    // Both sides of the difference are now the first.
    let difference = own.nodes.iter().position(|node| node.inputs.len() == 2).unwrap();
    own.nodes[difference].inputs[1] = own.nodes[difference].inputs[0];
    let found = case("mean_squared").compare(&golden, &own, &names, &device()).unwrap_err();
    assert!(found.starts_with("the value is"), "{found}");
}

fn operands<'a>(args: &'a Args, inputs: &'a [Array]) -> Operands<'a> {
    Operands { context: context(), args, inputs, node: 0 }
}

fn run(name: &str, inputs: &[Array]) -> Array {
    operation(name).unwrap()(&operands(&Args::default(), inputs))
}

/// What a define of the library makes of these arrays.
fn call(name: &str, args: &[(&str, f64)], inputs: &[Array]) -> f64 {
    let args = args.iter().map(|(name, value)| (name.to_string(), Term::Float(*value)));
    let shapes: Vec<_> = inputs.iter().map(Array::shape).collect();
    let builder = helper(&library(), name, &Args(args.collect()), &shapes).expect("a call");
    let graph = graph::alone(&builder).expect("every size is known");
    let device = inputs[0].device();
    let learner = Learner::new(&graph, Key::root(0), &device, [1, 1]).expect("a graph");
    let none = || Array::from_whole([0], &device);
    let batch = Inputs { views: inputs.to_vec(), labels: none(), index: none() };
    learner.forward(&batch, context()).loss.to_number()
}

fn matrix(rows: &[&[f32]], device: &Device) -> Array {
    Array::from_vec(rows.concat(), &[rows.len(), rows[0].len()], device)
}

#[test]
fn what_keeps_state_is_declared_to() {
    for (name, _) in KEEPING {
        assert!(declaration(name).is_some_and(Declaration::keeps_state), "{name}");
        assert!(operation(name).is_none(), "{name} yields what it has kept");
    }
}

#[test]
fn spread_measures_collapse() {
    let spread = |rows| call("spread", &[], &[matrix(rows, &device())]);
    assert!(spread(&[&[0.6, -0.8], &[1.2, -1.6], &[0.3, -0.4]]) < 1e-3);
    let even = spread(&[&[3.0, 0.0], &[0.0, 1.0], &[-2.0, 0.0], &[0.0, -1.0]]);
    assert!((even - 1.0).abs() < 1e-6);
}

#[test]
fn where_all_are_alike_none_is_the_nearest() {
    for Selected { device, .. } in backends() {
        let same = || matrix(&[&[1.0, 0.0], &[1.0, 0.0]], &device);
        assert_eq!(call("contrast_accuracy", &[], &[same(), same(), same()]), 0.0);
        assert_eq!(call("pair_accuracy", &[], &[same(), same()]), 0.0);
        // Distinct rows find themselves.
        let distinct = || matrix(&[&[1.0, 0.0], &[0.0, 1.0]], &device);
        assert_eq!(call("pair_accuracy", &[], &[distinct(), distinct()]), 1.0);
    }
}

#[test]
fn detach_stops_gradients() {
    for Selected { device, .. } in backends() {
        let x = golden().array("a", &device).leaf();
        assert!(!run("detach", std::slice::from_ref(&x)).is_tracked());
        assert!(run("normalize", &[x]).is_tracked());
    }
}

#[test]
fn noise_is_normal_and_follows_from_the_key() {
    let x = Array::from_vec(vec![0.0; 4000], &[50, 80], &device());
    let draw = |node| {
        let args = Args::default();
        let operands = Operands { node, ..operands(&args, std::slice::from_ref(&x)) };
        operation("noise").unwrap()(&operands).to_vec()
    };
    let first = draw(1);
    assert_eq!(first, draw(1));
    assert_ne!(first, draw(2));
    let mean = first.iter().sum::<f32>() / 4000.0;
    let variance = first.iter().map(|own| (own - mean).powi(2)).sum::<f32>() / 4000.0;
    assert!(mean.abs() < 0.06 && (variance - 1.0).abs() < 0.1, "{mean} {variance}");
}

#[test]
fn what_is_drawn_follows_from_the_key_alone() {
    for Selected { device, .. } in backends() {
        let x = Array::from_vec(vec![0.0; 600], &[200, 3], &device);
        let draw = |name: &str, parameter: &str, count: i64, node| {
            let args = Args([(parameter.to_owned(), Term::Int(count))].into());
            let operands = Operands { node, ..operands(&args, std::slice::from_ref(&x)) };
            operation(name).unwrap()(&operands)
        };
        let rows = draw("random_directions", "count", 50, 1);
        assert_eq!(rows.shape(), [50, 3]);
        let rows = rows.to_vec();
        assert!(
            rows.chunks(3).all(|row| (row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5)
        );
        assert_eq!(rows, draw("random_directions", "count", 50, 1).to_vec());
        assert_ne!(rows, draw("random_directions", "count", 50, 2).to_vec());
        let labels = draw("random_labels", "classes", 4, 1);
        assert_eq!(labels.shape(), [200]);
        let labels = labels.to_vec();
        let seen: BTreeSet<i64> = labels.iter().map(|label| *label as i64).collect();
        assert_eq!(seen, BTreeSet::from([0, 1, 2, 3]));
        assert_eq!(labels, draw("random_labels", "classes", 4, 1).to_vec());
        let places = draw("random_rows", "count", 2000, 1);
        assert_eq!(places.shape(), [2000]);
        let seen: BTreeSet<i64> = places.to_vec().iter().map(|place| *place as i64).collect();
        assert!(seen.len() > 195 && seen.iter().all(|place| (0..200).contains(place)));
        assert_eq!(places.to_vec(), draw("random_rows", "count", 2000, 1).to_vec());
        assert_ne!(places.to_vec(), draw("random_rows", "count", 2000, 2).to_vec());
        let permutation = |node| draw("random_permutation", "count", 1, node).to_vec();
        let mut sorted = permutation(1);
        sorted.sort_by(f32::total_cmp);
        assert!(sorted.iter().enumerate().all(|(place, own)| place as f32 == *own));
        assert_eq!(permutation(1), permutation(1));
        assert_ne!(permutation(1), permutation(2));
        let uniform = |node| draw("random_uniform", "count", 1, node);
        assert_eq!(uniform(1).shape(), [200, 3]);
        let numbers = uniform(1).to_vec();
        assert!(numbers.iter().all(|own| (0.0..1.0).contains(own)));
        let quarters: BTreeSet<i64> = numbers.iter().map(|own| (own * 4.0) as i64).collect();
        assert_eq!(quarters, BTreeSet::from([0, 1, 2, 3]));
        let mean = numbers.iter().sum::<f32>() / 600.0;
        assert!((mean - 0.5).abs() < 0.05, "{mean}");
        assert_eq!(numbers, uniform(1).to_vec());
        assert_ne!(numbers, uniform(2).to_vec());
        // A grid of two rows and five columns, in blocks of one row.
        let image = Array::from_vec(vec![0.0; 2 * 3 * 9 * 20], &[2, 3, 9, 20], &device);
        let blocks = |node| {
            let (low, high) = (Term::Range(0.5, 0.5), Term::Range(0.001, 0.001));
            let args = [("side", Term::Int(4)), ("scale", low), ("ratio", high)];
            let args = Args(args.map(|(name, term)| (name.to_owned(), term)).into());
            let operands = Operands { node, ..operands(&args, std::slice::from_ref(&image)) };
            operation("random_blocks").unwrap()(&operands)
        };
        assert_eq!(blocks(1).shape(), [2, 10]);
        for order in blocks(1).to_vec().chunks(10) {
            let rows: BTreeSet<i64> = order[5..].iter().map(|own| *own as i64 / 5).collect();
            assert_eq!(rows.len(), 1, "{order:?}");
        }
        assert_eq!(blocks(1).to_vec(), blocks(1).to_vec());
        assert_ne!(blocks(1).to_vec(), blocks(2).to_vec());
        let order = |node| draw("random_order", "count", 1, node);
        assert_eq!(order(1).shape(), [200, 3]);
        let seen: BTreeSet<Vec<i64>> = order(1)
            .to_vec()
            .chunks(3)
            .map(|row| row.iter().map(|own| *own as i64).collect())
            .collect();
        let all = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        assert_eq!(seen, all.into_iter().map(Vec::from).collect());
        assert_eq!(order(1).to_vec(), order(1).to_vec());
        assert_ne!(order(1).to_vec(), order(2).to_vec());
    }
}

#[test]
fn rows_of_zeros_have_finite_gradients() {
    for Selected { device, .. } in backends() {
        let x = Array::from_vec(vec![0.0; 6], &[2, 3], &device).leaf();
        let y: Tensor<2> = run("normalize", std::slice::from_ref(&x)).into_tensor();
        let gradient = x.take_gradient(&mut y.sum().backward()).expect("x is tracked");
        assert!(gradient.to_vec().iter().all(|value| value.is_finite()));
    }
}

#[test]
fn large_logits_do_not_overflow() {
    let golden = golden();
    for Selected { device, .. } in backends() {
        let large =
            |name| -> Array { (golden.array(name, &device).into_tensor::<2>() * 1e4).into() };
        let args = [("temperature", 0.01)];
        for (name, inputs) in [
            ("info_nce", vec!["a", "b", "m"]),
            ("nt_xent", vec!["a", "b"]),
            ("dcl", vec!["a", "b"]),
            ("batch_info_nce", vec!["a", "b"]),
        ] {
            let inputs: Vec<Array> = inputs.into_iter().map(large).collect();
            assert!(call(name, &args, &inputs).is_finite(), "{name}");
        }
        let labels = Array::from_whole([0, 2, 0], &device);
        assert!(run("cross_entropy", &[large("a"), labels]).to_number().is_finite());
    }
}
