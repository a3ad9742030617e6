//! Parameters and types.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Lower, contents, documentation, names, own_name, parts};
use crate::syntax::lossless::{Node, SyntaxKind};
use crate::syntax::tree::*;

impl Lower<'_> {
    /// Those that stand in brackets; one of a name that was there already is reported.
    pub fn parameters(&mut self, list: Node<'_>) -> Vec<Parameter> {
        let mut parameters: Vec<Parameter> = Vec::new();
        let mut places = HashMap::new();
        for parameter in contents(list) {
            let parameter = self.parameter(parameter);
            match places.entry(parameter.name.text.clone()) {
                Entry::Occupied(first) => self.twice("parameter", &parameter.name, *first.get()),
                Entry::Vacant(place) => {
                    place.insert(parameter.name.span);
                    parameters.push(parameter);
                }
            }
        }
        parameters
    }

    fn parameter(&mut self, node: Node<'_>) -> Parameter {
        let name = own_name(node);
        let mut parameter = Parameter {
            doc: documentation(node, SyntaxKind::Doc),
            span: name.span.to(node.span()),
            detached: None,
            optional: false,
            kind: TypeExpr { kind: TypeKind::Choices(Vec::new()), span: name.span },
            bound: None,
            default: None,
            name,
        };
        let mut is_default = false;
        for part in parts(node) {
            match part.kind() {
                SyntaxKind::Punctuation => {
                    parameter.optional |= part.text() == "?";
                    is_default |= part.text() == "=";
                }
                _ if is_default => parameter.default = Some(self.expr(part)),
                SyntaxKind::Keyword => parameter.detached = Some(part.span()),
                SyntaxKind::Choices | SyntaxKind::NamedType => parameter.kind = self.type_(part),
                SyntaxKind::Bound => parameter.bound = Some(self.bound(part)),
                _ => {}
            }
        }
        parameter
    }

    fn bound(&mut self, bound: Node<'_>) -> Bound {
        let mut parts = parts(bound);
        let sign = parts.next().expect("bound: comparison or `in`");
        let value = self.expr(parts.next().expect("bound: value"));
        match sign.text() {
            ">" => Bound::Compare(Comparison::Greater, value),
            ">=" => Bound::Compare(Comparison::GreaterEqual, value),
            "<" => Bound::Compare(Comparison::Less, value),
            "<=" => Bound::Compare(Comparison::LessEqual, value),
            _ => Bound::In(value),
        }
    }

    pub fn type_(&mut self, node: Node<'_>) -> TypeExpr {
        let span = node.span();
        if node.kind() == SyntaxKind::Choices {
            return TypeExpr { kind: TypeKind::Choices(names(node)), span };
        }
        let mut name = String::new();
        let mut arguments: Option<Vec<TypeArgument>> = None;
        for part in parts(node) {
            match part.kind() {
                SyntaxKind::TypeName => name = part.text().to_owned(),
                SyntaxKind::Punctuation => arguments = arguments.or(Some(Vec::new())),
                _ => {
                    let argument = self.type_argument(part);
                    arguments.get_or_insert_default().push(argument);
                }
            }
        }
        TypeExpr { kind: TypeKind::Named(name, arguments), span }
    }

    fn type_argument(&mut self, node: Node<'_>) -> TypeArgument {
        match node.kind() {
            SyntaxKind::NamedType => TypeArgument::Type(self.type_(node)),
            SyntaxKind::FunctionType => {
                let mut types = contents(node);
                let from = self.type_(types.next().expect("function type: what it takes"));
                let to = self.type_(types.next().expect("function type: what it makes"));
                TypeArgument::Function(from, to)
            }
            SyntaxKind::Rest => TypeArgument::Rest(own_name(node)),
            _ => TypeArgument::Size(self.expr(node)),
        }
    }
}
