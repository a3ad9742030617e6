//! The tests of the whole: one binary, so that it is linked once.

mod cli;
mod graphs;
mod hostile;
mod language;
mod library;
#[cfg(feature = "flex")]
mod mirror;
#[cfg(feature = "flex")]
mod output;
mod overrides;
#[cfg(feature = "flex")]
mod preflight;
#[cfg(feature = "flex")]
mod record;
#[cfg(feature = "flex")]
mod run;
#[cfg(feature = "flex")]
mod server;
#[cfg(all(unix, feature = "flex"))]
mod stopping;
mod support;
#[cfg(feature = "flex")]
mod user;
#[cfg(all(unix, feature = "flex"))]
mod waiting;
mod wrong;
