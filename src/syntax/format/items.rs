//! Files, items and signatures.

use super::doc::Doc;
use super::imports::Import;
use super::lists::{Row, Style};
use super::{Formatter, is, own_lines, parts};
use crate::syntax::lossless::{Node, SyntaxKind};

impl<'t> Formatter<'t> {
    /// All of a file; nothing where it is empty.
    pub fn file(&mut self, root: Node<'t>) -> Doc<'t> {
        let mut all = Vec::new();
        // What stands before.
        let mut last = None;
        let mut waiting = parts(root).peekable();
        while let Some(item) = waiting.next() {
            let mut imports = Vec::new();
            if let Some(import) = self.import(item) {
                imports.push(import);
                while let Some(next) = waiting.peek().and_then(|next| self.import(*next)) {
                    imports.push(next);
                    waiting.next();
                }
            }
            all.extend(last.map(|last| self.between(last, item)));
            all.push(match imports.is_empty() {
                true => self.with_comments_above(item),
                false => super::imports::block(imports),
            });
            last = Some(item);
        }
        let end = std::mem::take(&mut self.trivia.end().above);
        if !end.is_empty() {
            all.extend(last.map(|_| Doc::HardBlank));
            all.extend(own_lines(&end));
        }
        Doc::All(all)
    }

    /// An item with its comments, and the blank line between the two where there was one.
    fn with_comments_above(&mut self, item: Node<'t>) -> Doc<'t> {
        let mut all = self.above(item);
        if !all.is_empty() && self.trivia.before(item).blank {
            all.push(Doc::HardBlank);
        }
        all.push(self.with_comments(item, |own| own.item(item)));
        Doc::All(all)
    }

    /// What stands between two items.
    fn between(&mut self, last: Node<'t>, next: Node<'t>) -> Doc<'t> {
        let around = self.trivia.before(next);
        let is_apart = around.begins_line;
        let is_commented = !around.above.is_empty();
        let blank = around.follows_blank();
        // Where one was not understood, nothing is known of what parts the two.
        if !is_apart && (has_error(last) || has_error(next)) {
            let touches = last.range().end == next.range().start;
            return if touches { Doc::All(Vec::new()) } else { Doc::Space };
        }
        match (last.kind(), next.kind()) {
            (SyntaxKind::ModuleDoc, SyntaxKind::ModuleDoc) if !(blank && is_commented) => Doc::Hard,
            // In one block, but for those with comments.
            (SyntaxKind::Use, SyntaxKind::Use) if !blank => Doc::Hard,
            _ => Doc::HardBlank,
        }
    }

    /// An import without comments, whose place does not matter.
    fn import(&mut self, node: Node<'t>) -> Option<Import<'t>> {
        let is_bare = node.kind() == SyntaxKind::Use
            && !self.trivia.before(node).has_comments()
            && !self.trivia.after(node).has_comments()
            && !self.trivia.inside(node);
        is_bare.then(|| Import::of(node)).flatten()
    }

    fn item(&mut self, node: Node<'t>) -> Doc<'t> {
        if has_error(node) {
            return Doc::Verbatim(node.text());
        }
        if node.kind().is_token() {
            return Doc::Text(node.text());
        }
        let mut all = self.docs(node);
        let mut is_first = true;
        for part in parts(node).filter(|part| part.kind() != SyntaxKind::Doc) {
            let touches = matches!(part.kind(), SyntaxKind::Parameters | SyntaxKind::UseGroup);
            if !is_first && !touches {
                all.push(Doc::Space);
            }
            is_first = false;
            all.push(self.with_comments(part, |own| own.part(part)));
        }
        Doc::All(all)
    }

    /// A part of an item.
    fn part(&mut self, node: Node<'t>) -> Doc<'t> {
        match node.kind() {
            SyntaxKind::Parameters => self.list(node, Style::Parentheses, Self::parameter),
            SyntaxKind::Outputs => self.list(node, Style::Outputs, Self::parameter),
            SyntaxKind::Body => self.body(node),
            SyntaxKind::Stages => self.stages(node),
            SyntaxKind::Fields => self.fields(node),
            SyntaxKind::UseGroup => self
                .list(node, Style::Parentheses, |own, name| Row::plain(Vec::new(), own.expr(name))),
            _ => self.expr(node),
        }
    }

    /// `detached name?: Type > 0 = default`
    fn parameter(&mut self, node: Node<'t>) -> Row<'t> {
        let docs = self.docs(node);
        let mut name = Vec::new();
        let mut kind = Vec::new();
        let mut default = Vec::new();
        let mut is_named = false;
        for part in parts(node).filter(|part| part.kind() != SyntaxKind::Doc) {
            let cell = match (is_named, is(part, "=")) {
                (false, _) => &mut name,
                (true, is_equals) if is_equals || !default.is_empty() => &mut default,
                _ => &mut kind,
            };
            if !cell.is_empty() && (is_named || part.kind() == SyntaxKind::Name) {
                cell.push(Doc::Space);
            }
            cell.push(self.expr(part));
            is_named |= is(part, ":");
        }
        let (name, kind) = (Doc::All(name), Doc::All(kind));
        match default.is_empty() {
            true => Row { name: "", docs, cells: vec![name], rest: kind },
            false => Row { name: "", docs, cells: vec![name, kind], rest: Doc::All(default) },
        }
    }
}

pub fn has_error(node: Node<'_>) -> bool {
    node.leaves().any(|leaf| leaf.kind() == SyntaxKind::Error)
}
