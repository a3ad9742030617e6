//! Comments and blank lines, by the token that they stand at.

use crate::syntax::lossless::{Node, SyntaxKind, Tree};

/// What stands around a token.
#[derive(Debug, Default)]
pub struct Around<'t> {
    /// Where the token starts; the length of the text for its end.
    start: usize,
    /// The comments above it.
    pub above: Vec<Comment<'t>>,
    /// The comment behind it on its line.
    pub behind: Option<&'t str>,
    /// Whether a blank line stands before it and below those comments.
    pub blank: bool,
    /// Whether it begins a line.
    pub begins_line: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Comment<'t> {
    pub text: &'t str,
    /// Whether a blank line stands before it.
    pub blank: bool,
}

impl Around<'_> {
    /// Whether a blank line stands before it and its comments.
    pub fn follows_blank(&self) -> bool {
        self.above.first().map_or(self.blank, |first| first.blank)
    }

    pub fn has_comments(&self) -> bool {
        self.behind.is_some() || !self.above.is_empty()
    }
}

/// All that stands between the tokens of a tree. What is taken is gone, so that nothing is written
/// twice.
pub struct Trivia<'t>(Vec<Around<'t>>);

impl<'t> Trivia<'t> {
    pub fn of(tree: &'t Tree) -> Self {
        let mut all: Vec<Around<'t>> = Vec::new();
        let mut next = Around { begins_line: true, ..Around::default() };
        // The line breaks since the last token or comment.
        let mut breaks = 0;
        for leaf in tree.root().leaves() {
            match leaf.kind() {
                SyntaxKind::Whitespace => {
                    breaks += leaf.text().matches('\n').count();
                    next.begins_line |= breaks > 0;
                }
                SyntaxKind::Comment => {
                    match all.last_mut().filter(|_| !next.begins_line) {
                        Some(last) => last.behind = Some(leaf.text()),
                        None => {
                            next.above.push(Comment { text: leaf.text(), blank: breaks > 1 });
                        }
                    }
                    breaks = 0;
                }
                _ => {
                    (next.start, next.blank) = (leaf.range().start, breaks > 1);
                    all.push(std::mem::take(&mut next));
                    breaks = 0;
                }
            }
        }
        next.start = tree.text().len();
        all.push(next);
        Self(all)
    }

    /// What stands around the first token of a node.
    pub fn before(&mut self, node: Node<'_>) -> &mut Around<'t> {
        self.at(node.range().start)
    }

    /// What stands around the last token of a node.
    pub fn after(&mut self, node: Node<'_>) -> &mut Around<'t> {
        let last = node.leaves().next_back().unwrap_or(node);
        self.at(last.range().start)
    }

    pub fn end(&mut self) -> &mut Around<'t> {
        self.at(usize::MAX)
    }

    fn at(&mut self, start: usize) -> &mut Around<'t> {
        let index = self.0.partition_point(|own| own.start < start);
        // The end follows every token.
        let last = self.0.len() - 1;
        &mut self.0[index.min(last)]
    }

    /// Whether comments stand inside of a node, which those at its ends do not.
    pub fn inside(&mut self, node: Node<'_>) -> bool {
        let range = node.range();
        let from = self.0.partition_point(|own| own.start < range.start);
        let to = self.0.partition_point(|own| own.start < range.end);
        let own = &self.0[from..to];
        own.iter().skip(1).any(|own| !own.above.is_empty())
            || own.iter().rev().skip(1).any(|own| own.behind.is_some())
    }
}
