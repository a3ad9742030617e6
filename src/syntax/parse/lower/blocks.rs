//! Blocks, of which some lines may fit nothing.

use super::{Lower, contents};
use crate::syntax::grammar::Rule;
use crate::syntax::lossless::{Node, SyntaxKind};
use crate::syntax::parse::{brackets, errors};

impl Lower<'_> {
    /// Reports a stretch of text that fits no rule.
    pub fn bad(&mut self, node: Node<'_>, rule: Rule) {
        self.whole = false;
        let start = node.span().start;
        // To find out why takes a look at the whole rest of the text: for as many as are read.
        let error = match self.diagnostics.wants_suggestions() {
            true => errors::explain(self.text, self.file, start, rule),
            false => errors::unexplained(self.text, self.file, start),
        };
        self.diagnostics.push(error);
    }

    /// The good parts of a block, each with whether a line follows it that fits nothing, and whether
    /// they are all. Lines that fit nothing are reported, a run of them once. What stands in their
    /// brackets or before them on their line is set aside with them: it may well be a part of them.
    pub fn recovered<'n>(&mut self, block: Node<'n>, rule: Rule) -> (Vec<(Node<'n>, bool)>, bool) {
        let parts: Vec<Node<'n>> = contents(block).collect();
        let fits = |part: Node<'_>| part.kind() != SyntaxKind::Error;
        let mut is_bad = {
            let bad_line = |part: &Node<'n>| (!fits(*part)).then(|| part.text());
            let bad_lines: Vec<Option<&str>> = parts.iter().map(bad_line).collect();
            brackets::bracketed(&bad_lines)
        };
        let mut next: Option<(usize, bool)> = None;
        for (part, bad) in parts.iter().zip(&mut is_bad).rev() {
            let span = part.span();
            let joined = next.is_some_and(|(start, next_bad)| {
                next_bad && self.text.get(span.end..start).is_some_and(|gap| !gap.contains('\n'))
            });
            *bad |= joined || !fits(*part);
            next = Some((span.start, *bad));
        }
        let whole = !is_bad.contains(&true);
        let mut good: Vec<(Node<'n>, bool)> = Vec::new();
        let mut is_reported = false;
        for (part, bad) in parts.into_iter().zip(is_bad) {
            if !bad {
                is_reported = false;
                good.push((part, false));
                continue;
            }
            if !is_reported {
                good.last_mut().into_iter().for_each(|(_, torn)| *torn = true);
            }
            if !fits(part) && !is_reported {
                self.bad(part, rule);
                is_reported = true;
            }
        }
        (good, whole)
    }
}
