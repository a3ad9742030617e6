//! Text as HTML: escaped, and Markdown as elements.

use std::fmt::Write as _;

use super::code;
use super::markdown::{self, Block, Inline};
use crate::diagnostics::visible;

/// A text as it may stand between tags and in a quoted attribute. What would reorder the text is
/// shown instead.
pub fn escape(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| visible(line.trim_end_matches('\r'))).collect();
    let mut escaped = String::with_capacity(text.len());
    for c in lines.join("\n").chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Where inline code leads that is the name of something on the page, if anywhere.
pub type Leads<'l> = &'l dyn Fn(&str) -> Option<String>;

/// Markdown as elements whose headings stand below one of level `above`.
pub fn markdown(text: &str, above: usize, leads: Leads<'_>) -> String {
    let mut html = String::new();
    let mut list = None;
    let mut level = above;
    for block in markdown::blocks(text) {
        let next = match &block {
            Block::Item(marker, _) if marker.ends_with('.') => Some("ol"),
            Block::Item(..) => Some("ul"),
            // Items may have empty lines between them.
            Block::Blank => continue,
            _ => None,
        };
        if list != next {
            html.extend(list.map(|list| format!("</{list}>\n")));
            html.extend(next.map(|next| format!("<{next}>\n")));
            list = next;
        }
        let _ = match block {
            Block::Blank => Ok(()),
            Block::Heading(marks, title) => {
                // A heading is never more than one level below the one before.
                level = (above + marks).min(level + 1).min(6);
                writeln!(html, "<h{level}>{}</h{level}>", inline(title, leads))
            }
            Block::Paragraph(lines) => {
                writeln!(html, "<p>{}</p>", inline(&lines.join("\n"), leads))
            }
            Block::Item(_, lines) => {
                writeln!(html, "<li>{}</li>", inline(&lines.join("\n"), leads))
            }
            Block::Code(language, lines) => {
                let code = lines.join("\n");
                let code = match language {
                    "cpipe" => code::program(&code),
                    _ => escape(&code),
                };
                writeln!(html, "<pre><code>{code}</code></pre>")
            }
        };
    }
    html.extend(list.map(|list| format!("</{list}>\n")));
    html
}

/// The parts of a paragraph as elements.
pub fn inline(text: &str, leads: Leads<'_>) -> String {
    let mut html = String::new();
    for part in markdown::inlines(text) {
        html += &match part {
            Inline::Text(text) => escape(text),
            Inline::Code(code) => {
                let shown = format!("<code>{}</code>", escape(code));
                match leads(code) {
                    Some(id) => link(&id, &shown),
                    None => shown,
                }
            }
            Inline::Link(title, address) => {
                format!("<a href=\"{}\">{}</a>", escape(address), escape(title))
            }
        };
    }
    html
}

/// A link to a place of the page, around elements.
pub fn link(id: &str, html: &str) -> String {
    format!("<a href=\"#{}\">{html}</a>", escape(id))
}

/// A text that is part of an identifier: letters, digits and `_ . - /` as they are, what else it has
/// by its bytes.
pub fn identifier(text: &str) -> String {
    let mut id = String::new();
    for byte in text.bytes() {
        match byte {
            b'_' | b'.' | b'-' | b'/' => id.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => id.push(char::from(byte)),
            _ => id += &format!("~{byte:02x}"),
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::{escape, identifier, markdown};

    #[test]
    fn text_stays_text() {
        assert_eq!(
            escape("<a b='c' d=\"&\">\r\n\u{202e}"),
            "&lt;a b=&#39;c&#39; d=&quot;&amp;&quot;&gt;\n\\u{202e}"
        );
        assert_eq!(identifier("a/b c.cpipe\u{e9}"), "a/b~20c.cpipe~c3~a9");
    }

    #[test]
    fn lists_are_closed_and_headings_in_order() {
        let html =
            markdown("# a\n### b\n- `c`\n\n- d\n1. e\n\nf", 3, &|code| Some(code.to_owned()));
        let expected = "<h4>a</h4>\n<h5>b</h5>\n<ul>\n<li><a href=\"#c\"><code>c</code></a></li>\n\
                        <li>d</li>\n</ul>\n<ol>\n<li>e</li>\n</ol>\n<p>f</p>\n";
        assert_eq!(html, expected);
    }
}
