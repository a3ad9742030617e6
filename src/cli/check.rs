//! `cpipe check`

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;

use super::{BAD_INPUT, collect, fix, output};
use crate::diagnostics::formats::{self, Found};
use crate::diagnostics::{Diagnostic, Levels, Severity, visible};
use crate::resolve::Disk;
use crate::source::Sources;
use crate::{Compilation, Request, parallel};

#[derive(clap::Args)]
pub struct Arguments {
    /// Files, folders (every .cpipe file below), or modules of the library.
    #[arg(required = true)]
    files: Vec<String>,
    /// Say nothing where nothing is wrong.
    #[arg(short, long)]
    quiet: bool,
    /// The form in which to say what is found.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Full)]
    output_format: Format,
    /// Take a warning for an error: unused-name; several with commas between them.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    error: Vec<String>,
    /// Take it for a warning, which it is where nothing else is said.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    warn: Vec<String>,
    /// Leave a warning out, as `// cpipe: ignore[NAME]` does for one line.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Exit as for an error where there is a warning.
    #[arg(long)]
    deny_warnings: bool,
    /// Make the changes that are safe in the files, then say what is left.
    #[arg(long)]
    fix: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With the lines that it is about, on standard error.
    Full,
    /// A line for each: `file:line:column: error[name]: message`.
    Concise,
    /// One object, for scripts and editors.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let levels = arguments.levels();
    let (levels, files) = match levels.and_then(|levels| Ok((levels, arguments.collect()?))) {
        Ok(given) => given,
        Err(wrong) => {
            output::error(&format!("{}\n", visible(&wrong)));
            return ExitCode::from(BAD_INPUT);
        }
    };
    let fixes = match arguments.fix {
        true => fix::fix(&files, &levels),
        false => fix::Fixes::default(),
    };
    let mut seen = HashSet::new();
    let mut checked = Vec::new();
    let compile = |file: &String| crate::compile(&Request { file, ..Request::default() }, &Disk);
    for (file, mut compilation) in files.iter().zip(parallel::map(&files, compile)) {
        let mut found = levels.apply(std::mem::take(&mut compilation.diagnostics));
        // A file that several use is checked with each of them.
        found.retain(|own| seen.insert(key(file, own, &compilation.sources)));
        compilation.diagnostics = found;
        if arguments.output_format == Format::Full {
            output::diagnostics(&compilation);
        }
        checked.push((file.as_str(), compilation));
    }
    let found = found(&checked);
    let written = arguments.write(&files, &found);
    let count = |severity| found.iter().filter(|own| own.diagnostic.severity() == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    output::error(&fixes.report());
    if [Format::Full, Format::Concise].contains(&arguments.output_format) {
        output::explanation(found.iter().map(|own| own.diagnostic));
        let count = checked.iter().map(|(_, own)| fix::edits(own).count()).sum();
        if count > 0 && !arguments.fix {
            output::error(&format!("`cpipe check --fix` makes {}\n", plural(count, "safe change")));
        }
    }
    if !arguments.quiet || errors + warnings > 0 {
        let summary =
            [plural(files.len(), "file"), plural(errors, "error"), plural(warnings, "warning")];
        output::error(&format!("{}\n", summary.join(", ")));
    }
    if written.is_err() || fixes.has_failed() {
        return ExitCode::FAILURE;
    }
    match errors > 0 || arguments.deny_warnings && warnings > 0 {
        false => ExitCode::SUCCESS,
        true => ExitCode::from(BAD_INPUT),
    }
}

impl Arguments {
    fn levels(&self) -> Result<Levels, String> {
        let mut levels = Levels::default();
        let given = [
            (&self.error, Some(Severity::Error)),
            (&self.warn, Some(Severity::Warning)),
            (&self.ignore, None),
        ];
        for (names, level) in given {
            for name in names {
                levels.choose(name.trim(), level)?;
            }
        }
        Ok(levels)
    }

    /// The programs that the arguments name.
    fn collect(&self) -> Result<Vec<String>, String> {
        let mut files = Vec::new();
        for file in &self.files {
            if self.fix && ["-", "/dev/stdin"].contains(&file.as_str()) {
                return Err("standard input cannot be changed: give `--fix` a file".to_owned());
            }
            let named = collect::programs(Path::new(file))?;
            files.extend(named.into_iter().map(|path| path.to_string_lossy().into_owned()));
        }
        Ok(files)
    }

    /// Writes what programs read. What people read in full was shown as it was found.
    fn write(&self, files: &[String], found: &[Found<'_>]) -> Result<(), ()> {
        let text = match self.output_format {
            Format::Full => return Ok(()),
            Format::Concise => Ok(formats::concise(found)),
            Format::Github => Ok(formats::github(found)),
            Format::Json => formats::json(found, files.len()).map_err(io::Error::from),
            Format::Sarif => formats::sarif(found, files).map_err(io::Error::from),
        };
        text.and_then(|text| output::out(&text)).map_err(|error| {
            output::error(&format!("cannot write to standard output: {error}\n"));
        })
    }
}

fn found<'c>(checked: &'c [(&'c str, Compilation)]) -> Vec<Found<'c>> {
    let mut found = Vec::new();
    for (file, Compilation { sources, diagnostics, .. }) in checked {
        found.extend(diagnostics.iter().map(|diagnostic| Found { file, diagnostic, sources }));
    }
    found
}

/// What makes a finding the same as one of another compilation.
fn key(file: &str, own: &Diagnostic, sources: &Sources) -> impl Eq + std::hash::Hash + use<> {
    let place = own.place();
    let name = place.map_or(file, |place| &sources.get(place.file).name);
    // `./a` is `a`.
    let path: PathBuf =
        Path::new(name).components().filter(|part| part.as_os_str() != ".").collect();
    (path, place.map(|place| (place.start, place.end)), own.finding.name, own.message.clone())
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
