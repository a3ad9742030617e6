//! Changes of what a file imports.

use crate::diagnostics::Edit;
use crate::source::Span;
use crate::syntax::lossless::{Node, SyntaxKind, Tree};

/// Takes a name out of the `use` that imports it; all of the `use` where none of its names is kept.
pub fn without(tree: &Tree, name: Span, is_kept: impl Fn(Span) -> bool) -> Option<Edit> {
    let token = tree.covering(name.start..name.end);
    let item = above(token, SyntaxKind::Use)?;
    let group = above(token, SyntaxKind::UseGroup);
    let mut names =
        group.into_iter().flat_map(Node::leaves).filter(|leaf| leaf.kind() == SyntaxKind::Name);
    let text = tree.text();
    let (start, end) = match group {
        Some(group) if names.any(|name| is_kept(name.span())) => {
            let after = text.get(name.end..group.range().end)?.trim_start();
            match after.strip_prefix(',') {
                Some(after) => (name.start, group.range().end - after.trim_start().len()),
                // The last of the group takes the comma before it along.
                None => {
                    let before = text.get(group.range().start..name.start)?.trim_end();
                    let before = before.strip_suffix(',').unwrap_or(before);
                    (group.range().start + before.len(), name.end)
                }
            }
        }
        _ => {
            let after = text.get(item.range().end..)?;
            let line = after.find('\n').map_or(after.len(), |at| at + 1);
            // A comment behind it stays.
            let line = if after.get(..line)?.trim().is_empty() { line } else { 0 };
            (item.range().start, item.range().end + line)
        }
    };
    Some(Edit { place: Span { start, end, ..name }, text: String::new(), is_safe: true })
}

/// Adds a `use` of that path before the first of a file, or before its first item.
pub fn with(tree: &Tree, path: &str) -> Option<Edit> {
    let mut items = tree.root().children().filter(|child| !child.kind().is_trivia());
    let first_use = tree.root().children().find(|child| child.kind() == SyntaxKind::Use);
    let is_item = |node: &Node<'_>| {
        matches!(node.kind(), SyntaxKind::Define | SyntaxKind::Extern | SyntaxKind::Pipeline)
    };
    // As the lines of the file end.
    let line = if tree.text().contains("\r\n") { "\r\n" } else { "\n" };
    let (at, blank) = match first_use {
        Some(first) => (first, ""),
        None => (items.find(is_item)?, line),
    };
    let place = Span { end: at.span().start, ..at.span() };
    Some(Edit { place, text: format!("use {path}{line}{blank}"), is_safe: true })
}

fn above(mut node: Node<'_>, kind: SyntaxKind) -> Option<Node<'_>> {
    while node.kind() != kind {
        node = node.parent()?;
    }
    Some(node)
}
