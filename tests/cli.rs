//! The command as a user meets it: output and exit codes.

use std::process::{Command, Output};

use crate::support::root;

fn cpipe(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cpipe"));
    command.current_dir(root()).env_remove("CPIPE_DATA").args(arguments);
    command.output().expect("the command starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn check_says_nothing_is_wrong() {
    let output = cpipe(&["check", "pipelines", "stdlib", "tests/reference"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).ends_with("0 errors, 0 warnings\n"), "{}", stderr(&output));
}

#[test]
fn check_of_wrong_programs_exits_with_two() {
    let output = cpipe(&["check", "tests/wrong"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("did you mean `epochs`?"));
}

#[test]
fn a_file_that_is_not_there() {
    let output = cpipe(&["check", "nowhere.cpipe"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("file-unreadable"), "{}", stderr(&output));
}

#[test]
fn graph_writes_each_form() {
    for (format, beginning) in [
        ("ron", "#![enable(unwrap_variant_newtypes)]"),
        ("dot", "digraph"),
        ("mermaid", "flowchart"),
    ] {
        let output = cpipe(&["graph", "pipelines/moco_cifar10.cpipe", "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(output.stdout.starts_with(beginning.as_bytes()), "{format}");
    }
}

#[cfg(feature = "run")]
mod run {
    use std::fs;

    use super::{cpipe, stderr};
    use crate::support::SMALL;

    /// Runs the small pipeline in a folder of its own, with more arguments.
    fn small(folder: &std::path::Path, arguments: &[&str]) -> std::process::Output {
        let path = |name: &str| folder.join(name).to_str().expect("a UTF-8 path").to_owned();
        fs::write(path("small.cpipe"), SMALL).expect("a folder to write to");
        let (file, runs, store) = (path("small.cpipe"), path("runs"), path("store"));
        let fixed = ["run", &file, "--output", &runs, "--store", &store, "--offline"];
        cpipe(&[&fixed, arguments].concat())
    }

    #[test]
    fn faults_before_the_run_leave_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        for (arguments, name) in [
            (&["-o", "epochs=3"][..], "type-mismatch"),
            (&["--profile", "none"], "unknown-profile"),
            (&["--device", "abacus"], "device-unavailable"),
            (&["--device", "libtorch-cuda:77"], "device-unavailable"),
        ] {
            let output = small(folder.path(), arguments);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
            assert!(stderr(&output).contains(name), "{arguments:?}: {}", stderr(&output));
            assert!(!folder.path().join("runs").exists(), "{arguments:?}");
        }
    }

    #[test]
    fn a_run_folder_that_cannot_be_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let blocked = folder.path().join("runs");
        fs::write(&blocked, "a file stands where the folder should").expect("a folder to write to");
        let output = small(folder.path(), &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("run-folder-unwritable"), "{}", stderr(&output));
    }

    #[test]
    fn a_dataset_that_is_not_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let empty = folder.path().to_str().expect("a UTF-8 path");
        let output = small(folder.path(), &["-o", "data=cifar10()", "--data-dir", empty]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("dataset-missing"), "{}", stderr(&output));
    }

    #[test]
    fn a_truncated_dataset() {
        let folder = tempfile::tempdir().expect("a folder");
        let batches = folder.path().join("cifar-10-batches-bin");
        fs::create_dir(&batches).expect("a folder to write to");
        for name in [
            "data_batch_1",
            "data_batch_2",
            "data_batch_3",
            "data_batch_4",
            "data_batch_5",
            "test_batch",
        ] {
            fs::write(batches.join(format!("{name}.bin")), [0; 3073])
                .expect("a folder to write to");
        }
        let place = folder.path().to_str().expect("a UTF-8 path");
        let output = small(folder.path(), &["-o", "data=cifar10()", "--data-dir", place]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let text = stderr(&output);
        assert!(text.contains("dataset-damaged") && text.contains("data_batch_"), "{text}");
        assert!(text.contains("small.cpipe"), "the stage is shown: {text}");
    }
}
