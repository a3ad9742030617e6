//! Where values come from: from the text that a user wrote, through names, parameters and the
//! library's own text, to the place where something is found to be wrong with them.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::objective::Written;
use super::value::Value;
use super::{Checker, MOST_FRAMES};
use crate::diagnostics::{Diagnostic, Finding, Label};
use crate::source::{self, FileId, Span};
use crate::syntax::lossless::SyntaxKind;

/// A place that a value came through, by its position in [`Origins`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginId(u32);

/// Places that a diagnostic shows between where a value was written and where it was found wrong.
const MOST_PASSES: usize = 3;

/// Every place that a value of one compilation came through.
#[derive(Debug)]
pub struct Origins {
    all: Vec<Passed>,
    /// The file that was asked for: the user's, although it may be one of the library.
    root: FileId,
}

/// Where a user wrote each argument of a call, by the name of its parameter.
pub type Places = Rc<BTreeMap<String, Span>>;

/// A place that a value came through.
#[derive(Clone, Debug)]
struct Passed {
    place: Span,
    /// The place before; none where it was written here.
    from: Option<OriginId>,
    /// The text of the user that it was made of, if there is any.
    written: Option<Span>,
    /// Of the call that made it.
    arguments: Option<Places>,
}

impl Origins {
    pub fn new(root: FileId) -> Self {
        Origins { all: Vec::new(), root }
    }

    /// Whether a user wrote the text there, and can change it.
    pub fn is_users(&self, place: Span) -> bool {
        place.file == self.root || !source::is_embedded(place.file)
    }

    /// The text of the user that a value was made of, if there is any.
    pub fn written(&self, value: &Value) -> Option<Span> {
        let before = value.origin.and_then(|id| self.get(id).written);
        before.or_else(|| Some(value.span).filter(|place| self.is_users(*place)))
    }

    fn get(&self, id: OriginId) -> &Passed {
        // An id is made by `add`, and nothing is ever removed.
        &self.all[id.0 as usize]
    }

    fn add(&mut self, passed: Passed) -> Option<OriginId> {
        // One for each step of the checker at most, of which there are fewer than numbers.
        let id = u32::try_from(self.all.len()).ok()?;
        self.all.push(passed);
        Some(OriginId(id))
    }

    /// The value where it is named at `span`.
    pub fn pass(&mut self, value: &Value, span: Span) -> Value {
        let written = self.written(value);
        let passed = Passed { place: value.span, from: value.origin, written, arguments: None };
        Value { kind: value.kind.clone(), span, origin: self.add(passed) }
    }

    /// The value of a define where it is used at `span`: a user who wrote the use wrote the value.
    pub fn expanded(&mut self, value: Value, span: Span) -> Value {
        let own = Some(span).filter(|place| self.is_users(*place));
        let written = own.or_else(|| self.written(&value));
        let passed = Passed { place: value.span, from: value.origin, written, arguments: None };
        Value { span, origin: self.add(passed), ..value }
    }

    /// The origin of a value that is computed at `span` of others. What a user computes is written
    /// where it is computed; what the library computes, where the first of its parts was written.
    pub fn computed<'v>(
        &mut self,
        span: Span,
        parts: impl IntoIterator<Item = &'v Value>,
    ) -> Option<OriginId> {
        if self.is_users(span) {
            return None;
        }
        let part = parts.into_iter().find(|part| self.written(part).is_some())?;
        let written = self.written(part);
        self.add(Passed { place: part.span, from: part.origin, written, arguments: None })
    }

    /// The origin of a value that a call at `span` makes of arguments written there.
    pub fn made(&mut self, span: Span, arguments: Places) -> Option<OriginId> {
        let own = Some(span).filter(|place| self.is_users(*place));
        let written = own.or_else(|| arguments.values().next().copied());
        self.add(Passed { place: span, from: None, written, arguments: Some(arguments) })
    }

    /// Where the arguments of the call were written that made a value.
    pub fn arguments(&self, value: &Value) -> Option<&Places> {
        let mut next = value.origin;
        while let Some(id) = next {
            let passed = self.get(id);
            if let Some(arguments) = &passed.arguments {
                return Some(arguments);
            }
            next = passed.from;
        }
        None
    }

    /// The text of the user that a value came through last.
    fn used(&self, value: &Value) -> Option<Span> {
        let (mut place, mut next) = (value.span, value.origin);
        while !self.is_users(place) {
            let passed = self.get(next?);
            (place, next) = (passed.place, passed.from);
        }
        Some(place)
    }

    /// The places of the user's text that a value came through since it was written, the latest
    /// first.
    fn passes(&self, value: &Value) -> Vec<Span> {
        let mut places = Vec::new();
        let mut next = value.origin;
        while let Some(id) = next
            && places.len() < MOST_PASSES
        {
            let passed = self.get(id);
            if Some(passed.place) == passed.written {
                break;
            }
            if self.is_users(passed.place) && !places.contains(&passed.place) {
                places.push(passed.place);
            }
            next = passed.from;
        }
        places
    }
}

impl Checker<'_> {
    /// Moves what was found in the text of the library to the user's text that led there, and names
    /// the uses of defines around it.
    pub(super) fn in_uses(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        let Some(found) = &mut diagnostic.primary else { return diagnostic };
        let outermost = self.outermost(found.span);
        if !self.origins.is_users(found.span) && outermost != found.span {
            let text = match found.text.as_str() {
                "" => "found here".to_owned(),
                text => format!("found here: {text}"),
            };
            let found = std::mem::replace(found, Label { span: outermost, text: String::new() });
            diagnostic.secondary.insert(0, Label { text, ..found });
        }
        let Some(primary) = diagnostic.place() else { return diagnostic };
        let is_written = self.origins.is_users(primary);
        let frames = self.stack.len();
        for (distance, frame) in self.stack.iter().rev().enumerate() {
            let is_near = distance < MOST_FRAMES / 2 || frames - distance <= MOST_FRAMES / 2;
            let Some(call) = frame.call.filter(|_| is_near) else { continue };
            // Where the user wrote it, what the library made of it says nothing more.
            if !call.holds(primary) && (self.origins.is_users(call) || !is_written) {
                diagnostic = diagnostic.also(call, format!("in this use of `{}`", frame.name));
            }
        }
        diagnostic
    }

    /// The text to blame for a value: where a user wrote it, and otherwise where it stands.
    pub(super) fn written(&self, value: &Value) -> Span {
        self.origins.written(value).unwrap_or(value.span)
    }

    /// The text to blame for an argument of the call that made a value.
    pub(super) fn argument(&self, value: &Value, name: &str) -> Span {
        let place = self.origins.arguments(value).and_then(|arguments| arguments.get(name));
        place.copied().unwrap_or_else(|| self.written(value))
    }

    /// The arguments of a call that a user wrote, and where.
    pub(super) fn places(&self, values: &BTreeMap<String, Value>) -> Places {
        let place =
            |(name, value): (&String, &Value)| Some((name.clone(), self.origins.written(value)?));
        Rc::new(values.iter().filter_map(place).collect())
    }

    /// The text of the user to blame for what is made at `span`.
    pub(super) fn written_at(&self, span: Span) -> Written {
        let place = if self.origins.is_users(span) { span } else { self.outermost(span) };
        Written { place, arguments: Places::default() }
    }

    /// Whether a number, with its unit, is all that is written there.
    pub(super) fn is_number(&self, place: Span) -> bool {
        matches!(self.syntax(place), Some(SyntaxKind::Number | SyntaxKind::Quantity))
    }

    /// Whether a member of the value written there can be named behind it.
    pub(super) fn is_postfix(&self, place: Span) -> bool {
        matches!(self.syntax(place), Some(SyntaxKind::Name | SyntaxKind::Chain))
    }

    /// What is written there, where it is one thing of a module.
    fn syntax(&self, place: Span) -> Option<SyntaxKind> {
        let mut modules = self.program.ids().map(|id| self.program.module(id));
        let module = modules.find(|module| module.file == place.file)?;
        let node = module.lossless.covering(place.start..place.end);
        (node.span() == place).then(|| node.kind())
    }

    /// A finding about how a value is used, at the text of the user that used it last.
    pub(super) fn blame_use(
        &self,
        finding: &'static Finding,
        value: &Value,
        message: impl Into<String>,
    ) -> Diagnostic {
        let used = self.origins.used(value).unwrap_or(value.span);
        let error = Diagnostic::new(finding, used, message);
        match value.span == used {
            true => error,
            false => error.also(value.span, "found here"),
        }
    }

    /// A finding about a value, at the text of the user that it was made of.
    pub(super) fn blame(
        &self,
        finding: &'static Finding,
        value: &Value,
        message: impl Into<String>,
    ) -> Diagnostic {
        let written = self.written(value);
        let mut error = Diagnostic::new(finding, written, message);
        for place in self.origins.passes(value) {
            if place != value.span {
                error = error.also(place, "handed on here");
            }
        }
        match value.span == written {
            true => error,
            false => error.also(value.span, "found here"),
        }
    }
}
