//! What is refused before parsing, so that no text can exhaust the stack or the clock.

use crate::diagnostics::{Diagnostic, findings};
use crate::source::{FileId, Span};

/// Bytes in a file. The largest program in the standard library is a hundredth of this.
pub const LARGEST: usize = 1 << 20;
/// Brackets within brackets, and conditions within conditions.
const DEEPEST: usize = 64;

pub fn check(text: &str, file: FileId) -> Result<(), Box<Diagnostic>> {
    if text.len() > LARGEST {
        return Err(Box::new(too_large("the text")));
    }
    match too_deep(text) {
        None => Ok(()),
        Some(at) => {
            let span = Span { file, start: at, end: at + 1 };
            let message = format!("more than {DEEPEST} brackets or conditions are open here");
            let error = Diagnostic::new(findings::NESTING_TOO_DEEP, span, message);
            let error = error.label("one too many");
            Err(Box::new(error.help("name an inner part with `let` or `define`")))
        }
    }
}

/// The error of a text that goes on past [`LARGEST`]. How far is not known: it is read no further.
pub fn too_large(name: &str) -> Diagnostic {
    let message = format!("{name} is larger than {LARGEST} bytes, the most that cpipe reads");
    Diagnostic::general(findings::FILE_TOO_LARGE, message)
        .help("a program is text about data, never the data: is this the right file?")
}

/// The first bracket or `if` that opens one level too many, outside of comments and strings. An
/// `if` is open until its `else`: a condition needs no brackets to hold another.
fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut brackets = 0_usize;
    let mut conditions = 0_usize;
    let mut in_text = false;
    let mut in_comment = false;
    let mut previous = 0;
    for (at, byte) in text.bytes().enumerate() {
        let begins_word = !is_word(previous);
        match byte {
            b'\n' => (in_text, in_comment) = (false, false),
            _ if in_comment => {}
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'/' if previous == b'/' => in_comment = true,
            b'(' | b'[' | b'{' => brackets += 1,
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            b'i' if begins_word && word_at(bytes, at) == b"if" => conditions += 1,
            b'e' if begins_word && word_at(bytes, at) == b"else" => {
                conditions = conditions.saturating_sub(1);
            }
            _ => {}
        }
        if brackets + conditions > DEEPEST {
            return Some(at);
        }
        previous = byte;
    }
    None
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The word at the start of which a byte stands, as far as a keyword could go.
fn word_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = &bytes[at..bytes.len().min(at + "else".len() + 1)];
    let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
    &rest[..length]
}
