//! Texts, places in them, and what stands there.

pub mod lossless;
pub mod parse;
pub mod tree;
