//! The registry and the standard library.

use std::fs;

use cpipe::registry;
use cpipe::resolve::{Disk, embedded};
use cpipe::source::Sources;
use cpipe::syntax::parse;
use cpipe::{Request, compile};

use crate::support::root;

#[test]
fn every_signature_parses_and_is_documented() {
    for entry in registry::entries() {
        let mut sources = Sources::default();
        let file = sources.add(entry.name, entry.signature);
        let signature = parse::signature(&sources, file);
        let signature = signature.unwrap_or_else(|errors| panic!("{}: {errors:?}", entry.name));
        assert_eq!(signature.name.text, entry.name);
        assert!(!signature.doc.is_empty(), "`{}` has no documentation", entry.name);
    }
}

#[test]
fn no_name_is_registered_twice() {
    let mut names: Vec<&str> = registry::entries().map(|entry| entry.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn the_library_has_no_findings() {
    for (name, text) in embedded() {
        let compilation = compile(&Request { file: name, ..Request::default() }, &Disk);
        assert!(compilation.diagnostics.is_empty(), "{name}: {:?}", compilation.diagnostics);
        assert!(text.starts_with("//!"), "{name} does not say what it is");
    }
}

#[test]
fn the_shipped_moco_is_short() {
    let text = fs::read_to_string(root().join("pipelines/moco_cifar10.cpipe")).expect("it ships");
    let lines =
        text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//"));
    assert!(lines.count() <= 60);
}

/// Methods are text: none of their names stands in the Rust.
#[test]
fn no_method_is_written_in_rust() {
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let code = fs::read_to_string(&path).expect("a source file");
                let code = code.split("#[cfg(test)]").next().unwrap_or_default();
                let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                let named =
                    code.filter(|line| line.contains("\"moco") || line.contains("\"simclr"));
                assert_eq!(named.count(), 0, "{}", path.display());
            }
        }
    }
}
