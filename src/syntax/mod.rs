//! Texts, places in them, and what stands there.

pub mod format;
pub mod lossless;
pub mod parse;
pub mod tree;
