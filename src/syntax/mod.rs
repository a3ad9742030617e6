//! Texts, places in them, and what stands there.

pub mod parse;
mod source;
pub mod tree;

pub use source::{FileId, Source, Sources, Span};
