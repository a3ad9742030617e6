//! What stands in a size in the place of a number.

use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering as Memory};

use super::Size;

/// A size that has no number yet. Two symbols are one where they have the same `id`: what they are
/// called is for people.
#[derive(Clone, Debug)]
pub struct Symbol {
    id: u64,
    pub name: Rc<str>,
    pub kind: SymbolKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// A name in a signature, which the arguments of a call decide.
    Pattern,
    /// A size of its own, different from every other: the batch, a name that a define gives to a size
    /// of its tensors.
    Rigid,
    /// A side of the images, which the stage tells.
    Side,
    /// A number that a define is given: each use decides what it is equal to.
    Given,
}

impl Symbol {
    /// A symbol that is no other, whatever their names.
    pub fn fresh(name: &str, kind: SymbolKind) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(Known::COUNT);
        Symbol { id: NEXT.fetch_add(1, Memory::Relaxed), name: name.into(), kind }
    }

    /// Whether it is one that every objective has.
    pub fn is_known(&self) -> bool {
        self.id < Known::COUNT
    }
}

impl PartialEq for Symbol {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Symbol {}

impl PartialOrd for Symbol {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Symbol {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

/// The symbols that every objective has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Batch,
    Channels,
    /// How many examples a stage trains on.
    Examples,
}

impl Known {
    const COUNT: u64 = 3;

    pub fn symbol(self) -> Symbol {
        let name = match self {
            Known::Batch => "batch",
            Known::Channels => "channels",
            Known::Examples => "examples",
        };
        let kind = match self {
            // How many they are, the encoder says.
            Known::Channels => SymbolKind::Given,
            Known::Batch | Known::Examples => SymbolKind::Rigid,
        };
        Symbol { id: self as u64, name: name.into(), kind }
    }

    pub fn size(self) -> Size {
        Size::symbol(self.symbol())
    }
}
