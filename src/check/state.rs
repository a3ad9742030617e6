//! The pipeline that is being checked: its declarations, its overrides, and what was found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::overrides::Override;
use super::pipeline::TypedStage;
use super::resolved::{Origin, Resolved};
use super::value::{Value, show};
use crate::resolve::ModuleId;
use crate::source::{FileId, Span};
use crate::syntax::tree::{self, Name};
use crate::term::{Output, Term};

/// The pipeline that is being checked.
#[derive(Default)]
pub(super) struct State<'a> {
    pub module: Option<ModuleId>,
    /// Whether some of its declarations could not be read.
    pub is_partial: bool,
    pub declarations: Vec<Declared<'a>>,
    /// The position of each declaration, by name, and of each stage among them.
    pub positions: HashMap<&'a str, usize>,
    pub stages: Vec<usize>,
    pub overrides: BTreeMap<String, Override>,
    pub used_overrides: BTreeSet<String>,
    /// Every path that an override could name.
    pub paths: BTreeSet<String>,
    /// Paths that an override cannot name, since several steps of a chain are called so, and the
    /// places of these.
    pub ambiguous: BTreeMap<String, Vec<Span>>,
    pub resolved: Vec<Resolved>,
    /// Where the values of overrides and profiles were written, and which these are.
    pub causes: HashMap<Span, Origin>,
    /// The texts of `-o`, as far as they have been evaluated.
    pub override_texts: BTreeSet<FileId>,
    pub in_override: bool,
    /// Parameters to which a profile gives a value, where none is chosen and nothing is to run.
    pub left_to_profiles: BTreeSet<&'a str>,
    /// Whether one of them has no other: without a profile it is no program.
    pub is_left_to_profiles: bool,
    pub has_profiles: bool,
}

pub(super) struct Declared<'a> {
    pub name: &'a Name,
    pub member: DeclaredAs<'a>,
    pub progress: Phase,
    pub used: bool,
    /// Whether it was reported that it hides something that is called.
    pub hides: bool,
    /// For a stage: its position among the stages, and itself once it is checked.
    pub stage: Option<usize>,
    pub typed: Option<TypedStage>,
}

#[derive(Clone, Copy)]
pub(super) enum DeclaredAs<'a> {
    Parameter(&'a tree::Parameter),
    Value(&'a tree::ValueDeclaration),
    Stage(&'a tree::StageDeclaration),
}

impl DeclaredAs<'_> {
    /// What people call such a declaration.
    pub fn word(&self) -> &str {
        match self {
            DeclaredAs::Parameter(_) => "parameter",
            DeclaredAs::Value(value) if value.kind.text == "let" => "value",
            DeclaredAs::Value(value) => &value.kind.text,
            DeclaredAs::Stage(_) => "stage",
        }
    }
}

pub(super) enum Phase {
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

    /// Where a value came from that is written there: all of the text of an override is from it.
    pub fn cause(&self, written: Span) -> Origin {
        match self.causes.get(&written) {
            Some(cause) => cause.clone(),
            None if self.override_texts.contains(&written.file) => Origin::Override,
            None => Origin::Text(written),
        }
    }

    /// Records a path that no override can name, since there are several places of that name.
    pub fn forbid_override(&mut self, path: String, places: Vec<Span>) {
        self.ambiguous.insert(path, places);
    }

    pub fn resolve_default(&mut self, path: Option<&str>, value: &Value, owner: &str) {
        self.resolve(path, value, Origin::Default(owner.to_owned(), value.span));
    }
}
