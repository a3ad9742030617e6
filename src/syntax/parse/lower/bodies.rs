//! What stands in the blocks of defines and pipelines.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Lower, contents, documentation, name, names, own_name, parts, span};
use crate::syntax::grammar::Rule;
use crate::syntax::lossless::{Node, SyntaxKind};
use crate::syntax::tree::*;

impl Lower<'_> {
    /// The statements of a define, and whether they are all.
    pub fn body(&mut self, block: Node<'_>) -> (Vec<Statement>, bool) {
        let (good, whole) = self.recovered(block, Rule::statement);
        (good.into_iter().map(|(statement, _)| self.statement(statement)).collect(), whole)
    }

    fn statement(&mut self, node: Node<'_>) -> Statement {
        match node.kind() {
            SyntaxKind::Given => Statement::Given(self.given(node)),
            SyntaxKind::Let => Statement::Let(self.binding(node)),
            SyntaxKind::Report => Statement::Report(self.binding(node)),
            SyntaxKind::Export => Statement::Export(self.binding(node)),
            SyntaxKind::Minimize => Statement::Minimize(self.last(node)),
            _ => Statement::Result(self.last(node)),
        }
    }

    /// The members of a pipeline, and whether they are all.
    pub fn members(&mut self, block: Node<'_>) -> (Vec<Member>, bool) {
        let (good, whole) = self.recovered(block, Rule::member);
        let mut members = Vec::new();
        for (member, torn) in good {
            let mut member = self.member(member);
            if let Member::Stage(stage) = &mut member {
                // What follows may be a part of it, closed by a bracket too many.
                stage.whole &= !torn;
            }
            members.push(member);
        }
        (members, whole)
    }

    fn member(&mut self, node: Node<'_>) -> Member {
        let mut own = contents(node);
        let first = own.next().expect("member: its first word");
        let name = name(own.next().expect("member: name"));
        let last = own.next().expect("member: value or block");
        let kind = super::name(first);
        match node.kind() {
            SyntaxKind::Stage => {
                let (fields, whole) = self.fields(last);
                Member::Stage(StageDeclaration { kind, name, fields, whole, span: span(node) })
            }
            SyntaxKind::Profile => {
                let settings = self.settings(last);
                Member::Profile(Profile {
                    doc: documentation(node, SyntaxKind::Doc),
                    name,
                    settings,
                })
            }
            _ => Member::Value(ValueDeclaration { kind, name, value: self.expr(last) }),
        }
    }

    /// The fields of a block, and whether they are all.
    pub fn fields(&mut self, block: Node<'_>) -> (Vec<Binding>, bool) {
        let mut fields: Vec<Binding> = Vec::new();
        let mut places = HashMap::new();
        let (good, whole) = self.recovered(block, Rule::field);
        for (field, _) in good {
            let field = self.binding(field);
            match places.entry(field.name.text.clone()) {
                // Beside what was not understood it may be no field at all.
                Entry::Occupied(first) if whole => self.twice("field", &field.name, *first.get()),
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => {
                    place.insert(field.name.span);
                    fields.push(field);
                }
            }
        }
        (fields, whole)
    }

    fn settings(&mut self, block: Node<'_>) -> Vec<Setting> {
        let mut settings = Vec::new();
        for (setting, _) in self.recovered(block, Rule::setting).0 {
            let path = names(parts(setting).next().expect("setting: path"));
            settings.push(Setting { path, value: self.last(setting) });
        }
        settings
    }

    /// A name and the value that stands last.
    fn binding(&mut self, node: Node<'_>) -> Binding {
        Binding { name: own_name(node), value: self.last(node) }
    }

    fn last(&mut self, node: Node<'_>) -> Expr {
        self.expr(parts(node).last().expect("what ends with a value: the value"))
    }

    fn given(&mut self, node: Node<'_>) -> Given {
        let (views, labels, indices) = Default::default();
        let mut given = Given { views, labels, indices, span: span(node) };
        let mut word = "";
        for part in parts(node) {
            match (part.kind(), word) {
                (SyntaxKind::Keyword, _) => word = part.text(),
                (SyntaxKind::Name, "label" | "labels") => given.labels.push(name(part)),
                (SyntaxKind::Name, "index") => given.indices.push(name(part)),
                (SyntaxKind::Name, _) => {
                    given.views.push(Views { name: name(part), count: None });
                }
                (SyntaxKind::Several, _) => given.views.push(self.several(part)),
                _ => {}
            }
        }
        given
    }

    fn several(&mut self, node: Node<'_>) -> Views {
        let count = contents(node).nth(1).expect("several views: their name and how many");
        Views { name: own_name(node), count: Some(self.expr(count)) }
    }
}
