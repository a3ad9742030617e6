//! Text from outside as a terminal may be sent it: what would steer the terminal is shown instead.

use std::borrow::Cow;

/// The text with pictures in the place of characters that steer a terminal or reorder what it
/// shows. Line breaks are among them; tabs are not.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| picture(c).is_none()) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|c| push(&mut shown, c));
    Cow::Owned(shown)
}

/// Appends a character as it is shown.
pub fn push(shown: &mut String, c: char) {
    match picture(c) {
        None => shown.push(c),
        Some(Picture::Symbol(symbol)) => shown.push(symbol),
        Some(Picture::Escape) => shown.extend(c.escape_unicode()),
    }
}

enum Picture {
    /// `␛` for ESC.
    Symbol(char),
    /// `\u{202e}` for what Unicode has no picture of.
    Escape,
}

fn picture(c: char) -> Option<Picture> {
    match c {
        '\t' => None,
        // The block of control pictures follows the order of the control characters.
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).map(Picture::Symbol),
        '\x7f' => Some(Picture::Symbol('\u{2421}')),
        // C1 controls, line and paragraph separators, marks that set the direction of writing, and
        // characters without a width.
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => Some(Picture::Escape),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(visible("a\tb é 数"), "a\tb é 数");
        assert_eq!(visible("\x1b[2J\x07\r\n\x7f"), "␛[2J␇␍␊␡");
        assert_eq!(visible("\u{9b}31m \u{202e}x"), "\\u{9b}31m \\u{202e}x");
    }
}
