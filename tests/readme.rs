//! The transcripts of the README: each command prints what stands below it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::root;

/// What is not run here, and why.
const SKIPPED: &[(&str, &str)] = &[("plan", "it takes the running half, and a run before it")];

/// What may stand on a line of its own for any number of lines.
const LEFT_OUT: &str = "…";

/// A command with what it prints, each line without white space at its end.
struct Transcript {
    command: String,
    shown: Vec<String>,
}

fn transcripts(readme: &str) -> Vec<Transcript> {
    let mut all: Vec<Transcript> = Vec::new();
    let mut is_open = false;
    for line in readme.lines() {
        let code = line.strip_prefix("    ");
        if let Some(command) = code.and_then(|code| code.strip_prefix("$ cpipe ")) {
            all.push(Transcript { command: command.to_owned(), shown: Vec::new() });
            is_open = true;
            continue;
        }
        is_open &= code.is_some() || line.is_empty();
        if let Some(last) = all.last_mut().filter(|_| is_open) {
            last.shown.push(code.unwrap_or_default().trim_end().to_owned());
        }
    }
    all.iter_mut().for_each(|transcript| without_end(&mut transcript.shown));
    all
}

/// Takes the blank lines at the end away, which a page of text does not show.
fn without_end(lines: &mut Vec<String>) {
    let last = lines.iter().rposition(|line| !line.is_empty());
    lines.truncate(last.map_or(0, |last| last + 1));
}

/// Whether lines are what is shown, where something may be left out.
fn agree(shown: &[String], written: &[String]) -> bool {
    let mut pieces = shown.split(|line| line == LEFT_OUT);
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = written.strip_prefix(first) else { return false };
    let mut pieces: Vec<&[String]> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        let Some(at) = rest.windows(piece.len()).position(|lines| lines == piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// A folder with copies of what the commands name, so that none writes into the repository.
fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["pipelines", "tests/wrong"] {
        let copy = folder.path().join(name);
        fs::create_dir_all(&copy).expect("a folder to write to");
        for entry in fs::read_dir(root().join(name)).expect("a folder of programs") {
            let entry = entry.expect("an entry of the folder");
            fs::copy(entry.path(), copy.join(entry.file_name())).expect("a file to copy");
        }
    }
    folder
}

fn run(command: &str, folder: &Path) -> Vec<String> {
    let mut cpipe = Command::new(env!("CARGO_BIN_EXE_cpipe"));
    let output = cpipe.current_dir(folder).args(command.split(' ')).output();
    let output = output.expect("the command starts");
    let written = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
    let mut lines = written.lines().map(|line| line.trim_end().to_owned()).collect();
    without_end(&mut lines);
    lines
}

#[test]
fn every_transcript_is_true() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let folder = copied();
    let (mut faults, mut run_words, mut skipped) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for Transcript { command, shown } in transcripts(&readme) {
        let word = command.split(' ').next().unwrap_or_default().to_owned();
        if SKIPPED.iter().any(|(name, _)| *name == word) {
            skipped.insert(word);
            continue;
        }
        let written = run(&command, folder.path());
        if !agree(&shown, &written) {
            faults.push(format!("`cpipe {command}` prints\n{}", written.join("\n")));
        }
        run_words.insert(word);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert_eq!(run_words, ["check", "doc", "explain", "fmt"].map(str::to_owned).into());
    assert_eq!(skipped, SKIPPED.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn what_is_left_out_is_all_that_may_differ() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (shown, agrees) in [
        ("a\nb\nc\nd", true),
        ("a\nb\nc", false),
        ("b\nc\nd", false),
        ("a\n…", true),
        ("…\nd", true),
        ("a\n…\nc\n…\nd", true),
        ("a\n…\n…\nd", true),
        ("a\n…\nc\n…\nb\n…", false),
        ("a\n…\nc", false),
        ("a\n…\nx\n…", false),
    ] {
        assert_eq!(agree(&lines(shown), &lines("a\nb\nc\nd")), agrees, "{shown}");
    }
}
