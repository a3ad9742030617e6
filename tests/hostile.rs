//! Texts that nobody would write: they end in an error, not in a panic and not in a hang.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cpipe::resolve::embedded;
use cpipe::{Compilation, Request, compile};

use crate::support::{names, text};

fn bytes(bytes: Vec<u8>) -> Compilation {
    let files = BTreeMap::from([(PathBuf::from("test.cpipe"), bytes)]);
    compile(&Request { file: "test.cpipe", ..Request::default() }, &files)
}

/// A generator of its own, so that the front half can be tested alone.
fn noise(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[test]
fn random_bytes() {
    for seed in 0..200 {
        let mut next = noise(seed);
        let length = next() as usize % 4096 + 1;
        let compilation = bytes((0..length).map(|_| next() as u8).collect());
        assert!(!compilation.diagnostics.is_empty());
    }
}

#[test]
fn random_printable_text() {
    const CHARACTERS: &[u8] =
        b"abcdefgh_ \n(){}[].,:=>-+*/%0123456789\"|&?definepipelineletgivenminimize";
    for seed in 0..200 {
        let mut next = noise(seed + 1000);
        let length = next() as usize % 2048 + 1;
        let character = |value: u64| CHARACTERS[value as usize % CHARACTERS.len()];
        let compilation = bytes((0..length).map(|_| character(next())).collect());
        assert!(compilation.compiled.is_none());
    }
}

/// Every program of the library with one character changed, in places spread over it.
#[test]
fn library_with_a_slip() {
    for (name, program) in embedded() {
        let mut next = noise(name.len() as u64);
        for _ in 0..60 {
            let mut changed = program.as_bytes().to_vec();
            let place = next() as usize % changed.len();
            changed[place] = b"(){}:=,.x1 \n\""[next() as usize % 13];
            // Some slips are harmless; all have to end.
            let _ = bytes(changed);
        }
    }
}

#[test]
fn ten_megabytes() {
    let compilation = bytes(vec![b'a'; 10_000_000]);
    assert_eq!(names(&compilation), ["file-too-large"]);
}

#[test]
fn ten_thousand_brackets() {
    for (open, close) in [('(', ')'), ('[', ']'), ('{', '}')] {
        let nest = |c: char| c.to_string().repeat(10_000);
        let source = format!("pipeline p() {{ let a = {}1{} }}", nest(open), nest(close));
        assert_eq!(names(&text(&source)), ["nesting-too-deep"]);
    }
}

#[test]
fn long_chains() {
    let sum = vec!["1"; 50_000].join(" + ");
    assert!(names(&text(&format!("pipeline p() {{ let a = {sum}\n}}"))).contains(&"no-stage"));
    let calls = "a".to_owned() + &"()".repeat(10_000);
    assert!(
        names(&text(&format!("pipeline p() {{ let a = {calls}\n}}"))).contains(&"nesting-too-deep")
    );
    let negations = "-".repeat(10_000);
    assert_eq!(
        names(&text(&format!("pipeline p() {{ let a = {negations}1\n}}"))),
        ["syntax-error"]
    );
}

#[test]
fn numbers_out_of_range() {
    for number in ["99999999999999999999", "1e999"] {
        let found = text(&format!("pipeline p() {{ let a = {number}\n}}"));
        assert!(names(&found).contains(&"out-of-range"), "{number}: {:?}", names(&found));
    }
    let product = format!("pipeline p() {{ let a = {0} * {0}\n}}", i64::MAX);
    assert!(names(&text(&product)).contains(&"out-of-range"));
}

#[test]
fn not_text() {
    assert_eq!(names(&bytes(vec![0xff, 0xfe, 0x00])), ["not-text"]);
}
