//! Files and what stands at the top of them.

use super::{Lower, contents, documentation, names, own_name, parts};
use crate::syntax::grammar::Rule;
use crate::syntax::lossless::{Node, SyntaxKind};
use crate::syntax::tree::*;

impl Lower<'_> {
    pub fn file(&mut self, root: Node<'_>) -> File {
        let doc = documentation(root, SyntaxKind::ModuleDoc);
        let mut file = File { doc, items_whole: true, ..File::default() };
        for item in parts(root) {
            match item.kind() {
                SyntaxKind::Use => use_item(&mut file.uses, item),
                SyntaxKind::Define => file.defines.push(self.define(item)),
                SyntaxKind::Extern => file.externs.push(self.external(item)),
                SyntaxKind::Pipeline => file.pipelines.push(self.pipeline(item)),
                SyntaxKind::Error => {
                    self.bad(item, Rule::item);
                    file.items_whole = false;
                    // It may belong to the pipeline before it, closed by a bracket too many.
                    file.pipelines.last_mut().into_iter().for_each(|own| own.whole = false);
                }
                _ => {}
            }
        }
        file.whole = self.whole;
        file
    }

    fn define(&mut self, define: Node<'_>) -> Define {
        let mut parameters = Vec::new();
        let (mut result, mut body) = (None, None);
        for part in contents(define) {
            match part.kind() {
                SyntaxKind::Parameters => parameters = self.parameters(part),
                SyntaxKind::Choices | SyntaxKind::NamedType => result = Some(self.type_(part)),
                SyntaxKind::Body => body = Some((self.body(part), part.span())),
                _ => {}
            }
        }
        let (doc, name) = (documentation(define, SyntaxKind::Doc), own_name(define));
        let result = result.expect("define: type");
        let ((body, whole), body_span) = body.expect("define: body");
        let span = name.span.to(result.span);
        let signature = Signature { doc, name, parameters, result, span };
        Define { signature, body, body_span, whole }
    }

    fn external(&mut self, external: Node<'_>) -> Extern {
        let mut parameters = Vec::new();
        let mut makes = None;
        let (mut facts, mut whole) = (Vec::new(), true);
        for part in contents(external) {
            match part.kind() {
                SyntaxKind::Parameters => parameters = self.parameters(part),
                SyntaxKind::Choices | SyntaxKind::NamedType => {
                    makes = Some((self.type_(part), None))
                }
                SyntaxKind::Outputs => {
                    let nothing =
                        TypeExpr { kind: TypeKind::Choices(Vec::new()), span: part.span() };
                    makes = Some((nothing, Some(self.parameters(part))));
                }
                SyntaxKind::Fields => (facts, whole) = self.fields(part),
                _ => {}
            }
        }
        let (doc, name) = (documentation(external, SyntaxKind::Doc), own_name(external));
        let (result, outputs) = makes.expect("extern: type or outputs");
        let span = name.span.to(result.span);
        let signature = Signature { doc, name, parameters, result, span };
        Extern { signature, outputs, facts, whole }
    }

    fn pipeline(&mut self, pipeline: Node<'_>) -> Pipeline {
        let mut parameters = Vec::new();
        let (doc, name) = (documentation(pipeline, SyntaxKind::Doc), own_name(pipeline));
        let mut head = name.span;
        let (mut members, mut whole) = (Vec::new(), true);
        for part in contents(pipeline) {
            match part.kind() {
                SyntaxKind::Parameters => {
                    head = head.to(part.span());
                    parameters = self.parameters(part);
                }
                SyntaxKind::Stages => (members, whole) = self.members(part),
                _ => {}
            }
        }
        Pipeline { doc, name, parameters, head, members, whole }
    }
}

/// Adds each name that an import brings.
fn use_item(uses: &mut Vec<Use>, import: Node<'_>) {
    let part = |kind: SyntaxKind| parts(import).find(|part| part.kind() == kind);
    let path = part(SyntaxKind::Path).expect("use: path");
    let relative = parts(path).next().is_some_and(|first| first.kind() == SyntaxKind::Punctuation);
    let mut module = names(path);
    let names = match part(SyntaxKind::UseGroup) {
        Some(group) => names(group),
        None => vec![module.pop().expect("path: at least one name")],
    };
    uses.extend(names.into_iter().map(|name| Use { relative, module: module.clone(), name }));
}
