//! `cpipe list`, `cpipe doc` and `cpipe show`: every name, from what declares it, and every value.

use std::fs;
use std::process::{Command, Output};

use cpipe::check::types::TypeName;
use cpipe::resolve::catalog;

use crate::support::root;

fn cpipe(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpipe"));
    command.current_dir(root()).args(arguments);
    command.output().expect("the command starts")
}

/// What a command that succeeds writes to standard output.
fn shown(arguments: &[&str]) -> String {
    let output = cpipe(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*errors), (Some(0), ""), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn list_shows_every_name_of_the_library() {
    let list = shown(&["list"]);
    insta::assert_snapshot!(list);
    for entry in catalog::entries() {
        let path = entry.path();
        let label = if entry.is_in_scope { entry.named.name } else { &path };
        let count = list.lines().filter(|line| line.split_whitespace().next() == Some(label));
        assert_eq!(count.count(), 1, "{label}");
    }
    assert!(list.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn list_shows_one_kind() {
    let [several, one] = ["encoders", "encoder"].map(|kind| shown(&["list", kind]));
    assert_eq!(several, one);
    assert!(several.contains("std.encoders.resnet50") && !several.contains("cifar10"), "{several}");
    let output = cpipe(&["list", "encodrs"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.ends_with("did you mean `encoders`?\n\n"), "{errors}");
}

#[test]
fn doc_shows_signature_place_and_text() {
    insta::assert_snapshot!(shown(&["doc", "info_nce"]));
    assert_eq!(shown(&["doc", "moco_v2"]), shown(&["doc", "std.objectives.moco_v2"]));
    for name in TypeName::ALL {
        let doc = shown(&["doc", name.text()]);
        assert!(doc.starts_with(&format!("{}\n\n", name.text())), "{doc}");
        assert!(doc.contains("`cpipe doc guide.language` says more"), "{doc}");
    }
    assert!(shown(&["doc", "std.datasets"]).contains("\nfolder   "));
    let methods = shown(&["doc", "std.objectives"]);
    assert!(methods.starts_with("std.objectives\n\nstd.objectives.all4one "), "{methods}");
    let text = shown(&["doc", "moco_v2", "--text"]);
    assert!(text.starts_with("define moco_v2(") && text.contains("  minimize info_nce("), "{text}");
    assert!(shown(&["doc"]).contains("\nstd.prelude.state "));
    for entry in catalog::entries() {
        let page = shown(&["doc", &format!("{}.{}", entry.module, entry.named.name)]);
        assert!(page.starts_with(entry.named.name), "{page}");
        assert!(!entry.named.doc.is_empty(), "`{}` says nothing of itself", entry.named.name);
    }
    let errors = cpipe(&["doc", "topk"]).stderr;
    assert!(String::from_utf8_lossy(&errors).contains("elsewhere there is `neighbours("));
    let output = cpipe(&["doc", "info_nec"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.ends_with("did you mean `info_nce`?\n\n"), "{errors}");
}

#[test]
fn doc_shows_what_a_file_of_ones_own_defines() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("own.cpipe");
    let text = "/// Pulls two views\u{1b}[2J together.\n\
                define pull(a: Tensor[n, d], b: Tensor[n, d]) -> Tensor[] { mean_squared(a, b) }\n\
                define other() -> Augment { identity() } define last() -> Augment {\n  \
                identity()\n}\n";
    fs::write(&file, text).expect("the folder is there");
    let name = file.to_str().expect("UTF-8");
    let [all, one] = [&["doc", name][..], &["doc", "pull", "--file", name]].map(shown);
    assert!(all.starts_with(&one) && all.contains("other() -> Augment"), "{all}");
    assert!(one.contains("Pulls two views\u{241b}[2J together."), "{one:?}");
    assert!(!one.contains('\u{1b}'));
    for (own, text) in [
        ("other", "define other() -> Augment { identity() }\n"),
        ("last", "define last() -> Augment {\n  identity()\n}\n"),
    ] {
        let whole = shown(&["doc", own, "--text", "-f", name]);
        assert!(whole.starts_with(&format!("{text}    ")), "{whole}");
    }
    // What the file does not have, the library may.
    assert_eq!(shown(&["doc", "spread", "-f", name]), shown(&["doc", "spread"]));
    assert_eq!(cpipe(&["doc", "missing.cpipe"]).status.code(), Some(2));
}

#[test]
fn show_gives_every_value_and_where_it_came_from() {
    let quick = ["show", "pipelines/moco_cifar10.cpipe", "--profile", "quick", "--origin"];
    insta::assert_snapshot!(shown(&[&quick[..], &["-o", "moco.temperature=0.3"]].concat()));
}

/// What is shown can be given, and gives the same values.
#[test]
fn what_show_shows_an_override_takes() {
    let file = "pipelines/simclr_cifar10.cpipe";
    let values = shown(&["show", file]);
    let plain =
        values.lines().filter(|line| !line.contains(['(', '[']) && !line.contains(".train"));
    let plain = plain.filter(|line| !line.contains("encoder") && !line.contains(".model"));
    let overrides: Vec<String> = plain.map(|line| line.replacen(" = ", "=", 1)).collect();
    assert!(overrides.len() > 20, "{values}");
    let mut arguments = vec!["show", file];
    arguments.extend(overrides.iter().flat_map(|over| ["-o", over]));
    let output = cpipe(&arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), values);
    let warned = String::from_utf8_lossy(&output.stderr);
    let redundant = warned.lines().filter(|line| line.starts_with("override-changes-nothing"));
    assert_eq!(redundant.count(), overrides.len(), "{warned}");
}
