//! `cpipe doc --html`

use std::io;
use std::path::Path;
use std::process::ExitCode;

use super::{BAD_INPUT, output, rewrite};
use crate::diagnostics::{Diagnostic, Diagnostics, Severity, findings, render_all, visible};
use crate::docs;
use crate::resolve::{self, Disk};
use crate::source::Sources;
use crate::{Request, compile};

/// Writes the page into a folder, which is made where there is none.
pub fn write(folder: &str, file: Option<&str>) -> ExitCode {
    let mut sources = Sources::default();
    let (own, found) = match file {
        Some(file) => resolve::load(&mut sources, &Disk, file),
        None => (None, Diagnostics::default()),
    };
    // What is merely doubtful in a program is no matter of its documentation.
    let mut faults = Diagnostics::sorted(found);
    faults.retain(|fault| fault.severity() == Severity::Error);
    if file.is_some() && own.is_none() {
        return said(&faults, &sources);
    }
    let page = docs::page(own.as_ref(), &sources, &super::picture);
    let path = Path::new(folder).join("index.html");
    if let Err((code, reason)) = put(Path::new(folder), &path, &page.html) {
        let message = format!("cannot write {}: {reason}", path.display());
        let error = Diagnostic::general(findings::PAGE_UNWRITABLE, visible(&message));
        let error = error.help("give a folder that can be written, or one that is not there yet");
        output::diagnostic(&error, &Sources::default());
        output::explanation([&error]);
        return code;
    }
    let shown = visible(&path.to_string_lossy()).into_owned();
    let written =
        output::write(&format!("{shown}: {} names, {} findings\n", page.names, page.findings));
    if !faults.is_empty() {
        return said(&faults, &sources);
    }
    // What its types are, is checked after it is read.
    match file {
        Some(file) => checked(file).unwrap_or(written),
        None => written,
    }
}

/// Says what `check` finds wrong, if anything.
fn checked(file: &str) -> Option<ExitCode> {
    let compilation = compile(&Request { file, ..Request::default() }, &Disk);
    let mut faults = compilation.diagnostics;
    faults.retain(|fault| fault.severity() == Severity::Error);
    (!faults.is_empty()).then(|| said(&faults, &compilation.sources))
}

/// Says what is wrong with the user's files.
fn said(faults: &[Diagnostic], sources: &Sources) -> ExitCode {
    output::error(&render_all(faults, sources, output::style()));
    output::explanation(faults);
    ExitCode::from(BAD_INPUT)
}

/// Why the page could not be written, and whether that is a fault of what was asked for.
fn put(folder: &Path, path: &Path, html: &str) -> Result<(), (ExitCode, io::Error)> {
    if folder.metadata().is_ok_and(|found| !found.is_dir()) {
        let reason = io::Error::new(io::ErrorKind::NotADirectory, "it is to lie in a folder");
        return Err((ExitCode::from(BAD_INPUT), reason));
    }
    let written =
        std::fs::create_dir_all(folder).and_then(|()| rewrite::write(path, html.as_bytes()));
    written.map_err(|reason| (ExitCode::FAILURE, reason))
}
