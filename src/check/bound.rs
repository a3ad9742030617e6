//! The ranges that signatures declare for their parameters.

use super::Checker;
use super::accept::satisfies;
use super::types::{Type, TypeName};
use crate::diagnostics::{Diagnostic, findings};
use crate::syntax::tree::{Bound, Expr, ExprKind, Parameter};

/// Whether a number lies in a declared range. One that could not be read is reported where it
/// stands.
pub(super) fn holds(bound: Option<&Bound>, number: f64) -> bool {
    match bound {
        None => true,
        Some(Bound::Compare(comparison, limit)) => {
            literal(limit).is_none_or(|limit| satisfies(number, *comparison, limit))
        }
        Some(Bound::In(range)) => {
            ends(range).is_none_or(|(low, high)| (low..=high).contains(&number))
        }
    }
}

impl Checker<'_> {
    /// Reports a range that nothing could be held against.
    pub(super) fn check_bound(&mut self, parameter: &Parameter, kind: &Type) {
        let written = match &parameter.bound {
            None => return,
            Some(Bound::Compare(_, limit)) => vec![limit],
            Some(Bound::In(range)) => match &range.kind {
                ExprKind::Range(low, high) => vec![&**low, &**high],
                _ => {
                    let message = "`in` wants both ends of a range";
                    let error = Diagnostic::new(findings::TYPE_MISMATCH, range.span, message);
                    self.report(error.help("such as `in 0..=1`; one end alone is `> 0` or `<= 1`"));
                    return;
                }
            },
        };
        let fault = match ordered(kind) {
            Some(name) => written.iter().find_map(|own| Some((own.span, fault(own, name)?))),
            None if matches!(kind, Type::Unknown) => None,
            None => Some((
                written[0].span,
                (format!("{kind} has no range"), "numbers have one, and what is made of them"),
            )),
        };
        if let Some((span, (message, help))) = fault {
            let error = Diagnostic::new(findings::TYPE_MISMATCH, span, message);
            self.report(error.help(help));
        } else if let Some(Bound::In(range)) = &parameter.bound
            && let Some((low, high)) = ends(range)
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

/// Why a limit is none for that type, and what would be one.
fn fault(limit: &Expr, name: TypeName) -> Option<(String, &'static str)> {
    let number = match &limit.kind {
        ExprKind::Negate(inner) => inner,
        _ => limit,
    };
    match (&number.kind, name) {
        (ExprKind::Percent(_), TypeName::Percent) => None,
        (_, TypeName::Percent) => Some((
            "the limit of a Percent is a percentage".to_owned(),
            "write it with its sign: `in 0%..=100%`",
        )),
        (ExprKind::Percent(_), _) => {
            Some((format!("{} is not counted in percent", name.text()), "write 0.1 for 10%"))
        }
        (ExprKind::Int(0) | ExprKind::Quantity(0.0, _), TypeName::Duration) => None,
        (_, TypeName::Duration) => Some((
            "a Duration has no other limit than 0".to_owned(),
            "how long an epoch is in steps depends on the data",
        )),
        (ExprKind::Int(_) | ExprKind::Float(_), _) => None,
        _ => Some((
            "the limit of a range is a number as it is written".to_owned(),
            "names and arithmetic are none, as a range holds wherever the signature is used",
        )),
    }
}

/// The number that a limit is.
fn literal(limit: &Expr) -> Option<f64> {
    match &limit.kind {
        ExprKind::Int(value) => Some(*value as f64),
        ExprKind::Float(value) | ExprKind::Percent(value) | ExprKind::Quantity(value, _) => {
            Some(*value)
        }
        ExprKind::Negate(inner) => literal(inner).map(|value| -value),
        _ => None,
    }
}

fn ends(range: &Expr) -> Option<(f64, f64)> {
    match &range.kind {
        ExprKind::Range(low, high) => Some((literal(low)?, literal(high)?)),
        _ => None,
    }
}
