//! Where the results go: standard output, also closed, full, quiet, or a terminal.

use std::io;
use std::process::Stdio;

use crate::support::SMALL;
use crate::user::{Ended, Process, User};

const SHORT: [&str; 2] = ["-o", "epochs=1 epochs"];

#[test]
fn results_that_cannot_be_written_are_a_failure_that_says_where_they_lie() {
    let user = User::with(SMALL);
    let run = |out: Stdio| -> Ended {
        let mut command = user.runs(&SHORT);
        command.stdout(out).stderr(Stdio::piped());
        let ended = Process::spawn(command).end().with(1).says("output-unwritable");
        let record = user.record();
        let name = record.0.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(record.path("results.json").exists() && record.path("report.txt").exists());
        assert_eq!(user.stored("store").0, 4);
        let ended = ended.says("cannot write the results to standard output");
        ended.says(&format!("the run is whole: its results are in `runs/{name}`"))
    };
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    run(writer.into());
    #[cfg(target_os = "linux")]
    run(std::fs::File::options().write(true).open("/dev/full").expect("Linux has it").into());
}

#[test]
fn quiet_leaves_the_results_alone() {
    let user = User::with(SMALL);
    let ended = user.run(&[&SHORT[..], &["--quiet"]].concat()).with(0);
    assert_eq!(ended.err, "");
    let record = user.record();
    let name = record.0.file_name().expect("a name").to_string_lossy().into_owned();
    let starts = ["stage ", "-----", "neighbours ", "accuracy ", "", "[1] ", "[2] ", ""];
    let ends = ["record ", "encoder ", "model ", "again "];
    let lines = ended.out.lines().filter(|line| !line.starts_with("    "));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), starts.len() + ends.len(), "{}", ended.out);
    for (line, start) in lines.iter().zip(starts.into_iter().chain(ends)) {
        assert!(line.starts_with(start), "`{line}` for `{start}`");
    }
    let place = format!("runs/{name}");
    assert!(ended.out.contains(&format!("record   {place}\n")), "{}", ended.out);
    assert!(ended.out.contains(&format!("encoder  {place}/base.encoder.safetensors\n")));
    assert!(
        ended.out.contains(" run p.cpipe --offline --store store -o 'epochs=1 epochs' --quiet")
    );
}

#[test]
fn help_tells_the_exit_codes() {
    for arguments in [&["--help"][..], &["run", "--help"]] {
        let ended = Process::start(User::new().command(arguments)).end().with(0);
        for code in ["0 done", "1 failed", "2 bad input", "130", "143"] {
            assert!(ended.out.contains(code), "{}", ended.out);
        }
    }
}

#[test]
fn rows_are_in_the_order_of_the_text() {
    // The last evaluation first, before the stages that it judges.
    let (head, rest) = SMALL.split_once("  pretrain base").expect("its first stage");
    let (rest, last) = rest.split_once("  evaluate accuracy").expect("its last stage");
    let last = last.trim_end().trim_end_matches('}');
    let user = User::with(&format!("{head}  evaluate accuracy{last}\n  pretrain base{rest}}}\n"));
    let ended = user.run(&SHORT).with(0);
    let row = |stage: &str| ended.out.find(&format!("\n{stage} ")).expect("a row");
    assert!(row("accuracy") < row("neighbours"), "{}", ended.out);
    let results = user.record().json("results.json");
    assert_eq!(results[0]["stage"], "accuracy");
}

#[cfg(unix)]
mod on_a_terminal {
    use super::*;

    /// The lines that a terminal was sent, drawn ones and kept ones, without what erases.
    fn lines(sent: &str) -> Vec<String> {
        let lines = sent.split(['\r', '\n']).map(|line| line.replace("\x1b[K", ""));
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// Without colours.
    fn plain(line: &str) -> String {
        let mut parts = line.split("\x1b[");
        let first = parts.next().unwrap_or("").to_owned();
        let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest));
        first + &rest.collect::<String>()
    }

    fn run(user: &User, columns: u16, variable: (&str, &str), arguments: &[&str]) -> Ended {
        let mut command = user.runs(arguments);
        command.env("TERM", "xterm-256color").env(variable.0, variable.1);
        Process::on_terminal(command, columns).end()
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        let user = User::with(SMALL);
        for columns in [60, 80] {
            let store = format!("store-{columns}");
            let arguments = ["-o", "epochs=3 epochs", "--store", &store];
            let whole = run(&user, columns, ("COLUMNS", ""), &arguments).with(0);
            let wrong = run(&user, columns, ("COLUMNS", ""), &["-o", "lr=1e18"]).with(1);
            assert!(whole.err.contains("base  [>"), "progress is drawn: {}", whole.err);
            assert!(whole.err.contains("─────"), "{}", whole.err);
            for line in lines(&whole.err).iter().chain(&lines(&wrong.err)) {
                let line = plain(line);
                // Paths and commands are not broken, so that they can be copied.
                let copied = ["record ", "encoder ", "model ", "again ", "runs/"];
                let is_copied = copied.iter().any(|start| line.starts_with(start));
                let fits = line.chars().count() <= usize::from(columns);
                assert!(fits || is_copied, "{columns}: {line}");
            }
        }
    }

    #[test]
    fn a_dumb_terminal_is_sent_no_control_characters_and_no_colours_where_none_are_wanted() {
        let user = User::with(SMALL);
        for (variable, none) in [(("TERM", "dumb"), "\x1b"), (("NO_COLOR", "1"), "m")] {
            let arguments = [&SHORT[..], &["--store", variable.0]].concat();
            let whole = run(&user, 80, variable, &arguments).with(0);
            let wrong = run(&user, 80, variable, &["-o", "lr=1e18"]).with(1);
            for sent in [whole.err, wrong.err] {
                // A colour is `\x1b[`, numbers, `m`.
                let found = sent.split("\x1b[").skip(1).any(|rest| {
                    rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
                        .starts_with('m')
                });
                assert!(!found, "{variable:?}: {sent:?}");
                assert!(none == "m" || !sent.contains(none), "{variable:?}: {sent:?}");
            }
        }
    }
}
