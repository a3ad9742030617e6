//! The declarations of a pipeline, evaluated as they refer to each other.

use std::collections::BTreeMap;

use super::bind::{Arguments, What};
use super::objective::Written;
use super::pipeline::TypedStage;
use super::resolved::Origin;
use super::stages::{self, StageKind};
use super::state::{DeclaredAs, Phase};
use super::types::Reader;
use super::unify::Solution;
use super::value::{Kind, Value};
use super::{Checker, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::Item;
use crate::source::Span;
use crate::syntax::tree::{self, Argument, Name, TypeKind};

impl<'a> Checker<'a> {
    /// The value of a declaration of the pipeline, if one has that name.
    pub(super) fn declared(&mut self, name: &str, span: Span) -> Option<Value> {
        let index = *self.state.positions.get(name)?;
        self.state.declarations[index].used = true;
        if let Phase::Running = self.state.declarations[index].progress {
            let place = self.state.declarations[index].name.span;
            let error = Diagnostic::new(
                findings::REFERENCE_CYCLE,
                span,
                format!("`{name}` depends on itself"),
            );
            self.report(error.label("the circle closes here").also(place, "declared here"));
            return Some(Value::poison(span));
        }
        self.evaluate(index);
        match &self.state.declarations[index].progress {
            Phase::Done(value) => Some(self.origins.pass(value, span)),
            _ => Some(Value::poison(span)),
        }
    }

    /// Whether the pipeline has a parameter of that name that is one of some choices.
    pub(super) fn is_a_choice(&self, name: &str) -> bool {
        let declared = self.state.positions.get(name).map(|index| &self.state.declarations[*index]);
        let kind = declared.map(|declared| &declared.member);
        matches!(kind, Some(DeclaredAs::Parameter(own)) if matches!(own.kind.kind, TypeKind::Choices(_)))
    }

    /// Whether a call means what a declaration of that name hides, which is reported. Nothing that a
    /// pipeline declares can be called in it.
    pub(super) fn is_hidden(&mut self, name: &str, call: Span, scope: &Scope) -> bool {
        if !scope.in_pipeline || scope.locals.contains_key(name) {
            return false;
        }
        let Some(&index) = self.state.positions.get(name) else { return false };
        let hidden = match self.callable(name, scope) {
            Some(Item::Extern(_)) => "constructor",
            Some(Item::Define(..)) => "`define`",
            Some(Item::Pipeline(..)) | None => return false,
        };
        let declared = &mut self.state.declarations[index];
        declared.used = true;
        if std::mem::replace(&mut declared.hides, true) {
            // One name is to be changed, however often it is called.
            self.silent += 1;
            return true;
        }
        let (member, place) = (declared.member, declared.name.span);
        let word = member.word();
        let (finding, message) = match declared.progress {
            Phase::Running => (
                findings::REFERENCE_CYCLE,
                format!("`{name}` depends on itself: it hides the {hidden} of that name"),
            ),
            _ => (
                findings::TYPE_MISMATCH,
                format!("the {word} `{name}` hides the {hidden} of that name"),
            ),
        };
        let error = Diagnostic::new(finding, place, message);
        let error = error.also(call, format!("this is the {word}, not the {hidden}"));
        self.report(error.help(format!("give the {word} another name")));
        true
    }

    pub(super) fn evaluate(&mut self, index: usize) {
        if !matches!(self.state.declarations[index].progress, Phase::Waiting) {
            return;
        }
        self.state.declarations[index].progress = Phase::Running;
        let member = self.state.declarations[index].member;
        // The text of the file, although an override names it first.
        let in_override = std::mem::take(&mut self.state.in_override);
        self.for_all(|checker| {
            let value = match member {
                DeclaredAs::Parameter(parameter) => checker.parameter(parameter),
                DeclaredAs::Value(value) => checker.value_declaration(value),
                DeclaredAs::Stage(stage) => checker.stage_declaration(stage, index),
            };
            checker.state.declarations[index].progress = Phase::Done(Box::new(value));
        });
        self.state.in_override = in_override;
    }

    pub(super) fn root_scope(&self) -> Scope {
        let module = self.state.module.unwrap_or(self.program.root);
        Scope { in_pipeline: true, ..Scope::new(module, BTreeMap::new()) }
    }

    fn parameter(&mut self, parameter: &tree::Parameter) -> Value {
        let name = parameter.name.text.as_str();
        let kind = Reader::default().read(&parameter.kind);
        let wanted = Some(&kind);
        let (value, origin) = match self.state.take_override(name) {
            Some(over) => (self.eval_override(&over, wanted, None), over.origin),
            None => match &parameter.default {
                Some(default) => {
                    let scope = self.root_scope();
                    let value = self.eval(default, &scope, wanted, Some(name));
                    let origin = Origin::Text(value.span);
                    (value, origin)
                }
                None if self.state.left_to_profiles.contains(name) => {
                    self.state.is_left_to_profiles = true;
                    return Value::poison(parameter.span);
                }
                None => {
                    let message = format!("the parameter `{name}` has no value");
                    let error =
                        Diagnostic::new(findings::MISSING_ARGUMENT, parameter.span, message);
                    self.report(
                        error.help(format!("give it one: `-o {name}=…`, a profile, or a default")),
                    );
                    return Value::poison(parameter.span);
                }
            },
        };
        let value = self.fit(
            value,
            parameter,
            &kind,
            &mut Solution::default(),
            What::Argument { of: None },
        );
        self.state.resolve(Some(name), &value, origin);
        value
    }

    fn value_declaration(&mut self, declaration: &tree::ValueDeclaration) -> Value {
        let name = declaration.name.text.as_str();
        let kind = declaration.kind.text.as_str();
        let scope = self.root_scope();
        let known = stages::VALUE_KINDS.iter().find(|(word, _)| *word == kind);
        if known.is_none() {
            let message = format!("there is no kind of value `{kind}`");
            let error = Diagnostic::new(findings::UNKNOWN_KIND, declaration.kind.span, message);
            let words = stages::VALUE_KINDS.iter().map(|(word, _)| *word);
            let list: Vec<&str> = words.clone().collect();
            let is_stage = stages::STAGES.iter().any(|stage| stage.name() == kind);
            let error = match is_stage {
                true => error.help(format!("`{kind}` is a stage: write `{kind} {name} {{ … }}`")),
                false => {
                    error.help(format!("the kinds are {}", list.join(", "))).misspelled(kind, words)
                }
            };
            self.report(error);
        }
        let over = self.state.take_override(name);
        let value = match over {
            Some(over) => Value { span: over.value.span, ..self.eval_override(&over, None, None) },
            None => {
                let value = self.eval(&declaration.value, &scope, None, Some(name));
                Value { span: declaration.value.span, ..value }
            }
        };
        let wanted = known.and_then(|(_, wanted)| *wanted);
        match wanted {
            Some(wanted) if !value.is_poison() && !value.is(wanted) => {
                let (found, wanted) = (value.describe(), wanted.text());
                let message = format!("`{kind} {name}` is {found}, not {wanted}");
                let error = Diagnostic::new(findings::TYPE_MISMATCH, value.span, message);
                self.report(error.also(declaration.kind.span, format!("declared as `{kind}`")));
                Value::poison(value.span)
            }
            _ => value,
        }
    }

    fn stage_declaration(&mut self, stage: &'a tree::StageDeclaration, index: usize) -> Value {
        let position = self.state.declarations[index].stage.unwrap_or_default();
        let Some(kind) = stages::STAGES.iter().find(|kind| kind.name() == stage.kind.text) else {
            self.unknown_stage(stage);
            return Value::poison(stage.name.span);
        };
        let signature = self.signature(kind.declaration().signature());
        let arguments: Vec<Argument> = stage.fields.iter().map(argument).collect();
        let scope = self.root_scope();
        let name = &stage.name.text;
        let span = stage.kind.span.to(stage.name.span);
        let what = What::Field { stage: *kind, whole: stage.whole };
        let bound = self.bind(&signature, &arguments, span, what, &scope, Some(name), None, None);
        // What could not be read of it decides what it is.
        let Some(bound) = bound.filter(|_| stage.whole) else {
            return Value::poison(stage.name.span);
        };
        if let Some(compared) = &mut self.compared {
            compared.stage(name, &bound.values);
            return Value::poison(stage.name.span);
        }
        let mut fields = bound.values;
        if let (StageKind::Finetune, true) = (*kind, bound.are_right) {
            let objective = self.classify(&fields, span);
            fields.insert("objective".to_owned(), objective);
        }
        let written = |value: &Value| Written {
            place: self.written(value),
            arguments: self.origins.arguments(value).cloned().unwrap_or_default(),
        };
        let places = fields.iter().map(|(name, value)| (name.clone(), written(value))).collect();
        let typed = TypedStage { name: name.clone(), kind: *kind, span, fields, places };
        let errors = self.errors();
        self.check_stage(&typed);
        if self.errors() > errors || !bound.are_right {
            return Value::poison(stage.name.span);
        }
        self.state.declarations[index].typed = Some(typed);
        Value::new(Kind::Stage(position), stage.name.span)
    }

    /// What a fine-tuning minimizes: the objective of the library, over what its fields name.
    fn classify(&mut self, fields: &BTreeMap<String, Value>, span: Span) -> Value {
        // A test looks for it.
        let Some(Item::Define(module, index)) = self.program.prelude().get("classify").copied()
        else {
            unreachable!("the library declares what a fine-tuning minimizes")
        };
        let given = [("encoder", "encoder"), ("classifier", "head"), ("train", "train")];
        let given = given.into_iter().filter_map(|(parameter, field)| {
            Some((parameter.to_owned(), fields.get(field)?.clone()))
        });
        let (values, solution) = (given.collect(), Solution::default());
        self.expand(module, index, Arguments { values, solution, are_right: true }, Some(span))
    }

    fn unknown_stage(&mut self, stage: &tree::StageDeclaration) {
        let kind = &stage.kind.text;
        let error = Diagnostic::new(
            findings::UNKNOWN_KIND,
            stage.kind.span,
            format!("there is no kind of stage `{kind}`"),
        );
        let words = stages::STAGES.iter().map(|stage| stage.name());
        let list: Vec<&str> = words.clone().collect();
        let is_value = stages::VALUE_KINDS.iter().any(|(word, _)| word == kind);
        let error = match is_value {
            true => error
                .help(format!("`{kind}` names a value: write `{kind} {} = …`", stage.name.text)),
            false => {
                error.help(format!("the stages are {}", list.join(", "))).misspelled(kind, words)
            }
        };
        self.report(error);
    }

    /// An output of a stage.
    pub(super) fn output(&mut self, position: usize, name: &Name) -> Kind {
        let stage = self.state.stages.get(position).map(|index| &self.state.declarations[*index]);
        let Some(typed) = stage.and_then(|stage| stage.typed.as_ref()) else { return Kind::Poison };
        match typed.kind.output(typed, position, &name.text) {
            Ok(kind) => kind,
            Err((message, help)) => {
                let known = typed.outputs();
                let error = Diagnostic::new(findings::UNKNOWN_FIELD, name.span, message).help(help);
                self.report(error.misspelled(&name.text, known));
                Kind::Poison
            }
        }
    }
}

fn argument(field: &tree::Binding) -> Argument {
    Argument { name: Some(field.name.clone()), value: field.value.clone() }
}
