//! The pages of the findings, whose examples are compiled, and `cpipe explain`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use cpipe::diagnostics::{Finding, findings};
use cpipe::syntax::format::format;
use cpipe::{Request, compile};

use crate::mutations::parsed;
use crate::support::{names, root};

/// What no text on a page can raise, though a check can.
const BEYOND_A_PAGE: &[(&str, &str)] = &[
    ("file-unreadable", "it is of a file that is not there"),
    ("file-too-large", "it takes a mebibyte"),
    ("not-text", "a page is UTF-8"),
    ("page-unwritable", "it is of a folder on the command line"),
    ("no-run", "it is of folders, not of programs"),
    ("unknown-module", "it is of the name on the command line"),
    ("too-many-steps", "it takes a text of many pages"),
];

/// Raised by a run alone.
fn is_of_a_run(finding: &Finding) -> bool {
    let (_, runs) = findings::GROUPS.last().expect("groups of findings");
    runs.contains(&finding)
}

/// A program of a page, and what stands before it: `Wrong` or `Right`.
struct Example {
    label: String,
    text: String,
}

fn examples(page: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut label = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        match line {
            "```cpipe" => {
                let text = lines.by_ref().take_while(|line| *line != "```");
                let text = text.map(|line| format!("{line}\n")).collect();
                found.push(Example { label: std::mem::take(&mut label), text });
            }
            _ if line.ends_with(':') => label = line.trim_end_matches(':').to_owned(),
            _ => {}
        }
    }
    found
}

/// The files of an example: `// name.cpipe` begins one of that name.
fn files(example: &str) -> Vec<(PathBuf, String)> {
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for line in example.lines() {
        let name = line.strip_prefix("// ").filter(|name| name.ends_with(".cpipe"));
        if files.is_empty() || name.is_some() {
            files.push((name.unwrap_or("example.cpipe").into(), String::new()));
        }
        let (_, text) = files.last_mut().expect("a file was pushed");
        *text += &format!("{line}\n");
    }
    files
}

/// What compiling an example finds. `// cpipe run FILE …` in its first line gives options; the first
/// file is compiled.
fn found(example: &str) -> Vec<&'static str> {
    let files = files(example);
    let mut request = Request::default();
    let mut overrides = Vec::new();
    let first = example.lines().next().unwrap_or_default();
    if let Some(options) = first.strip_prefix("// cpipe run FILE") {
        request.required = true;
        let mut words = options.split_whitespace();
        while let (Some(option), Some(value)) = (words.next(), words.next()) {
            match option {
                "-o" => overrides.push(value.to_owned()),
                "--profile" => request.profile = Some(value),
                "--pipeline" => request.pipeline = Some(value),
                _ => panic!("an option that the test does not know: {option}"),
            }
        }
    }
    let file = files[0].0.to_str().expect("a UTF-8 name").to_owned();
    let files: BTreeMap<PathBuf, Vec<u8>> =
        files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    names(&compile(&Request { file: &file, overrides: &overrides, ..request }, &files))
}

#[test]
fn every_example_of_a_page_is_wrong_or_right_as_it_says() {
    for (name, reason) in BEYOND_A_PAGE {
        assert!(findings::all().any(|finding| finding.name == *name), "{name}: {reason}");
    }
    let mut faults = Vec::new();
    for finding in findings::all() {
        let examples = examples(finding.page);
        let without =
            is_of_a_run(finding) || BEYOND_A_PAGE.iter().any(|(name, _)| *name == finding.name);
        for label in ["Wrong", "Right"] {
            if !without && !examples.iter().any(|example| example.label == label) {
                faults.push(format!("{}: no example after `{label}:`", finding.name));
            }
        }
        for Example { label, text } in &examples {
            let wanted = match label.as_str() {
                // What only a run raises, a check accepts.
                "Wrong" if !without => vec![finding.name],
                "Wrong" | "Right" => Vec::new(),
                _ => {
                    faults.push(format!("{}: an example after `{label}`", finding.name));
                    continue;
                }
            };
            let found = found(text);
            if found != wanted {
                faults.push(format!("{}: {label}: {found:?}\n{text}", finding.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_example_that_can_be_read_is_formatted() {
    let mut faults = Vec::new();
    let mut count = 0;
    for finding in findings::all() {
        for Example { label, text } in examples(finding.page) {
            for (file, text) in files(&text) {
                let parsed = parsed(&text);
                if !parsed.file.whole {
                    // An example of what is right can be read.
                    if label != "Wrong" {
                        faults.push(format!("{}: {label}: cannot be read", finding.name));
                    }
                    continue;
                }
                count += 1;
                let formatted = format(&parsed.lossless);
                if formatted != text {
                    let (name, file) = (finding.name, file.display());
                    faults.push(format!("{name}: {label}: {file} is, formatted,\n{formatted}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 100, "{count}");
}

#[test]
fn every_page_says_what_to_do_and_has_a_form() {
    let mut faults = Vec::new();
    for Finding { name, page, .. } in findings::all() {
        let mut say = |what: &str| faults.push(format!("{name}: {what}"));
        let fences = page.lines().filter(|line| line.starts_with("```")).count();
        if fences == 0 || fences % 2 != 0 {
            say("no example, or one that is not closed");
        }
        if page.lines().any(|line| line.starts_with('#')) {
            say("a heading, which the command prints");
        }
        if !(8..=60).contains(&page.lines().count()) {
            say("too short or too long");
        }
        if page.lines().any(|line| line.chars().count() > 100) {
            say("a line of more than 100 columns");
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_page_is_that_of_a_finding() {
    let folder = root().join("src/diagnostics/pages");
    let files = fs::read_dir(folder).expect("the folder of pages");
    let files: BTreeSet<String> = files
        .map(|entry| entry.expect("an entry of the folder").file_name())
        .map(|name| name.into_string().expect("a UTF-8 name"))
        .collect();
    let pages = findings::all().map(|finding| format!("{}.md", finding.name)).collect();
    assert_eq!(files, pages);
}

fn cpipe(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpipe"));
    command.current_dir(root()).args(arguments);
    command.output().expect("the command starts")
}

fn streams(output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

#[test]
fn explain_shows_the_page_of_a_finding() {
    let output = cpipe(&["explain", "queue-batch"]);
    let [shown, errors] = streams(&output);
    assert_eq!((output.status.code(), &*errors), (Some(0), ""));
    let head = "queue-batch (error): a queue does not hold whole batches\n\nA queue, as MoCo's,";
    assert!(shown.starts_with(head), "{shown}");
    assert!(shown.contains("\nWrong:\n\n    use std.augment.moco_v2_crops\n"), "{shown}");
    assert!(!shown.contains("```"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
    let [shown, _] = streams(&cpipe(&["explain", "unused-name"]));
    assert!(shown.starts_with("unused-name (warning): "), "{shown}");
    assert!(shown.ends_with("above:\n\n    // cpipe: ignore[unused-name]\n"), "{shown}");
}

#[test]
fn explain_alone_lists_every_finding() {
    let output = cpipe(&["explain"]);
    let [shown, errors] = streams(&output);
    assert_eq!((output.status.code(), &*errors), (Some(0), ""));
    for finding in findings::all() {
        let is_it = |line: &&str| line.split_whitespace().next() == Some(finding.name);
        assert_eq!(shown.lines().filter(is_it).count(), 1, "{}", finding.name);
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
}

#[test]
fn explain_offers_the_nearest_name() {
    let output = cpipe(&["explain", "queue-bach"]);
    let [shown, errors] = streams(&output);
    assert_eq!((output.status.code(), &*shown), (Some(2), ""));
    assert!(errors.ends_with("did you mean `queue-batch`?\n\n"), "{errors}");
}

#[test]
fn a_failed_check_says_where_more_is_to_be_read() {
    let [_, errors] = streams(&cpipe(&["check", "tests/wrong/queue_not_a_multiple.cpipe"]));
    let ending = "\n`cpipe explain queue-batch` says more\n1 file, 1 error, 0 warnings\n";
    assert!(errors.ends_with(ending), "{errors}");
    let [_, errors] = streams(&cpipe(&["check", "tests/wrong/unused.cpipe"]));
    assert!(!errors.contains("cpipe explain"), "{errors}");
    let [_, errors] = streams(&cpipe(&["show", "tests/wrong/no_stage.cpipe"]));
    assert!(errors.ends_with("\n`cpipe explain no-stage` says more\n"), "{errors}");
}
