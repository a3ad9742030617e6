//! A pipeline checked again under another selection, to find out what a part of it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::overrides::Override;
use super::pipeline::{Selection, TypedPipeline};
use super::value::{Kind, ObjectiveValue, Value};
use super::{Checker, MOST_STEPS, Signatures};
use crate::resolve::Program;
use crate::syntax::tree::{self, Expr};
use crate::term::Term;

/// What the fields of the stages of a pipeline are, by the names of both.
#[derive(Clone)]
pub struct Fields(Arc<BTreeMap<String, BTreeMap<String, Option<Term>>>>);

impl Fields {
    pub fn of(typed: &TypedPipeline) -> Self {
        let stages = typed.stages.iter().map(|stage| (stage.name.clone(), terms(&stage.fields)));
        Fields(Arc::new(stages.collect()))
    }
}

fn terms(fields: &BTreeMap<String, Value>) -> BTreeMap<String, Option<Term>> {
    let others = fields.iter().filter(|(name, _)| is_compared(name));
    others.map(|(name, value)| (name.clone(), value.term())).collect()
}

const OBJECTIVE: &str = "objective";

/// That of a fine-tuning is made of its other fields.
fn is_compared(field: &str) -> bool {
    field != OBJECTIVE
}

/// A comparison of the fields of stages, under way.
pub(super) struct Compared {
    what: What,
    /// The path of the override that is left out.
    pub path: Vec<String>,
    /// The declarations that may hang on it, as far as names tell; of stages, those of which another
    /// override does.
    pub affected: BTreeSet<String>,
    pub differs: bool,
}

enum What {
    /// All fields but objectives, which are unknown, and what hangs on them. They are compared with
    /// these.
    Fields(Fields),
    /// Objectives alone, by the names of their stages: whoever asks compares them.
    Objectives(Vec<(String, Rc<ObjectiveValue>)>),
}

impl Compared {
    fn new(what: What, without: &Override) -> Self {
        let path = without.path.iter().map(|name| name.text.clone()).collect();
        Compared { what, path, affected: BTreeSet::new(), differs: false }
    }

    /// Whether objectives are known.
    pub fn has_objectives(&self) -> bool {
        matches!(self.what, What::Objectives(_))
    }

    /// Whether an expression names what may have changed.
    pub fn affects(&self, expr: &Expr) -> bool {
        let mut named = BTreeSet::new();
        tree::names(expr, &mut named);
        named.into_iter().any(|name| self.affected.contains(name))
    }

    /// Whether a field of a stage may differ, which the text gives as `expr`. What nothing in it
    /// names has the value that it had.
    pub fn may_differ(&self, stage: &str, field: &str, expr: Option<&Expr>) -> bool {
        if self.has_objectives() && field != OBJECTIVE {
            return false;
        }
        let own = [stage, field];
        let is_given = self.path.iter().zip(own).all(|(given, own)| given == own);
        is_given || self.affected.contains(stage) || expr.is_some_and(|expr| self.affects(expr))
    }

    /// Whether a field of a stage differs, as far as it is known.
    pub fn field(&mut self, stage: &str, name: &str, value: &Value) -> bool {
        match &mut self.what {
            What::Fields(before) => {
                let before = before.0.get(stage).and_then(|fields| fields.get(name));
                let is_known = is_compared(name) && !value.is_poison();
                self.differs |= is_known && before != Some(&value.term());
            }
            What::Objectives(found) => {
                if let Kind::Objective(objective) = &value.kind {
                    found.push((stage.to_owned(), objective.clone()));
                }
            }
        }
        self.differs
    }

    /// Takes all the fields of a stage: of those that need no value, one may be missing.
    pub fn stage(&mut self, name: &str, fields: &BTreeMap<String, Value>) {
        let What::Fields(before) = &self.what else { return };
        let before = before.0.get(name);
        let fields = fields.keys().filter(|name| is_compared(name));
        self.differs |= before.is_some_and(|before| !fields.eq(before.keys()));
    }
}

/// Checks pipelines of a program that is right again, as often as a number of steps allows.
pub struct Again<'p> {
    program: &'p Program,
    steps: usize,
    most: usize,
    /// What was read for one check serves the next.
    signatures: Signatures<'p>,
}

impl<'p> Again<'p> {
    /// One of `parts` that share the steps of one compilation.
    pub fn new(program: &'p Program, parts: usize) -> Self {
        let most = MOST_STEPS / parts.max(1);
        Again { program, steps: 0, most, signatures: Signatures::new() }
    }

    /// Whether there are steps left for another check.
    pub fn may_check(&self) -> bool {
        self.steps <= self.most
    }

    /// The pipeline under that selection; none where it is wrong so, or the steps are used up.
    pub fn check(&mut self, selection: Selection<'_>) -> Option<TypedPipeline> {
        let (_, typed) = self.with(Checker::new(self.program), selection);
        typed
    }

    /// Whether a field of a stage is not under that selection, which leaves one override out, what it
    /// is with it. Most of a check goes into objectives; none is expanded to tell this, and none is
    /// compared.
    pub fn changes_a_field(
        &mut self,
        without: &Override,
        selection: Selection<'_>,
        before: &Fields,
    ) -> bool {
        let compared = Compared::new(What::Fields(before.clone()), without);
        self.compared(compared, selection).differs
    }

    /// The objectives that may not be under that selection what they are with the override that it
    /// leaves out, by the names of their stages. Nothing else is evaluated.
    pub fn objectives(
        &mut self,
        without: &Override,
        selection: Selection<'_>,
    ) -> Vec<(String, Rc<ObjectiveValue>)> {
        let compared = Compared::new(What::Objectives(Vec::new()), without);
        match self.compared(compared, selection).what {
            What::Objectives(found) => found,
            What::Fields(_) => Vec::new(),
        }
    }

    fn compared(&mut self, compared: Compared, selection: Selection<'_>) -> Compared {
        let checker = Checker { compared: Some(compared), ..Checker::new(self.program) };
        let (checker, _) = self.with(checker, selection);
        checker.compared.expect("a checker that compares goes on comparing")
    }

    fn with(
        &mut self,
        mut checker: Checker<'p>,
        selection: Selection<'_>,
    ) -> (Checker<'p>, Option<TypedPipeline>) {
        checker.steps = self.steps;
        checker.signatures = std::mem::take(&mut self.signatures);
        let typed = checker.pipelines(Selection { required: true, ..selection });
        self.steps = checker.steps;
        self.signatures = std::mem::take(&mut checker.signatures);
        (checker, typed.into_iter().next())
    }
}
