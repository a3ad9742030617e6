//! What all optimizers share: the walk over parameters, their state and its stored form.

use burn::tensor::{Device, Gradients, Tensor};
use indexmap::IndexMap;

use super::{Optimizer, StateError};
use crate::nn::{Array, Params, Role};
use crate::term::Args;

/// How one parameter moves.
pub(super) trait Rule: Send {
    /// The names of the tensors that are kept for each parameter, PyTorch's own.
    const MOMENTS: &'static [&'static str];

    /// The parameter after its `step.number`-th step, counted from one. `moments` is empty in the
    /// first step; the rule leaves it empty or with one tensor for each of [`Rule::MOMENTS`].
    fn update<const D: usize>(
        &self,
        value: Tensor<D>,
        gradient: Tensor<D>,
        moments: &mut Vec<Tensor<D>>,
        step: Step,
    ) -> Tensor<D>;

    /// How many tensors it leaves there.
    fn moments(&self) -> usize {
        Self::MOMENTS.len()
    }
}

/// The numbers of one update.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub lr: f64,
    pub weight_decay: f64,
    pub number: i32,
}

/// An optimizer of one rule.
pub(super) struct PerParameter<R> {
    rule: R,
    lr: f64,
    weight_decay: f64,
    /// Whether biases, scales and shifts are spared the weight decay.
    exclude: bool,
    /// By slot and parameter name, joined by a dot.
    state: IndexMap<String, State>,
}

/// What is remembered of one parameter.
#[derive(Clone, Default)]
struct State {
    steps: i32,
    moments: Vec<Array>,
}

/// The stored name of [`State::steps`].
const STEPS: &str = "step";

impl<R: Rule> PerParameter<R> {
    /// Reads the arguments that every optimizer's signature has.
    pub fn new(rule: R, args: &Args) -> Self {
        PerParameter {
            rule,
            lr: args.float("lr"),
            weight_decay: args.float("weight_decay"),
            exclude: args.symbol("exclude") == "norm_and_bias",
            state: IndexMap::new(),
        }
    }

    fn update<const D: usize>(
        &mut self,
        key: String,
        role: Role,
        value: &mut Tensor<D>,
        leaf: &Tensor<D>,
        gradients: &mut Gradients,
        lr: f64,
    ) where
        Tensor<D>: Ranked,
    {
        let Some(gradient) = leaf.grad_remove(gradients) else { return };
        let state = self.state.entry(key).or_default();
        state.steps += 1;
        let spared = self.exclude && role != Role::Weight;
        let weight_decay = if spared { 0.0 } else { self.weight_decay };
        let step = Step { lr, weight_decay, number: state.steps };
        let mut moments = state.moments.drain(..).map(Ranked::from_array).collect();
        *value = self.rule.update(value.clone(), gradient, &mut moments, step);
        state.moments = moments.into_iter().map(Ranked::into_array).collect();
    }
}

impl<R: Rule> Optimizer for PerParameter<R> {
    fn moments(&self) -> usize {
        self.rule.moments()
    }

    fn step(
        &mut self,
        slot: &str,
        params: &mut Params,
        tracked: &Params,
        gradients: &mut Gradients,
        lr: f64,
    ) {
        for (name, param) in &mut params.0 {
            if !param.role.is_trained() {
                continue;
            }
            let key = format!("{slot}.{name}");
            let leaf = tracked.0.get(name).map(|param| &param.value);
            match (&mut param.value, leaf) {
                (Array::R1(value), Some(Array::R1(leaf))) => {
                    self.update(key, param.role, value, leaf, gradients, lr);
                }
                (Array::R2(value), Some(Array::R2(leaf))) => {
                    self.update(key, param.role, value, leaf, gradients, lr);
                }
                (Array::R4(value), Some(Array::R4(leaf))) => {
                    self.update(key, param.role, value, leaf, gradients, lr);
                }
                _ => panic!("`{key}` is tracked with the rank that it has"),
            }
        }
    }

    fn state(&self) -> IndexMap<String, Array> {
        let mut arrays = IndexMap::new();
        for (key, state) in &self.state {
            for (name, moment) in R::MOMENTS.iter().zip(&state.moments) {
                arrays.insert(format!("{key}.{name}"), moment.clone());
            }
            // The count is kept on the host: any device that holds the moments will do, and one
            // without moments has none to agree with.
            let device = state.moments.first().map(device_of).unwrap_or_default();
            let count = Array::from_vec(vec![state.steps as f32], &[1], &device);
            arrays.insert(format!("{key}.{STEPS}"), count);
        }
        arrays
    }

    fn load_state(
        &mut self,
        mut state: IndexMap<String, Array>,
        sets: &[(&str, &Params)],
    ) -> Result<(), StateError> {
        let mut loaded = IndexMap::new();
        let mut problems = Vec::new();
        for (slot, params) in sets {
            for (name, param) in params.0.iter().filter(|(_, param)| param.role.is_trained()) {
                let key = format!("{slot}.{name}");
                let count = state.shift_remove(&format!("{key}.{STEPS}"));
                let mut moments = Vec::new();
                for moment in R::MOMENTS {
                    let stored = format!("{key}.{moment}");
                    let Some(array) = state.shift_remove(&stored) else { continue };
                    let (found, expected) = (array.shape(), param.value.shape());
                    if found != expected {
                        problems.push(format!("`{stored}` is {found:?}, should be {expected:?}"));
                    }
                    moments.push(array);
                }
                match count {
                    Some(count) if count.shape() == [1] => {
                        let steps = count.to_vec()[0] as i32;
                        loaded.insert(key.clone(), State { steps, moments: moments.clone() });
                    }
                    Some(count) => problems
                        .push(format!("`{key}.{STEPS}` is {:?}, should be [1]", count.shape())),
                    None if moments.is_empty() => {}
                    None => problems.push(format!("`{key}.{STEPS}` is missing")),
                }
                if !moments.is_empty() && moments.len() != R::MOMENTS.len() {
                    problems.push(format!("`{key}` needs all of {}", R::MOMENTS.join(", ")));
                }
            }
        }
        problems.extend(state.keys().map(|name| format!("`{name}` belongs to no parameter")));
        if !problems.is_empty() {
            return Err(StateError { problems });
        }
        self.state = loaded;
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.lr
    }
}

fn device_of(array: &Array) -> Device {
    match array {
        Array::R1(tensor) => tensor.device(),
        Array::R2(tensor) => tensor.device(),
        Array::R4(tensor) => tensor.device(),
    }
}

/// A tensor of a rank that [`Array`] holds.
trait Ranked: Sized {
    fn into_array(self) -> Array;

    /// # Panics
    ///
    /// If the rank is another: moments are made with, and loaded for, their parameter's shape.
    fn from_array(array: Array) -> Self;
}

macro_rules! ranked {
    ($variant:ident, $rank:literal) => {
        impl Ranked for Tensor<$rank> {
            fn into_array(self) -> Array {
                Array::$variant(self)
            }

            fn from_array(array: Array) -> Self {
                match array {
                    Array::$variant(tensor) => tensor,
                    other => panic!("a moment of shape {:?} has another rank", other.shape()),
                }
            }
        }
    };
}

ranked!(R1, 1);
ranked!(R2, 2);
ranked!(R4, 4);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Selected;
    use crate::device::testing::{backends, device};
    use crate::nn::Param;
    use crate::term::{Call, Term};

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
        ];
        let mut terms = Args::default();
        for (name, value) in defaults.iter().chain(args) {
            terms.0.insert((*name).to_owned(), Term::Float(*value));
        }
        terms.0.insert("nesterov".to_owned(), Term::Bool(nesterov));
        terms.0.insert("exclude".to_owned(), Term::Symbol(exclude.to_owned()));
        super::super::build(&Term::Call(Call { name: name.to_owned(), args: terms }))
    }

    fn params(device: &Device) -> Params {
        let param = |role, values: &[f32]| Param {
            role,
            value: Array::from_vec(values.to_vec(), &[3], device),
        };
        Params(
            [
                ("p", param(Role::Weight, &[1.0, -2.0, 3.0])),
                ("unused", param(Role::Bias, &[1.0, 2.0, 3.0])),
                ("running", param(Role::Buffer, &[4.0, 5.0, 6.0])),
            ]
            .map(|(name, param)| (name.to_owned(), param))
            .into(),
        )
    }

    fn rank1(params: &Params, name: &str) -> Tensor<1> {
        match &params.0[name].value {
            Array::R1(tensor) => tensor.clone(),
            _ => panic!("`{name}` has another rank"),
        }
    }

    /// One step on the loss `sum(s * p * p + p)`.
    fn step(optimizer: &mut dyn Optimizer, params: &mut Params, lr: f64) {
        let tracked = params.tracked();
        let p = rank1(&tracked, "p");
        let s = Tensor::<1>::from_data([0.5, 1.0, -0.25], &p.device());
        let mut gradients = (p.clone() * p.clone() * s + p).sum().backward();
        optimizer.step("net", params, &tracked, &mut gradients, lr);
    }

    const RATES: [f64; 4] = [0.1, 0.1, 0.05, 0.02];

    fn trajectory(mut optimizer: Box<dyn Optimizer>, device: &Device) -> [Vec<f32>; 2] {
        let mut params = params(device);
        let steps = RATES.map(|lr| {
            step(&mut *optimizer, &mut params, lr);
            params.0["p"].value.to_vec()
        });
        let [_, _, third, fourth] = steps;
        [third, fourth]
    }

    fn close(found: [Vec<f32>; 2], expected: [[f32; 3]; 2]) {
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 2e-6, "{found} is not {expected}");
        }
    }

    /// The third and fourth step of `torch.optim`, PyTorch 2.9.
    #[test]
    fn trajectories_are_pytorchs() {
        for Selected { device, .. } in backends() {
            let sgd = optimizer("sgd", &[("momentum", 0.0), ("weight_decay", 0.0)], false, "none");
            close(
                trajectory(sgd, &device),
                [[0.539, -1.3640001, 3.1300626], [0.50822, -1.3294401, 3.1413631]],
            );
            close(
                trajectory(optimizer("sgd", &[], false, "none"), &device),
                [[0.2025927, -0.8849252, 3.20672], [0.0939694, -0.7613596, 3.2426682]],
            );
            close(
                trajectory(optimizer("sgd", &[], true, "none"), &device),
                [[-0.1014449, -0.5783362, 3.3180454], [-0.2042086, -0.4945925, 3.3648853]],
            );
            close(
                trajectory(optimizer("adam", &[], false, "none"), &device),
                [[0.7503974, -1.7505697, 3.2503145], [0.7305423, -1.7307789, 3.270438]],
            );
            let args = [("beta1", 0.8), ("beta2", 0.95), ("weight_decay", 0.1)];
            close(
                trajectory(optimizer("adamw", &args, false, "none"), &device),
                [[0.7278585, -1.7034483, 3.1741319], [0.7066422, -1.6804267, 3.1879704]],
            );
        }
    }

    #[test]
    fn what_no_gradient_reaches_stays() {
        let mut params = params(&device());
        let mut sgd = optimizer("sgd", &[], false, "none");
        step(&mut *sgd, &mut params, 0.1);
        assert_eq!(params.0["unused"].value.to_vec(), [1.0, 2.0, 3.0]);
        assert_eq!(params.0["running"].value.to_vec(), [4.0, 5.0, 6.0]);
        assert!(sgd.state().keys().eq(["net.p.momentum_buffer", "net.p.step"]));
    }

    #[test]
    fn exclusion_spares_all_but_weights() {
        let decayed = |role, exclude| {
            let mut params = params(&device());
            params.0["p"].role = role;
            let mut sgd = optimizer("sgd", &[("momentum", 0.0)], false, exclude);
            step(&mut *sgd, &mut params, 0.1);
            let moved = params.0["p"].value.to_vec()[0];
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
        for name in ["sgd", "adam", "adamw"] {
            let mut params = params(&device());
            let mut original = optimizer(name, &[], false, "none");
            step(&mut *original, &mut params, 0.1);
            let mut resumed = optimizer(name, &[], false, "none");
            resumed.load_state(original.state(), &[("net", &params)]).unwrap();
            let mut copy = params.clone();
            step(&mut *original, &mut params, 0.1);
            step(&mut *resumed, &mut copy, 0.1);
            assert_eq!(params.0["p"].value.to_vec(), copy.0["p"].value.to_vec(), "{name}");
        }
    }

    #[test]
    fn a_state_that_does_not_fit_is_an_error() {
        let mut params = params(&device());
        let mut adam = optimizer("adam", &[], false, "none");
        step(&mut *adam, &mut params, 0.1);
        let mut state = adam.state();
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
}
