//! `cpipe compare`

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use super::{BAD_INPUT, output, rewrite};
use crate::compare::{Comparison, Record, page, render};
use crate::diagnostics::{Diagnostic, findings, visible};
use crate::source::Sources;
use crate::table::Style;

#[derive(clap::Args)]
pub struct Arguments {
    /// Folders that `cpipe run` has made. Those that differ in their seed alone are one arm.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// Write one page of HTML as well, with the curves.
    #[arg(long, value_name = "FILE")]
    html: Option<String>,
    /// Write the comparison for scripts.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let mut records = Vec::new();
    for place in &arguments.runs {
        match Record::read(place) {
            Ok(record) => records.push(record),
            Err(error) => return failed(&error, BAD_INPUT),
        }
    }
    let comparison = Comparison::of(&records);
    if let Some(file) = &arguments.html
        && let Err(reason) = rewrite::write(Path::new(file), page(&comparison, &records).as_bytes())
    {
        let message = format!("cannot write {}: {reason}", visible(file));
        let error = Diagnostic::general(findings::PAGE_UNWRITABLE, message);
        return failed(&error.help("give a file in a folder that can be written"), super::FAILED);
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&comparison).expect("a comparison is plain data");
        return output::write(&(text + "\n"));
    }
    let style = if std::io::stdout().is_terminal() { Style::Unicode } else { Style::Ascii };
    let mut text = render(&comparison, style, output::width());
    if let Some(file) = &arguments.html {
        text += &format!("\npage  {}\n", visible(file));
    }
    output::write(&text)
}

fn failed(error: &Diagnostic, code: u8) -> ExitCode {
    output::diagnostic(error, &Sources::default());
    output::explanation([error]);
    ExitCode::from(code)
}
