//! What all optimizers share: the walk over parameters, their state and its stored form.

use burn::tensor::Tensor;
use indexmap::IndexMap;

use super::{Optimizer, StateError};
use crate::device::{Array, by_rank};
use crate::nn::{Params, Role};
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
    /// By set, one for each parameter of it.
    sets: IndexMap<String, Vec<State>>,
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
            sets: IndexMap::new(),
        }
    }

    fn update<const D: usize>(
        rule: &R,
        value: Array,
        gradient: Array,
        state: &mut State,
        step: Step,
    ) -> Array {
        let mut moments = state.moments.drain(..).map(Array::into_tensor).collect();
        let moved =
            rule.update::<D>(value.into_tensor(), gradient.into_tensor(), &mut moments, step);
        state.moments = moments.into_iter().map(Array::from).collect();
        moved.into()
    }
}

impl<R: Rule> Optimizer for PerParameter<R> {
    fn moments(&self) -> usize {
        self.rule.moments()
    }

    fn step(&mut self, set: &str, params: &mut Params, gradients: Vec<Option<Array>>, lr: f64) {
        let roles: Vec<Role> = params.iter().map(|param| param.role).collect();
        if !self.sets.contains_key(set) {
            self.sets.insert(set.to_owned(), vec![State::default(); roles.len()]);
        }
        let states = &mut self.sets[set];
        let values = params.values_mut().iter_mut().zip(gradients);
        for ((role, state), (value, gradient)) in roles.iter().zip(states).zip(values) {
            let Some(gradient) = gradient else { continue };
            state.steps += 1;
            let spared = self.exclude && *role != Role::Weight;
            let weight_decay = if spared { 0.0 } else { self.weight_decay };
            let step = Step { lr, weight_decay, number: state.steps };
            // Moved out of its place, it is held once and written there.
            let own = value.take();
            *value = by_rank!(own.rank(), D => {
                Self::update::<D>(&self.rule, own, gradient, state, step)
            });
        }
    }

    fn state(&self, sets: &[(&str, &Params)]) -> IndexMap<String, Array> {
        let mut arrays = IndexMap::new();
        for (set, params) in sets {
            let Some(states) = self.sets.get(*set) else { continue };
            for (param, state) in params.iter().zip(states) {
                if state.steps == 0 {
                    continue;
                }
                let key = format!("{set}.{}", param.name);
                for (name, moment) in R::MOMENTS.iter().zip(&state.moments) {
                    arrays.insert(format!("{key}.{name}"), moment.clone());
                }
                let count = Array::number(f64::from(state.steps), &param.value.device());
                arrays.insert(format!("{key}.{STEPS}"), count);
            }
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
        for (set, params) in sets {
            let mut states = vec![State::default(); params.values().len()];
            for (param, own) in params.iter().zip(&mut states) {
                if !param.role.is_trained() {
                    continue;
                }
                let key = format!("{set}.{}", param.name);
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
                        *own = State { steps, moments: moments.clone() };
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
            loaded.insert((*set).to_owned(), states);
        }
        problems.extend(state.keys().map(|name| format!("`{name}` belongs to no parameter")));
        if !problems.is_empty() {
            return Err(StateError { problems });
        }
        self.sets = loaded;
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.lr
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use burn::tensor::Device;

    use crate::device::Selected;
    use crate::device::testing::{backends, device};
    use crate::nn::{Declared, Fill, Layout};
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

    /// A parameter of that role, one that no gradient reaches, and a buffer.
    fn given(role: Role, device: &Device) -> Params {
        let mut layout = Layout::default();
        let mut values = Vec::new();
        for (name, role, own) in [
            ("p", role, [1.0, -2.0, 3.0]),
            ("unused", Role::Bias, [1.0, 2.0, 3.0]),
            ("running", Role::Buffer, [4.0, 5.0, 6.0]),
        ] {
            let fill = Fill::Constant(0.0);
            layout.declare(Declared { name: name.to_owned(), shape: vec![3], role, fill });
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

    /// One step on the loss `sum(s * p * p + p)`.
    fn step(optimizer: &mut dyn Optimizer, params: &mut Params, lr: f64) {
        let leaves = params.leaves();
        let p = leaves.get("p").unwrap().tensor::<1>();
        let s = Tensor::<1>::from_data([0.5, 1.0, -0.25], &p.device());
        let mut gradients = (p.clone() * p.clone() * s + p).sum().backward();
        optimizer.step("net", params, leaves.take_gradients(&mut gradients), lr);
    }

    const RATES: [f64; 4] = [0.1, 0.1, 0.05, 0.02];

    fn trajectory(mut optimizer: Box<dyn Optimizer>, device: &Device) -> [Vec<f32>; 2] {
        let mut params = params(device);
        let steps = RATES.map(|lr| {
            step(&mut *optimizer, &mut params, lr);
            values(&params, "p")
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
        for name in ["sgd", "adam", "adamw"] {
            let mut params = params(&device());
            let mut original = optimizer(name, &[], false, "none");
            step(&mut *original, &mut params, 0.1);
            let mut resumed = optimizer(name, &[], false, "none");
            resumed.load_state(original.state(&[("net", &params)]), &[("net", &params)]).unwrap();
            let mut copy = params.clone();
            step(&mut *original, &mut params, 0.1);
            step(&mut *resumed, &mut copy, 0.1);
            assert_eq!(values(&params, "p"), values(&copy, "p"), "{name}");
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
}
