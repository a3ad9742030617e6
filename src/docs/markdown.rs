//! Reads the Markdown of documentation and of the pages of findings: headings, paragraphs, lists,
//! code between fences, and inline code and links.

/// A stretch of lines.
#[derive(Debug, PartialEq, Eq)]
pub enum Block<'t> {
    /// An empty line.
    Blank,
    /// `## text`, with the number of marks.
    Heading(usize, &'t str),
    Paragraph(Vec<&'t str>),
    /// One item of a list: its marker, `-` or `1.`, and its lines.
    Item(&'t str, Vec<&'t str>),
    /// What stands between fences, and the language behind the first.
    Code(&'t str, Vec<&'t str>),
}

/// The blocks of a text. A fence that is not closed ends with the text.
pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let bare = line.trim();
        if let Some(language) = bare.strip_prefix("```") {
            let code = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
            found.push(Block::Code(language.trim(), code.collect()));
        } else if bare.is_empty() {
            found.push(Block::Blank);
        } else if let Some((level, title)) = heading(bare) {
            found.push(Block::Heading(level, title));
        } else if let Some((marker, rest)) = marker(bare, found.last()) {
            found.push(Block::Item(marker, vec![rest]));
        } else if let Some(Block::Paragraph(own) | Block::Item(_, own)) = found.last_mut() {
            own.push(bare);
        } else {
            found.push(Block::Paragraph(vec![bare]));
        }
    }
    found
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    ((1..=6).contains(&level) && title.starts_with(' ')).then(|| (level, title.trim()))
}

/// The marker of an item and what follows it. A number that a line of a paragraph happens to begin
/// with is none.
fn marker<'t>(line: &'t str, before: Option<&Block<'_>>) -> Option<(&'t str, &'t str)> {
    let (marker, rest) = line.split_once(' ')?;
    let number = marker.strip_suffix('.').unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_marker = match before {
        _ if marker == "-" || marker == "*" => true,
        Some(Block::Paragraph(_)) => number == "1",
        _ => is_number,
    };
    is_marker.then(|| (marker, rest.trim()))
}

/// A stretch of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Inline<'t> {
    Text(&'t str),
    Code(&'t str),
    /// A text and where it leads: a web address, and nothing else.
    Link(&'t str, &'t str),
}

/// The parts of a paragraph.
pub fn inlines(text: &str) -> Vec<Inline<'_>> {
    let mut found = Vec::new();
    // Where the plain text before `at` begins.
    let (mut begin, mut at) = (0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let special = match rest.as_bytes().first() {
            Some(b'`') => code(rest),
            Some(b'[') => link(rest),
            Some(b'h') => {
                address(rest).map(|length| (Inline::Link(&rest[..length], &rest[..length]), length))
            }
            _ => None,
        };
        match special {
            Some((inline, length)) => {
                found.extend((begin < at).then(|| Inline::Text(&text[begin..at])));
                found.push(inline);
                at += length;
                begin = at;
            }
            None => at += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    found.extend((begin < text.len()).then(|| Inline::Text(&text[begin..])));
    found
}

fn code(text: &str) -> Option<(Inline<'_>, usize)> {
    let inside = text.strip_prefix('`')?;
    let end = near(inside).find('`').filter(|end| *end > 0)?;
    Some((Inline::Code(&inside[..end]), end + 2))
}

fn link(text: &str) -> Option<(Inline<'_>, usize)> {
    let (title, rest) = near(text.strip_prefix('[')?).split_once("](")?;
    let (target, _) = rest.split_once(')').filter(|_| !title.contains('['))?;
    let is_whole = address(target) == Some(target.len());
    is_whole.then(|| (Inline::Link(title, target), title.len() + target.len() + 4))
}

/// How long the web address at the start of a text is. The full stop of a sentence is no part of it.
fn address(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_end = |c: char| c.is_whitespace() || "<>\"`'()[]".contains(c);
    let whole = &rest[..rest.find(is_end).unwrap_or(rest.len())];
    let own = whole.trim_end_matches(['.', ',', ';', ':', '!', '?']);
    (!own.is_empty()).then_some(text.len() - rest.len() + own.len())
}

/// As much of a text as is looked through for the end of code or a link: of a text full of lone
/// marks, not all that follows each.
fn near(text: &str) -> &str {
    &text[..text.floor_char_boundary(4096)]
}

#[cfg(test)]
mod tests {
    use super::{Block, Inline, blocks, inlines};

    #[test]
    fn blocks_are_told_apart() {
        let text =
            "# Head\none\ntwo\n- a\n  more\n- b\n\n1. c\n```sh\n# d\n\n- e\n```\n2. f\ng\n3. h";
        let expected = [
            Block::Heading(1, "Head"),
            Block::Paragraph(vec!["one", "two"]),
            Block::Item("-", vec!["a", "more"]),
            Block::Item("-", vec!["b"]),
            Block::Blank,
            Block::Item("1.", vec!["c"]),
            Block::Code("sh", vec!["# d", "", "- e"]),
            Block::Item("2.", vec!["f", "g"]),
            Block::Item("3.", vec!["h"]),
        ];
        assert_eq!(blocks(text), expected);
        assert_eq!(blocks("a\n200. b"), [Block::Paragraph(vec!["a", "200. b"])]);
        assert_eq!(blocks("```\nopen"), [Block::Code("", vec!["open"])]);
    }

    #[test]
    fn inlines_are_told_apart() {
        let text = "é `a[b]` [c](https://d.e/f) (https://g.h). [i](javascript:j) [k `l";
        let expected = [
            Inline::Text("é "),
            Inline::Code("a[b]"),
            Inline::Text(" "),
            Inline::Link("c", "https://d.e/f"),
            Inline::Text(" ("),
            Inline::Link("https://g.h", "https://g.h"),
            Inline::Text("). [i](javascript:j) [k `l"),
        ];
        assert_eq!(inlines(text), expected);
    }
}
