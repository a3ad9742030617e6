//! The ranges that signatures declare for their parameters.

use super::Checker;
use super::accept::satisfies;
use super::types::{Type, TypeName};
use crate::diagnostics::{Diagnostic, findings};
use crate::syntax::tree::{Bound, Expr, ExprKind, Parameter};
use crate::term::Unit;

/// Whether a number lies in the range of a parameter of that type. A limit that is none holds
/// nothing back: it is reported where it stands.
pub(super) fn holds(bound: Option<&Bound>, kind: &Type, number: f64) -> bool {
    let limit = |own: &Expr| limit(own, ordered(kind)?).ok();
    match bound {
        None => true,
        Some(Bound::Compare(comparison, own)) => {
            limit(own).is_none_or(|limit| satisfies(number, *comparison, limit))
        }
        Some(Bound::In(range)) => ends(range)
            .and_then(|[low, high]| Some(limit(low)?..=limit(high)?))
            .is_none_or(|range| range.is_empty() || range.contains(&number)),
    }
}

impl Checker<'_> {
    /// Reports a range that nothing could be held against.
    pub(super) fn check_bound(&mut self, parameter: &Parameter, kind: &Type) {
        let written = match &parameter.bound {
            None => return,
            Some(Bound::Compare(_, limit)) => vec![limit],
            Some(Bound::In(range)) => match ends(range) {
                Some(ends) => ends.to_vec(),
                None => {
                    let message = "`in` wants both ends of a range";
                    let error = Diagnostic::new(findings::TYPE_MISMATCH, range.span, message);
                    self.report(error.help("such as `in 0..=1`; one end alone is `> 0` or `<= 1`"));
                    return;
                }
            },
        };
        let Some(name) = ordered(kind) else {
            if !matches!(kind, Type::Unknown) {
                let message = format!("{kind} has no range");
                let error = Diagnostic::new(findings::TYPE_MISMATCH, written[0].span, message);
                self.report(error.help("numbers have one, and what is made of them"));
            }
            return;
        };
        let mut limits = Vec::new();
        for own in written {
            match limit(own, name) {
                Ok(limit) => limits.push(limit),
                Err((message, help)) => {
                    let error = Diagnostic::new(findings::TYPE_MISMATCH, own.span, message);
                    self.report(error.help(help));
                    return;
                }
            }
        }
        if let (Some(Bound::In(range)), [low, high]) = (&parameter.bound, &limits[..])
            && low > high
        {
            let message = "no number lies between these ends";
            let error = Diagnostic::new(findings::OUT_OF_RANGE, range.span, message);
            self.report(error.help("the lower one stands first"));
        }
    }
}

/// The type of a kind of values of which some lie above others.
fn ordered(kind: &Type) -> Option<TypeName> {
    use TypeName::{Duration, Float, Int, Percent, Range, Schedule};
    kind.name().filter(|own| [Duration, Float, Int, Percent, Range, Schedule].contains(own))
}

/// The number that a limit of a parameter of that type is, or why it is none and what would be one.
fn limit(written: &Expr, name: TypeName) -> Result<f64, (String, &'static str)> {
    let no_limit = |message: &str, help| Err((message.to_owned(), help));
    match (&written.kind, name) {
        (ExprKind::Negate(inner), _) => limit(inner, name).map(|value| -value),
        (ExprKind::Percent(value), TypeName::Percent) => Ok(*value),
        (ExprKind::Int(0), TypeName::Percent | TypeName::Duration) => Ok(0.0),
        (ExprKind::Float(0.0), TypeName::Percent | TypeName::Duration) => Ok(0.0),
        (ExprKind::Quantity(0.0, unit), TypeName::Duration)
            if Unit::named(&unit.text).is_some() =>
        {
            Ok(0.0)
        }
        (_, TypeName::Percent) => no_limit(
            "the limit of a Percent is a percentage",
            "write it with its sign: `in 0%..=100%`",
        ),
        (_, TypeName::Duration) => no_limit(
            "a Duration has no other limit than 0",
            "how long an epoch is in steps depends on the data",
        ),
        (ExprKind::Int(value), _) => Ok(*value as f64),
        (ExprKind::Float(value), _) => Ok(*value),
        (ExprKind::Percent(_) | ExprKind::Quantity(..), _) => {
            Err((format!("{} has no unit", name.text()), "write the number alone"))
        }
        _ => no_limit(
            "the limit of a range is a number as it is written",
            "names and arithmetic are none, as a range holds wherever the signature is used",
        ),
    }
}

fn ends(range: &Expr) -> Option<[&Expr; 2]> {
    match &range.kind {
        ExprKind::Range(low, high) => Some([low, high]),
        _ => None,
    }
}
