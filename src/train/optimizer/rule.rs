//! What all optimizers share: the walk over parameters, their state and its stored form.

use burn::tensor::Tensor;
use indexmap::IndexMap;

use super::norm::clipping;
use super::{Optimizer, ParamSet, StateError};
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
    /// 0 where the parameter is spared.
    pub weight_decay: f64,
    /// Whether the parameter is among those that `exclude` spares.
    pub is_spared: bool,
    pub number: i32,
}

/// An optimizer of one rule.
pub(super) struct PerParameter<R> {
    rule: R,
    lr: f64,
    weight_decay: f64,
    /// Whether biases, scales and shifts are spared.
    exclude: bool,
    /// The largest norm that the gradients of a step may have.
    clip: Option<f64>,
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
            clip: args.get("clip").map(|_| args.float("clip")),
            sets: IndexMap::new(),
        }
    }

    /// Moves the parameters of one set, by gradients that are scaled by `scale`, `[1]`.
    fn step_set(&mut self, set: ParamSet<'_>, scale: Option<&Tensor<1>>, lr: f64) {
        let ParamSet { name, params, gradients } = set;
        let roles: Vec<Role> = params.iter().map(|param| param.role).collect();
        if !self.sets.contains_key(name) {
            self.sets.insert(name.to_owned(), vec![State::default(); roles.len()]);
        }
        let states = &mut self.sets[name];
        let values = params.values_mut().iter_mut().zip(gradients);
        for ((role, state), (value, gradient)) in roles.iter().zip(states).zip(values) {
            let Some(gradient) = gradient else { continue };
            state.steps += 1;
            let is_spared = self.exclude && !role.is_weight();
            let weight_decay = if is_spared { 0.0 } else { self.weight_decay };
            let step = Step { lr, weight_decay, is_spared, number: state.steps };
            // Moved out of its place, it is held once and written there.
            let own = value.take();
            *value = by_rank!(own.rank(), D => {
                Self::update::<D>(&self.rule, own, scaled::<D>(gradient, scale), state, step)
            });
        }
    }

    fn update<const D: usize>(
        rule: &R,
        value: Array,
        gradient: Tensor<D>,
        state: &mut State,
        step: Step,
    ) -> Array {
        let mut moments = state.moments.drain(..).map(Array::into_tensor).collect();
        let moved = rule.update::<D>(value.into_tensor(), gradient, &mut moments, step);
        state.moments = moments.into_iter().map(Array::from).collect();
        moved.into()
    }
}

fn scaled<const D: usize>(gradient: Array, scale: Option<&Tensor<1>>) -> Tensor<D> {
    let gradient = gradient.into_tensor();
    match scale {
        Some(scale) => gradient * scale.clone().reshape([1; D]),
        None => gradient,
    }
}

impl<R: Rule> Optimizer for PerParameter<R> {
    fn moments(&self) -> usize {
        self.rule.moments()
    }

    fn step(&mut self, sets: Vec<ParamSet<'_>>, lr: f64) {
        let scale = self.clip.and_then(|most| {
            clipping(sets.iter().flat_map(|set| set.gradients.iter().flatten()), most)
        });
        for set in sets {
            self.step_set(set, scale.as_ref(), lr);
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
