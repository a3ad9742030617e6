//! The primitives against PyTorch 2.9 in f64: values and gradients.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor};

use super::{Value, primitive};
use crate::graph::term::{Args, Term};

type Rows = &'static [&'static [f32]];

const A: Rows = &[
    &[1.541, -0.293, -2.179, 0.568],
    &[-1.085, -1.399, 0.403, 0.838],
    &[-0.719, -0.403, -0.597, 0.182],
];
const B: Rows = &[
    &[-0.857, 1.101, -1.071, 0.123],
    &[-0.566, 0.373, -0.892, -1.509],
    &[0.37, 1.457, 0.94, 0.775],
];
const NEGATIVES: Rows = &[
    &[0.239, 0.734, -1.322, 1.315],
    &[0.46, 1.117, 0.369, -0.187],
    &[-3.145, -0.114, 1.696, -0.665],
    &[1.155, -0.086, -1.961, 0.221],
    &[-1.381, -2.055, 0.048, -0.386],
];

fn matrix(rows: &[&[f32]]) -> Tensor<2> {
    Tensor::<1>::from_floats(rows.concat().as_slice(), &Device::flex())
        .reshape([rows.len(), rows[0].len()])
}

fn labels() -> Value {
    Value::Labels(Tensor::<1, Int>::from_ints([0, 2, 0], &Device::flex()))
}

fn run(name: &str, args: &[(&str, f64)], inputs: &[Value]) -> Value {
    let args = args.iter().map(|(name, value)| (name.to_string(), Term::Float(*value)));
    let primitive = primitive(name).expect("a registered primitive");
    (primitive.run)(&Args(args.collect::<BTreeMap<_, _>>()), inputs)
}

fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Compares the values of `f` and the gradients of its tensors. Where the result is a matrix, its
/// elements are weighted by 0.1, 0.2, … before they are added up.
fn check(inputs: &[Rows], f: impl Fn(&[Value]) -> Value, value: &[f64], gradients: &[&[f64]]) {
    let leaves: Vec<_> = inputs.iter().map(|rows| matrix(rows).autodiff().require_grad()).collect();
    let inputs: Vec<_> = leaves.iter().cloned().map(Value::Matrix).collect();
    let (found, loss) = match f(&inputs) {
        Value::Matrix(matrix) => {
            let weights: Vec<f32> = (1..=value.len()).map(|i| i as f32 / 10.0).collect();
            let weights = Tensor::<1>::from_floats(weights.as_slice(), &Device::flex());
            (to_vec(matrix.clone()), (matrix.reshape([value.len()]) * weights).sum())
        }
        other => (to_vec(other.scalar()), other.scalar()),
    };
    assert_close("value", &found, value);
    let tape = loss.backward();
    for (leaf, expected) in leaves.iter().zip(gradients) {
        let gradient = leaf.grad(&tape).expect("every input is differentiated");
        assert_close("gradient", &to_vec(gradient), expected);
    }
}

fn assert_close(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (&a, &b) in found.iter().zip(expected) {
        let tolerance = 2e-6 + 2e-6 * b.abs();
        assert!((f64::from(a) - b).abs() <= tolerance, "{what}: {found:?}, not {expected:?}");
    }
}

#[test]
fn normalize() {
    check(
        &[A],
        |x| run("normalize", &[], x),
        &[
            0.5615270634,
            -0.1067666642,
            -0.7940087418,
            0.2069742842,
            -0.5425624661,
            -0.6995805438,
            0.2015232017,
            0.4190482457,
            -0.6954401213,
            -0.3897946716,
            -0.5774377642,
            0.1760363033,
        ],
        &[&[
            0.0611185457,
            0.0681858178,
            0.0744202999,
            0.1548531674,
            0.1917712917,
            0.2249172763,
            0.3716787987,
            0.4450412473,
            -0.0978603199,
            0.4244606509,
            0.2598992138,
            1.4058016646,
        ]],
    );
}

#[test]
fn cosine_distance() {
    check(
        &[A, B],
        |x| run("cosine_distance", &[], x),
        &[2.5912810924],
        &[
            &[
                0.1395106978,
                -0.1557688809,
                0.1172502243,
                -0.0090458249,
                0.1741122927,
                0.0288858983,
                0.1308428488,
                0.2107321495,
                0.1621302369,
                -0.325562901,
                -0.0762559894,
                -0.330522167,
            ],
            &[
                -0.2411939175,
                0.077469419,
                0.2641280286,
                -0.0741129996,
                0.2359938124,
                0.2194632612,
                -0.0028714917,
                -0.0325721211,
                0.1976727664,
                -0.03083511,
                0.0924124123,
                -0.1484901108,
            ],
        ],
    );
}

#[test]
fn mean_squared() {
    check(
        &[A, B],
        |x| run("mean_squared", &[], x),
        &[2.25613725],
        &[
            &[
                0.3996666667,
                -0.2323333333,
                -0.1846666667,
                0.0741666667,
                -0.0865,
                -0.2953333333,
                0.2158333333,
                0.3911666667,
                -0.1815,
                -0.31,
                -0.2561666667,
                -0.0988333333,
            ],
            &[
                -0.3996666667,
                0.2323333333,
                0.1846666667,
                -0.0741666667,
                0.0865,
                0.2953333333,
                -0.2158333333,
                -0.3911666667,
                0.1815,
                0.31,
                0.2561666667,
                0.0988333333,
            ],
        ],
    );
}

#[test]
fn info_nce_at_a_low_temperature() {
    check(
        &[A, B, NEGATIVES],
        |x| run("info_nce", &[("temperature", 0.07)], x),
        &[66.8576205848],
        &[
            &[
                9.580952381,
                -5.6523809524,
                -4.2380952381,
                0.4666666667,
                -3.9225686752,
                -11.516112683,
                4.515070098,
                5.3410368786,
                -8.3414124297,
                -16.7201579506,
                -4.2445199374,
                -5.5290956496,
            ],
            &[
                -7.3380952381,
                1.3952380952,
                10.3761904762,
                -2.7047619048,
                5.1666666667,
                6.6619047619,
                -1.919047619,
                -3.9904761905,
                3.4238095238,
                1.919047619,
                2.8428571429,
                -0.8666666667,
            ],
            &[
                -2.136e-07,
                -1.197e-07,
                -1.773e-07,
                5.41e-08,
                -0.0,
                -0.0,
                -0.0,
                0.0,
                -0.0269496335,
                -0.0337631835,
                0.0083847278,
                0.0201124082,
                7.3380952115,
                -1.3952381102,
                -10.3761904983,
                2.7047619115,
                -8.5635263168,
                -8.5471890629,
                -0.9321940522,
                4.8370303881,
            ],
        ],
    );
}

#[test]
fn info_nce_at_a_high_temperature() {
    check(
        &[A, B, NEGATIVES],
        |x| run("info_nce", &[("temperature", 0.9)], x),
        &[5.6468479141],
        &[
            &[
                0.7218280119,
                -0.4192994975,
                -0.313384559,
                0.0617436136,
                -0.5571598099,
                -0.6089885234,
                0.5873635212,
                0.3766146715,
                -0.6087772359,
                -0.857150144,
                -0.3137747016,
                -0.341648586,
            ],
            &[
                -0.5694815562,
                0.1082791019,
                0.8052565288,
                -0.2099062452,
                0.4013751983,
                0.5175335506,
                -0.1490822165,
                -0.3100022269,
                0.2618254159,
                0.1467533277,
                0.2173988502,
                -0.0662756964,
            ],
            &[
                0.0006126061,
                -0.027619918,
                -0.0791141013,
                0.0229061616,
                -0.0057864851,
                -0.003660101,
                -0.0051643525,
                0.0017877723,
                -0.2269487566,
                -0.2432136575,
                0.0028251122,
                0.1400844244,
                0.5034386155,
                -0.1181905978,
                -0.777768343,
                0.2041411747,
                -0.3650350379,
                -0.3798817058,
                -0.0143514779,
                0.2172646355,
            ],
        ],
    );
}

#[test]
fn nt_xent() {
    check(
        &[A, B],
        |x| run("nt_xent", &[("temperature", 0.5)], x),
        &[3.992717991],
        &[
            &[
                0.2533480439,
                -0.503776704,
                0.352074895,
                -0.1169052352,
                0.0155756838,
                -0.4321213764,
                0.289672549,
                1.1052341452,
                -0.7394674601,
                -1.5381184754,
                -0.8801248701,
                -0.1020075633,
            ],
            &[
                -0.9529899681,
                0.7327097506,
                0.7267190609,
                -0.7667563775,
                0.3221166464,
                1.4671484864,
                -1.0021681889,
                -0.4401998588,
                0.1984545237,
                0.5998355312,
                0.027226236,
                -0.0740412269,
            ],
        ],
    );
}

#[test]
fn sup_con() {
    check(
        &[A, B],
        |x| run("sup_con", &[("temperature", 0.7)], &[x, &[labels()]].concat()),
        &[2.9018013103],
        &[
            &[
                -0.0494808524,
                -0.1755322666,
                -0.1457933314,
                -0.2115869026,
                0.0403268731,
                -0.2661361349,
                0.2154872889,
                0.788837081,
                -0.4798592438,
                -0.675894715,
                0.1222616017,
                0.0159204573,
            ],
            &[
                -0.1436594436,
                0.192801016,
                -0.1828748461,
                -0.4444616721,
                0.2915083434,
                0.9739686346,
                -0.7001573468,
                -0.2968003339,
                -0.1838938478,
                0.1252973846,
                0.3375259542,
                -0.1005992,
            ],
        ],
    );
}

#[test]
fn cross_entropy() {
    check(
        &[A],
        |x| run("cross_entropy", &[], &[x, &[labels()]].concat()),
        &[1.1028505837],
        &[&[
            -0.1199255164,
            0.0340968488,
            0.0051717182,
            0.0806569494,
            0.0256406286,
            0.0187309671,
            -0.2197907274,
            0.1754191317,
            -0.2774372617,
            0.076668743,
            0.0631488162,
            0.1376197026,
        ]],
    );
}

#[test]
fn mean() {
    check(
        &[A],
        |x| run("mean", &[], x),
        &[-0.2619166667],
        &[&[
            0.0833333333,
            0.0833333333,
            0.0833333333,
            0.0833333333,
            0.0833333333,
            0.0833333333,
            0.0833333333,
            0.0833333333,
            0.0833333333,
            0.0833333333,
            0.0833333333,
            0.0833333333,
        ]],
    );
}

fn measure(name: &str, inputs: &[Rows]) -> f64 {
    let inputs: Vec<_> = inputs.iter().map(|rows| Value::Matrix(matrix(rows))).collect();
    f64::from(to_vec(run(name, &[], &inputs).scalar())[0])
}

#[test]
fn spread_measures_collapse() {
    assert!((measure("spread", &[A]) - 0.6687966810821456).abs() < 1e-6);
    let collapsed: Rows = &[&[0.6, -0.8], &[1.2, -1.6], &[0.3, -0.4]];
    assert!(measure("spread", &[collapsed]) < 1e-3);
    let even: Rows = &[&[3.0, 0.0], &[0.0, 1.0], &[-2.0, 0.0], &[0.0, -1.0]];
    assert!((measure("spread", &[even]) - 1.0).abs() < 1e-6);
}

#[test]
fn accuracies_count_the_nearest() {
    // Of the rows of A, only the first is longer than its product with any negative.
    assert!((measure("contrast_accuracy", &[A, A, NEGATIVES]) - 1.0 / 3.0).abs() < 1e-6);
    assert_eq!(measure("contrast_accuracy", &[A, B, NEGATIVES]), 0.0);
    // Only the first row of A has its other view nearest.
    assert!((measure("pair_accuracy", &[A, B]) - 1.0 / 6.0).abs() < 1e-6);
    assert_eq!(measure("pair_accuracy", &[NEGATIVES, NEGATIVES]), 1.0);
    // Where all are alike, none is the nearest.
    let same: Rows = &[&[1.0, 0.0], &[1.0, 0.0]];
    assert_eq!(measure("contrast_accuracy", &[same, same, same]), 0.0);
    assert_eq!(measure("pair_accuracy", &[same, same]), 0.0);
}

#[test]
fn measures_and_detach_stop_gradients() {
    let tracked = || Value::Matrix(matrix(A).autodiff().require_grad());
    for (name, count) in [("spread", 1), ("contrast_accuracy", 3), ("pair_accuracy", 2)] {
        let inputs: Vec<_> = (0..count).map(|_| tracked()).collect();
        assert!(!run(name, &[], &inputs).scalar().is_tracked(), "{name}");
    }
    assert!(!run("detach", &[], &[tracked()]).matrix().is_tracked());
    assert!(run("normalize", &[], &[tracked()]).matrix().is_tracked());
}

#[test]
fn rows_of_zeros_have_finite_gradients() {
    let x = Tensor::<2>::zeros([2, 3], &Device::flex()).autodiff().require_grad();
    let y = run("normalize", &[], &[Value::Matrix(x.clone())]).matrix();
    let gradient = x.grad(&y.sum().backward()).expect("x is tracked");
    assert!(to_vec(gradient).iter().all(|value| value.is_finite()));
}

#[test]
fn large_logits_do_not_overflow() {
    let large = |rows| Value::Matrix(matrix(rows) * 1e4);
    let args = [("temperature", 0.01)];
    let losses = [
        run("info_nce", &args, &[large(A), large(B), large(NEGATIVES)]),
        run("nt_xent", &args, &[large(A), large(B)]),
        run("sup_con", &args, &[large(A), large(B), labels()]),
        run("cross_entropy", &[], &[large(A), labels()]),
    ];
    for loss in losses {
        assert!(to_vec(loss.scalar())[0].is_finite());
    }
}
