//! The lossless tree to the typed one. The grammar guarantees which nodes stand where; a place where
//! it does not hold is marked by an `expect` that names the node.

mod blocks;
mod bodies;
mod expressions;
mod items;
mod signatures;

use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::source::{FileId, Span};
use crate::syntax::lossless::{Node, SyntaxKind};
use crate::syntax::tree::{Expr, Name};

pub struct Lower<'t> {
    text: &'t str,
    file: FileId,
    pub diagnostics: Diagnostics,
    /// Whether everything has fitted a rule so far.
    whole: bool,
}

impl<'t> Lower<'t> {
    pub fn new(text: &'t str, file: FileId) -> Self {
        Lower { text, file, diagnostics: Diagnostics::default(), whole: true }
    }

    pub fn expression_file(&mut self, root: Node<'_>) -> Expr {
        let inner = parts(root).next().expect("the text of an expression: the expression");
        self.expr(inner)
    }

    pub fn path_file(&mut self, root: Node<'_>) -> Vec<Name> {
        let inner = parts(root).next().expect("the text of a path: the path");
        names(inner)
    }

    fn twice(&mut self, what: &str, name: &Name, first: Span) {
        let message = format!("{what} `{}` is given twice", name.text);
        self.diagnostics.push(
            Diagnostic::new(findings::DUPLICATE_NAME, name.span, message)
                .label("the second time")
                .also(first, "the first time"),
        );
    }
}

/// What a node is made of, without trivia and documentation.
fn parts(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    node.children().filter(|child| !child.kind().is_trivia() && child.kind() != SyntaxKind::Doc)
}

/// What a node is made of beside signs, such as the expression in brackets.
fn contents(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    parts(node).filter(|part| part.kind() != SyntaxKind::Punctuation)
}

/// From its first part, which its documentation is not, to its last.
fn span(node: Node<'_>) -> Span {
    parts(node).next().map_or(node.span(), |first| first.span().to(node.span()))
}

fn name(node: Node<'_>) -> Name {
    Name { text: node.text().to_owned(), span: node.span() }
}

/// The name that a node begins with or gives to something.
fn own_name(node: Node<'_>) -> Name {
    let mut parts = parts(node);
    name(parts.find(|part| part.kind() == SyntaxKind::Name).expect("what has a name: the name"))
}

fn names(node: Node<'_>) -> Vec<Name> {
    parts(node).filter(|part| part.kind() == SyntaxKind::Name).map(name).collect()
}

/// The documentation of a node, without the marks.
fn documentation(node: Node<'_>, kind: SyntaxKind) -> String {
    let mut doc = String::new();
    for line in node.children().filter(|child| child.kind() == kind) {
        if !doc.is_empty() {
            doc.push('\n');
        }
        let text = line.text().get(3..).unwrap_or_default();
        doc.push_str(text.strip_prefix(' ').unwrap_or(text).trim_end());
    }
    doc
}
