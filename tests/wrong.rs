//! Every wrong program and what it gets. The snapshots are the messages as users see them.

use std::fs;

use cpipe::diagnostics::{Severity, Style, render_all};
use cpipe::resolve::Disk;
use cpipe::{Request, compile};

use crate::support::root;

#[test]
fn wrong_programs_get_clear_errors() {
    // Paths in the messages are relative to the package, wherever it lies.
    std::env::set_current_dir(root()).expect("the package's own folder");
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("snapshots/wrong");
    settings.set_omit_expression(true);
    let mut files: Vec<_> = fs::read_dir("tests/wrong")
        .expect("the folder of wrong programs")
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cpipe"))
        .collect();
    files.sort();
    assert!(files.len() >= 30);
    let mut without_error = Vec::new();
    for file in files {
        let name =
            file.file_stem().and_then(|stem| stem.to_str()).expect("a UTF-8 name").to_owned();
        let path = file.to_str().expect("a UTF-8 path").replace('\\', "/");
        let compilation = compile(&Request { file: &path, ..Request::default() }, &Disk);
        let messages = render_all(&compilation.diagnostics, &compilation.sources, Style::default());
        if !compilation
            .diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity() == Severity::Error)
        {
            without_error.push(name.clone());
        }
        settings.bind(|| insta::assert_snapshot!(name, messages));
    }
    assert_eq!(
        without_error,
        ["unused"],
        "programs here are wrong, but for one with warnings only"
    );
}
