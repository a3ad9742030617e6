//! A pipeline's parameters, values and stages, evaluated as they refer to each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::bind::{Fill, What};
use super::overrides::{Override, dotted};
use super::stages::{self, StageKind};
use super::types::{Reader, Type};
use super::unify::Solution;
use super::value::{Kind, Value, show};
use super::{Checker, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::ModuleId;
use crate::source::{Sources, Span};
use crate::syntax::tree::{self, Argument, Member, Name};
use crate::term::{Output, Term};

/// What to compile: which pipeline of the file, under which profile, with which overrides.
#[derive(Clone, Debug, Default)]
pub struct Selection<'s> {
    pub pipeline: Option<&'s str>,
    pub profile: Option<&'s str>,
    pub overrides: Vec<Override>,
    /// Whether a file without a pipeline is an error.
    pub required: bool,
}

/// A pipeline whose every value is known and fits.
pub struct TypedPipeline {
    pub name: String,
    /// In the order of the text; an output names its stage by position here.
    pub stages: Vec<TypedStage>,
    pub resolved: Vec<Resolved>,
}

pub struct TypedStage {
    pub name: String,
    pub kind: StageKind,
    pub span: Span,
    pub fields: BTreeMap<String, Value>,
}

/// A value of the pipeline and where it came from.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub path: String,
    pub value: String,
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug)]
pub enum Origin {
    Text(Span),
    /// A name in the text, whose value came from there.
    Named(Span, Box<Origin>),
    Profile(String, Span),
    /// `-o` on the command line.
    Override,
    /// The default of the named signature.
    Default(String, Span),
}

impl Origin {
    pub fn show(&self, sources: &Sources) -> String {
        match self {
            Origin::Text(span) => sources.place(*span),
            Origin::Named(span, from) => {
                let from = match **from {
                    // In the same text, line and column say enough.
                    Origin::Text(place) if place.file == span.file => {
                        let (line, column) = sources.position(place);
                        format!("{line}:{column}")
                    }
                    ref from => from.show(sources),
                };
                format!("{}, from {from}", sources.place(*span))
            }
            Origin::Profile(name, span) => format!("profile {name}, {}", sources.place(*span)),
            Origin::Override => "-o".to_owned(),
            Origin::Default(name, span) => format!("default of {name}, {}", sources.place(*span)),
        }
    }
}

/// The pipeline that is being checked.
#[derive(Default)]
pub(super) struct State<'a> {
    module: Option<ModuleId>,
    /// Whether some of its declarations could not be read.
    pub is_partial: bool,
    declarations: Vec<Declared<'a>>,
    /// The position of each declaration, by name, and of each stage among them.
    positions: HashMap<&'a str, usize>,
    stages: Vec<usize>,
    overrides: BTreeMap<String, Override>,
    used_overrides: BTreeSet<String>,
    /// Every path that an override could name.
    paths: BTreeSet<String>,
    /// Paths that an override cannot name, since several steps of a chain are called so, and the
    /// places of these.
    ambiguous: BTreeMap<String, Vec<Span>>,
    resolved: Vec<Resolved>,
    /// Where the values of overrides and profiles were written, and which these are.
    causes: HashMap<Span, Origin>,
    pub in_override: bool,
}

struct Declared<'a> {
    name: &'a Name,
    member: DeclaredAs<'a>,
    progress: Phase,
    used: bool,
    /// For a stage: its position among the stages, and itself once it is checked.
    stage: Option<usize>,
    typed: Option<TypedStage>,
}

#[derive(Clone, Copy)]
enum DeclaredAs<'a> {
    Parameter(&'a tree::Parameter),
    Value(&'a tree::ValueDeclaration),
    Stage(&'a tree::StageDeclaration),
}

enum Phase {
    Waiting,
    Running,
    Done(Box<Value>),
}

impl State<'_> {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.declarations.iter().map(|declaration| declaration.name.text.as_str())
    }

    pub fn declares(&self, name: &str) -> bool {
        self.positions.contains_key(name)
    }

    /// The override of that path, if there is one.
    pub fn take_override(&mut self, path: &str) -> Option<Override> {
        self.paths.insert(path.to_owned());
        let over = self.overrides.get(path)?.clone();
        self.used_overrides.insert(path.to_owned());
        Some(over)
    }

    /// Records a value and its origin.
    pub fn resolve(&mut self, path: Option<&str>, value: &Value, origin: Origin) {
        if let (Some(path), Some(value)) = (path, self.show(value)) {
            self.resolved.push(Resolved { path: path.to_owned(), value, origin });
        }
    }

    /// A value as people read it: an output by the name of its stage.
    fn show(&self, value: &Value) -> Option<String> {
        if let Some(Term::Output(Output { stage, output })) = value.term() {
            let name = self.declarations[*self.stages.get(stage)?].name;
            return Some(format!("{}.{output}", name.text));
        }
        show(value)
    }

    /// Records a path that no override can name, since there are several places of that name.
    pub fn forbid_override(&mut self, path: String, places: Vec<Span>) {
        self.ambiguous.insert(path, places);
    }

    pub fn resolve_default(&mut self, path: Option<&str>, value: &Value, owner: &str) {
        self.resolve(path, value, Origin::Default(owner.to_owned(), value.span));
    }
}

impl<'a> Checker<'a> {
    /// Checks every pipeline of the root file, and gives the selected one.
    pub(super) fn pipeline(&mut self, selection: Selection<'_>) -> Option<TypedPipeline> {
        let program = self.program;
        let root = program.root;
        let pipelines = &program.module(root).tree.pipelines;
        if !selection.required && selection.pipeline.is_none() {
            let mut typed = None;
            for pipeline in pipelines {
                typed = self.one(root, pipeline, selection.clone());
                // Profiles are programs too: each is checked.
                for member in &pipeline.members {
                    if let Member::Profile(profile) = member
                        && !self.is_exhausted()
                    {
                        let profile = Some(profile.name.text.as_str());
                        self.one(root, pipeline, Selection { profile, ..selection.clone() });
                    }
                }
            }
            return typed;
        }
        let names: Vec<&str> =
            pipelines.iter().map(|pipeline| pipeline.name.text.as_str()).collect();
        let chosen = match (selection.pipeline, pipelines.as_slice()) {
            (Some(name), _) => pipelines.iter().find(|pipeline| pipeline.name.text == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some(pipeline) = chosen else {
            let file = &program.module(root).name;
            let error = match (selection.pipeline, pipelines.is_empty()) {
                (_, true) => Diagnostic::general(
                    findings::NO_PIPELINE,
                    format!("{file} declares no pipeline"),
                )
                .help("declare one: `pipeline name(…) { … }`"),
                (Some(name), _) => {
                    let message = format!("{file} has no pipeline `{name}`");
                    Diagnostic::general(findings::UNKNOWN_PIPELINE, message)
                        .help(format!("it has {}", names.join(", ")))
                        .nearest(name, names)
                }
                (None, _) => {
                    let message =
                        format!("{file} declares several pipelines: {}", names.join(", "));
                    Diagnostic::general(findings::SEVERAL_PIPELINES, message)
                        .help("choose one with `--pipeline NAME`")
                }
            };
            // A file that could not be read whole may have lost its pipeline to an error above.
            if !self.diagnostics.has_errors() && program.module(root).tree.items_whole {
                self.report(error);
            }
            return None;
        };
        self.one(root, pipeline, selection)
    }

    fn one(
        &mut self,
        module: ModuleId,
        pipeline: &'a tree::Pipeline,
        selection: Selection<'_>,
    ) -> Option<TypedPipeline> {
        let errors = self.errors();
        let is_partial = !pipeline.whole;
        self.state = State { module: Some(module), is_partial, ..State::default() };
        self.declare(pipeline);
        self.collect_overrides(pipeline, selection);
        for parameter in &pipeline.parameters {
            self.not_detached(parameter);
            let mut reader = Reader::default();
            reader.read(&parameter.kind);
            self.report_types(&reader.faults);
        }
        for index in 0..self.state.declarations.len() {
            self.evaluate(index);
        }
        self.unused_overrides();
        self.unused_declarations(pipeline);
        let has_stage = self.state.declarations.iter().any(|own| own.stage.is_some());
        if !has_stage && pipeline.whole {
            let error = Diagnostic::new(
                findings::NO_STAGE,
                pipeline.name.span,
                "this pipeline has no stage: nothing would run",
            );
            self.report(error.help("add a `pretrain`, `evaluate` or `finetune` block"));
        }
        if self.errors() > errors {
            return None;
        }
        let mut stages: Vec<(usize, TypedStage)> = Vec::new();
        for declaration in &mut self.state.declarations {
            if let (Some(position), Some(typed)) = (declaration.stage, declaration.typed.take()) {
                stages.push((position, typed));
            }
        }
        stages.sort_by_key(|(position, _)| *position);
        Some(TypedPipeline {
            name: pipeline.name.text.clone(),
            stages: stages.into_iter().map(|(_, stage)| stage).collect(),
            resolved: std::mem::take(&mut self.state.resolved),
        })
    }

    fn declare(&mut self, pipeline: &'a tree::Pipeline) {
        let parameters = pipeline.parameters.iter();
        let mut all: Vec<(&Name, DeclaredAs<'a>)> = parameters
            .map(|parameter| (&parameter.name, DeclaredAs::Parameter(parameter)))
            .collect();
        for member in &pipeline.members {
            match member {
                Member::Value(value) => all.push((&value.name, DeclaredAs::Value(value))),
                Member::Stage(stage) => all.push((&stage.name, DeclaredAs::Stage(stage))),
                Member::Profile(_) => {}
            }
        }
        self.steps += all.len();
        for (name, member) in all {
            let position = self.state.declarations.len();
            if let Some(first) = self.state.positions.get(name.text.as_str()) {
                let first = self.state.declarations[*first].name.span;
                let error = Diagnostic::new(
                    findings::DUPLICATE_NAME,
                    name.span,
                    format!("`{}` is declared twice", name.text),
                );
                self.report(error.also(first, "the first time"));
                continue;
            }
            self.state.positions.insert(&name.text, position);
            let stage = matches!(member, DeclaredAs::Stage(_)).then_some(self.state.stages.len());
            self.state.stages.extend(stage.map(|_| position));
            let progress = Phase::Waiting;
            self.state.declarations.push(Declared {
                name,
                member,
                progress,
                used: false,
                stage,
                typed: None,
            });
        }
    }

    fn collect_overrides(&mut self, pipeline: &'a tree::Pipeline, selection: Selection<'_>) {
        let profiles = pipeline.members.iter().filter_map(|member| match member {
            Member::Profile(profile) => Some(profile),
            _ => None,
        });
        let profiles: Vec<&tree::Profile> = profiles.collect();
        if let Some(wanted) = selection.profile {
            match profiles.iter().find(|profile| profile.name.text == wanted) {
                Some(profile) => {
                    for setting in &profile.settings {
                        let origin = Origin::Profile(wanted.to_owned(), setting.value.span);
                        let over = Override {
                            path: setting.path.clone(),
                            value: setting.value.clone(),
                            origin,
                        };
                        let path = dotted(&setting.path);
                        if self.state.overrides.insert(path.clone(), over).is_some() {
                            self.error(
                                findings::DUPLICATE_NAME,
                                setting.value.span,
                                format!("`{path}` is set twice"),
                            );
                        }
                    }
                }
                None if !pipeline.whole => {}
                None => {
                    let names = profiles.iter().map(|profile| profile.name.text.as_str());
                    let message = format!("`{}` has no profile `{wanted}`", pipeline.name.text);
                    let error =
                        Diagnostic::new(findings::UNKNOWN_PROFILE, pipeline.name.span, message);
                    let list: Vec<&str> = names.clone().collect();
                    let error = match list.is_empty() {
                        true => error.help("it declares none"),
                        false => error.help(format!("it has {}", list.join(", "))),
                    };
                    self.report(error.nearest(wanted, names));
                }
            }
        }
        // An override replaces the whole of what it names, arguments that the profile set included.
        for over in &selection.overrides {
            let below = format!("{}.", over.dotted());
            self.state.overrides.retain(|path, _| !path.starts_with(&below));
        }
        for over in selection.overrides {
            self.state.overrides.insert(over.dotted(), over);
        }
    }

    fn unused_overrides(&mut self) {
        let overrides = self.state.overrides.values();
        let unused = overrides.filter(|over| !self.state.used_overrides.contains(&over.dotted()));
        for over in unused.cloned().collect::<Vec<_>>() {
            // A declaration that is wrong, or could not be read, may hide the path.
            let mut modules = self.program.modules.iter();
            if self.diagnostics.has_errors() || modules.any(|module| !module.tree.whole) {
                return;
            }
            let path = over.dotted();
            if let Some(error) = self.ambiguous(&over) {
                self.report(error);
                continue;
            }
            let error = Diagnostic::new(
                findings::UNKNOWN_PARAMETER,
                over.span(),
                format!("nothing is called `{path}`"),
            );
            let near = self.state.paths.iter().map(String::as_str);
            let error = error.nearest(&path, near);
            let error = match error.help {
                Some(_) => error,
                None => {
                    let top = self.state.paths.iter().filter(|path| !path.contains('.'));
                    let list: Vec<&str> = top.map(String::as_str).collect();
                    error.help(format!(
                        "the parameters are {}; below a name, `name.argument`",
                        list.join(", ")
                    ))
                }
            };
            self.report(error);
        }
    }

    /// The error of an override below a name that several steps of a chain have.
    fn ambiguous(&self, over: &Override) -> Option<Diagnostic> {
        let path = over.dotted();
        let is_below = |step: &str| {
            path.strip_prefix(step).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let (step, places) = self.state.ambiguous.iter().find(|(step, _)| is_below(step))?;
        let message = format!("`{step}` is {} steps of its chain", places.len());
        let mut error = Diagnostic::new(findings::AMBIGUOUS_PARAMETER, over.span(), message);
        for place in places {
            error = error.also(*place, "one of them");
        }
        let (_, name) = step.rsplit_once('.')?;
        Some(error.help(format!(
            "name the step that is meant, `augment step = {name}(…)`, write `step` in the chain, \
             and override `step`"
        )))
    }

    fn unused_declarations(&mut self, pipeline: &tree::Pipeline) {
        if self.errors() > 0 || !self.program.module(self.program.root).tree.whole {
            return;
        }
        // By the text as a whole: a profile that is not selected uses what it names, and what it
        // replaces uses its names without it.
        let mut named = BTreeSet::new();
        let defaults = pipeline.parameters.iter().filter_map(|own| own.default.as_ref());
        let members = pipeline.members.iter().flat_map(Member::exprs);
        defaults.chain(members).for_each(|expr| tree::names(expr, &mut named));
        let unused = self
            .state
            .declarations
            .iter()
            .filter(|own| !own.used && own.stage.is_none())
            .filter(|own| !named.contains(own.name.text.as_str()));
        for name in unused.map(|declaration| declaration.name.clone()).collect::<Vec<_>>() {
            let message = format!("`{}` is never used", name.text);
            self.report(
                Diagnostic::new(findings::UNUSED_NAME, name.span, message).help("remove it"),
            );
        }
    }

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

    fn evaluate(&mut self, index: usize) {
        if !matches!(self.state.declarations[index].progress, Phase::Waiting) {
            return;
        }
        self.state.declarations[index].progress = Phase::Running;
        let member = self.state.declarations[index].member;
        // The text of the file, although an override names it first.
        let in_override = std::mem::take(&mut self.state.in_override);
        let value = match member {
            DeclaredAs::Parameter(parameter) => self.parameter(parameter),
            DeclaredAs::Value(value) => self.value_declaration(value),
            DeclaredAs::Stage(stage) => self.stage_declaration(stage, index),
        };
        self.state.in_override = in_override;
        self.state.declarations[index].progress = Phase::Done(Box::new(value));
    }

    fn root_scope(&self) -> Scope {
        let module = self.state.module.unwrap_or(self.program.root);
        Scope { in_pipeline: true, ..Scope::new(module, BTreeMap::new()) }
    }

    /// Evaluates an override in sight of the pipeline's names; on a command line nothing is
    /// imported, so there every registered name is in sight as well.
    pub(super) fn eval_override(
        &mut self,
        over: &Override,
        wanted: Option<&Type>,
        fill: Option<Fill>,
    ) -> Value {
        self.state.causes.insert(over.value.span, over.origin.clone());
        let scope = self.root_scope();
        let before = self.state.in_override;
        self.state.in_override = matches!(over.origin, Origin::Override);
        let value = self.eval_filled(&over.value, &scope, wanted, Some(&over.dotted()), fill);
        self.state.in_override = before;
        value
    }

    /// Records a value of the text, through whatever names it came there.
    pub(super) fn resolve_text(&mut self, path: Option<&str>, value: &Value) {
        let written = self.written(value);
        let origin = match self.state.causes.get(&written) {
            _ if written == value.span => Origin::Text(value.span),
            Some(cause) => Origin::Named(value.span, Box::new(cause.clone())),
            None => Origin::Named(value.span, Box::new(Origin::Text(written))),
        };
        self.state.resolve(path, value, origin);
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
        let value = self.fit(value, parameter, &kind, &mut Solution::default(), What::Argument);
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
        let typed = TypedStage { name: name.clone(), kind: *kind, span, fields: bound.values };
        let errors = self.errors();
        self.check_stage(&typed);
        if self.errors() > errors {
            return Value::poison(stage.name.span);
        }
        self.state.declarations[index].typed = Some(typed);
        Value::new(Kind::Stage(position), stage.name.span)
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
                let known = typed.kind.outputs();
                let error = Diagnostic::new(findings::UNKNOWN_FIELD, name.span, message).help(help);
                self.report(error.misspelled(&name.text, known.iter().copied()));
                Kind::Poison
            }
        }
    }
}

fn argument(field: &tree::Binding) -> Argument {
    Argument { name: Some(field.name.clone()), value: field.value.clone() }
}

/// A shared objective value.
pub(super) fn objective(value: Option<&Value>) -> Option<Rc<super::value::ObjectiveValue>> {
    match value.map(|value| &value.kind) {
        Some(Kind::Objective(objective)) => Some(Rc::clone(objective)),
        _ => None,
    }
}
