//! A pipeline as it is chosen, and as it is once every value of it is known.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Checker;
use super::objective::Written;
use super::overrides::Override;
use super::resolved::Resolved;
use super::stages::StageKind;
use super::state::{Declared, DeclaredAs, Phase, State};
use super::types::Reader;
use super::value::{Kind, ObjectiveValue, Value};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::ModuleId;
use crate::source::Span;
use crate::syntax::tree::{self, Member, Name};

/// Words that stand for no declared name where a value is read.
const RESERVED: [&str; 3] = ["if", "true", "false"];

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
    pub profile: Option<String>,
    /// What was given beside the text, by `-o` and by the profile, as far as it holds; not for
    /// names that nothing uses.
    pub overrides: Vec<Override>,
}

pub struct TypedStage {
    pub name: String,
    pub kind: StageKind,
    pub span: Span,
    pub fields: BTreeMap<String, Value>,
    /// Where each field was written, and the arguments of what made its value.
    pub places: BTreeMap<String, Written>,
}

impl TypedStage {
    /// What it minimizes, where it is a training.
    pub fn objective(&self) -> Option<&ObjectiveValue> {
        match self.fields.get("objective").map(|value| &value.kind) {
            Some(Kind::Objective(objective)) => Some(objective),
            _ => None,
        }
    }
}

impl<'a> Checker<'a> {
    /// Checks the selected pipeline, or every one of the root file under each of its profiles, and
    /// gives those that are right.
    pub(super) fn pipelines(&mut self, selection: Selection<'_>) -> Vec<TypedPipeline> {
        let program = self.program;
        let root = program.root;
        let pipelines = &program.module(root).tree.pipelines;
        if !selection.required && selection.pipeline.is_none() {
            let mut typed = Vec::new();
            for pipeline in pipelines {
                typed.extend(self.one(root, pipeline, selection.clone()));
                // Profiles are programs too: each is checked.
                for member in &pipeline.members {
                    if let Member::Profile(profile) = member
                        && !self.is_exhausted()
                    {
                        let name = &profile.name;
                        let end = profile.settings.last().map_or(name.span, |own| own.value.span);
                        self.profile = Some((name.span, name.span.to(end)));
                        let selection =
                            Selection { profile: Some(&name.text), ..selection.clone() };
                        typed.extend(self.one(root, pipeline, selection));
                        self.profile = None;
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
            return Vec::new();
        };
        self.one(root, pipeline, selection).into_iter().collect()
    }

    fn one(
        &mut self,
        module: ModuleId,
        pipeline: &'a tree::Pipeline,
        selection: Selection<'_>,
    ) -> Option<TypedPipeline> {
        let errors = self.errors();
        let is_partial = !pipeline.whole;
        let profiles = pipeline.members.iter().filter_map(|member| match member {
            Member::Profile(profile) => Some(profile),
            _ => None,
        });
        let is_left = selection.profile.is_none() && !selection.required;
        let given = profiles.clone().flat_map(|profile| &profile.settings).filter(|_| is_left);
        let left_to_profiles = given.filter_map(|own| match own.path.as_slice() {
            [name] => Some(name.text.as_str()),
            _ => None,
        });
        self.state = State {
            module: Some(module),
            is_partial,
            left_to_profiles: left_to_profiles.collect(),
            has_profiles: profiles.count() > 0,
            ..State::default()
        };
        self.declare(pipeline);
        let profile = selection.profile.map(str::to_owned);
        self.collect_overrides(pipeline, selection);
        for parameter in &pipeline.parameters {
            self.not_detached(parameter);
            let mut reader = Reader::default();
            let kind = reader.read(&parameter.kind);
            self.report_types(&reader.faults);
            self.check_bound(parameter, &kind);
        }
        if self.compared.is_some() {
            self.compare();
            return None;
        }
        for index in 0..self.state.declarations.len() {
            self.evaluate(index);
        }
        self.unused_overrides(errors);
        let unused = self.unused_declarations(pipeline);
        let has_stage = self.state.declarations.iter().any(|own| own.stage.is_some());
        if !has_stage && pipeline.whole {
            let error = Diagnostic::new(
                findings::NO_STAGE,
                pipeline.name.span,
                "this pipeline has no stage: nothing would run",
            );
            self.report(error.help("add a `pretrain`, `evaluate` or `finetune` block"));
        }
        if self.errors() > errors || self.state.is_left_to_profiles {
            return None;
        }
        let mut stages: Vec<(usize, TypedStage)> = Vec::new();
        for declaration in &mut self.state.declarations {
            if let (Some(position), Some(typed)) = (declaration.stage, declaration.typed.take()) {
                stages.push((position, typed));
            }
        }
        stages.sort_by_key(|(position, _)| *position);
        let is_used =
            |over: &Override| over.path.first().is_none_or(|first| !unused.contains(&first.text));
        let overrides = std::mem::take(&mut self.state.overrides).into_values();
        Some(TypedPipeline {
            name: pipeline.name.text.clone(),
            stages: stages.into_iter().map(|(_, stage)| stage).collect(),
            resolved: std::mem::take(&mut self.state.resolved),
            profile,
            overrides: overrides.filter(is_used).collect(),
        })
    }

    /// Evaluates stages until one of them differs.
    fn compare(&mut self) {
        self.spread();
        for index in self.state.stages.clone() {
            if self.compared.as_ref().is_some_and(|compared| compared.differs) {
                return;
            }
            self.evaluate(index);
        }
    }

    /// Adds what hangs on what is affected, until nothing is added.
    fn spread(&mut self) {
        let Some(compared) = &mut self.compared else { return };
        let is_value = |name: &&String| {
            let position = self.state.positions.get(name.as_str());
            position.is_some_and(|position| self.state.declarations[*position].stage.is_none())
        };
        compared.affected.extend(compared.path.first().filter(is_value).cloned());
        loop {
            let before = compared.affected.len();
            for own in &self.state.declarations {
                let expr = match own.member {
                    DeclaredAs::Parameter(parameter) => parameter.default.as_ref(),
                    DeclaredAs::Value(value) => Some(&value.value),
                    DeclaredAs::Stage(_) => None,
                };
                if expr.is_some_and(|expr| compared.affects(expr)) {
                    compared.affected.insert(own.name.text.clone());
                }
            }
            for over in self.state.overrides.values() {
                if let Some(first) = over.path.first().filter(|_| compared.affects(&over.value)) {
                    compared.affected.insert(first.text.clone());
                }
            }
            if compared.affected.len() == before {
                return;
            }
        }
    }

    fn declare(&mut self, pipeline: &'a tree::Pipeline) {
        let parameters = pipeline.parameters.iter();
        let mut all: Vec<(&Name, DeclaredAs<'a>)> = parameters
            .map(|parameter| (&parameter.name, DeclaredAs::Parameter(parameter)))
            .collect();
        let mut profiles: BTreeMap<&str, Span> = BTreeMap::new();
        for member in &pipeline.members {
            match member {
                Member::Value(value) => all.push((&value.name, DeclaredAs::Value(value))),
                Member::Stage(stage) => all.push((&stage.name, DeclaredAs::Stage(stage))),
                Member::Profile(profile) => {
                    let name = &profile.name;
                    if let Some(first) = profiles.insert(&name.text, name.span) {
                        let message = format!("there are two profiles `{}`", name.text);
                        let error = Diagnostic::new(findings::DUPLICATE_NAME, name.span, message);
                        self.report(error.also(first, "the first one"));
                    }
                }
            }
        }
        self.steps += all.len();
        for (name, member) in all {
            if RESERVED.contains(&name.text.as_str()) {
                let message = format!("`{}` is a word of the language", name.text);
                let error = Diagnostic::new(findings::SYNTAX_ERROR, name.span, message);
                self.report(error.help("choose another name"));
            }
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
                hides: false,
                stage,
                typed: None,
            });
        }
    }

    /// Reports the names that nothing uses, and gives them.
    fn unused_declarations(&mut self, pipeline: &tree::Pipeline) -> BTreeSet<String> {
        if self.errors() > 0 || !self.program.module(self.program.root).tree.whole {
            return BTreeSet::new();
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
        let unused: Vec<Name> = unused.map(|declaration| declaration.name.clone()).collect();
        for name in &unused {
            let message = format!("`{}` is never used", name.text);
            self.report(
                Diagnostic::new(findings::UNUSED_NAME, name.span, message).help("remove it"),
            );
        }
        unused.into_iter().map(|name| name.text).collect()
    }
}

/// A shared objective value.
pub(super) fn objective(value: Option<&Value>) -> Option<Rc<super::value::ObjectiveValue>> {
    match value.map(|value| &value.kind) {
        Some(Kind::Objective(objective)) => Some(Rc::clone(objective)),
        _ => None,
    }
}
