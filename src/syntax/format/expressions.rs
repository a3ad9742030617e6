//! Expressions and types.

use super::doc::Doc;
use super::lists::{Row, Style};
use super::print::STEP;
use super::{Formatter, is, parts};
use crate::syntax::lossless::{Node, SyntaxKind};

impl<'t> Formatter<'t> {
    /// An expression, a type or a token, with the comments around it.
    pub fn expr(&mut self, node: Node<'t>) -> Doc<'t> {
        self.with_comments(node, |own| own.bare(node, STEP))
    }

    /// An expression whose operators hang so far to the left that its operands stand in one column
    /// behind a word of that width.
    pub fn hanging(&mut self, node: Node<'t>, width: usize) -> Doc<'t> {
        self.with_comments(node, |own| own.bare(node, width))
    }

    fn bare(&mut self, node: Node<'t>, indent: usize) -> Doc<'t> {
        match node.kind() {
            // Of several leaves, without anything between them.
            SyntaxKind::Path => Doc::Text(node.text()),
            SyntaxKind::Pipe | SyntaxKind::Sum | SyntaxKind::Product => {
                self.operators(node, indent)
            }
            SyntaxKind::Range | SyntaxKind::Negate | SyntaxKind::Rest | SyntaxKind::Access => {
                self.joined(node)
            }
            SyntaxKind::Chain | SyntaxKind::Several => self.joined(node),
            SyntaxKind::Same | SyntaxKind::FunctionType | SyntaxKind::Bound => self.spaced(node),
            SyntaxKind::Choices => self.spaced(node),
            SyntaxKind::Arguments => self.list(node, Style::Parentheses, Self::argument),
            SyntaxKind::Parentheses | SyntaxKind::Branch => self.enclosed(node),
            SyntaxKind::Conditional => {
                let inner = self.spaced(node);
                Doc::group(vec![inner])
            }
            SyntaxKind::Quantity => self.quantity(node),
            SyntaxKind::NamedType => self.named_type(node),
            _ => Doc::Text(node.text()),
        }
    }

    /// Operands that break before their operators, all or none.
    fn operators(&mut self, node: Node<'t>, indent: usize) -> Doc<'t> {
        let mut all = parts(node);
        let first = all.next().map(|first| self.expr(first));
        let mut rest = Vec::new();
        for part in all {
            let is_operator = part.kind() == SyntaxKind::Punctuation;
            rest.push(if is_operator { Doc::Line } else { Doc::Space });
            rest.push(self.expr(part));
        }
        Doc::group(first.into_iter().chain([Doc::Nest(indent, rest)]).collect())
    }

    fn joined(&mut self, node: Node<'t>) -> Doc<'t> {
        Doc::All(parts(node).map(|part| self.expr(part)).collect())
    }

    fn spaced(&mut self, node: Node<'t>) -> Doc<'t> {
        let mut all = Vec::new();
        for part in parts(node) {
            if !all.is_empty() {
                all.push(Doc::Space);
            }
            all.push(self.expr(part));
        }
        Doc::All(all)
    }

    fn argument(&mut self, node: Node<'t>) -> Row<'t> {
        let all: Vec<Node<'t>> = parts(node).collect();
        match all.as_slice() {
            [name, colon, value] => {
                let name = self.token(*name);
                let (colon, value) = self.value(*colon, *value);
                let cells = vec![Doc::All(vec![name, colon])];
                Row { name: "", docs: Vec::new(), cells, rest: value }
            }
            _ => Row::plain(Vec::new(), self.joined(node)),
        }
    }

    /// One expression in brackets.
    fn enclosed(&mut self, node: Node<'t>) -> Doc<'t> {
        let all: Vec<Node<'t>> = parts(node).collect();
        let [open, inner, close] = all.as_slice() else { return Doc::Verbatim(node.text()) };
        let begin = || match is(*open, "{") {
            true => Doc::Line,
            false => Doc::Soft,
        };
        let (opening, mut inner) = (self.token(*open), vec![begin(), self.expr(*inner)]);
        let above = self.above(*close);
        if !above.is_empty() {
            inner.push(Doc::Hard);
            inner.extend(above.into_iter().filter(|part| !matches!(part, Doc::HardBlank)));
        }
        let close = self.token(*close);
        let all = vec![opening, Doc::Nest(STEP, inner), begin(), close];
        match is(*open, "{") {
            // Both branches of a condition break, or none.
            true => Doc::All(all),
            false => Doc::group(all),
        }
    }

    fn quantity(&mut self, node: Node<'t>) -> Doc<'t> {
        let mut all = Vec::new();
        for part in parts(node) {
            if part.kind() == SyntaxKind::Unit && part.text() != "%" {
                all.push(Doc::Space);
            }
            all.push(Doc::Text(part.text()));
        }
        Doc::All(all)
    }

    fn named_type(&mut self, node: Node<'t>) -> Doc<'t> {
        let mut all = Vec::new();
        for part in parts(node) {
            all.push(self.expr(part));
            if is(part, ",") {
                all.push(Doc::Space);
            }
        }
        Doc::All(all)
    }
}
