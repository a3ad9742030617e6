//! cpipe: a typed, declarative language for contrastive pre-training, and its interpreter.
//!
//! The modules are the passes, in the order in which a program takes them: [`syntax`] reads text,
//! [`resolve`] follows its imports, [`check`] gives it types and values, [`graph`] its canonical
//! form. What comes after needs the feature `run`: `run` carries a graph out, with `data`,
//! `augment`, `nn`, `objective`, `train` and `evaluate` at work on the `device`.

// What pest derives names it.
extern crate alloc;

#[cfg(feature = "run")]
pub mod augment;
pub mod check;
pub mod cli;
mod compare;
#[cfg(feature = "run")]
pub mod data;
#[cfg(feature = "run")]
pub mod device;
pub mod diagnostics;
pub mod docs;
#[cfg(feature = "run")]
pub mod evaluate;
pub mod graph;
mod ignores;
#[cfg(feature = "run")]
pub mod interrupt;
pub mod lint;
#[cfg(feature = "run")]
pub mod nn;
#[cfg(feature = "run")]
pub mod objective;
mod parallel;
#[cfg(feature = "run")]
pub mod random;
#[cfg(feature = "run")]
pub mod report;
pub mod resolve;
#[cfg(feature = "run")]
pub mod run;
#[cfg(feature = "run")]
pub mod schedule;
pub mod source;
#[cfg(feature = "run")]
pub mod store;
pub mod syntax;
mod table;
pub mod term;
#[cfg(feature = "run")]
pub mod train;
#[cfg(feature = "run")]
pub mod watch;

use std::collections::BTreeMap;

use diagnostics::{Diagnostic, Diagnostics};
use graph::Graph;
use source::{FileId, Sources, Span};

/// What a compilation has found: every text it read, what is wrong, and, where nothing is, the
/// graph.
pub struct Compilation {
    pub sources: Sources,
    /// The text that was asked for, where it could be read.
    pub root: Option<FileId>,
    /// Sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    pub compiled: Option<Compiled>,
}

/// A compiled pipeline.
pub struct Compiled {
    pub graph: Graph,
    /// Its values and where each came from.
    pub resolved: Vec<check::Resolved>,
    /// Where each stage is declared, and each of its fields is written, by name.
    pub stages: BTreeMap<String, StageSpans>,
}

/// Where a stage and its fields are written.
#[derive(Clone, Debug)]
pub struct StageSpans {
    pub stage: Span,
    pub fields: BTreeMap<String, Span>,
}

/// What is to be compiled.
#[derive(Clone, Debug, Default)]
pub struct Request<'r> {
    /// A path, or the name of an embedded module such as `std.pipelines.moco_cifar10`.
    pub file: &'r str,
    pub pipeline: Option<&'r str>,
    pub profile: Option<&'r str>,
    /// `name=value`, as on the command line.
    pub overrides: &'r [String],
    /// Whether a file without a pipeline is an error. Where it is none, every pipeline of the file
    /// is checked under each of its profiles.
    pub required: bool,
}

/// Takes a file through every pass of the front half.
pub fn compile(request: &Request<'_>, files: &dyn resolve::Files) -> Compilation {
    let mut sources = Sources::default();
    let (program, mut diagnostics) = resolve::load(&mut sources, files, request.file);
    let mut compiled = None;
    let root = program.as_ref().map(|program| program.module(program.root).file);
    if let Some(program) = &program {
        let mut overrides = Vec::new();
        for argument in request.overrides {
            match check::parse_override(&mut sources, argument) {
                Ok(over) => overrides.push(over),
                Err(errors) => diagnostics.extend(errors),
            }
        }
        let selection = check::Selection {
            pipeline: request.pipeline,
            profile: request.profile,
            overrides,
            required: request.required && !diagnostics.has_errors(),
        };
        let (typed, found) = check::check(program, selection);
        diagnostics.extend(found);
        let is_right = !diagnostics.has_errors();
        if is_right {
            lint::names::check(program, &mut diagnostics);
            lint::deprecated::check(program, &sources, &mut diagnostics);
        }
        let mut given = Vec::new();
        for typed in typed.into_iter().filter(|_| is_right) {
            let (graph, places) = graph::build(&typed);
            diagnostics.extend(lint::lint(&graph, &places));
            given.extend(lint::overrides::Given::of(&typed, &graph));
            let stages = typed.stages.iter().map(|stage| {
                let fields = stage.places.iter().map(|(name, own)| (name.clone(), own.place));
                let spans = StageSpans { stage: stage.span, fields: fields.collect() };
                (stage.name.clone(), spans)
            });
            // The first is the one that was asked for; the others are its profiles.
            compiled.get_or_insert_with(|| Compiled {
                graph,
                stages: stages.collect(),
                resolved: typed.resolved,
            });
        }
        diagnostics.extend(lint::overrides::check(program, &given));
    }
    // Of a file that is not checked as a whole, a comment may silence what was not looked for.
    let is_whole = !request.required && !diagnostics.has_errors();
    let mut diagnostics = Diagnostics::sorted(diagnostics);
    if let Some(program) = &program {
        ignores::apply(program, &sources, &mut diagnostics, is_whole);
    }
    Compilation { sources, root, diagnostics, compiled }
}
