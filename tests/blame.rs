//! Where blame falls: programs that are wrong in a place of their own, however far from it the fault
//! is found.
//!
//! A mark at the end of a line says what has to be blamed there: the finding, the text exactly, and
//! the module of the library that found it, if one did. A line may have several.
//!
//! ```text
//! objective moco = moco_v2(backbone, queue: 4000)  //~ queue-batch: 4000, found in std.objectives.moco_v2
//! ```
//!
//! Before everything else stand the options under which the program is compiled. A mark behind an
//! override is about its text.
//!
//! ```text
//! //! --profile quick
//! //! -o moco.queue=4000  //~ queue-batch: 4000, found in std.objectives.moco_v2
//! ```

use std::path::PathBuf;
use std::{fmt, fs};

use cpipe::diagnostics::Diagnostic;
use cpipe::resolve::Disk;
use cpipe::source::{Sources, Span, is_embedded};
use cpipe::{Request, compile};

use crate::support::root;

/// What has to be blamed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Blame {
    /// The file, or `-o` and the override.
    source: String,
    line: usize,
    finding: String,
    text: String,
    /// The module of the library that found it.
    found: Option<String>,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Blame { source, line, finding, text, found } = self;
        write!(f, "{source}:{line}: {finding}: {text}")?;
        found.iter().try_for_each(|found| write!(f, ", found in {found}"))
    }
}

fn lines(all: &[Blame]) -> String {
    all.iter().map(|blame| format!("    {blame}\n")).collect()
}

/// A program with its options and its marks.
#[derive(Default)]
struct Program {
    overrides: Vec<String>,
    profile: Option<String>,
    marks: Vec<Blame>,
    faults: Vec<String>,
}

impl Program {
    fn read(path: &str, text: &str) -> Self {
        let mut program = Program::default();
        for (index, line) in text.lines().enumerate() {
            let mut parts = line.split("//~").map(str::trim);
            let code = parts.next().unwrap_or_default();
            let over = code.strip_prefix("//! -o ").map(str::trim);
            program.overrides.extend(over.map(str::to_owned));
            if let Some(profile) = code.strip_prefix("//! --profile ") {
                program.profile = Some(profile.trim().to_owned());
            }
            let (source, code, line) = match over {
                Some(over) => (format!("-o {over}"), over, 1),
                None => (path.to_owned(), code, index + 1),
            };
            for mark in parts {
                let Some((finding, text)) = mark.split_once(": ") else {
                    program.faults.push(format!("{path}:{line}: `{mark}` is no mark"));
                    continue;
                };
                let (text, found) = match text.split_once(", found in ") {
                    Some((text, found)) => (text, Some(found.to_owned())),
                    None => (text, None),
                };
                if occurrences(code, text) != 1 {
                    let fault = format!("{path}:{line}: `{text}` does not stand there once");
                    program.faults.push(fault);
                }
                let (finding, text) = (finding.to_owned(), text.to_owned());
                program.marks.push(Blame { source: source.clone(), line, finding, text, found });
            }
        }
        if program.marks.is_empty() {
            program.faults.push(format!("{path} has no mark"));
        }
        program.marks.sort();
        program
    }
}

/// How often a text stands in a line, not as a part of a longer word or number.
fn occurrences(line: &str, text: &str) -> usize {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let whole = |(at, _): &(usize, &str)| {
        let (before, after) = (&line[..*at], &line[at + text.len()..]);
        let joins_before = before.ends_with(is_part) && text.starts_with(is_part);
        let joins_after = after.starts_with(is_part) && text.ends_with(is_part);
        !joins_before && !joins_after
    };
    line.match_indices(text).filter(whole).count()
}

/// What a diagnostic blames.
fn blamed(error: &Diagnostic, sources: &Sources) -> Blame {
    let place = error.place().expect("a diagnostic about a text");
    let source = sources.get(place.file);
    let found = error.secondary.iter().find(|label| finds(label.span, &label.text));
    Blame {
        source: match source.name.as_str() {
            "-o" => format!("-o {}", source.text),
            name => name.to_owned(),
        },
        line: sources.position(place).0,
        finding: error.finding.name.to_owned(),
        text: sources.text(place).to_owned(),
        found: found.map(|label| sources.get(label.span.file).name.clone()),
    }
}

/// Whether a label shows where the library found something, and not what it declares.
fn finds(place: Span, text: &str) -> bool {
    is_embedded(place.file) && !text.contains("declared here")
}

/// The programs of a folder, and where what is found in them is not what they are marked with.
fn judge(folder: &str) -> (Vec<PathBuf>, Vec<String>) {
    // Paths are relative to the package, wherever it lies.
    std::env::set_current_dir(root()).expect("the package's own folder");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of blamed programs")
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cpipe"))
        .collect();
    files.sort();
    let mut faults = Vec::new();
    for file in &files {
        let path = file.to_str().expect("a UTF-8 path").replace('\\', "/");
        let program = Program::read(&path, &fs::read_to_string(file).expect("a readable program"));
        faults.extend(program.faults);
        let request = Request {
            file: &path,
            profile: program.profile.as_deref(),
            overrides: &program.overrides,
            required: true,
            ..Request::default()
        };
        let compilation = compile(&request, &Disk);
        let found = compilation.diagnostics.iter();
        let mut found: Vec<_> = found.map(|own| blamed(own, &compilation.sources)).collect();
        found.sort();
        let (found, marks) = (lines(&found), lines(&program.marks));
        if found != marks {
            faults.push(format!("{path} blames\n{found}  and not\n{marks}"));
        }
    }
    (files, faults)
}

#[test]
fn blame_falls_on_the_text_of_the_user() {
    let (files, faults) = judge("tests/blame");
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(files.len() >= 60, "only {} programs", files.len());
}

/// What people have lost days to, found before the run: each program names the thread.
#[test]
fn mistakes_of_public_threads_are_found() {
    let (files, mut faults) = judge("tests/threads");
    for file in &files {
        let text = fs::read_to_string(file).expect("a readable program");
        let is_named = |line: &str| line.starts_with("// https://");
        let one = text.lines().filter(|line| line.contains("//~")).count() == 1;
        if !one || !text.lines().any(is_named) {
            faults.push(format!("{}: one mark and one address are wanted", file.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(files.len() >= 12, "only {} programs", files.len());
}
