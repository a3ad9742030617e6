//! The primitives against PyTorch in f64, values and gradients, on every backend.
//!
//! `golden.json` is written by `tests/python/golden.py`.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{AnyTensor, PRIMITIVES, primitive};
use crate::device::Selected;
use crate::device::testing::{backends, device};
use crate::resolve::{Declaration, declaration};
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

type Run = dyn Fn(&Args, &[AnyTensor]) -> AnyTensor;

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden.json")).expect("golden.py writes it")
}

impl Golden {
    fn matrix(&self, name: &str, device: &Device) -> Tensor<2> {
        let rows = &self.matrices[name];
        Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), rows[0].len()]), device)
    }

    fn labels(&self, device: &Device) -> AnyTensor {
        AnyTensor::Labels(Tensor::<1, Int>::from_data(self.labels.as_slice(), device))
    }

    /// What of a case `run` does not give.
    fn compare(&self, case: &Case, run: &Run, device: &Device) -> Result<(), String> {
        let declared = declaration(&case.primitive).expect("a declared primitive");
        let mut leaves = BTreeMap::new();
        let mut inputs = Vec::new();
        for (parameter, matrix) in tensor_names(declared).zip(&case.tensors) {
            inputs.push(match matrix.as_str() {
                "labels" => self.labels(device),
                matrix => {
                    let leaf = self.matrix(matrix, device).autodiff().require_grad();
                    leaves.insert(parameter, leaf.clone());
                    AnyTensor::Matrix(leaf)
                }
            });
        }
        let args = case.arguments.iter().map(|(name, value)| (name.clone(), Term::Float(*value)));
        let (found, total) = match run(&Args(args.collect()), &inputs) {
            AnyTensor::Matrix(matrix) => {
                let weights: Vec<f32> = (1..=case.value.len()).map(|i| i as f32 / 10.0).collect();
                let weights = Tensor::<1>::from_floats(weights.as_slice(), device);
                let flat = matrix.reshape([case.value.len()]);
                (to_vec(flat.clone()), (flat * weights).sum())
            }
            other => (to_vec(other.scalar()), other.scalar()),
        };
        close("the value", &found, &case.value)?;
        if case.gradients.is_empty() {
            return match total.is_tracked() {
                true => Err("a gradient flows where there should be none".to_owned()),
                false => Ok(()),
            };
        }
        if !total.is_tracked() {
            return Err("no gradient flows at all".to_owned());
        }
        let tape = total.backward();
        for (parameter, expected) in &case.gradients {
            let leaf = leaves.get(parameter.as_str());
            let gradient = leaf.and_then(|leaf| leaf.grad(&tape));
            let gradient = gradient.ok_or_else(|| format!("no gradient reaches `{parameter}`"))?;
            close(&format!("the gradient of `{parameter}`"), &to_vec(gradient), expected)?;
        }
        Ok(())
    }
}

fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
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
            let primitive = primitive(&case.primitive).expect("an implemented primitive");
            if let Err(error) = golden.compare(case, &primitive, &backend.device) {
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
    for &(name, _) in PRIMITIVES {
        let declared = declaration(name).expect("a declared primitive");
        if declared.keeps_rows() || name == "detach" {
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
    let primitive = primitive("mean_squared").unwrap();
    let compare = |run: &Run| golden.compare(case, run, &device()).unwrap_err();

    let one_missing =
        move |args: &Args, x: &[AnyTensor]| primitive(args, &[x[0].clone(), x[1].constant()]);
    assert_eq!(compare(&one_missing), "no gradient reaches `b`");
    let all_missing = move |args: &Args, x: &[AnyTensor]| primitive(args, x).constant();
    assert_eq!(compare(&all_missing), "no gradient flows at all");
    let doubled = move |args: &Args, x: &[AnyTensor]| {
        let loss = primitive(args, x).scalar();
        AnyTensor::Scalar(loss.clone() * 2.0 - loss.inner())
    };
    assert!(compare(&doubled).starts_with("the gradient of `a` is"));
    let shifted =
        move |args: &Args, x: &[AnyTensor]| AnyTensor::Scalar(primitive(args, x).scalar() + 1e-4);
    assert!(compare(&shifted).starts_with("the value is"));
}

fn run(name: &str, args: &[(&str, f64)], inputs: &[AnyTensor]) -> AnyTensor {
    let args = args.iter().map(|(name, value)| (name.to_string(), Term::Float(*value)));
    primitive(name).unwrap()(&Args(args.collect()), inputs)
}

fn matrix(rows: &[&[f32]], device: &Device) -> AnyTensor {
    let data = TensorData::new(rows.concat(), [rows.len(), rows[0].len()]);
    AnyTensor::Matrix(Tensor::from_data(data, device))
}

#[test]
fn spread_measures_collapse() {
    let spread = |rows| to_vec(run("spread", &[], &[matrix(rows, &device())]).scalar())[0];
    assert!(spread(&[&[0.6, -0.8], &[1.2, -1.6], &[0.3, -0.4]]) < 1e-3);
    let even = spread(&[&[3.0, 0.0], &[0.0, 1.0], &[-2.0, 0.0], &[0.0, -1.0]]);
    assert!((even - 1.0).abs() < 1e-6);
}

#[test]
fn where_all_are_alike_none_is_the_nearest() {
    for Selected { device, .. } in backends() {
        let same = || matrix(&[&[1.0, 0.0], &[1.0, 0.0]], &device);
        let share = |name, inputs: &[AnyTensor]| to_vec(run(name, &[], inputs).scalar())[0];
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
        let x = golden().matrix("a", &device).autodiff().require_grad();
        assert!(!run("detach", &[], &[AnyTensor::Matrix(x.clone())]).matrix().is_tracked());
        assert!(run("normalize", &[], &[AnyTensor::Matrix(x)]).matrix().is_tracked());
    }
}

#[test]
fn rows_of_zeros_have_finite_gradients() {
    for Selected { device, .. } in backends() {
        let x = Tensor::<2>::zeros([2, 3], &device).autodiff().require_grad();
        let y = run("normalize", &[], &[AnyTensor::Matrix(x.clone())]).matrix();
        let gradient = x.grad(&y.sum().backward()).expect("x is tracked");
        assert!(to_vec(gradient).iter().all(|value| value.is_finite()));
    }
}

#[test]
fn large_logits_do_not_overflow() {
    let golden = golden();
    for Selected { device, .. } in backends() {
        let large = |name| AnyTensor::Matrix(golden.matrix(name, &device) * 1e4);
        let labels = || golden.labels(&device);
        let args = [("temperature", 0.01)];
        let losses = [
            run("info_nce", &args, &[large("a"), large("b"), large("m")]),
            run("nt_xent", &args, &[large("a"), large("b")]),
            run("sup_con", &args, &[large("a"), large("b"), labels()]),
            run("cross_entropy", &[], &[large("a"), labels()]),
        ];
        for loss in losses {
            assert!(to_vec(loss.scalar())[0].is_finite());
        }
    }
}
