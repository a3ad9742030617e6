//! The changes that findings offer, made.

use std::fs;

use cpipe::diagnostics::{Diagnostic, Edit, edit};
use cpipe::{Request, compile};

use crate::support::{SMALL, root, text};

/// The text after the only edit of a finding of that name, and whether it is safe.
fn edited(source: &str, finding: &str) -> (String, bool) {
    let found = text(source).diagnostics;
    let own = found.iter().filter(|own| own.finding.name == finding);
    let edits: Vec<&Edit> = own.filter_map(|own| own.edit.as_ref()).collect();
    let [only] = edits.as_slice() else { panic!("{finding} of {source}: {edits:?}") };
    (edit::apply(source, [*only]), only.is_safe)
}

#[test]
fn imports_come_and_go() {
    let imports = "use std.datasets.shapes\n";
    let unused = [
        ("use std.encoders.convnet\n", ""),
        ("use std.encoders.{convnet}\n", ""),
        (
            "use std.datasets.shapes\nuse std.encoders.convnet // one\n",
            "use std.datasets.shapes\n // one\n",
        ),
    ];
    let body = "define data() -> Dataset {\n  shapes()\n}\n";
    for (written, left) in unused {
        let others = if written.contains("shapes") { "" } else { imports };
        let source = format!("{others}{written}{body}");
        assert_eq!(edited(&source, "unused-import"), (format!("{others}{left}{body}"), true));
    }
    for group in ["{convnet, resnet18}", "{resnet18, convnet}", "{\n  resnet18,\n  convnet,\n}"] {
        let source =
            format!("use std.encoders.{group}\ndefine own() -> Encoder {{\n  resnet18()\n}}\n");
        let (after, is_safe) = edited(&source, "unused-import");
        assert!(is_safe && text(&after).diagnostics.is_empty(), "{after}");
        assert!(after.starts_with("use std.encoders.{") && !after.contains("convnet"), "{after}");
    }
    let both = "use std.encoders.{convnet, resnet18}\ndefine one() -> Int {\n  1\n}\n";
    let found = text(both).diagnostics;
    let edits: Vec<&Edit> = found.iter().filter_map(|own| own.edit.as_ref()).collect();
    assert_eq!(edit::apply(both, edits), "define one() -> Int {\n  1\n}\n");
    // Missing ones come before the first, or before the first item.
    assert_eq!(edited(body, "unknown-name"), (format!("use std.datasets.shapes\n\n{body}"), true));
    let documented = format!("//! Mine.\n\n{body}");
    let after = format!("//! Mine.\n\nuse std.datasets.shapes\n\n{body}");
    assert_eq!(edited(&documented, "unknown-name"), (after, true));
    let missing = SMALL.replace("use std.datasets.shapes\n", "");
    let (after, is_safe) = edited(&missing, "unknown-name");
    assert!(is_safe && text(&after).diagnostics.is_empty(), "{after}");
}

#[test]
fn labels_that_nothing_reads_are_left_out() {
    for split in ["data.train", "data.train.sample(50%)"] {
        let source = SMALL.replace("data.train.unlabeled", split);
        let after = SMALL.replace("data.train.unlabeled", &format!("{split}.unlabeled"));
        assert_eq!(edited(&source, "labels-unused"), (after, true));
    }
}

#[test]
fn numbers_are_written_as_they_are_wanted() {
    let sampled = |share: &str| {
        format!(
            "define some(data: Dataset, share: Percent = {share}) -> Split {{\n  data.train.sample(share)\n}}\n"
        )
    };
    for (share, percent, is_safe) in
        [("0.1", "10%", true), ("0.07", "7%", true), ("0.005", "0.5%", true), ("10", "10%", false)]
    {
        assert_eq!(edited(&sampled(share), "type-mismatch"), (sampled(percent), is_safe));
    }
    let momentum = SMALL.replace("momentum: 0.9, temperature", "momentum: 90%, temperature");
    assert_eq!(edited(&momentum, "type-mismatch"), (SMALL.to_owned(), true));
    let length = SMALL.replace("length: 1 epochs", "length: 1");
    assert_eq!(edited(&length, "type-mismatch"), (SMALL.to_owned(), false));
}

#[test]
fn a_name_is_respelled() {
    let slip = SMALL.replace("temperature: 0.1", "temprature: 0.1");
    assert_eq!(edited(&slip, "unknown-argument"), (SMALL.to_owned(), false));
    let slip = SMALL.replace("lr: lr", "lr: l");
    assert!(text(&slip).diagnostics.iter().all(|own| own.edit.is_none()), "too far from anything");
}

/// Of every wrong program: what is edited is not found again there, and the text still reads.
#[test]
fn what_is_edited_is_answered() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("tests/wrong")).expect("the folder of wrong programs") {
        let path = entry.expect("an entry").path();
        let source = fs::read_to_string(&path).expect("a program");
        let before = text(&source).diagnostics;
        for own in before.iter().filter(|own| own.edit.is_some()) {
            let after = text(&edit::apply(&source, &own.edit)).diagnostics;
            let is_own = |one: &&Diagnostic| one.message == own.message;
            let same = |all: &[Diagnostic]| all.iter().filter(is_own).count();
            assert!(same(&after) < same(&before), "{}: {}", path.display(), own.message);
            let unread = |all: &[Diagnostic]| {
                all.iter().filter(|one| one.finding.name == "syntax-error").count()
            };
            assert!(unread(&after) <= unread(&before), "{}: {}", path.display(), own.message);
            count += 1;
        }
    }
    assert!(count >= 10, "{count} edits");
}

#[test]
fn what_comes_from_the_command_line_has_no_edit_in_a_file() {
    let overrides = ["mocco.dim=8".to_owned()];
    let files = std::collections::BTreeMap::from([("a.cpipe".into(), SMALL.as_bytes().to_vec())]);
    let request =
        Request { file: "a.cpipe", overrides: &overrides, required: true, ..Request::default() };
    let found = compile(&request, &files);
    let edits: Vec<&Edit> = found.diagnostics.iter().filter_map(|own| own.edit.as_ref()).collect();
    assert!(
        edits.iter().all(|edit| found.sources.get(edit.place.file).name != "a.cpipe"),
        "{edits:?}"
    );
}

/// Where it can stand in the place of the old name; it may make another graph, so that nothing but
/// a user puts it there.
#[test]
fn what_is_deprecated_is_replaced() {
    let source = |doc: &str, other: &str, called: &str| {
        format!(
            "/// {doc}
define old(size: Int > 0 = 32) -> Augment {{
  center_crop(size: size)
}}

define new({other}) -> Augment {{
  center_crop(size: size)
}}

define mine() -> Augment {{
  {called}(size: 24)
}}
"
        )
    };
    let source = |doc: &str, other: &str, called: &str| {
        format!("use std.augment.center_crop\n\n{}", source(doc, other, called))
    };
    let (doc, same) = ("Deprecated: take `new`.", "size:  Int > 0 = 32");
    let after = source(doc, same, "new");
    assert_eq!(edited(&source(doc, same, "old"), "deprecated"), (after, false));
    let found = |doc: &str, other: &str| {
        let found = text(&source(doc, other, "old")).diagnostics;
        let own = found.into_iter().map(|own| (own.finding.name, own.edit.is_some()));
        own.collect::<Vec<_>>()
    };
    assert_eq!(found(doc, "size: Int > 0 = 28"), [("deprecated", false)]);
    assert_eq!(found("Deprecated: it is not needed.", same), [("deprecated", false)]);
    assert_eq!(found("It is not deprecated: take `new`.", same), []);
}
