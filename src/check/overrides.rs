//! Values given beside the text: `-o name=value` and profiles.

use super::Checker;
use super::bind::Fill;
use super::pipeline::Selection;
use super::resolved::Origin;
use super::types::Type;
use super::value::Value;
use crate::diagnostics::suggest::nearest;
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::source::{Sources, Span};
use crate::syntax::parse;
use crate::syntax::tree::{self, Expr, Member, Name};

/// A value for a parameter, an argument or a field, named by a dotted path.
#[derive(Clone, Debug)]
pub struct Override {
    pub path: Vec<Name>,
    pub value: Expr,
    pub origin: Origin,
}

impl Override {
    /// `moco.temperature`
    pub fn dotted(&self) -> String {
        dotted(&self.path)
    }

    /// Where its name stands.
    pub fn span(&self) -> Span {
        match self.path.as_slice() {
            [first, .., last] => first.span.to(last.span),
            [only] => only.span,
            [] => self.value.span,
        }
    }
}

pub fn dotted(path: &[Name]) -> String {
    path.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(".")
}

/// Reads `name=value` as it stands on a command line, by the grammar of the language.
pub fn parse(sources: &mut Sources, argument: &str) -> Result<Override, Diagnostics> {
    let file = sources.add("-o", argument);
    let wrong = |message: String| -> Diagnostics {
        let whole = Span { file, start: 0, end: argument.len() };
        let error = Diagnostic::new(findings::BAD_OVERRIDE, whole, message);
        error.help("write `-o epochs=\"400 epochs\"` or `-o moco.temperature=0.2`").into()
    };
    let Some(equals) = argument.find('=') else {
        return Err(wrong(format!("`-o {argument}` is no `name=value`")));
    };
    // The sign is one byte, so both ranges end at characters.
    let (name, value) = (0..equals, equals + 1..argument.len());
    if argument[name.clone()].trim().is_empty() {
        return Err(wrong(format!("`-o {argument}` names nothing to give a value to")));
    }
    if argument[value.clone()].trim().is_empty() {
        return Err(wrong(format!("`-o {argument}` gives no value")));
    }
    let path = parse::path(sources, file, name)?;
    let value = parse::expression(sources, file, value)?;
    Ok(Override { path, value, origin: Origin::Override })
}

impl<'a> Checker<'a> {
    pub(super) fn collect_overrides(
        &mut self,
        pipeline: &'a tree::Pipeline,
        selection: Selection<'_>,
    ) {
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

    /// Reports the overrides of a pipeline that name nothing, unless more than so many `errors` have
    /// been found: a declaration that is wrong, or could not be read, may hide the path.
    pub(super) fn unused_overrides(&mut self, errors: usize) {
        let mut modules = self.program.modules.iter();
        if self.errors() > errors || modules.any(|module| !module.tree.whole) {
            return;
        }
        let overrides = self.state.overrides.values();
        let unused = overrides.filter(|over| !self.state.used_overrides.contains(&over.dotted()));
        for over in unused.cloned().collect::<Vec<_>>() {
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
            let is_stage = self
                .state
                .stages
                .iter()
                .any(|position| self.state.declarations[*position].name.text == path);
            let error = match is_stage {
                true => {
                    error.help(format!("`{path}` is a stage: name a field of it, `{path}.batch`"))
                }
                false => match self.likely(&path) {
                    Some(likely) => error.help(format!("did you mean `{likely}`?")),
                    None => error,
                },
            };
            let error = match (&error.help, self.below(&path)) {
                (Some(_), _) => error,
                (None, Some((name, list))) => {
                    error.help(format!("below `{name}` there are {list}"))
                }
                (None, None) => {
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

    /// The path that is likely meant: one with the same last name, below the same first one or
    /// anywhere, or else one beside it whose name is near. What paths have in common before their last
    /// names would make all of them near.
    fn likely(&self, path: &str) -> Option<String> {
        if !self.diagnostics.wants_suggestions() {
            return None;
        }
        let paths = || self.state.paths.iter().map(String::as_str);
        let Some((within, last)) = path.rsplit_once('.') else {
            return nearest(path, paths()).map(str::to_owned);
        };
        let first = |path: &str| path.split('.').next().map(str::to_owned);
        let alike = || paths().filter(|own| own.rsplit('.').next() == Some(last));
        let below: Vec<&str> = alike().filter(|own| first(own) == first(path)).collect();
        for found in [below, alike().collect()] {
            match found[..] {
                [] => {}
                [one] => return Some(one.to_owned()),
                _ => return nearest(path, found).map(str::to_owned),
            }
        }
        let beside = paths().filter_map(|own| own.strip_prefix(within)?.strip_prefix('.'));
        let beside = beside.filter(|own| !own.contains('.'));
        nearest(last, beside).map(|near| format!("{within}.{near}"))
    }

    /// The longest beginning of a path below which there are names, and these.
    fn below(&self, path: &str) -> Option<(String, String)> {
        let ends = path.rmatch_indices('.').map(|(end, _)| &path[..end]);
        ends.into_iter().find_map(|name| {
            let own = self.state.paths.iter().filter_map(|path| path.strip_prefix(name));
            let own = own.filter_map(|rest| rest.strip_prefix('.'));
            let own: Vec<String> =
                own.filter(|rest| !rest.contains('.')).map(|rest| format!("`{rest}`")).collect();
            (!own.is_empty()).then(|| (name.to_owned(), own.join(", ")))
        })
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

    /// Evaluates an override in sight of the pipeline's names; on a command line nothing is
    /// imported, so there every registered name is in sight as well.
    pub(super) fn eval_override(
        &mut self,
        over: &Override,
        wanted: Option<&Type>,
        fill: Option<Fill>,
    ) -> Value {
        self.state.causes.insert(over.value.span, over.origin.clone());
        if let Origin::Override = over.origin {
            self.state.override_texts.insert(over.value.span.file);
        }
        let scope = self.root_scope();
        let before = self.state.in_override;
        self.state.in_override = matches!(over.origin, Origin::Override);
        let value = self.eval_filled(&over.value, &scope, wanted, Some(&over.dotted()), fill);
        self.state.in_override = before;
        value
    }
}
