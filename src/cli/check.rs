//! `cpipe check`

use std::path::Path;
use std::process::ExitCode;

use super::{BAD_INPUT, output};
use crate::Request;
use crate::diagnostics::Severity;
use crate::resolve::Disk;

#[derive(clap::Args)]
pub struct Arguments {
    /// Files, folders (every .cpipe file below), or modules of the library.
    #[arg(required = true)]
    files: Vec<String>,
    /// Say nothing where nothing is wrong.
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let mut files = Vec::new();
    for file in &arguments.files {
        match collect(Path::new(file), &mut files) {
            Ok(0) => {
                output::error(&format!("no .cpipe file below {file}\n"));
                return ExitCode::from(BAD_INPUT);
            }
            Ok(_) => {}
            Err(error) => {
                output::error(&format!("cannot read {file}: {error}\n"));
                return ExitCode::from(BAD_INPUT);
            }
        }
    }
    let mut errors = 0;
    let mut warnings = 0;
    for file in &files {
        let compilation = crate::compile(&Request { file, ..Request::default() }, &Disk);
        output::diagnostics(&compilation);
        let count =
            |severity| compilation.diagnostics.iter().filter(|d| d.severity == severity).count();
        errors += count(Severity::Error);
        warnings += count(Severity::Warning);
    }
    if !arguments.quiet || errors + warnings > 0 {
        let plural = |count: usize, word: &str| {
            format!("{count} {word}{}", if count == 1 { "" } else { "s" })
        };
        let summary =
            [plural(files.len(), "file"), plural(errors, "error"), plural(warnings, "warning")];
        output::error(&format!("{}\n", summary.join(", ")));
    }
    match errors {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(BAD_INPUT),
    }
}

/// Adds a file, or every program below a folder in the order of their names; says how many.
fn collect(path: &Path, files: &mut Vec<String>) -> std::io::Result<usize> {
    if !path.is_dir() {
        files.push(path.to_string_lossy().into_owned());
        return Ok(1);
    }
    let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut count = 0;
    for entry in entries {
        let path = entry.path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "cpipe") {
            count += collect(&path, files)?;
        }
    }
    Ok(count)
}
