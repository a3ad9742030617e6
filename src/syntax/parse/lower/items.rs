//! Files and what stands at the top of them.

use super::{Lower, contents, documentation, names, own_name, parts, span};
use crate::syntax::lossless::{Kind, Node};
use crate::syntax::parse::Rule;
use crate::syntax::tree::*;

impl Lower<'_> {
    pub fn file(&mut self, root: Node<'_>) -> File {
        let doc = documentation(root, Kind::ModuleDoc);
        let mut file = File { doc, items_whole: true, ..File::default() };
        for item in parts(root) {
            match item.kind() {
                Kind::Use => use_item(&mut file.uses, item),
                Kind::Define => file.defines.push(self.define(item)),
                Kind::Extern => file.externs.push(self.external(item)),
                Kind::Pipeline => file.pipelines.push(self.pipeline(item)),
                Kind::Error => {
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
                Kind::Parameters => parameters = self.parameters(part),
                Kind::Choices | Kind::NamedType => result = Some(self.type_(part)),
                Kind::Body => body = Some((self.body(part), part.span())),
                _ => {}
            }
        }
        let (doc, name) = (documentation(define, Kind::Doc), own_name(define));
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
                Kind::Parameters => parameters = self.parameters(part),
                Kind::Choices | Kind::NamedType => makes = Some((self.type_(part), None)),
                Kind::Outputs => {
                    let nothing = Type { kind: TypeKind::Choices(Vec::new()), span: part.span() };
                    makes = Some((nothing, Some(self.parameters(part))));
                }
                Kind::Fields => (facts, whole) = self.fields(part),
                _ => {}
            }
        }
        let (doc, name) = (documentation(external, Kind::Doc), own_name(external));
        let (result, outputs) = makes.expect("extern: type or outputs");
        let span = name.span.to(span(external));
        let signature = Signature { doc, name, parameters, result, span };
        Extern { signature, outputs, facts, whole }
    }

    fn pipeline(&mut self, pipeline: Node<'_>) -> Pipeline {
        let mut parameters = Vec::new();
        let (mut members, mut whole) = (Vec::new(), true);
        for part in contents(pipeline) {
            match part.kind() {
                Kind::Parameters => parameters = self.parameters(part),
                Kind::Stages => (members, whole) = self.members(part),
                _ => {}
            }
        }
        let (doc, name) = (documentation(pipeline, Kind::Doc), own_name(pipeline));
        Pipeline { doc, name, parameters, members, whole }
    }
}

/// Adds each name that an import brings.
fn use_item(uses: &mut Vec<Use>, import: Node<'_>) {
    let part = |kind: Kind| parts(import).find(|part| part.kind() == kind);
    let path = part(Kind::Path).expect("use: path");
    let relative = parts(path).next().is_some_and(|first| first.kind() == Kind::Punctuation);
    let mut module = names(path);
    let names = match part(Kind::UseGroup) {
        Some(group) => names(group),
        None => vec![module.pop().expect("path: at least one name")],
    };
    uses.extend(names.into_iter().map(|name| Use { relative, module: module.clone(), name }));
}
