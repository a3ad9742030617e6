//! `cpipe graph`

use std::process::ExitCode;

use clap::ValueEnum;

use super::{BAD_INPUT, Selected, output};
use crate::graph::{dot, mermaid};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    selected: Selected,
    /// The form to write.
    #[arg(short, long, value_enum, default_value_t = Format::Ron)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// The public, versioned form, for programs and snapshots.
    Ron,
    /// For Graphviz.
    Dot,
    /// For Markdown.
    Mermaid,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let Some((compiled, _)) = arguments.selected.compile() else {
        return ExitCode::from(BAD_INPUT);
    };
    let text = match arguments.format {
        Format::Ron => compiled.graph.to_ron(),
        Format::Dot => dot(&compiled.graph),
        Format::Mermaid => mermaid(&compiled.graph),
    };
    match output::out(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&format!("cannot write the graph: {error}\n"));
            ExitCode::FAILURE
        }
    }
}
