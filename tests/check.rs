//! What a check reports, to whom, and in which form.

use cpipe::diagnostics::{Severity, edit};

use crate::support::{names, text};

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
