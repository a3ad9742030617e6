//! The tests of the whole: one binary, so that it is linked once.

#[cfg(feature = "run")]
mod bench_command;
mod blame;
mod check;
mod cli;
mod compare;
mod doc;
mod edits;
mod explain;
#[cfg(feature = "run")]
mod folder;
mod format;
mod fuzz;
mod graphs;
mod hostile;
mod language;
mod layout;
mod library;
mod lint_pairs;
mod lints;
mod lossless;
#[cfg(feature = "run")]
mod mirror;
mod mutations;
mod names;
#[cfg(feature = "run")]
mod output;
mod overrides;
#[cfg(feature = "run")]
mod plan;
#[cfg(feature = "run")]
mod preflight;
mod readme;
#[cfg(feature = "run")]
mod record;
#[cfg(feature = "run")]
mod run;
#[cfg(feature = "run")]
mod server;
#[cfg(all(unix, feature = "run"))]
mod stopping;
mod support;
#[cfg(feature = "run")]
mod user;
#[cfg(feature = "run")]
mod views;
#[cfg(all(unix, feature = "run"))]
mod waiting;
#[cfg(feature = "run")]
mod weights;
mod written;
mod wrong;
