//! The network that follows another. The step moves it; this is its entry.

use crate::registry::{Entry, Implementation};

pub(super) const EMA: Entry = Entry { name: "ema", implementation: Implementation::Ema };
