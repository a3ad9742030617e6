//! Text of the language as HTML: its words by their kinds, and names as links.

use std::collections::BTreeMap;
use std::ops::Range;

use super::html;
use crate::source::Sources;
use crate::syntax::lossless::{SyntaxKind, Tree};
use crate::syntax::parse;

/// Where a name leads, by the byte at which it begins.
pub type Links = BTreeMap<usize, String>;

/// A range of a text, in which some names are links.
pub fn highlighted(tree: &Tree, range: Range<usize>, links: &Links) -> String {
    let mut shown = String::new();
    let mut at = range.start;
    while at < range.end {
        let leaf = tree.leaf_at(at);
        let end = leaf.map_or(range.end, |leaf| leaf.range().end.min(range.end));
        let text = html::escape(tree.text().get(at..end).unwrap_or_default());
        let class = leaf.and_then(|leaf| class(leaf.kind()));
        shown += &match (links.get(&at), class) {
            (Some(id), _) => html::link(id, &text),
            (None, Some(class)) => format!("<span class=\"{class}\">{text}</span>"),
            (None, None) => text,
        };
        at = end;
    }
    shown
}

/// A whole program.
pub fn program(text: &str) -> String {
    let mut sources = Sources::default();
    let file = sources.add("", text);
    let tree = parse::file(&sources, file).lossless;
    highlighted(&tree, 0..text.len(), &Links::new())
}

fn class(kind: SyntaxKind) -> Option<&'static str> {
    match kind {
        SyntaxKind::Keyword => Some("k"),
        SyntaxKind::TypeName => Some("t"),
        SyntaxKind::Text => Some("s"),
        SyntaxKind::Comment | SyntaxKind::Doc | SyntaxKind::ModuleDoc => Some("c"),
        SyntaxKind::Number | SyntaxKind::Unit | SyntaxKind::Boolean => Some("n"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn nothing_of_a_text_is_lost() {
        let shown = program("use std.a // <b>\ndefine f(x: Int = 1) -> Head { \"&\" } )(");
        for part in [
            "<span class=\"k\">use</span> std.a <span class=\"c\">// &lt;b&gt;</span>\n",
            "f(x: <span class=\"t\">Int</span> = <span class=\"n\">1</span>) -&gt; ",
            "<span class=\"s\">&quot;&amp;&quot;</span>",
            ")(",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }
}
