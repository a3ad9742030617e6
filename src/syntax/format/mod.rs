//! How programs are laid out: one style for all of them.
//!
//! A program is written anew from its tokens. Of how it was laid out before, this is kept: one blank
//! line where there were some between statements, members, fields or parameters; comments where they
//! stood; and whether parameters, arguments, fields or the body of one value begin on a new line
//! after their bracket. What does not fit into 100 columns is broken. Every line ends as the first one
//! did, CRLF or LF. An item that holds text which could not be read stays as it is.

mod blocks;
mod doc;
mod expressions;
mod imports;
mod items;
mod lists;
mod print;
#[cfg(test)]
mod tests;
mod trivia;

use doc::Doc;
use print::STEP;
use trivia::Trivia;

use super::lossless::{Node, SyntaxKind, Tree, is_white_space};

/// The text of a tree in the one style.
pub fn format(tree: &Tree) -> String {
    let is_all = |leaf: &Node<'_>| leaf.kind() == SyntaxKind::Error && leaf.text() == tree.text();
    // Nothing of it could be read.
    if tree.leaf_at(0).as_ref().is_some_and(is_all) {
        return tree.text().to_owned();
    }
    let mut formatter = Formatter { trivia: Trivia::of(tree) };
    match formatter.file(tree.root()) {
        Doc::All(parts) if parts.is_empty() => String::new(),
        doc => print::print(&doc, line_end(tree)),
    }
}

/// How the lines of a text end: as the first one that is not blank. Blank ones at the beginning are
/// not written, and could not decide the next time. What stays as it is comes first for that reason.
fn line_end(tree: &Tree) -> &'static str {
    let mut kept = tree.root().children().filter(|item| items::has_error(*item)).map(Node::text);
    let all = tree.text().trim_start_matches(is_white_space);
    let text = kept.find(|text| text.contains('\n')).unwrap_or(all);
    match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

struct Formatter<'t> {
    trivia: Trivia<'t>,
}

impl<'t> Formatter<'t> {
    /// A token with what stands around it.
    fn token(&mut self, leaf: Node<'t>) -> Doc<'t> {
        self.with_comments(leaf, |_| Doc::Text(leaf.text()))
    }

    /// A node with the comments above and behind it. They are no part of the groups that it makes:
    /// those stay on one line.
    fn with_comments(&mut self, node: Node<'t>, own: impl FnOnce(&mut Self) -> Doc<'t>) -> Doc<'t> {
        let mut parts = self.above(node);
        let behind = self.trivia.after(node).behind.take();
        if parts.is_empty() && behind.is_none() {
            return own(self);
        }
        parts.push(own(self));
        parts.extend(behind.map(Doc::Behind));
        Doc::All(parts)
    }

    /// The comments above a node.
    fn above(&mut self, node: Node<'t>) -> Vec<Doc<'t>> {
        own_lines(&std::mem::take(&mut self.trivia.before(node).above))
    }

    /// A sign and the value behind it, which stands on lines of its own where a comment parts the
    /// two.
    fn value(&mut self, sign: Node<'t>, value: Node<'t>) -> (Doc<'t>, Doc<'t>) {
        let is_apart =
            self.trivia.after(sign).behind.is_some() || !self.trivia.before(value).above.is_empty();
        let (sign, value) = (self.token(sign), self.expr(value));
        match is_apart {
            true => (sign, Doc::Nest(STEP, vec![Doc::Hard, value])),
            false => (sign, value),
        }
    }

    /// The tokens of a node with a blank between them.
    fn words(&mut self, words: impl IntoIterator<Item = Node<'t>>) -> Doc<'t> {
        let mut parts = Vec::new();
        for word in words {
            if !parts.is_empty() {
                parts.push(Doc::Space);
            }
            parts.push(self.token(word));
        }
        Doc::All(parts)
    }
}

/// Comments on lines of their own, with the blank lines between them.
fn own_lines<'t>(comments: &[trivia::Comment<'t>]) -> Vec<Doc<'t>> {
    let mut parts = Vec::new();
    for (position, comment) in comments.iter().enumerate() {
        if position > 0 && comment.blank {
            parts.push(Doc::HardBlank);
        }
        parts.push(Doc::Own(comment.text));
    }
    parts
}

/// What a node is made of, but for white space and comments.
fn parts(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    node.children().filter(|child| !child.kind().is_trivia())
}

fn is(node: Node<'_>, text: &str) -> bool {
    node.kind() == SyntaxKind::Punctuation && node.text() == text
}
