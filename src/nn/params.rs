//! Parameters: what a module owns, an optimizer moves and a checkpoint keeps.

use std::sync::Arc;

use burn::tensor::{Gradients, Tensor};

use super::init::Fill;
use crate::device::{Array, Kernels};
use crate::schedule::Progress;
use crate::term::Unit;

/// What a parameter is, which decides how it is optimized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A convolution's or a linear layer's weight.
    Weight,
    /// A weight whose rows are kept at length one: prototypes.
    UnitRows,
    Bias,
    /// A learned embedding that is no weight: of a position, or of the class.
    Token,
    /// Scale of a normalisation.
    NormScale,
    /// Shift of a normalisation.
    NormShift,
    /// Running statistics: kept and averaged, never optimized.
    Buffer,
}

impl Role {
    pub fn is_trained(self) -> bool {
        self != Role::Buffer
    }

    /// Whether it is no bias, scale or shift: what weight decay is meant for.
    pub fn is_weight(self) -> bool {
        matches!(self, Role::Weight | Role::UnitRows)
    }
}

/// A parameter before it has a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// torchvision's.
    pub name: String,
    pub shape: Vec<usize>,
    pub role: Role,
    /// How its first values are drawn.
    pub fill: Fill,
    /// For how long at the start of a training it stays as it is.
    pub frozen: Option<(f64, Unit)>,
}

impl Declared {
    /// A parameter that is trained from the start.
    pub fn new(name: impl Into<String>, shape: Vec<usize>, role: Role, fill: Fill) -> Self {
        Declared { name: name.into(), shape, role, fill, frozen: None }
    }
}

/// The place of a parameter among those of its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub usize);

/// The parameters of a module, in its own order: names live here, values in [`Params`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout(Vec<Declared>);

impl Layout {
    /// Takes up one more parameter.
    pub fn declare(&mut self, declared: Declared) -> Slot {
        self.0.push(declared);
        Slot(self.0.len() - 1)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Declared> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param<'p> {
    pub name: &'p str,
    pub role: Role,
    pub value: &'p Array,
}

/// The values of a module's parameters, consecutive, in the order of its layout.
#[derive(Clone, Debug)]
pub struct Params {
    layout: Arc<Layout>,
    values: Vec<Array>,
}

impl Params {
    /// # Panics
    ///
    /// If there is not one value for each parameter of the layout.
    pub fn new(layout: Arc<Layout>, values: Vec<Array>) -> Self {
        assert_eq!(layout.len(), values.len(), "one value for each parameter");
        Params { layout, values }
    }

    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    pub fn values(&self) -> &[Array] {
        &self.values
    }

    pub fn values_mut(&mut self) -> &mut [Array] {
        &mut self.values
    }

    pub fn value(&self, slot: Slot) -> &Array {
        &self.values[slot.0]
    }

    pub fn set(&mut self, slot: Slot, value: Array) {
        self.values[slot.0] = value;
    }

    pub fn iter(&self) -> impl Iterator<Item = Param<'_>> {
        let pairs = self.layout.iter().zip(&self.values);
        pairs.map(|(own, value)| Param { name: &own.name, role: own.role, value })
    }

    /// The place of the parameter of that name.
    pub fn slot(&self, name: &str) -> Option<Slot> {
        self.layout.iter().position(|own| own.name == name).map(Slot)
    }

    /// The value of the parameter of that name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.slot(name).map(|slot| self.value(slot))
    }

    /// The same parameters with other values.
    pub fn map(&self, mut f: impl FnMut(Param<'_>) -> Array) -> Self {
        let values = self.iter().map(&mut f).collect();
        Params { layout: self.layout.clone(), values }
    }

    /// The values with gradients asked for: what one training step differentiates.
    ///
    /// Buffers stay constants.
    pub fn leaves(&self) -> Self {
        self.map(|param| match param.role.is_trained() {
            true => param.value.leaf(),
            false => param.value.clone(),
        })
    }

    /// Takes the gradients by these leaves; `None` where none has reached one.
    pub fn take_gradients(&self, gradients: &mut Gradients) -> Vec<Option<Array>> {
        let take = |param: Param<'_>| match param.role.is_trained() {
            true => param.value.take_gradient(gradients),
            false => None,
        };
        self.iter().map(take).collect()
    }

    /// Whether the parameter at each place stays as it is in that step of a training.
    pub fn held(&self, progress: Progress) -> impl Iterator<Item = bool> {
        self.layout.iter().map(move |own| {
            own.frozen.is_some_and(|length| (progress.step as f64) < progress.steps_in(length))
        })
    }

    /// Brings the rows of prototypes back to length one.
    pub fn settle(&mut self) {
        for (own, value) in self.layout.0.iter().zip(&mut self.values) {
            if own.role == Role::UnitRows {
                value.update(|rows| {
                    let rows: Tensor<2> = rows.into_tensor();
                    let length = rows.clone().square().sum_dim(1).clamp_min(1e-24).sqrt();
                    rows / length
                });
            }
        }
    }

    /// Moves what is trained, and running statistics where they are `all` to be moved, towards the
    /// parameters `followed`, as an average of momentum `m`.
    pub fn follow(&mut self, followed: &Params, kernels: &dyn Kernels, m: f64, all: bool) {
        let moves = |index: &usize| all || self.layout.0[*index].role.is_trained();
        let places: Vec<usize> = (0..self.values.len()).filter(moves).collect();
        let targets: Vec<&Array> = places.iter().map(|place| &followed.values[*place]).collect();
        // Moved out and back in, so that each is held once and written in place.
        let mut averages: Vec<Array> =
            places.iter().map(|place| self.values[*place].take()).collect();
        kernels.lerp_many(&mut averages, &targets, m);
        places.into_iter().zip(averages).for_each(|(place, moved)| self.values[place] = moved);
    }

    /// The number of values that are optimized.
    pub fn count(&self) -> usize {
        self.iter().filter(|own| own.role.is_trained()).map(|own| own.value.len()).sum()
    }
}
