//! The tests of the whole: one binary, so that it is linked once.

mod cli;
mod graphs;
mod hostile;
mod language;
mod library;
mod overrides;
#[cfg(feature = "flex")]
mod run;
mod support;
mod wrong;
