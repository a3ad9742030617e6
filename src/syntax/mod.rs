//! Texts, places in them, and what stands there.

pub mod parse;
pub mod tree;
