//! The folders of `src`: which names which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

/// The front half of the compiler, which needs nothing that a feature brings.
const FRONT: &[&str] = &[
    "check",
    "diagnostics",
    "docs",
    "graph",
    "ignores",
    "lint",
    "parallel",
    "resolve",
    "source",
    "syntax",
    "term",
];

/// There with the feature `run`, as a whole.
const RUNNING: &[&str] =
    &["augment", "data", "evaluate", "nn", "objective", "report", "run", "store", "train"];

/// Every file of sources below a path, which may be one itself.
fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder of sources") {
            files(&entry.expect("an entry").path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        found.push(path.to_owned());
    }
}

fn below(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(path, &mut found);
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The code of a text that is there when nothing is tested, and the names of the modules that are
/// there only then. What is tested ends where a line is indented no further than it began.
fn code(text: &str) -> (String, Vec<String>) {
    let (mut code, mut tests) = (String::new(), Vec::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let bare = line.trim_start();
        if bare.starts_with("//") {
            continue;
        }
        if bare != "#[cfg(test)]" {
            code.push_str(line);
            code.push('\n');
            continue;
        }
        let indent = line.len() - bare.len();
        let mut first = true;
        for own in lines.by_ref() {
            let bare = own.trim_start();
            if let Some(module) = bare.strip_suffix(';').and_then(|own| own.split("mod ").nth(1)) {
                tests.extend(first.then(|| module.to_owned()));
            }
            let is_end = own.ends_with(';') || own.ends_with('}') || own.ends_with(',');
            if own.len() - bare.len() == indent && is_end {
                break;
            }
            // Attributes stand before what they are of.
            first &= bare.starts_with("#[");
        }
    }
    (code, tests)
}

/// The names that follow `crate::` in a code, those in its braces included.
fn named(code: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let first = |text: &str| text.chars().take_while(|own| is_part(*own)).collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(inside) = rest.strip_prefix('{') else {
            found.insert(first(rest));
            continue;
        };
        // The names at the outermost level of the braces.
        let (mut depth, mut expected) = (1, true);
        for (at, character) in inside.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => expected = true,
                _ if expected && is_part(character) => {
                    found.insert(first(&inside[at..]));
                    expected = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// By folder (or file, where a module has none) of `src`, the others that its code names.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let src = root().join("src");
    let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut tests: BTreeSet<PathBuf> = BTreeSet::new();
    for path in below(&src) {
        let (code, only_tests) = code(&read(&path));
        // `a/mod.rs` holds the modules in `a/`, and so does `a.rs`.
        let folder = match path.file_stem().is_some_and(|stem| stem == "mod" || stem == "lib") {
            true => path.parent().expect("it lies in a folder").to_owned(),
            false => path.with_extension(""),
        };
        tests.extend(only_tests.iter().map(|module| folder.join(module)));
        texts.insert(path, code);
    }
    let is_test = |path: &Path| {
        tests.iter().any(|own| path.starts_with(own) || path.with_extension("") == *own)
    };
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, code) in &texts {
        let inside = path.strip_prefix(&src).expect("it was found there").with_extension("");
        let top = inside.iter().next().expect("a name").to_string_lossy().into_owned();
        if !is_test(path) && !["lib", "main", "build"].contains(&top.as_str()) {
            imports.entry(top).or_default().extend(named(code));
        }
    }
    let modules: BTreeSet<String> = imports.keys().cloned().collect();
    // What is defined in `lib.rs` itself stands for all that `lib.rs` names.
    let library = read(&src.join("lib.rs"));
    let of_library = modules.iter().filter(|name| library.contains(&format!("{name}::"))).cloned();
    let of_library: BTreeSet<String> = of_library.collect();
    for (own, others) in &mut imports {
        if others.iter().any(|name| !modules.contains(name)) {
            others.extend(of_library.iter().cloned());
        }
        others.retain(|name| modules.contains(name) && name != own);
    }
    imports
}

/// The way from a folder back to itself, where there is one.
fn circle(imports: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<&str>> {
    fn back<'i>(
        imports: &'i BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<&'i str>,
        seen: &mut BTreeSet<&'i str>,
    ) -> bool {
        let others = way.last().and_then(|last| imports.get(*last));
        for other in others.into_iter().flatten() {
            if way.first() == Some(&other.as_str()) {
                way.push(other);
                return true;
            }
            if seen.insert(other) {
                way.push(other);
                if back(imports, way, seen) {
                    return true;
                }
                way.pop();
            }
        }
        false
    }
    imports.keys().find_map(|start| {
        let mut way = vec![start.as_str()];
        back(imports, &mut way, &mut BTreeSet::new()).then_some(way)
    })
}

#[test]
fn folders_name_each_other_in_no_circle() {
    let imports = imports();
    let found = circle(&imports).map(|way| way.join(" -> "));
    assert_eq!(found, None, "a circle of folders");
    // Of what is known, some is found: otherwise nothing would be held here.
    for (own, other) in [("check", "resolve"), ("run", "graph"), ("cli", "run"), ("train", "nn")] {
        assert!(imports[own].contains(other), "`{own}` names `{other}`");
    }
}

#[test]
fn the_front_half_names_nothing_of_the_running_half() {
    for (own, others) in imports().iter().filter(|(own, _)| FRONT.contains(&own.as_str())) {
        for other in others {
            assert!(FRONT.contains(&other.as_str()), "`{own}` names `{other}`");
        }
    }
}

/// What depends on a feature is there, or not, as a whole: `lib.rs` says so, and nothing below.
#[test]
fn no_part_of_a_folder_depends_on_a_feature() {
    for folder in FRONT.iter().chain(RUNNING) {
        let path = root().join("src").join(folder);
        let path = if path.is_dir() { path } else { path.with_extension("rs") };
        for file in below(&path) {
            for (number, line) in read(&file).lines().enumerate() {
                let depends = line.contains("cfg") && line.contains("feature =");
                assert!(!depends, "{}:{}: {line}", file.display(), number + 1);
            }
        }
    }
}

/// A test that finds nothing whatever is written would be worth nothing.
#[test]
fn circles_are_found_and_tests_left_out() {
    let text = "\
use crate::{a::X, b::{c, d}, e};
fn f() { crate::g::h() }
#[cfg(test)]
mod inner;
use crate::i;
// crate::comment
#[cfg(test)]
mod tests {
    use crate::j;
}
use crate::k::l;
";
    let (code, tests) = code(text);
    let expected = ["a", "b", "e", "g", "i", "k"].map(str::to_owned);
    assert_eq!(named(&code), BTreeSet::from(expected));
    assert_eq!(tests, ["inner"]);

    let of = |pairs: &[(&str, &str)]| {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (own, other) in pairs {
            all.entry((*own).to_owned()).or_default().insert((*other).to_owned());
        }
        all
    };
    assert_eq!(circle(&of(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let found = of(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")]);
    assert_eq!(circle(&found), Some(vec!["b", "c", "d", "b"]));
}
