//! Bodies of defines and pipelines, and what stands in them.

use super::doc::Doc;
use super::lists::{Row, Style};
use super::print::STEP;
use super::{Formatter, is, parts};
use crate::syntax::lossless::{Node, SyntaxKind};

impl<'t> Formatter<'t> {
    pub fn body(&mut self, node: Node<'t>) -> Doc<'t> {
        let is_statement = |part: &Node<'t>| part.kind() != SyntaxKind::Punctuation;
        // One value may stand on the line of its signature.
        let style = match parts(node).filter(is_statement).count() {
            0 | 1 => Style::Fields,
            _ => Style::Block,
        };
        self.list(node, style, Self::line)
    }

    pub fn stages(&mut self, node: Node<'t>) -> Doc<'t> {
        self.list(node, Style::Block, Self::line)
    }

    /// The fields of a stage or an extern, or the settings of a profile.
    pub fn fields(&mut self, node: Node<'t>) -> Doc<'t> {
        self.list(node, Style::Fields, Self::line)
    }

    /// A statement, a member, a field or a setting.
    fn line(&mut self, node: Node<'t>) -> Row<'t> {
        let docs = self.docs(node);
        let all: Vec<Node<'t>> =
            parts(node).filter(|part| part.kind() != SyntaxKind::Doc).collect();
        match (node.kind(), all.as_slice()) {
            (SyntaxKind::Let, [word, name, equals, value]) => {
                // In pipelines it is one of the kinds.
                let in_body = node.parent().is_some_and(|own| own.kind() == SyntaxKind::Body);
                self.binding(
                    docs,
                    if in_body { "let" } else { "" },
                    [*word, *name],
                    *equals,
                    *value,
                )
            }
            (SyntaxKind::Report, [word, name, equals, value]) => {
                self.binding(docs, "report", [*word, *name], *equals, *value)
            }
            (SyntaxKind::Export, [word, name, equals, value]) => {
                self.binding(docs, "export", [*word, *name], *equals, *value)
            }
            (SyntaxKind::Value, [kind, name, equals, value]) => {
                self.binding(docs, "", [*kind, *name], *equals, *value)
            }
            (SyntaxKind::Field | SyntaxKind::Setting, [name, colon, value]) => {
                let name = self.expr(*name);
                let (colon, value) = self.value(*colon, *value);
                Row { name: "", docs, cells: vec![Doc::All(vec![name, colon])], rest: value }
            }
            (SyntaxKind::Stage | SyntaxKind::Profile, [kind, name, fields]) => {
                let words = self.words([*kind, *name]);
                let fields = self.with_comments(*fields, |own| own.fields(*fields));
                Row::plain(docs, Doc::All(vec![words, Doc::Space, fields]))
            }
            (SyntaxKind::Minimize, [word, value]) => {
                let width = word.text().len() + 1;
                // What a sign of one column and its blank leave.
                let hang = match value.kind() {
                    SyntaxKind::Sum | SyntaxKind::Product => width - 2,
                    _ => STEP,
                };
                let word = self.token(*word);
                let value = self.hanging(*value, hang);
                Row::plain(docs, Doc::All(vec![word, Doc::Space, value]))
            }
            (SyntaxKind::Given, all) => {
                let mut words = Vec::new();
                for part in all {
                    if !words.is_empty() && !is(*part, ",") {
                        words.push(Doc::Space);
                    }
                    words.push(self.expr(*part));
                }
                Row::plain(docs, Doc::All(words))
            }
            (_, all) => {
                let all = all.iter().map(|part| self.expr(*part)).collect();
                Row::plain(docs, Doc::All(all))
            }
        }
    }

    /// `let name = value`
    fn binding(
        &mut self,
        docs: Vec<Doc<'t>>,
        name: &'t str,
        cells: [Node<'t>; 2],
        equals: Node<'t>,
        value: Node<'t>,
    ) -> Row<'t> {
        let cells = cells.map(|cell| self.token(cell)).into();
        let (equals, value) = self.value(equals, value);
        Row { name, docs, cells, rest: Doc::All(vec![equals, Doc::Space, value]) }
    }
}
