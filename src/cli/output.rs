//! What the commands write for people.

use std::io::{self, IsTerminal as _, Write as _};

use crate::Compilation;
use crate::diagnostics::render_all;

/// Whether standard error shows colours: on a terminal, unless `NO_COLOR` is set.
pub fn color() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Shows every diagnostic on standard error.
pub fn diagnostics(compilation: &Compilation) {
    let text = render_all(&compilation.diagnostics, &compilation.sources, color());
    error(&text);
}

/// Writes to standard error; where that is closed there is nobody left to tell.
pub fn error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes to standard output. A closed pipe is no fault: `cpipe graph … | head` has read enough.
pub fn out(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
