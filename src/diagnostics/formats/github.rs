//! Workflow commands of GitHub Actions, which show what is found beside the lines of a change.

use super::{Found, position};
use crate::diagnostics::visible;

/// A command for each.
pub fn github(found: &[Found<'_>]) -> String {
    let mut commands = String::new();
    for Found { file, diagnostic, sources } in found {
        let word = diagnostic.severity().word();
        let title = format!("cpipe ({})", diagnostic.finding.name);
        let place = match diagnostic.place() {
            None => format!("file={}", path(file)),
            Some(span) => {
                let source = sources.get(span.file);
                let (start, end) = (position(source, span.start), position(source, span.end));
                let mut place =
                    format!("file={},line={},endLine={}", path(&source.name), start.line, end.line);
                // Columns of several lines are refused.
                if start.line == end.line {
                    place += &format!(",col={},endColumn={}", start.column, end.column);
                }
                place
            }
        };
        let mut message = data(&visible(&diagnostic.message));
        if let Some(help) = &diagnostic.help {
            message += &format!("%0Ahelp: {}", data(&visible(help)));
        }
        commands += &format!("::{word} {place},title={}::{message}\n", property(&title));
    }
    commands
}

/// A path as the service compares it: without the `./` in front.
fn path(mut path: &str) -> String {
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    property(path)
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::{data, property};

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(data("10%, a:\r\n"), "10%25, a:%0D%0A");
        assert_eq!(property("10%, a:\r\n"), "10%25%2C a%3A%0D%0A");
    }
}
