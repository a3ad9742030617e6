//! The registry: the implementation of each primitive, dataset, augmentation, encoder, optimizer,
//! schedule and protocol that the library declares as `extern`.

use crate::term::Args;

/// What implements one declaration.
pub struct Entry {
    /// The name that is declared.
    pub name: &'static str,
    pub implementation: Implementation,
}

/// What an entry does, by the kind of value it makes.
pub enum Implementation {
    Dataset(crate::data::DatasetEntry),
    Augment(crate::augment::AugmentEntry),
    /// Encoders, projectors, heads: modules with parameters.
    Module(crate::nn::ModuleEntry),
    /// A function of tensors, used inside objectives.
    Tensor(crate::objective::TensorEntry),
    /// `ema`: a network that follows another.
    Ema,
    Optimizer(crate::train::OptimizerEntry),
    Schedule(crate::train::ScheduleEntry),
    Protocol(crate::evaluate::ProtocolEntry),
}

/// Every entry, in the order of the folders that define them.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    [
        crate::data::ENTRIES,
        crate::augment::ENTRIES,
        crate::nn::ENTRIES,
        crate::objective::ENTRIES,
        crate::train::ENTRIES,
        crate::evaluate::ENTRIES,
    ]
    .into_iter()
    .flatten()
}

/// The entry of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.name == name)
}

/// How many examples each part of a dataset holds, known before it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub train: usize,
    pub test: usize,
}

/// A function from a call's arguments to the sizes of the dataset that it makes.
pub type SizesOf = fn(&Args) -> Sizes;
