//! `cpipe check`

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{BAD_INPUT, output};
use crate::Request;
use crate::diagnostics::{Severity, visible};
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
        // Folders are counted for each argument on its own, so that none looks empty.
        let mut collected = Collected::default();
        let wrong = match collected.add(Path::new(file)) {
            Ok(()) if collected.files.is_empty() => format!("no .cpipe file below {file}"),
            Ok(()) => {
                files.append(&mut collected.files);
                continue;
            }
            Err(error) => format!("cannot read {file}: {error}"),
        };
        output::error(&format!("{}\n", visible(&wrong)));
        return ExitCode::from(BAD_INPUT);
    }
    let mut errors = 0;
    let mut warnings = 0;
    let mut found = Vec::new();
    for file in &files {
        let compilation = crate::compile(&Request { file, ..Request::default() }, &Disk);
        output::diagnostics(&compilation);
        let count =
            |severity| compilation.diagnostics.iter().filter(|d| d.severity() == severity).count();
        errors += count(Severity::Error);
        warnings += count(Severity::Warning);
        found.extend(compilation.diagnostics);
    }
    output::explanation(&found);
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

/// The programs that arguments name. A folder stands for every program below it, in the order of
/// their names; it is read once, although links lead back to it.
#[derive(Default)]
struct Collected {
    files: Vec<String>,
    /// Folders already read, by their real paths.
    folders: BTreeSet<PathBuf>,
}

impl Collected {
    fn add(&mut self, argument: &Path) -> io::Result<()> {
        // Newest last: the folders of a folder are read before those that follow it.
        let mut waiting = vec![argument.to_owned()];
        while let Some(path) = waiting.pop() {
            if !path.is_dir() {
                self.files.push(path.to_string_lossy().into_owned());
                continue;
            }
            if !self.folders.insert(path.canonicalize()?) {
                continue;
            }
            let mut entries = std::fs::read_dir(&path)?.collect::<Result<Vec<_>, _>>()?;
            entries.sort_by_key(std::fs::DirEntry::file_name);
            let paths = entries.iter().rev().map(std::fs::DirEntry::path);
            let is_program =
                |path: &PathBuf| path.extension().is_some_and(|extension| extension == "cpipe");
            waiting.extend(paths.filter(|path| path.is_dir() || is_program(path)));
        }
        Ok(())
    }
}
