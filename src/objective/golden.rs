//! The primitives against PyTorch in f64, values and gradients, on every backend.
//!
//! `golden.json` is written by `tests/python/golden.py`.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Device, Tensor};

use super::{Context, KEEPING, Operands, operation, operations};
use crate::device::testing::{backends, device};
use crate::device::{Array, FallBack, Selected};
use crate::random::Key;
use crate::resolve::{Declaration, declaration};
use crate::schedule::Progress;
use crate::term::{Args, Term};

#[derive(serde::Deserialize)]
struct Golden {
    matrices: BTreeMap<String, Vec<Vec<f32>>>,
    labels: Vec<i64>,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    primitive: String,
    arguments: BTreeMap<String, f64>,
    /// The matrix that each tensor parameter is given, or `labels`.
    tensors: Vec<String>,
    value: Vec<f64>,
    /// By tensor parameter. Where the value is a matrix, it is added up with the weights 0.1, 0.2, …
    gradients: BTreeMap<String, Vec<f64>>,
}

type Run = dyn Fn(&Operands<'_>) -> Array;

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden.json")).expect("golden.py writes it")
}

fn operands<'a>(args: &'a Args, inputs: &'a [Array]) -> Operands<'a> {
    let progress = Progress { step: 0, steps: 1, steps_per_epoch: 1 };
    let context = Context { kernels: &FallBack, progress, key: Key::root(0) };
    Operands { context, args, inputs, node: 0 }
}

impl Golden {
    fn matrix(&self, name: &str, device: &Device) -> Array {
        matrix(&self.matrices[name].iter().map(Vec::as_slice).collect::<Vec<_>>(), device)
    }

    fn labels(&self, device: &Device) -> Array {
        Array::from_whole(self.labels.iter().copied(), device)
    }

    /// What of a case `run` does not give.
    fn compare(&self, case: &Case, run: &Run, device: &Device) -> Result<(), String> {
        let declared = declaration(&case.primitive).expect("a declared operation");
        let mut leaves = BTreeMap::new();
        let mut inputs = Vec::new();
        for (parameter, matrix) in tensor_names(declared).zip(&case.tensors) {
            inputs.push(match matrix.as_str() {
                "labels" => self.labels(device),
                matrix => {
                    let leaf = self.matrix(matrix, device).leaf();
                    leaves.insert(parameter, leaf.clone());
                    leaf
                }
            });
        }
        let args = case.arguments.iter().map(|(name, value)| (name.clone(), Term::Float(*value)));
        let found = run(&operands(&Args(args.collect()), &inputs));
        let rows = found.as_rows();
        let weights = match case.value.len() {
            1 => vec![1.0],
            count => (1..=count).map(|i| i as f32 / 10.0).collect(),
        };
        let weights = Array::from_vec(weights, &rows.dims(), device);
        let total = (rows * weights.into_tensor()).sum();
        close("the value", &found.to_vec(), &case.value)?;
        if case.gradients.is_empty() {
            return match total.is_tracked() {
                true => Err("a gradient flows where there should be none".to_owned()),
                false => Ok(()),
            };
        }
        if !total.is_tracked() {
            return Err("no gradient flows at all".to_owned());
        }
        let mut tape = total.backward();
        for (parameter, expected) in &case.gradients {
            let leaf = leaves.get(parameter.as_str());
            let gradient = leaf.and_then(|leaf| leaf.take_gradient(&mut tape));
            let gradient = gradient.ok_or_else(|| format!("no gradient reaches `{parameter}`"))?;
            close(&format!("the gradient of `{parameter}`"), &gradient.to_vec(), expected)?;
        }
        Ok(())
    }
}

fn close(what: &str, found: &[f32], expected: &[f64]) -> Result<(), String> {
    let near = |(&a, &b): (&f32, &f64)| (f64::from(a) - b).abs() <= 2e-6 + 2e-6 * b.abs();
    match found.len() == expected.len() && found.iter().zip(expected).all(near) {
        true => Ok(()),
        false => Err(format!("{what} is {found:?}, not {expected:?}")),
    }
}

#[test]
fn primitives_are_pytorchs() {
    let golden = golden();
    for backend in backends() {
        for case in &golden.cases {
            let operation = operation(&case.primitive).expect("an implemented operation");
            if let Err(error) = golden.compare(case, &operation, &backend.device) {
                panic!("{} {:?} on {}: {error}", case.primitive, case.arguments, backend.kind);
            }
        }
    }
}

fn tensor_names(declared: &Declaration) -> impl Iterator<Item = &'static str> {
    declared.tensors().map(|parameter| parameter.name.text.as_str())
}

/// All that have a value of their own: an average and a queue are tested with the step.
#[test]
fn every_declared_gradient_is_compared() {
    let golden = golden();
    for &(name, _) in operations() {
        let declared = declaration(name).expect("a declared operation");
        if name == "detach" {
            continue;
        }
        let cases: Vec<&Case> = golden.cases.iter().filter(|case| case.primitive == name).collect();
        assert!(!cases.is_empty(), "nothing holds `{name}` against PyTorch");
        for case in cases {
            let named = tensor_names(declared).enumerate();
            let carrying = named.filter(|(position, _)| declared.carries(*position));
            let carrying: BTreeSet<&str> = carrying.map(|(_, name)| name).collect();
            let compared: BTreeSet<&str> = case.gradients.keys().map(String::as_str).collect();
            assert_eq!(compared, carrying, "{name}");
            assert_eq!(case.tensors.len(), tensor_names(declared).count(), "{name}");
        }
    }
}

/// A comparison that lets mistakes pass is worth nothing.
#[test]
fn mistakes_are_noticed() {
    let golden = golden();
    let case = golden.cases.iter().find(|case| case.primitive == "mean_squared").unwrap();
    let operation = operation("mean_squared").unwrap();
    let compare = |run: &Run| golden.compare(case, run, &device()).unwrap_err();

    let one_missing = move |x: &Operands<'_>| {
        let inputs = [x.array(0).clone(), x.array(1).constant()];
        operation(&Operands { inputs: &inputs, ..*x })
    };
    assert_eq!(compare(&one_missing), "no gradient reaches `b`");
    let all_missing = move |x: &Operands<'_>| operation(x).constant();
    assert_eq!(compare(&all_missing), "no gradient flows at all");
    let doubled = move |x: &Operands<'_>| {
        let loss = operation(x);
        (loss.tensor::<1>() * 2.0 - loss.constant().into_tensor()).into()
    };
    assert!(compare(&doubled).starts_with("the gradient of `a` is"));
    let shifted = move |x: &Operands<'_>| (operation(x).into_tensor::<1>() + 1e-4).into();
    assert!(compare(&shifted).starts_with("the value is"));
}

fn run(name: &str, args: &[(&str, f64)], inputs: &[Array]) -> Array {
    let args = args.iter().map(|(name, value)| (name.to_string(), Term::Float(*value)));
    operation(name).unwrap()(&operands(&Args(args.collect()), inputs))
}

fn matrix(rows: &[&[f32]], device: &Device) -> Array {
    Array::from_vec(rows.concat(), &[rows.len(), rows[0].len()], device)
}

#[test]
fn what_keeps_state_is_declared_to() {
    for (name, _) in KEEPING {
        assert!(declaration(name).is_some_and(Declaration::keeps_rows), "{name}");
        assert!(operation(name).is_none(), "{name} yields what it has kept");
    }
}

#[test]
fn spread_measures_collapse() {
    let spread = |rows| run("spread", &[], &[matrix(rows, &device())]).to_vec()[0];
    assert!(spread(&[&[0.6, -0.8], &[1.2, -1.6], &[0.3, -0.4]]) < 1e-3);
    let even = spread(&[&[3.0, 0.0], &[0.0, 1.0], &[-2.0, 0.0], &[0.0, -1.0]]);
    assert!((even - 1.0).abs() < 1e-6);
}

#[test]
fn where_all_are_alike_none_is_the_nearest() {
    for Selected { device, .. } in backends() {
        let same = || matrix(&[&[1.0, 0.0], &[1.0, 0.0]], &device);
        let share = |name, inputs: &[Array]| run(name, &[], inputs).to_vec()[0];
        assert_eq!(share("contrast_accuracy", &[same(), same(), same()]), 0.0);
        assert_eq!(share("pair_accuracy", &[same(), same()]), 0.0);
        // Distinct rows find themselves.
        let distinct = || matrix(&[&[1.0, 0.0], &[0.0, 1.0]], &device);
        assert_eq!(share("pair_accuracy", &[distinct(), distinct()]), 1.0);
    }
}

#[test]
fn detach_stops_gradients() {
    for Selected { device, .. } in backends() {
        let x = golden().matrix("a", &device).leaf();
        assert!(!run("detach", &[], std::slice::from_ref(&x)).is_tracked());
        assert!(run("normalize", &[], &[x]).is_tracked());
    }
}

#[test]
fn rows_of_zeros_have_finite_gradients() {
    for Selected { device, .. } in backends() {
        let x = Array::from_vec(vec![0.0; 6], &[2, 3], &device).leaf();
        let y: Tensor<2> = run("normalize", &[], std::slice::from_ref(&x)).into_tensor();
        let gradient = x.take_gradient(&mut y.sum().backward()).expect("x is tracked");
        assert!(gradient.to_vec().iter().all(|value| value.is_finite()));
    }
}

#[test]
fn large_logits_do_not_overflow() {
    let golden = golden();
    for Selected { device, .. } in backends() {
        let large =
            |name| -> Array { (golden.matrix(name, &device).into_tensor::<2>() * 1e4).into() };
        let labels = || golden.labels(&device);
        let args = [("temperature", 0.01)];
        let losses = [
            run("info_nce", &args, &[large("a"), large("b"), large("m")]),
            run("nt_xent", &args, &[large("a"), large("b")]),
            run("sup_con", &args, &[large("a"), large("b"), labels()]),
            run("cross_entropy", &[], &[large("a"), labels()]),
        ];
        for loss in losses {
            assert!(loss.to_number().is_finite());
        }
    }
}
