//! Samples of a split: `data.train.sample(10%)`, a share, and `data.train.few(5)`, as many of each
//! class.

use super::length::most_of_a_class;
use super::value::{Kind, SplitValue, Value};
use super::{Checker, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::source::Span;
use crate::syntax::tree::{Argument, Expr, Name};
use crate::term::Share;

impl Checker<'_> {
    pub(super) fn sample(
        &mut self,
        base: &Expr,
        method: &Name,
        arguments: &[Argument],
        scope: &Scope,
        span: Span,
    ) -> Value {
        let is_few = method.text == "few";
        let (name, example) = match is_few {
            true => ("`few`", "`.few(5)`"),
            false => ("`sample`", "`.sample(10%)`"),
        };
        let split = match self.eval(base, scope, None, None) {
            Value { kind: Kind::Split(split), .. } => split,
            other => {
                if !other.is_poison() {
                    let message = format!("{} has no {name}", other.describe());
                    let error = Diagnostic::new(findings::UNKNOWN_FIELD, method.span, message);
                    self.report(
                        error.help(format!("a split has it: `data.train{}", &example[1..])),
                    );
                }
                return Value::poison(span);
            }
        };
        let what = if is_few { "one number" } else { "one share" };
        let [taken] = arguments else {
            let message = format!("{name} takes {what}");
            let error = Diagnostic::new(findings::MISSING_ARGUMENT, span, message);
            self.report(error.help(format!("write {example}")));
            return Value::poison(span);
        };
        let right = match is_few {
            true => "a number, as in `.few(5)`",
            false => "a share, as in `.sample(10%)`",
        };
        let Some(taken) = self.unnamed(taken, name, right) else {
            return Value::poison(span);
        };
        let taken = self.eval(taken, scope, None, None);
        let share = match is_few {
            true => self.few(&split, &taken),
            false => self.share(&split, &taken),
        };
        match share {
            Some(share) => Value::new(Kind::Split(SplitValue { share, ..split }), span),
            None => Value::poison(span),
        }
    }

    /// A share of a split. `None` where it is none, which is said; unknown where it is a parameter.
    fn share(&mut self, split: &SplitValue, taken: &Value) -> Option<Option<Share>> {
        let percent = match taken.kind {
            Kind::Percent(percent) => percent,
            Kind::Poison => return None,
            _ => {
                let message = format!("`sample` takes a Percent, not {}", taken.describe());
                let error = self.blame_use(findings::TYPE_MISMATCH, taken, message);
                self.report(error.help("write `.sample(10%)`"));
                return None;
            }
        };
        if percent.is_some_and(|percent| !(percent > 0.0 && percent <= 100.0)) {
            let message =
                format!("a share lies above 0% and at most at 100%: {}", taken.describe());
            let error = self.blame(findings::OUT_OF_RANGE, taken, message);
            self.report(error);
            return None;
        }
        if split.share.is_some_and(|share| share.each.is_some()) {
            let message = "a share of a few of each class is not taken";
            let error = self.blame_use(findings::TYPE_MISMATCH, taken, message);
            self.report(error.help("take the share first: `.sample(10%).few(5)`"));
            return None;
        }
        let both = split.share.zip(percent);
        Some(both.map(|(outer, inner)| Share { percent: outer.percent * inner / 100.0, ..outer }))
    }

    /// As many of each class.
    fn few(&mut self, split: &SplitValue, taken: &Value) -> Option<Option<Share>> {
        if !split.dataset.labeled {
            let message = "there are no classes to take a few of each: this dataset has no labels";
            let error = self.blame_use(findings::LABELS_MISSING, taken, message.to_owned());
            self.report(error.help("write a share of all: `.sample(10%)`"));
            return None;
        }
        let each = match &taken.kind {
            Kind::Int(size) => size.as_constant(),
            Kind::Poison => return None,
            _ => {
                let message =
                    format!("`few` takes how many of each class, not {}", taken.describe());
                let error = self.blame_use(findings::TYPE_MISMATCH, taken, message);
                self.report(error.help("write `.few(5)`; for a share write `.sample(10%)`"));
                return None;
            }
        };
        if each.is_some_and(|each| each < 1) {
            let message = format!("one of each class is the least: {}", taken.describe());
            let error = self.blame(findings::OUT_OF_RANGE, taken, message);
            self.report(error);
            return None;
        }
        let each = each.and_then(|each| usize::try_from(each).ok());
        if let Some((each, most)) = each.zip(most_of_a_class(split))
            && each > most
        {
            let message = format!("a class has at most {most} examples, not {each}");
            let error = self.blame(findings::OUT_OF_RANGE, taken, message);
            self.report(error.help("without `.few` all of them are taken"));
            return None;
        }
        let both = split.share.zip(each);
        Some(both.map(|(outer, each)| {
            let each = outer.each.map_or(each, |own| own.min(each));
            Share { each: Some(each), ..outer }
        }))
    }
}
