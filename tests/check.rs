//! What a check reports, to whom, and in which form.

use std::fs;
use std::process::Command;

use cpipe::diagnostics::{Severity, edit, findings};
use serde_json::{Value, json};

use crate::support::{SMALL, hash, names, root, text};

/// A define with a warning on its first line.
fn unused(first: &str, before: &str) -> String {
    format!("{before}define some(share: Percent = 10%) -> Int {{{first}\n  7\n}}\n")
}

#[test]
fn a_comment_silences_what_it_names() {
    assert_eq!(names(&text(&unused("", ""))), ["unused-name"]);
    let comments = [
        "// cpipe: ignore[unused-name]",
        "//cpipe:ignore [ unused-name ] it is to come",
        "// cpipe: ignore[unused-name",
    ];
    for comment in comments {
        for source in [unused(&format!(" {comment}"), ""), unused("", &format!("  {comment}\n"))] {
            assert_eq!(names(&text(&source)), [""; 0], "{source}");
        }
        // One line further away it is another's.
        let source = unused("", &format!("{comment}\n\n"));
        assert_eq!(names(&text(&source)), ["unused-ignore", "unused-name"], "{source}");
    }
    // Behind something on the line above, it belongs there.
    let above =
        format!("use std.datasets.shapes // cpipe: ignore[unused-name]\n{}", unused("", ""));
    assert_eq!(names(&text(&above)), ["unused-import", "unused-ignore", "unused-name"]);
    let both = "use std.datasets.shapes // cpipe: ignore[unused-import, unused-name]\n";
    assert_eq!(names(&text(&unused("", both))), ["unused-ignore", "unused-name"]);
    // A sentence, documentation, and a text are none.
    for none in ["// cpipe: ignored", "/// cpipe: ignore[unused-name]", "// ignore[unused-name]"] {
        assert_eq!(names(&text(&unused("", &format!("{none}\n")))), ["unused-name"], "{none}");
    }
}

#[test]
fn a_comment_that_silences_nothing_is_found() {
    let right = "define some() -> Int {\n  7\n}\n";
    for (wrong, finding, message) in [
        ("ignore[unused-name]", "unused-ignore", "there is no `unused-name` on the next line"),
        ("ignore[type-mismatch]", "unused-ignore", "`type-mismatch` cannot be ignored"),
        (
            "ignore[unused-ignore]",
            "unused-ignore",
            "`unused-ignore` is about such comments, and is not silenced by one",
        ),
        ("ignore[unused-nam]", "unknown-finding", "no error or warning is called `unused-nam`"),
        ("ignore[]", "unknown-finding", "this comment names nothing that it silences"),
        ("ignore", "unknown-finding", "this comment names nothing that it silences"),
        ("ignore this", "unknown-finding", "this comment names nothing that it silences"),
    ] {
        let found = text(&format!("// cpipe: {wrong}\n{right}")).diagnostics;
        let [only] = found.as_slice() else { panic!("{wrong}: {found:?}") };
        assert_eq!((only.finding.name, &*only.message), (finding, message));
        assert_eq!(only.severity(), Severity::Warning);
    }
    let found = text(&format!("// cpipe: ignore[unused-nam]\n{right}")).diagnostics;
    assert_eq!(found[0].help.as_deref(), Some("did you mean `unused-name`?"));
    // Where something else is wrong, not everything was looked for.
    let broken = format!("// cpipe: ignore[unused-name]\n{}", right.replace('7', "seven"));
    assert_eq!(names(&text(&broken)), ["unknown-name"]);
}

#[test]
fn a_comment_that_silences_nothing_is_taken_out() {
    let right = "define some() -> Int {\n  7\n}\n";
    let used = "use std.datasets.shapes // cpipe: ignore[unused-import]\n";
    for (wrong, left, is_safe) in [
        ("// cpipe: ignore[unused-name]\n", "", true),
        ("// One.\n  // cpipe: ignore[unused-name, type-mismatch]\r\n", "// One.\n", true),
        ("use std.datasets.shapes // cpipe: ignore[unused-name,unused-import]\n", used, true),
        ("// cpipe: ignore[unused-name] as a user may\n", "", false),
    ] {
        let source = format!("{wrong}{right}");
        let found = text(&source).diagnostics;
        let edits: Vec<_> = found.iter().filter_map(|own| own.edit.as_ref()).collect();
        assert!(edits.iter().all(|edit| edit.is_safe == is_safe), "{wrong}: {edits:?}");
        assert_eq!(edit::apply(&source, edits), format!("{left}{right}"), "{wrong}");
    }
    let behind = right.replace("7\n", "7 // cpipe: ignore[unused-name]\n");
    let found = text(&behind).diagnostics;
    assert_eq!(edit::apply(&behind, found[0].edit.as_ref()), right);
}

/// A folder with these files, and what `cpipe check` says of it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Folder(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            fs::write(folder.0.path().join(name), text).expect("a folder to write to");
        }
        folder
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).expect("a file of text")
    }

    /// The exit code, standard output and standard error.
    fn check(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cpipe"));
        command.current_dir(self.0.path()).arg("check").args(arguments);
        let output = command.output().expect("the command starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

/// In one file a warning and an error with safe edits, and an error that shows a place of the
/// library; in the other an error behind characters of several bytes.
fn mixed() -> Folder {
    let first = SMALL.replace("queue: 32", "queue: 40").replace(".unlabeled", "");
    let first = format!("use std.encoders.convnet\n{first}");
    let second = SMALL.replace("shapes(train: 64", "shapes(train: \"𝜏é\", tset: 40");
    Folder::new(&[("a.cpipe", &first), ("b, 1%.cpipe", &second)])
}

const FILES: [&str; 3] = ["./a.cpipe", "b, 1%.cpipe", "a.cpipe"];

#[test]
fn concise_is_a_line_each() {
    let format = ["--output-format", "concise"];
    let (code, lines, rest) = mixed().check(&[&FILES[..], &format].concat());
    assert_eq!(code, Some(2));
    let wanted = "\
./a.cpipe:1:18: warning[unused-import]: `convnet` is imported and never used (remove it from the `use`)
./a.cpipe:10:49: error[queue-batch]: the queue of 40 does not hold whole batches of 16 (a queue of 32 or 48 does)
./a.cpipe:13:16: error[labels-unused]: `moco_v2` reads no labels, and is handed some (write `.unlabeled`, so that no label can reach it)
b, 1%.cpipe:7:38: error[type-mismatch]: argument `train` of `shapes` wants Int, not Text \"𝜏é\"
b, 1%.cpipe:7:44: error[unknown-argument]: `shapes` takes no `tset` (did you mean `test`?)
";
    assert_eq!(lines, wanted);
    let wanted = "\
`cpipe explain queue-batch` says more
`cpipe check --fix` makes 2 safe changes
3 files, 4 errors, 1 warning
";
    assert_eq!(rest, wanted);
    let (code, lines, rest) = mixed().check(&["nowhere.cpipe", "--output-format", "concise"]);
    assert_eq!(code, Some(2));
    assert!(lines.starts_with("nowhere.cpipe: error[file-unreadable]: cannot read "), "{lines}");
    assert!(rest.ends_with("1 file, 1 error, 0 warnings\n"), "{rest}");
}

#[test]
fn github_is_a_command_each() {
    let format = ["--output-format", "github"];
    let (code, lines, rest) = mixed().check(&[&FILES[..], &format].concat());
    assert_eq!((code, &*rest), (Some(2), "3 files, 4 errors, 1 warning\n"));
    let wanted = "\
::warning file=a.cpipe,line=1,endLine=1,col=18,endColumn=25,title=cpipe (unused-import)::\
`convnet` is imported and never used%0Ahelp: remove it from the `use`
::error file=a.cpipe,line=10,endLine=10,col=49,endColumn=51,title=cpipe (queue-batch)::\
the queue of 40 does not hold whole batches of 16%0Ahelp: a queue of 32 or 48 does
::error file=a.cpipe,line=13,endLine=13,col=16,endColumn=26,title=cpipe (labels-unused)::\
`moco_v2` reads no labels, and is handed some%0Ahelp: write `.unlabeled`, so that no label can reach it
::error file=b%2C 1%25.cpipe,line=7,endLine=7,col=38,endColumn=42,title=cpipe (type-mismatch)::\
argument `train` of `shapes` wants Int, not Text \"𝜏é\"
::error file=b%2C 1%25.cpipe,line=7,endLine=7,col=44,endColumn=48,title=cpipe (unknown-argument)::\
`shapes` takes no `tset`%0Ahelp: did you mean `test`?
";
    assert_eq!(lines, wanted);
}

/// What programs read, and nothing else, is on standard output.
fn parsed(folder: &Folder, format: &str, files: &[&str]) -> Value {
    let (_, out, _) = folder.check(&[files, &["--output-format", format]].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}\n{out}"))
}

#[test]
fn json_is_one_object() {
    let report = parsed(&mixed(), "json", &FILES);
    let counts = ["version", "files", "errors", "warnings"].map(|name| report[name].as_u64());
    assert_eq!(counts, [1, 3, 4, 1].map(Some));
    let all = report["diagnostics"].as_array().expect("a list");
    let named = |name: &str| {
        let own = all.iter().find(|own| own["name"] == name);
        own.unwrap_or_else(|| panic!("{name} in {report}"))
    };
    let import = json!({
        "name": "unused-import",
        "level": "warning",
        "message": "`convnet` is imported and never used",
        "help": "remove it from the `use`",
        "file": "./a.cpipe",
        "place": {
            "file": "./a.cpipe",
            "library": false,
            "start": {"line": 1, "column": 18, "offset": 17},
            "end": {"line": 1, "column": 25, "offset": 24},
            "label": "",
        },
        "related": [],
        "edit": {
            "file": "./a.cpipe",
            "library": false,
            "start": {"line": 1, "column": 1, "offset": 0},
            "end": {"line": 2, "column": 1, "offset": 25},
            "replacement": "",
            "safe": true,
        },
        "explain": "cpipe explain unused-import",
    });
    assert_eq!(named("unused-import"), &import);
    let slip = named("unknown-argument");
    assert_eq!(slip["edit"]["safe"], false);
    assert_eq!(slip["edit"]["replacement"], "test");
    let line = SMALL.lines().take(6).map(|line| line.len() + 1).sum::<usize>();
    let start = json!({"line": 7, "column": 44, "offset": line + 43 + 4});
    assert_eq!(slip["place"]["start"], start, "six bytes are two characters");
    let related = named("queue-batch")["related"].as_array().expect("a list");
    assert!(related.iter().any(|own| own["library"] == true), "{related:?}");
    // What is about no place says so, and where nothing is wrong there is still an object.
    let report = parsed(&mixed(), "json", &["nowhere.cpipe"]);
    let only = &report["diagnostics"][0];
    assert_eq!((&only["file"], &only["place"]), (&json!("nowhere.cpipe"), &Value::Null));
    let report = parsed(&Folder::new(&[("a.cpipe", SMALL)]), "json", &["a.cpipe", "--quiet"]);
    let nothing = json!({"version": 1, "files": 1, "errors": 0, "warnings": 0, "diagnostics": []});
    assert_eq!(report, nothing);
}

#[test]
fn sarif_is_the_log_of_a_run() {
    let log = parsed(&mixed(), "sarif", &FILES);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "cpipe");
    assert_eq!(run["columnKind"], "utf16CodeUnits");
    let artifacts =
        json!([{"location": {"uri": "a.cpipe"}}, {"location": {"uri": "b%2C%201%25.cpipe"}}]);
    assert_eq!(run["artifacts"], artifacts);
    let rules = run["tool"]["driver"]["rules"].as_array().expect("a list");
    let results = run["results"].as_array().expect("a list");
    assert_eq!((rules.len(), results.len()), (5, 5));
    for result in results {
        let rule = &rules[result["ruleIndex"].as_u64().expect("a position") as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert_eq!(rule["defaultConfiguration"]["level"], result["level"]);
        for part in ["shortDescription", "fullDescription", "help"] {
            let text = rule[part]["text"].as_str().expect("a text");
            assert!(!text.is_empty() && (part == "help" || text.len() < 1024), "{text}");
        }
        let place = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        let artifact = &artifacts[place["index"].as_u64().expect("a position") as usize];
        assert_eq!(artifact["location"]["uri"], place["uri"]);
    }
    let of = |name: &str| results.iter().find(|result| result["ruleId"] == name).expect("a result");
    let slip = of("unknown-argument");
    // A character of four bytes is one character, and two units.
    let region = json!({"startLine": 7, "startColumn": 45, "endLine": 7, "endColumn": 49});
    assert_eq!(slip["locations"][0]["physicalLocation"]["region"], region);
    assert_eq!(slip["fixes"], Value::Null, "a guess is no fix");
    let change = &of("labels-unused")["fixes"][0]["artifactChanges"][0];
    let deleted = json!({"startLine": 13, "startColumn": 26, "endLine": 13, "endColumn": 26});
    let replacement = json!({"deletedRegion": deleted, "insertedContent": {"text": ".unlabeled"}});
    assert_eq!(change["replacements"], json!([replacement]));
    // What stands in the library is no file of the repository.
    let queue = of("queue-batch");
    let message = queue["message"]["text"].as_str().expect("a text");
    assert!(message.contains("\nstd.objectives.moco_v2:"), "{message}");
    assert_eq!(queue["relatedLocations"][0]["id"], 1);
    let log = parsed(&mixed(), "sarif", &["nowhere.cpipe"]);
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "nowhere.cpipe");
}

#[test]
fn levels_are_chosen() {
    let folder = Folder::new(&[("a.cpipe", &unused("", "use std.datasets.shapes\n"))]);
    let levels = |arguments: &[&str]| {
        let (code, lines, rest) =
            folder.check(&[&["a.cpipe", "--output-format", "concise"], arguments].concat());
        let words = lines.lines().map(|line| line.split_whitespace().nth(1).unwrap_or_default());
        let words: Vec<String> = words.map(|word| word.trim_end_matches(':').to_owned()).collect();
        (code, words.join(" "), rest.lines().last().unwrap_or_default().to_owned())
    };
    for (arguments, code, words, counts) in [
        (&[][..], 0, "warning[unused-import] warning[unused-name]", "0 errors, 2 warnings"),
        (
            &["--deny-warnings"],
            2,
            "warning[unused-import] warning[unused-name]",
            "0 errors, 2 warnings",
        ),
        (
            &["--error", "unused-name"],
            2,
            "warning[unused-import] error[unused-name]",
            "1 error, 1 warning",
        ),
        (
            &["--ignore", "unused-name,unused-import", "--deny-warnings"],
            0,
            "",
            "0 errors, 0 warnings",
        ),
        (
            &["--ignore", "unused-name", "--error", "unused-import", "--error", "type-mismatch"],
            2,
            "error[unused-import]",
            "1 error, 0 warnings",
        ),
    ] {
        let wanted = (Some(code), words.to_owned(), format!("1 file, {counts}"));
        assert_eq!(levels(arguments), wanted, "{arguments:?}");
    }
    let lints = "warnings of a check";
    for (arguments, message) in [
        (
            &["--warn", "unused-nam"][..],
            "no error or warning is called `unused-nam`: did you mean `unused-name`?".to_owned(),
        ),
        (
            &["--ignore", "x"],
            "no error or warning is called `x`; `cpipe explain` shows every name".to_owned(),
        ),
        (
            &["--warn", "queue-batch"],
            format!("`queue-batch` is always an error: a level can be chosen for {lints}"),
        ),
        (
            &["--error", "collapse"],
            format!(
                "`collapse` is found by a run, and by no check: a level can be chosen for {lints}"
            ),
        ),
        (
            &["--error", "unused-name", "--warn", "unused-name"],
            "`unused-name` is given two levels".to_owned(),
        ),
    ] {
        assert_eq!(levels(arguments), (Some(2), String::new(), message));
    }
    // The text as people read it has the level, too.
    let (_, _, text) =
        folder.check(&["a.cpipe", "--error", "unused-name", "--ignore", "unused-import"]);
    assert!(text.contains("unused-name\n\n  × `share` is never used"), "{text}");
    assert!(
        text.ends_with("`cpipe explain unused-name` says more\n1 file, 1 error, 0 warnings\n"),
        "{text}"
    );
}

/// Every finding that a check raises is a lint, or an error for good.
#[test]
fn lints_are_the_warnings_of_a_check() {
    let (_, runs) = findings::GROUPS.last().expect("groups of findings");
    for finding in findings::all().filter(|finding| !runs.contains(finding)) {
        assert_eq!(finding.is_lint, finding.severity == Severity::Warning, "{}", finding.name);
    }
    assert!(runs.iter().all(|finding| !finding.is_lint));
}

#[test]
fn fix_makes_what_is_safe() {
    let missing = SMALL
        .replace("use std.datasets.shapes\n", "")
        .replace("data.train.unlabeled", "data.train");
    let missing = format!("\u{feff}use std.encoders.convnet\n{missing}");
    let folder = Folder::new(&[("a.cpipe", &missing)]);
    let (code, out, rest) = folder.check(&["a.cpipe", "--fix", "--output-format", "concise"]);
    let fixed = "fixed 3 in a.cpipe: labels-unused, unknown-name, unused-import\n";
    assert_eq!((code, &*out), (Some(0), ""), "{rest}");
    assert_eq!(rest, format!("{fixed}1 file, 0 errors, 0 warnings\n"));
    let after = folder.read("a.cpipe");
    assert!(after.starts_with("\u{feff}use std.") && !after.contains("convnet"), "{after}");
    assert_eq!(hash(after.trim_start_matches('\u{feff}')), hash(SMALL));
    // What is not safe, or not to be shown, is left.
    let source = unused("", "use std.datasets.shapes\n").replace("7", "7 epocs");
    let folder = Folder::new(&[("a.cpipe", &source)]);
    let (code, _, rest) = folder.check(&["a.cpipe", "--fix", "--ignore", "unused-import"]);
    assert_eq!((code, folder.read("a.cpipe")), (Some(2), source), "{rest}");
    // Only what was named is changed, though others are read.
    let own = "use .b.other\ndefine some() -> Int {\n  other()\n}\n";
    let other = "use std.datasets.shapes\ndefine other() -> Int {\n  7\n}\n";
    let folder = Folder::new(&[("a.cpipe", own), ("b.cpipe", other)]);
    let (code, _, rest) = folder.check(&["a.cpipe", "--fix"]);
    assert_eq!((code, folder.read("b.cpipe").as_str()), (Some(0), other), "{rest}");
    let (_, _, rest) = folder.check(&["--fix", "."]);
    assert!(
        rest.ends_with("fixed 1 in ./b.cpipe: unused-import\n2 files, 0 errors, 0 warnings\n"),
        "{rest}"
    );
}

#[test]
fn fix_changes_nothing_that_is_right() {
    let mut programs = vec![("small.cpipe".to_owned(), SMALL.to_owned())];
    for entry in fs::read_dir(root().join("pipelines")).expect("the folder of pipelines") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        programs.push((name, fs::read_to_string(path).expect("a program")));
    }
    let files: Vec<(&str, &str)> = programs.iter().map(|(name, text)| (&**name, &**text)).collect();
    let folder = Folder::new(&files);
    let (code, _, rest) = folder.check(&[".", "--fix"]);
    assert_eq!(code, Some(0), "{rest}");
    for (name, text) in &programs {
        assert_eq!(folder.read(name), *text, "{name}");
    }
    // A warning is answered, and the program stays the same.
    let spare = format!("use std.encoders.convnet\n{SMALL}");
    let folder = Folder::new(&[("a.cpipe", &spare)]);
    folder.check(&["a.cpipe", "--fix"]);
    assert_eq!(folder.read("a.cpipe"), SMALL);
}

/// Of every wrong program: what is changed reads at least as well as before.
#[test]
fn fix_breaks_no_text() {
    let folder = Folder::new(&[]);
    let mut before = Vec::new();
    for entry in fs::read_dir(root().join("tests/wrong")).expect("the folder of wrong programs") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_owned();
        fs::copy(&path, folder.0.path().join(&name)).expect("a folder to write to");
        before.push((
            name.to_string_lossy().into_owned(),
            fs::read_to_string(&path).expect("a program"),
        ));
    }
    let (_, _, rest) = folder.check(&[".", "--fix"]);
    assert!(!rest.contains("is left as it was"), "{rest}");
    let mut changed = 0;
    for (name, old) in before {
        let new = folder.read(&name);
        let unread = |source: &str| {
            names(&text(source)).iter().filter(|name| **name == "syntax-error").count()
        };
        assert!(unread(&new) <= unread(&old), "{name}");
        changed += usize::from(new != old);
    }
    assert!(changed >= 3, "{changed} programs are changed");
    let again = folder.check(&[".", "--fix"]).2;
    assert!(!again.contains("\nfixed "), "{again}");
}

#[test]
fn what_cannot_be_changed_is_said() {
    let spare = format!("use std.encoders.convnet\n{SMALL}");
    let folder = Folder::new(&[("a.cpipe", &spare)]);
    let path = folder.0.path().join("a.cpipe");
    let mut permissions = fs::metadata(&path).expect("a file").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).expect("its owner may");
    let (code, _, rest) = folder.check(&["a.cpipe", "--fix"]);
    assert_eq!(code, Some(1), "{rest}");
    assert!(rest.contains("\na.cpipe is left as it was: it is read-only\n"), "{rest}");
    assert_eq!(folder.read("a.cpipe"), spare);
    for none in ["-", "/dev/stdin"] {
        let (code, out, rest) = folder.check(&[none, "--fix"]);
        let message = "standard input cannot be changed: give `--fix` a file\n";
        assert_eq!((code, &*out, &*rest), (Some(2), "", message));
    }
    let (code, _, rest) = folder.check(&["std.objectives.moco_v2", "--fix"]);
    assert_eq!((code, &*rest), (Some(0), "1 file, 0 errors, 0 warnings\n"));
}

#[cfg(unix)]
#[test]
fn fix_keeps_links_and_permissions() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = Folder::new(&[("a.cpipe", &format!("use std.encoders.convnet\n{SMALL}"))]);
    let path = |name: &str| folder.0.path().join(name);
    fs::set_permissions(path("a.cpipe"), fs::Permissions::from_mode(0o640)).expect("its owner may");
    symlink("a.cpipe", path("b.cpipe")).expect("a link");
    let (code, _, rest) = folder.check(&["b.cpipe", "--fix"]);
    assert_eq!((code, folder.read("a.cpipe").as_str()), (Some(0), SMALL), "{rest}");
    assert!(fs::symlink_metadata(path("b.cpipe")).expect("a link").is_symlink());
    let mode = fs::metadata(path("a.cpipe")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(fs::read_dir(folder.0.path()).expect("a folder").count(), 2, "nothing else is left");
}

/// What is too large in a branch that another profile takes is told of that profile.
#[test]
fn a_branch_that_is_not_taken_hides_nothing() {
    let source = "\
use std.datasets.shapes
use std.encoders.convnet

pipeline p(width: Int, deep: Bool = true) {
  encoder small = if deep { convnet(width: width) } else { convnet(width: 10000000) }

  evaluate near {
    model: small, protocol: knn(k: 3), fit: shapes().train, on: shapes().test
  }

  profile right { width: 8 }
  profile large { width: 8, deep: false }
}
";
    let found = crate::support::text(source);
    assert_eq!(crate::support::names(&found), ["too-large"]);
    // That a parameter has no value but in profiles is no mistake of the file.
    let right = source.replace("  profile large { width: 8, deep: false }\n", "");
    assert_eq!(crate::support::names(&crate::support::text(&right)), [""; 0]);
    // A choice of a constructor is no stage that is called so.
    let chosen = "\
use std.augment.simclr_crops
use std.datasets.shapes
use std.encoders.{convnet, resnet18}
use std.objectives.simclr

pipeline p(deep: Bool = false) {
  encoder backbone = if deep { resnet18(stem: small) } else { convnet(width: 8) }

  pretrain small {
    data: shapes().train.unlabeled, views: simclr_crops(size: 32), objective: simclr(backbone)
    optimizer: sgd(lr: 0.03), length: 1 epochs, batch: 128
  }
}
";
    assert_eq!(crate::support::names(&crate::support::text(chosen)), [""; 0]);
    // What a profile gives leaves what nobody reads to be told.
    let unread = right.replace("deep: Bool = true)", "deep: Bool = true, extra: Int = 3)");
    assert_eq!(crate::support::names(&crate::support::text(&unread)), ["unused-name"]);
}
