//! The network that follows another. The step moves it; this is its entry.

use crate::registry::{Entry, Implementation};

pub(super) const EMA: Entry = Entry {
    name: "ema",
    signature: "\
/// The exponential moving average of a network: after each step
/// `average = momentum * average + (1 - momentum) * network`.
///
/// It starts as a copy, never receives a gradient, normalises by its own batches and keeps its own
/// running statistics. He et al. 2019, arXiv:1911.05722, section 3.2.
ema(network: Network, momentum: Schedule = 0.999) -> Network",
    module: "",
    implementation: Implementation::Ema,
};
