use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::{Now, Optimizer, ParamSet, build};
use crate::device::testing::{backends, device};
use crate::device::{Array, Kernels, Selected};
use crate::nn::{Declared, Fill, Layout, Params, Role};
use crate::schedule::Progress;
use crate::term::{Args, Call, Term, Unit};

fn optimizer(
    name: &str,
    args: &[(&str, f64)],
    nesterov: bool,
    exclude: &str,
) -> Box<dyn Optimizer> {
    let defaults = [
        ("lr", 0.1),
        ("momentum", 0.9),
        ("beta1", 0.9),
        ("beta2", 0.999),
        ("epsilon", 1e-8),
        ("weight_decay", 0.01),
        ("trust", 0.1),
    ];
    let terms = defaults.iter().chain(args).map(|(name, value)| (*name, Term::Float(*value)));
    of_terms(name, &terms.collect::<Vec<_>>(), nesterov, exclude)
}

fn of_terms(
    name: &str,
    args: &[(&str, Term)],
    nesterov: bool,
    exclude: &str,
) -> Box<dyn Optimizer> {
    let mut terms = Args::default();
    terms.0.insert("bounded".to_owned(), Term::Bool(false));
    for (name, term) in args {
        terms.0.insert((*name).to_owned(), term.clone());
    }
    terms.0.insert("nesterov".to_owned(), Term::Bool(nesterov));
    terms.0.insert("exclude".to_owned(), Term::Symbol(exclude.to_owned()));
    build(&Term::Call(Call { name: name.to_owned(), args: terms }))
}

/// A parameter of that role, one that no gradient reaches, and a buffer.
fn given(role: Role, device: &Device) -> Params {
    starting([1.0, -2.0, 3.0], role, device)
}

fn starting(p: [f32; 3], role: Role, device: &Device) -> Params {
    let mut layout = Layout::default();
    let mut values = Vec::new();
    for (name, role, own) in [
        ("p", role, p),
        ("unused", Role::Bias, [1.0, 2.0, 3.0]),
        ("running", Role::Buffer, [4.0, 5.0, 6.0]),
    ] {
        let fill = Fill::Constant(0.0);
        layout.declare(Declared::new(name, vec![3], role, fill));
        values.push(Array::from_vec(own.to_vec(), &[3], device));
    }
    Params::new(Arc::new(layout), values)
}

fn params(device: &Device) -> Params {
    given(Role::Weight, device)
}

fn values(params: &Params, name: &str) -> Vec<f32> {
    params.get(name).unwrap().to_vec()
}

/// Another set, of one matrix.
fn head(device: &Device) -> Params {
    let (name, fill) = ("w".to_owned(), Fill::Constant(0.0));
    let mut layout = Layout::default();
    layout.declare(Declared::new(name, vec![2, 2], Role::Weight, fill));
    let w = Array::from_vec(vec![1.0, -1.0, 2.0, 0.5], &[2, 2], device);
    Params::new(Arc::new(layout), vec![w])
}

/// Those of the device that parameters lie on.
fn kernels(params: &Params) -> &'static dyn Kernels {
    let device = params.values()[0].device();
    let own = backends().into_iter().find(|own| own.device == device);
    own.expect("they lie on one of the backends").kernels
}

/// The first of four steps.
fn first(lr: f64) -> Now {
    Now { lr, progress: Progress { step: 0, steps: 4, steps_per_epoch: 4 } }
}

/// One step on the loss `sum(s * p * p + p)`.
fn step(optimizer: &mut dyn Optimizer, params: &mut Params, lr: f64) {
    step_now(optimizer, params, first(lr));
}

fn step_now(optimizer: &mut dyn Optimizer, params: &mut Params, now: Now) {
    let leaves = params.leaves();
    let mut gradients = loss(&leaves).backward();
    let gradients = leaves.take_gradients(&mut gradients);
    let kernels = kernels(params);
    optimizer.step(kernels, vec![ParamSet { name: "net", params, gradients }], now);
}

/// One step on the loss `sum(s * p * p + p) + 1.5 * sum(w * w)`, of two sets at once.
fn joint_step(optimizer: &mut dyn Optimizer, [net, head]: [&mut Params; 2], lr: f64) {
    let leaves = [net.leaves(), head.leaves()];
    let w = leaves[1].get("w").unwrap().tensor::<2>();
    let mut gradients = (loss(&leaves[0]) + (w.clone() * w).sum() * 1.5).backward();
    let [of_net, of_head] = leaves.map(|leaves| leaves.take_gradients(&mut gradients));
    let kernels = kernels(net);
    let sets = vec![
        ParamSet { name: "net", params: net, gradients: of_net },
        ParamSet { name: "head", params: head, gradients: of_head },
    ];
    optimizer.step(kernels, sets, first(lr));
}

fn loss(leaves: &Params) -> Tensor<1> {
    let p = leaves.get("p").unwrap().tensor::<1>();
    let s = Tensor::<1>::from_data([0.5, 1.0, -0.25], &p.device());
    (p.clone() * p.clone() * s + p).sum()
}

const RATES: [f64; 4] = [0.1, 0.1, 0.05, 0.02];

/// The third and the fourth step, from these parameters.
fn trajectory(mut optimizer: Box<dyn Optimizer>, mut params: Params) -> [Vec<f32>; 2] {
    let [_, _, third, fourth] = RATES.map(|lr| {
        step(&mut *optimizer, &mut params, lr);
        values(&params, "p")
    });
    [third, fourth]
}

fn joint_trajectory(mut optimizer: Box<dyn Optimizer>, device: &Device) -> [Vec<f32>; 2] {
    let (mut net, mut head) = (params(device), head(device));
    let [_, _, third, fourth] = RATES.map(|lr| {
        joint_step(&mut *optimizer, [&mut net, &mut head], lr);
        [values(&net, "p"), values(&head, "w")].concat()
    });
    [third, fourth]
}

/// Expected values are those that `tests/python/optimizers.py` prints.
fn close<const N: usize>(found: [Vec<f32>; 2], expected: [[f64; N]; 2]) {
    assert!(found.iter().all(|own| own.len() == N));
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((f64::from(*found) - expected).abs() < 2e-6, "{found} is not {expected}");
    }
}

#[test]
fn trajectories_are_pytorchs() {
    for Selected { device, .. } in backends() {
        let sgd = optimizer("sgd", &[("momentum", 0.0), ("weight_decay", 0.0)], false, "none");
        close(
            trajectory(sgd, params(&device)),
            [[0.539, -1.364, 3.1300625], [0.50822, -1.32944, 3.1413631]],
        );
        close(
            trajectory(optimizer("sgd", &[], false, "none"), params(&device)),
            [[0.2025927, -0.8849252, 3.2067201], [0.0939693, -0.7613596, 3.2426681]],
        );
        close(
            trajectory(optimizer("sgd", &[], true, "none"), params(&device)),
            [[-0.1014449, -0.5783361, 3.3180455], [-0.2042086, -0.4945925, 3.3648853]],
        );
        close(
            trajectory(optimizer("adam", &[], false, "none"), params(&device)),
            [[0.7503974, -1.7505697, 3.2503144], [0.7305423, -1.7307789, 3.2704378]],
        );
        let args = [("beta1", 0.8), ("beta2", 0.95), ("weight_decay", 0.1)];
        close(
            trajectory(optimizer("adamw", &args, false, "none"), params(&device)),
            [[0.7278585, -1.7034485, 3.1741319], [0.7066422, -1.6804268, 3.1879702]],
        );
    }
}

/// From 0.1 by 0.1 in each step.
#[test]
fn weight_decay_follows_its_schedule() {
    for Selected { device, .. } in backends() {
        let rise = [
            ("from", Term::Float(0.1)),
            ("to", Term::Float(0.5)),
            ("warmup", Term::Duration(0.0, Unit::Steps)),
            ("per", Term::Symbol("step".to_owned())),
        ];
        let args = Args(rise.map(|(name, term)| (name.to_owned(), term)).into());
        let decay = Term::Call(Call { name: "ramp".to_owned(), args });
        let args = [
            ("lr", Term::Float(0.1)),
            ("beta1", Term::Float(0.8)),
            ("beta2", Term::Float(0.95)),
            ("epsilon", Term::Float(1e-8)),
            ("weight_decay", decay),
        ];
        let mut optimizer = of_terms("adamw", &args, false, "none");
        let mut params = params(&device);
        let mut number = 0;
        let [_, _, third, fourth] = RATES.map(|lr| {
            let progress = Progress { step: number, steps: 4, steps_per_epoch: 4 };
            step_now(&mut *optimizer, &mut params, Now { lr, progress });
            number += 1;
            values(&params, "p")
        });
        close(
            [third, fourth],
            [[0.7112976, -1.667379, 3.1124412], [0.6858655, -1.634491, 3.107665]],
        );
    }
}

#[test]
fn trajectories_are_those_of_the_papers() {
    for Selected { device, .. } in backends() {
        // A weight is adapted, whatever is excluded.
        for exclude in ["none", "norm_and_bias"] {
            close(
                trajectory(optimizer("lars", &[], false, exclude), params(&device)),
                [[0.912397, -1.8693135, 3.0207038], [0.8981867, -1.8484649, 3.0241453]],
            );
            close(
                trajectory(
                    optimizer("lars", &[("momentum", 0.0)], false, exclude),
                    params(&device),
                ),
                [[0.9485191, -1.9232914, 3.0121884], [0.944386, -1.917242, 3.0131931]],
            );
            // Two steps have the rate of the trust, two the bound.
            let lars = [
                ("lr", Term::Float(0.1)),
                ("momentum", Term::Float(0.9)),
                ("trust", Term::Float(0.1)),
                ("weight_decay", Term::Float(0.01)),
                ("bounded", Term::Bool(true)),
            ];
            close(
                trajectory(of_terms("lars", &lars, false, exclude), params(&device)),
                [[0.2025927, -0.8849252, 3.2067201], [0.0939693, -0.7613596, 3.2426681]],
            );
            close(
                trajectory(optimizer("lamb", LAMB, false, exclude), params(&device)),
                [[0.452715, -1.4487394, 3.5283481], [0.4081189, -1.4043087, 3.5723743]],
            );
        }
    }
}

/// The epsilon of the paper.
const LAMB: &[(&str, f64)] = &[("epsilon", 1e-6)];

#[test]
fn exclusion_spares_the_adaptation() {
    for role in [Role::Bias, Role::NormScale, Role::NormShift] {
        let moved = |name, args, exclude| {
            trajectory(optimizer(name, args, false, exclude), given(role, &device()))
        };
        close(
            moved("lars", &[], "norm_and_bias"),
            [[0.206, -0.8915, 3.2200625], [0.09764, -0.76838, 3.2583856]],
        );
        close(
            moved("lars", &[], "none"),
            [[0.912397, -1.8693135, 3.0207038], [0.8981867, -1.8484649, 3.0241453]],
        );
        close(
            moved("lamb", LAMB, "norm_and_bias"),
            [[0.7503951, -1.7505711, 3.2503119], [0.7305391, -1.7307807, 3.2704335]],
        );
        close(
            moved("lamb", LAMB, "none"),
            [[0.452715, -1.4487394, 3.5283481], [0.4081189, -1.4043087, 3.5723743]],
        );
    }
}

/// What is zero has no norm to be scaled to.
#[test]
fn the_ratio_of_what_is_zero_is_one() {
    for Selected { device, .. } in backends() {
        let zero = || starting([0.0; 3], Role::Weight, &device);
        close(
            trajectory(optimizer("lars", &[], false, "none"), zero()),
            [[-0.2328092, -0.2324405, -0.2333629], [-0.248294, -0.2477027, -0.2491824]],
        );
        close(
            trajectory(optimizer("lamb", LAMB, false, "none"), zero()),
            [[-0.1155137, -0.1153813, -0.1156038], [-0.1178257, -0.1176682, -0.1179347]],
        );
        // Nor has a gradient of zero a direction.
        for name in ["lars", "lamb"] {
            let mut optimizer = optimizer(name, &[("weight_decay", 0.0)], false, "none");
            let mut net = params(&device);
            let none = Array::from_vec(vec![0.0; 3], &[3], &device);
            let gradients = vec![Some(none), None, None];
            let kernels = kernels(&net);
            optimizer.step(
                kernels,
                vec![ParamSet { name: "net", params: &mut net, gradients }],
                first(0.1),
            );
            assert_eq!(values(&net, "p"), [1.0, -2.0, 3.0], "{name}");
        }
    }
}

/// The norm of both sets together decides, before anything is made of a gradient.
#[test]
fn clipping_is_pytorchs_over_all_sets() {
    for Selected { device, .. } in backends() {
        let sgd = || optimizer("sgd", &[("clip", 0.5)], false, "none");
        close(
            trajectory(sgd(), params(&device)),
            [[0.8781435, -1.8169089, 3.0170241], [0.8581751, -1.7876066, 3.0199955]],
        );
        close(
            joint_trajectory(sgd(), &device),
            [
                [0.9443489, -1.9147661, 3.0001521, 0.9193234, -0.9193234, 1.8386467, 0.4596617],
                [0.9352171, -1.9009256, 3.0002368, 0.9063344, -0.9063344, 1.8126687, 0.4531672],
            ],
        );
        let args = [("clip", 4.0), ("weight_decay", 0.1)];
        close(
            joint_trajectory(optimizer("adamw", &args, false, "none"), &device),
            [
                [0.7270549, -1.7024037, 3.1738601, 0.7274572, -0.7274572, 1.7022802, 0.2414486],
                [0.7055478, -1.6790049, 3.1876384, 0.7061099, -0.7061099, 1.6788328, 0.221782],
            ],
        );
        close(
            joint_trajectory(optimizer("lars", &[("clip", 0.05)], false, "none"), &device),
            [
                [0.9323442, -1.8835548, 2.9169855, 0.9577395, -0.9577395, 1.915479, 0.4788697],
                [0.9215126, -1.8650685, 2.9037095, 0.9510142, -0.9510142, 1.9020285, 0.4755071],
            ],
        );
        let args = [LAMB, &[("clip", 4.0)]].concat();
        close(
            joint_trajectory(optimizer("lamb", &args, false, "none"), &device),
            [
                [0.451737, -1.4471986, 3.525602, 0.7090927, -0.7090927, 1.7057557, 0.2128375],
                [0.4068821, -1.4022975, 3.5687675, 0.6890315, -0.6890315, 1.6853326, 0.1938059],
            ],
        );
    }
}

const ALL: [&str; 5] = ["sgd", "adam", "adamw", "lars", "lamb"];

#[test]
fn a_gradient_within_the_norm_stays_as_it_is() {
    for (Selected { device, .. }, name) in
        backends().iter().flat_map(|own| ALL.map(|name| (own, name)))
    {
        let clipped = optimizer(name, &[("clip", 100.0)], false, "none");
        let free = optimizer(name, &[], false, "none");
        assert_eq!(joint_trajectory(clipped, device), joint_trajectory(free, device), "{name}");
    }
}

#[test]
fn a_step_without_gradients_moves_nothing() {
    for name in ALL {
        let mut optimizer = optimizer(name, &[("clip", 1.0)], false, "none");
        let mut net = params(&device());
        let gradients = vec![None, None, None];
        let kernels = kernels(&net);
        optimizer.step(
            kernels,
            vec![ParamSet { name: "net", params: &mut net, gradients }],
            first(0.1),
        );
        optimizer.step(kernels, Vec::new(), first(0.1));
        assert_eq!(values(&net, "p"), [1.0, -2.0, 3.0], "{name}");
    }
}

#[test]
fn what_is_remembered_is_as_much_as_is_said() {
    let without = [("momentum", 0.0)];
    for (name, args, expected) in [
        ("sgd", &[][..], 1),
        ("sgd", &without, 0),
        ("adam", &[], 2),
        ("adamw", &[], 2),
        ("lars", &[], 1),
        ("lars", &without, 0),
        ("lamb", &[], 2),
    ] {
        let mut optimizer = optimizer(name, args, false, "none");
        assert_eq!(optimizer.moments(), expected, "{name}");
        let mut net = params(&device());
        step(&mut *optimizer, &mut net, 0.1);
        step(&mut *optimizer, &mut net, 0.1);
        // One array more counts the steps.
        assert_eq!(optimizer.state(&[("net", &net)]).len(), expected + 1, "{name}");
    }
}

#[test]
fn what_no_gradient_reaches_stays() {
    let mut params = params(&device());
    let mut sgd = optimizer("sgd", &[], false, "none");
    step(&mut *sgd, &mut params, 0.1);
    assert_eq!(values(&params, "unused"), [1.0, 2.0, 3.0]);
    assert_eq!(values(&params, "running"), [4.0, 5.0, 6.0]);
    assert!(sgd.state(&[("net", &params)]).keys().eq(["net.p.momentum_buffer", "net.p.step"]));
}

#[test]
fn exclusion_spares_all_but_weights() {
    let decayed = |role, exclude| {
        let mut params = given(role, &device());
        let mut sgd = optimizer("sgd", &[("momentum", 0.0)], false, exclude);
        step(&mut *sgd, &mut params, 0.1);
        let moved = values(&params, "p")[0];
        // Without decay the first step goes from 1 to 0.8.
        (moved - 0.8).abs() > 1e-4
    };
    assert!(decayed(Role::Weight, "norm_and_bias"));
    assert!(decayed(Role::Bias, "none"));
    for role in [Role::Bias, Role::NormScale, Role::NormShift] {
        assert!(!decayed(role, "norm_and_bias"));
    }
}

#[test]
fn a_stored_state_continues() {
    for name in ALL {
        let new = || optimizer(name, &[("clip", 2.0)], false, "none");
        let (mut net, mut head) = (params(&device()), head(&device()));
        let mut original = new();
        joint_step(&mut *original, [&mut net, &mut head], 0.1);
        let mut resumed = new();
        let sets = [("net", &net), ("head", &head)];
        resumed.load_state(original.state(&sets), &sets).unwrap();
        let (mut net_copy, mut head_copy) = (net.clone(), head.clone());
        for _ in 0..2 {
            joint_step(&mut *original, [&mut net, &mut head], 0.1);
            joint_step(&mut *resumed, [&mut net_copy, &mut head_copy], 0.1);
            assert_eq!(values(&net, "p"), values(&net_copy, "p"), "{name}");
            assert_eq!(values(&head, "w"), values(&head_copy, "w"), "{name}");
        }
        let mut anew = new();
        let (mut net_anew, mut head_anew) = (net.clone(), head.clone());
        joint_step(&mut *original, [&mut net, &mut head], 0.1);
        joint_step(&mut *anew, [&mut net_anew, &mut head_anew], 0.1);
        assert_ne!(values(&net, "p"), values(&net_anew, "p"), "{name} has nothing to continue");
    }
}

#[test]
fn a_state_that_does_not_fit_is_an_error() {
    let mut params = params(&device());
    let mut adam = optimizer("adam", &[], false, "none");
    step(&mut *adam, &mut params, 0.1);
    let mut state = adam.state(&[("net", &params)]);
    state.shift_remove("net.p.exp_avg");
    state.insert("other.p.step".to_owned(), state["net.p.step"].clone());
    let short = Array::from_vec(vec![0.0; 2], &[2], &device());
    state.insert("net.unused.exp_avg_sq".to_owned(), short);
    let error = adam.load_state(state, &[("net", &params)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the stored optimizer state does not fit:
  `net.p` needs all of exp_avg, exp_avg_sq
  `net.unused.exp_avg_sq` is [2], should be [3]
  `net.unused.step` is missing
  `net.unused` needs all of exp_avg, exp_avg_sq
  `other.p.step` belongs to no parameter"
    );
}
