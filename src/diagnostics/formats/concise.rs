//! A line for each: `file:line:column: error[name]: message`.

use super::{Found, position};
use crate::diagnostics::visible;

/// Characters of help that are shown behind a message.
const LONGEST_HELP: usize = 80;

/// Each on a line, for people, `grep` and editors.
pub fn concise(found: &[Found<'_>]) -> String {
    let mut lines = String::new();
    for Found { file, diagnostic, sources } in found {
        let place = match diagnostic.place() {
            None => (*file).to_owned(),
            Some(span) => {
                let source = sources.get(span.file);
                let start = position(source, span.start);
                format!("{}:{}:{}", source.name, start.line, start.column)
            }
        };
        let (word, name) = (diagnostic.severity().word(), diagnostic.finding.name);
        let (place, message) = (visible(&place), visible(&diagnostic.message));
        lines += &format!("{place}: {word}[{name}]: {message}");
        let help = diagnostic.help.as_deref().map(visible);
        if let Some(help) = help.filter(|help| help.chars().count() <= LONGEST_HELP) {
            lines += &format!(" ({help})");
        }
        lines.push('\n');
    }
    lines
}
