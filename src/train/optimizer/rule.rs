//! What all optimizers share: the walk over parameters, their state and its stored form.

use indexmap::IndexMap;

use super::norm::clip;
use super::{Now, Optimizer, ParamSet, StateError};
use crate::device::{Array, Kernels};
use crate::nn::{Params, Role};
use crate::schedule;
use crate::term::{Args, Term};

/// How parameters move.
pub(super) trait Rule: Send {
    /// The names of the tensors that are kept for each parameter, PyTorch's own.
    const MOMENTS: &'static [&'static str];

    /// Moves all parameters of a group.
    fn update(&self, kernels: &dyn Kernels, group: &mut Group);

    /// How many tensors it leaves there.
    fn moments(&self) -> usize {
        Self::MOMENTS.len()
    }
}

/// Parameters that move alike in a step, out of their places: each is held once, and written where
/// it lies.
pub(super) struct Group {
    pub values: Vec<Array>,
    /// One for each, for the rule to take.
    pub gradients: Vec<Array>,
    /// What is remembered of each, in the order of [`Rule::MOMENTS`]: none of them in its first step.
    /// The rule leaves none or all.
    pub moments: Vec<Vec<Array>>,
    pub step: Step,
}

/// A parameter that moves in a step.
struct Moved<'m> {
    value: &'m mut Array,
    gradient: Array,
    moments: &'m mut Vec<Array>,
    step: Step,
}

/// Calls `update` with those that move alike.
fn in_groups(mut moved: Vec<Moved<'_>>, mut update: impl FnMut(&mut Group)) {
    let kind = |own: &Moved<'_>| {
        let Step { weight_decay, is_spared, number, .. } = own.step;
        (weight_decay.to_bits(), is_spared, number, own.moments.is_empty())
    };
    moved.sort_by_key(kind);
    for alike in moved.chunk_by_mut(|one, other| kind(one) == kind(other)) {
        let mut group = Group {
            values: alike.iter_mut().map(|own| own.value.take()).collect(),
            gradients: alike.iter_mut().map(|own| own.gradient.take()).collect(),
            moments: alike.iter_mut().map(|own| std::mem::take(own.moments)).collect(),
            step: alike[0].step,
        };
        update(&mut group);
        let made = group.values.into_iter().zip(group.moments);
        for (own, (value, moments)) in alike.iter_mut().zip(made) {
            *own.value = value;
            *own.moments = moments;
        }
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

    /// The parameters of one set that move.
    fn moved<'m>(
        &self,
        params: &'m mut Params,
        gradients: Vec<Option<Array>>,
        states: &'m mut [State],
        (lr, decay): (f64, f64),
    ) -> Vec<Moved<'m>> {
        let roles: Vec<Role> = params.iter().map(|param| param.role).collect();
        let values = params.values_mut().iter_mut().zip(gradients);
        let all = roles.into_iter().zip(states).zip(values);
        all.filter_map(|((role, state), (value, gradient))| {
            let gradient = gradient?;
            state.steps += 1;
            let is_spared = self.exclude && !role.is_weight();
            let weight_decay = if is_spared { 0.0 } else { decay };
            let step = Step { lr, weight_decay, is_spared, number: state.steps };
            Some(Moved { value, gradient, moments: &mut state.moments, step })
        })
        .collect()
    }
}

impl<R: Rule> Optimizer for PerParameter<R> {
    fn moments(&self) -> usize {
        self.rule.moments()
    }

    fn step(&mut self, kernels: &dyn Kernels, mut sets: Vec<ParamSet<'_>>, now: Now) {
        if let Some(most) = self.clip {
            let gradients = sets.iter_mut().flat_map(|set| set.gradients.iter_mut().flatten());
            clip(kernels, gradients.collect(), most);
        }
        let decay = schedule::value(&self.weight_decay, now.progress);
        // Taken out, so that the rest of the optimizer can be read.
        let mut states = std::mem::take(&mut self.sets);
        for ParamSet { name, params, gradients } in sets {
            let count = params.values().len();
            let fresh = || vec![State::default(); count];
            let own = states.entry(name.to_owned()).or_insert_with(fresh);
            let moved = self.moved(params, gradients, own, (now.lr, decay));
            in_groups(moved, |group| self.rule.update(kernels, group));
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
