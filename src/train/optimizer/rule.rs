//! What all optimizers share: the walk over parameters, their state and its stored form.

use burn::tensor::Tensor;
use indexmap::IndexMap;

use super::norm::clipping;
use super::{Now, Optimizer, ParamSet, StateError};
use crate::device::{Array, Kernels, by_rank};
use crate::nn::{Params, Role};
use crate::schedule;
use crate::term::{Args, Term};

/// How parameters move.
pub(super) trait Rule: Send {
    /// The names of the tensors that are kept for each parameter, PyTorch's own.
    const MOMENTS: &'static [&'static str];

    /// Moves each of many parameters.
    fn update_all(&self, kernels: &dyn Kernels, moved: Vec<Moved<'_>>);

    /// How many tensors it leaves there.
    fn moments(&self) -> usize {
        Self::MOMENTS.len()
    }
}

/// How one parameter moves, whatever the others do.
pub(super) trait Update {
    /// The parameter after its `step.number`-th step, counted from one. `moments` is empty in the
    /// first step; the rule leaves it empty or with one tensor for each of [`Rule::MOMENTS`].
    fn update<const D: usize>(
        &self,
        value: Tensor<D>,
        gradient: Tensor<D>,
        moments: &mut Vec<Tensor<D>>,
        step: Step,
    ) -> Tensor<D>;
}

/// Moves one parameter after the other.
pub(super) fn one_by_one(rule: &impl Update, moved: Vec<Moved<'_>>) {
    for Moved { value, gradient, moments, step } in moved {
        // Moved out of its place, it is held once and written there.
        let own = value.take();
        *value = by_rank!(own.rank(), D => {
            let mut tensors = moments.drain(..).map(Array::into_tensor).collect();
            let (own, gradient) = (own.into_tensor::<D>(), gradient.into_tensor());
            let own = rule.update::<D>(own, gradient, &mut tensors, step);
            moments.extend(tensors.into_iter().map(Array::from));
            own.into()
        });
    }
}

/// A parameter that moves in a step.
pub(super) struct Moved<'m> {
    pub value: &'m mut Array,
    pub gradient: Array,
    /// What is remembered of it, in the order of [`Rule::MOMENTS`]; empty in its first step.
    pub moments: &'m mut Vec<Array>,
    pub step: Step,
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
    /// A number, or the schedule of one.
    weight_decay: Term,
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
            weight_decay: args.schedule("weight_decay").clone(),
            exclude: args.symbol("exclude") == "norm_and_bias",
            clip: args.get("clip").map(|_| args.float("clip")),
            sets: IndexMap::new(),
        }
    }

    /// The parameters of one set that move, by gradients that are scaled by `scale`, `[1]`.
    fn moved<'m>(
        &self,
        params: &'m mut Params,
        gradients: Vec<Option<Array>>,
        states: &'m mut [State],
        (scale, lr, decay): (Option<&Tensor<1>>, f64, f64),
    ) -> Vec<Moved<'m>> {
        let roles: Vec<Role> = params.iter().map(|param| param.role).collect();
        let values = params.values_mut().iter_mut().zip(gradients);
        let all = roles.into_iter().zip(states).zip(values);
        all.filter_map(|((role, state), (value, gradient))| {
            let gradient = scaled(gradient?, scale);
            state.steps += 1;
            let is_spared = self.exclude && !role.is_weight();
            let weight_decay = if is_spared { 0.0 } else { decay };
            let step = Step { lr, weight_decay, is_spared, number: state.steps };
            Some(Moved { value, gradient, moments: &mut state.moments, step })
        })
        .collect()
    }
}

fn scaled(gradient: Array, scale: Option<&Tensor<1>>) -> Array {
    let Some(scale) = scale else { return gradient };
    by_rank!(gradient.rank(), D => {
        (gradient.into_tensor::<D>() * scale.clone().reshape([1; D])).into()
    })
}

impl<R: Rule> Optimizer for PerParameter<R> {
    fn moments(&self) -> usize {
        self.rule.moments()
    }

    fn step(&mut self, kernels: &dyn Kernels, sets: Vec<ParamSet<'_>>, now: Now) {
        let scale = self.clip.and_then(|most| {
            clipping(sets.iter().flat_map(|set| set.gradients.iter().flatten()), most)
        });
        let decay = schedule::value(&self.weight_decay, now.progress);
        // Taken out, so that the rest of the optimizer can be read.
        let mut states = std::mem::take(&mut self.sets);
        for ParamSet { name, params, gradients } in sets {
            let count = params.values().len();
            let fresh = || vec![State::default(); count];
            let own = states.entry(name.to_owned()).or_insert_with(fresh);
            let moved = self.moved(params, gradients, own, (scale.as_ref(), now.lr, decay));
            self.rule.update_all(kernels, moved);
        }
        self.sets = states;
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
