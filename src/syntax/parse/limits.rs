//! What is refused before parsing, so that no text can exhaust the stack or the clock.

use crate::diagnostics::Diagnostic;
use crate::syntax::{FileId, Span};

/// Bytes in a file. The largest program in the standard library is a hundredth of this.
pub const LARGEST: usize = 1 << 20;
/// Brackets within brackets.
const DEEPEST: usize = 64;

pub fn check(text: &str, file: FileId) -> Result<(), Box<Diagnostic>> {
    if text.len() > LARGEST {
        return Err(Box::new(too_large("the text")));
    }
    match too_deep(text) {
        None => Ok(()),
        Some(at) => {
            let span = Span { file, start: at, end: at + 1 };
            let message = format!("more than {DEEPEST} brackets are open here");
            let error = Diagnostic::error("nesting-too-deep", span, message);
            let error = error.label("one bracket too many");
            Err(Box::new(error.help("name an inner part with `let` or `define`")))
        }
    }
}

/// The error of a text that goes on past [`LARGEST`]. How far is not known: it is read no further.
pub fn too_large(name: &str) -> Diagnostic {
    let message = format!("{name} is larger than {LARGEST} bytes, the most that cpipe reads");
    Diagnostic::general("file-too-large", message)
        .help("a program is text about data, never the data: is this the right file?")
}

/// The first bracket that opens one level too many, outside of comments and strings.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut in_comment = false;
    let mut previous = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\n' => (in_text, in_comment) = (false, false),
            _ if in_comment => {}
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'/' if previous == b'/' => in_comment = true,
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > DEEPEST {
                    return Some(at);
                }
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        previous = byte;
    }
    None
}
