//! Modules to a typed pipeline: values evaluated, `define`s expanded, types, units, ranges and
//! shapes checked.

mod accept;
mod again;
mod alone;
mod bind;
mod bound;
mod call;
mod chain;
mod chance;
mod construct;
mod declarations;
mod declared;
mod define;
mod evaluation;
mod export;
mod expr;
mod flow;
mod given;
mod groups;
mod helper;
mod left;
mod length;
mod memory;
mod network;
pub mod objective;
mod operate;
mod order;
mod orders;
mod origin;
mod overrides;
mod pipeline;
mod queue;
mod resolved;
mod sample;
pub mod shape;
#[cfg(test)]
mod shapes;
mod signature;
pub mod size;
mod stages;
mod state;
mod tokens;
pub mod types;
mod unify;
pub mod value;
mod views;

pub use again::{Again, Fields};
pub use chance::has_chance;
pub use declared::{
    declared_classes, declared_size, declared_sizes, examples_at_most, examples_of,
};
pub use helper::helper;
pub use overrides::{Override, parse as parse_override};
pub use pipeline::{Selection, TypedPipeline, TypedStage};
pub use resolved::{Origin, Resolved};
pub use stages::{STAGES, StageKind};
pub use views::compares_pairs;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::diagnostics::{Diagnostic, Diagnostics, Finding, Severity, findings};
use crate::resolve::{ModuleId, Program};
use crate::source::Span;
use crate::syntax::tree;

use objective::Builder;
use origin::Origins;
use signature::TypedSignature;
use size::Size;
use value::Value;

/// Expansions of defines in one compilation. The largest method takes about ten; a program that
/// takes thousands doubles itself.
const MOST_EXPANSIONS: usize = 5_000;

/// Expressions evaluated and names declared in one compilation, those of every expansion and every
/// profile counted anew. The pipelines of the library take some hundreds; this many take about a
/// second.
const MOST_STEPS: usize = 500_000;

/// Expressions that wait for one another: nested in a text, through names and through defines.
/// Each takes a part of the stack.
const DEEPEST: usize = 128;

/// Uses of defines that an error shows around it: the innermost and the outermost half of these.
const MOST_FRAMES: usize = 8;

/// Checks every define of the user's modules on its own, then the selected pipeline, or each of them
/// under each of its profiles. A test checks those of the library.
pub fn check(program: &Program, selection: Selection<'_>) -> (Vec<TypedPipeline>, Diagnostics) {
    let mut checker = Checker::new(program);
    for (module, index) in order::callees_first(program) {
        checker.define_alone(module, index);
    }
    let typed = checker.pipelines(selection);
    (typed, checker.diagnostics)
}

struct Checker<'a> {
    program: &'a Program,
    diagnostics: Diagnostics,
    /// The objective being built, while one is.
    builder: Option<Builder>,
    /// The defines being expanded, outermost first, and where each was called.
    stack: Vec<Frame>,
    expansions: usize,
    /// Steps taken so far, and how many expressions are waiting for their parts.
    steps: usize,
    depth: usize,
    /// Whether the defines that are checked on their own are given their defaults: what these leave
    /// unread, other arguments may read.
    with_defaults: bool,
    /// The profile that is checked after its pipeline, by its name and from there to its end: what is
    /// found only now, its settings bring.
    profile: Option<(Span, Span)>,
    /// Whether a define is checked on its own: its parameters stand for whatever they may be given.
    is_alone: bool,
    /// What was found before each branch that is looked at and not taken, one in the other.
    aside: Vec<Found>,
    /// Limits that have been reported: what lies beyond them says nothing more.
    exceeded: BTreeSet<&'static str>,
    /// What was found to be too large for the machine.
    too_large: BTreeSet<Span>,
    /// Defines that are wrong by themselves: their expansions say nothing more.
    broken: BTreeSet<(ModuleId, usize)>,
    state: state::State<'a>,
    next_id: usize,
    /// Names that a module has to import and does not, as far as they have been reported.
    unimported: BTreeSet<(ModuleId, String)>,
    /// Errors that were reported elsewhere and are not repeated.
    silent: usize,
    origins: Origins,
    signatures: Signatures<'a>,
    /// What the fields of the stages are compared with, where only that is asked.
    compared: Option<again::Compared>,
}

/// What has been found, and what keeps it from being told again.
#[derive(Default)]
struct Found {
    diagnostics: Diagnostics,
    silent: usize,
    exceeded: BTreeSet<&'static str>,
    too_large: BTreeSet<Span>,
}

/// Those read so far, by the place of their trees.
type Signatures<'a> = HashMap<*const tree::Signature, Rc<TypedSignature<'a>>>;

struct Frame {
    define: (ModuleId, usize),
    name: String,
    call: Option<Span>,
}

/// The names that an expression can see.
struct Scope {
    module: ModuleId,
    locals: BTreeMap<String, Value>,
    /// What the names of sizes in the signature stand for.
    sizes: BTreeMap<String, Size>,
    used: RefCell<BTreeSet<String>>,
    /// Whether the declarations of the pipeline are in sight.
    in_pipeline: bool,
}

impl Scope {
    fn new(module: ModuleId, locals: BTreeMap<String, Value>) -> Self {
        let sizes = BTreeMap::new();
        Scope { module, locals, sizes, used: RefCell::default(), in_pipeline: false }
    }
}

impl<'a> Checker<'a> {
    fn new(program: &'a Program) -> Self {
        Checker {
            program,
            diagnostics: Diagnostics::default(),
            builder: None,
            stack: Vec::new(),
            expansions: 0,
            steps: 0,
            depth: 0,
            with_defaults: false,
            profile: None,
            exceeded: BTreeSet::new(),
            too_large: BTreeSet::new(),
            broken: BTreeSet::new(),
            state: state::State::default(),
            next_id: 0,
            unimported: BTreeSet::new(),
            silent: 0,
            origins: Origins::new(program.module(program.root).file),
            signatures: HashMap::new(),
            compared: None,
            is_alone: false,
            aside: Vec::new(),
        }
    }

    /// Puts aside what has been found, and begins with nothing.
    fn set_aside(&mut self) {
        let found = Found {
            diagnostics: std::mem::take(&mut self.diagnostics),
            silent: self.silent,
            exceeded: self.exceeded.clone(),
            too_large: self.too_large.clone(),
        };
        self.aside.push(found);
    }

    /// Takes up again what was put aside last, and gives what has been found since.
    fn take_up(&mut self) -> Diagnostics {
        let Some(before) = self.aside.pop() else { return Diagnostics::default() };
        self.exchange(before).diagnostics
    }

    /// Puts what was found in the place of what is there, and gives that.
    fn exchange(&mut self, found: Found) -> Found {
        let Found { diagnostics, silent, exceeded, too_large } = found;
        Found {
            diagnostics: std::mem::replace(&mut self.diagnostics, diagnostics),
            silent: std::mem::replace(&mut self.silent, silent),
            exceeded: std::mem::replace(&mut self.exceeded, exceeded),
            too_large: std::mem::replace(&mut self.too_large, too_large),
        }
    }

    /// Does what belongs to the program, whoever asks for it first: what it finds is not put aside.
    fn for_all(&mut self, work: impl FnOnce(&mut Self)) {
        let mut aside = std::mem::take(&mut self.aside);
        if let Some(first) = aside.first_mut() {
            let outer = std::mem::take(first);
            let inner = self.exchange(outer);
            work(self);
            *first = self.exchange(inner);
        } else {
            work(self);
        }
        self.aside = aside;
    }

    /// Reports, naming the expansion it happened in.
    fn report(&mut self, diagnostic: Diagnostic) {
        let mut diagnostic = self.in_uses(diagnostic);
        if let Some((name, whole)) = self.profile
            && !diagnostic.place().is_some_and(|place| whole.holds(place))
        {
            diagnostic = diagnostic.also(name, "with what this profile sets");
        }
        self.keep(diagnostic);
    }

    fn keep(&mut self, diagnostic: Diagnostic) {
        let (errors, is_error) =
            (self.diagnostics.errors(), diagnostic.severity() == Severity::Error);
        self.diagnostics.push(diagnostic);
        // What was found before is still wrong here.
        self.silent += usize::from(is_error && self.diagnostics.errors() == errors);
    }

    fn error(&mut self, finding: &'static Finding, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::new(finding, span, message));
    }

    /// Whether a name that means nothing may be declared where the text could not be read: what
    /// depends on it says nothing more.
    fn may_be_unread(&mut self, scope: &Scope) -> bool {
        let items_whole = self.program.module(scope.module).tree.items_whole;
        let is_whole = items_whole && !(scope.in_pipeline && self.state.is_partial);
        self.silent += usize::from(!is_whole);
        !is_whole
    }

    /// How many errors there have been so far.
    fn errors(&self) -> usize {
        self.diagnostics.errors() + self.silent
    }

    /// Whether one more expression may be evaluated; says why not, once.
    fn may_evaluate(&mut self, span: Span) -> bool {
        self.steps += 1;
        if self.is_exhausted() {
            let message = format!("this program takes more than {MOST_STEPS} steps to check");
            self.exceed(
                findings::TOO_MANY_STEPS,
                span,
                message,
                "a list of that length is data, no program",
            );
            return false;
        }
        if self.depth >= DEEPEST {
            let message = format!("more than {DEEPEST} values wait for one another here");
            let help = "shorten the row of names or defines that lead here";
            self.exceed(findings::NESTING_TOO_DEEP, span, message, help);
            return false;
        }
        true
    }

    fn is_exhausted(&self) -> bool {
        self.steps > MOST_STEPS
    }

    /// Reports a limit at the first place beyond it, without the whole tower of uses.
    fn exceed(&mut self, finding: &'static Finding, span: Span, message: String, help: &str) {
        match self.exceeded.insert(finding.name) {
            true => self.diagnostics.push(Diagnostic::new(finding, span, message).help(help)),
            false => self.silent += 1,
        }
    }

    /// The place in the user's text that led to a place in a define of the library: the last one,
    /// beyond which all is the library's.
    fn outermost(&self, span: Span) -> Span {
        let mut calls = self.stack.iter().rev().filter_map(|frame| frame.call);
        calls.find(|call| self.origins.is_users(*call)).unwrap_or(span)
    }

    fn fresh_id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id
    }
}
