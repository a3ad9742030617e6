//! `cpipe explain`

use std::process::ExitCode;

use super::{BAD_INPUT, output};
use crate::diagnostics::{Diagnostic, Finding, findings};
use crate::source::Sources;

#[derive(clap::Args)]
pub struct Arguments {
    /// The name of an error or a warning, such as queue-batch. Without one, all of them.
    name: Option<String>,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let width = output::width();
    let text = match &arguments.name {
        None => list(width),
        Some(name) => match findings::named(name) {
            Some(finding) => page(finding, width) + &choice(finding, width),
            None => {
                output::diagnostic(&unknown(name), &Sources::default());
                return ExitCode::from(BAD_INPUT);
            }
        },
    };
    output::write(&text)
}

fn page(finding: &Finding, width: usize) -> String {
    let Finding { name, summary, .. } = finding;
    let head = format!("{name} ({}): {summary}", finding.severity.word());
    format!("{}\n{}", output::reflow(&head, width), output::reflow(finding.page, width))
}

/// How a user chooses its level, where that is possible.
fn choice(finding: &Finding, width: usize) -> String {
    match finding.choice() {
        choice if choice.is_empty() => choice,
        choice => format!("\n{}", output::reflow(&choice, width)),
    }
}

/// Every name, with as much of its summary as fits the line.
fn list(width: usize) -> String {
    let mut text = String::new();
    let longest = findings::all().map(|finding| finding.name.len()).max().unwrap_or_default();
    for (group, findings) in findings::GROUPS {
        text += &format!("{group}\n");
        for finding in *findings {
            let line = format!("  {:<longest$}  {}", finding.name, finding.summary);
            text += &output::cut(&line, width);
            text.push('\n');
        }
        text.push('\n');
    }
    text + "`cpipe explain NAME` says more of one.\n"
}

fn unknown(name: &str) -> Diagnostic {
    let message = format!("no error or warning is called `{name}`");
    Diagnostic::general(findings::UNKNOWN_NAME, message)
        .help("`cpipe explain` shows every name")
        .nearest(name, findings::all().map(|finding| finding.name))
}

#[cfg(test)]
mod tests {
    use super::{list, page};
    use crate::diagnostics::findings;

    #[test]
    fn prose_fits_a_narrow_terminal_and_code_stays_as_it_is() {
        for finding in findings::all() {
            let text = page(finding, 40);
            let code: Vec<&str> = text.lines().filter(|line| line.starts_with("    ")).collect();
            let prose = text.lines().filter(|line| !line.starts_with("    "));
            // An address cannot be broken.
            let wide = prose.filter(|line| line.chars().count() > 40 && line.contains(' '));
            assert_eq!(wide.collect::<Vec<_>>(), [""; 0], "{}", finding.name);
            for line in code {
                assert!(finding.page.contains(&line[4..]), "{}: {line}", finding.name);
            }
        }
        assert!(list(40).lines().all(|line| line.chars().count() <= 40));
    }
}
