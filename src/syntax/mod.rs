//! Texts, places in them, and what stands there.

pub mod format;
mod grammar;
pub mod lossless;
pub mod parse;
pub mod tree;
