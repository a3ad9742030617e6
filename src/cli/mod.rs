//! The command line: one file a subcommand, each thin.

#[cfg(feature = "run")]
mod bench;
mod check;
mod collect;
mod compare;
mod doc;
mod explain;
mod fix;
mod fmt;
mod graph;
mod html;
mod list;
mod output;
#[cfg(feature = "run")]
mod pictures;
#[cfg(feature = "run")]
mod plan;
mod rewrite;
#[cfg(feature = "run")]
mod run;
mod show;
#[cfg(feature = "run")]
mod training;
#[cfg(feature = "run")]
mod views;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

#[cfg(feature = "run")]
use pictures::picture;

/// The front half of the compiler draws nothing.
#[cfg(not(feature = "run"))]
fn picture(_: &str) -> Option<String> {
    None
}

/// Bad input: what was given, not what was tried, is wrong.
const BAD_INPUT: u8 = 2;
/// What was tried did not succeed.
const FAILED: u8 = 1;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 bad input, \
                          130 stopped by Ctrl-C, 143 stopped by SIGTERM.";

/// A typed language for contrastive pre-training, and its interpreter.
#[derive(Parser)]
#[command(name = "cpipe", version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check files without running them: names, types, units, ranges, shapes, label use.
    Check(check::Arguments),
    /// Write files in the one style of the language.
    Fmt(fmt::Arguments),
    /// Show every name that a program can use.
    List(list::Arguments),
    /// Show what a name, a module or a file of one's own says of itself.
    Doc(doc::Arguments),
    /// Show what an error or a warning means, and what is right.
    Explain(explain::Arguments),
    /// Show a pipeline with all of its values.
    Show(show::Arguments),
    /// Write the compiled graph of a pipeline.
    Graph(graph::Arguments),
    /// Show what a training sees: views of its first examples, on the terminal and, with
    /// `-o grid.png`, as a picture.
    #[cfg(feature = "run")]
    Views(views::Arguments),
    /// Show what `run` would do and why: what is stored, what is computed, and what that takes.
    #[cfg(feature = "run")]
    Plan(plan::Arguments),
    /// Take some steps of a training, and show where their time goes and what to change.
    #[cfg(feature = "run")]
    Bench(bench::Arguments),
    /// Put runs beside each other: what differs, what each has found, over how many seeds.
    Compare(compare::Arguments),
    /// Run a pipeline: train, evaluate, fine-tune, and keep what was made.
    #[cfg(feature = "run")]
    #[command(after_help = EXIT_CODES)]
    Run(run::Arguments),
}

/// Which pipeline to compile, and with which values.
#[derive(Args, Clone, Debug)]
struct Selected {
    /// A .cpipe file, or a pipeline of the library such as std.pipelines.moco_cifar10.
    file: String,
    /// The pipeline to take, where the file declares several.
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// A profile that the pipeline declares.
    #[arg(short, long, value_name = "NAME")]
    profile: Option<String>,
    /// Give a parameter, an argument or a field another value: epochs="400 epochs",
    /// moco.temperature=0.2, base.optimizer.lr=0.1.
    #[arg(short = 'o', long = "override", value_name = "NAME=VALUE")]
    overrides: Vec<String>,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Fmt(arguments) => fmt::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Doc(arguments) => doc::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Graph(arguments) => graph::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        #[cfg(feature = "run")]
        Command::Views(arguments) => views::run(&arguments),
        #[cfg(feature = "run")]
        Command::Plan(arguments) => plan::run(&arguments),
        #[cfg(feature = "run")]
        Command::Bench(arguments) => bench::run(&arguments),
        #[cfg(feature = "run")]
        Command::Run(arguments) => run::run(&arguments),
    }
}

impl Selected {
    fn request(&self) -> crate::Request<'_> {
        crate::Request {
            file: &self.file,
            pipeline: self.pipeline.as_deref(),
            profile: self.profile.as_deref(),
            overrides: &self.overrides,
            required: true,
        }
    }

    /// Compiles, showing what is wrong. `None` where something is.
    fn compile(&self) -> Option<(crate::Compiled, crate::source::Sources)> {
        let compilation = crate::compile(&self.request(), &crate::resolve::Disk);
        output::diagnostics(&compilation);
        output::explanation(&compilation.diagnostics);
        compilation.compiled.map(|compiled| (compiled, compilation.sources))
    }
}
