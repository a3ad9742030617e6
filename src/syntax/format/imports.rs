//! Imports: sorted, and those of one module in one group.

use super::doc::Doc;
use super::parts;
use super::print::STEP;
use crate::syntax::lossless::{Node, SyntaxKind};

/// What an import names.
pub struct Import<'t> {
    /// Its own modules come last.
    is_relative: bool,
    module: Vec<&'t str>,
    /// The path as it is written, but for a name that is no module.
    path: &'t str,
    names: Vec<&'t str>,
}

impl<'t> Import<'t> {
    /// None where it could not be read, or has documentation, which stays where it is.
    pub fn of(node: Node<'t>) -> Option<Self> {
        let (mut path, mut names) = (None, Vec::new());
        for part in parts(node) {
            match part.kind() {
                SyntaxKind::Path => path = Some(part.text()),
                SyntaxKind::UseGroup => {
                    let own = parts(part).filter(|name| name.kind() == SyntaxKind::Name);
                    names.extend(own.map(Node::text));
                }
                SyntaxKind::Doc | SyntaxKind::Error => return None,
                _ => {}
            }
        }
        let mut path = path?;
        if names.is_empty() {
            let at = path.rfind('.').map_or(0, |at| at + 1);
            names.push(&path[at..]);
            path = &path[..at.saturating_sub(1)];
        }
        let is_relative = node_is_relative(node);
        let module = path.split('.').filter(|name| !name.is_empty()).collect();
        Some(Import { is_relative, module, path, names })
    }

    fn doc(mut self) -> Doc<'t> {
        self.names.sort_unstable();
        // What has no module is relative or not by its dot alone.
        let dot = match (self.is_relative && self.module.is_empty(), self.path.is_empty()) {
            (true, _) | (false, false) => ".",
            (false, true) => "",
        };
        let path = [Doc::Text("use "), Doc::Text(self.path), Doc::Text(dot)];
        let mut all: Vec<Doc<'t>> = path.into();
        if let [name] = self.names.as_slice() {
            all.push(Doc::Text(name));
            return Doc::All(all);
        }
        let mut inner = vec![Doc::Soft];
        let last = self.names.len() - 1;
        for (position, name) in self.names.into_iter().enumerate() {
            inner.push(Doc::Text(name));
            match position == last {
                true => inner.push(Doc::IfBroken(",")),
                false => inner.extend([Doc::Text(","), Doc::Line]),
            }
        }
        all.push(Doc::group(vec![
            Doc::Text("{"),
            Doc::Nest(STEP, inner),
            Doc::Soft,
            Doc::Text("}"),
        ]));
        Doc::All(all)
    }
}

fn node_is_relative(node: Node<'_>) -> bool {
    parts(node).any(|part| part.kind() == SyntaxKind::Path && part.text().starts_with('.'))
}

/// Imports without comments, one to a line.
pub fn block(mut imports: Vec<Import<'_>>) -> Doc<'_> {
    imports.sort_by(|a, b| {
        let key = |own: &Import<'_>| own.is_relative;
        (key(a), &a.module, &a.names).cmp(&(key(b), &b.module, &b.names))
    });
    let mut merged: Vec<Import<'_>> = Vec::new();
    for import in imports {
        let is_same = |last: &&mut Import<'_>| {
            !import.module.is_empty()
                && (last.is_relative, &last.module) == (import.is_relative, &import.module)
        };
        match merged.last_mut().filter(is_same) {
            Some(last) => last.names.extend(import.names),
            None => merged.push(import),
        }
    }
    let mut all = Vec::new();
    for import in merged {
        if !all.is_empty() {
            all.push(Doc::Hard);
        }
        all.push(import.doc());
    }
    Doc::All(all)
}
