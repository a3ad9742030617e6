//! Whether a value fits the type of a parameter.

use super::types::{Brackets, Type, TypeName};
use super::unify::Solution;
use super::value::{Kind, Value};
use crate::syntax::tree::Comparison;
use crate::term::Term;

/// The value as the type wants it, the names of sizes in the type solved from it; `None` where it
/// does not fit.
pub fn accept(value: &Value, wanted: &Type, solution: &mut Solution) -> Option<Value> {
    let fits = |kind: Kind| Some(Value { kind, ..value.clone() });
    match (wanted, &value.kind) {
        (Type::Unknown, _) | (_, Kind::Poison) => Some(value.clone()),
        (Type::Choices(choices), Kind::Choice(Some(chosen), _)) => {
            let kind = Kind::Choice(Some(chosen.clone()), choices.clone());
            fits(kind).filter(|_| choices.contains(chosen))
        }
        // Which of its own names it is, each use of the define tells.
        (Type::Choices(choices), Kind::Choice(None, own)) => {
            let may_fit = own.iter().any(|name| choices.contains(name));
            fits(Kind::Choice(None, choices.clone())).filter(|_| may_fit)
        }
        (Type::Named(TypeName::Float, _), Kind::Int(_)) => fits(Kind::Float(value.number())),
        (Type::Named(TypeName::Schedule, _), Kind::Float(_) | Kind::Int(_)) => {
            fits(Kind::Schedule(value.number().map(Term::Float)))
        }
        (Type::Named(TypeName::Model, Brackets::Any), Kind::Encoder(_) | Kind::History(_)) => {
            Some(value.clone())
        }
        _ => {
            let found = value.kind.type_of()?;
            solution.unify(wanted, &found).then(|| value.clone())
        }
    }
}

/// Whether a number satisfies a bound.
pub fn satisfies(number: f64, comparison: Comparison, limit: f64) -> bool {
    match comparison {
        Comparison::Greater => number > limit,
        Comparison::GreaterEqual => number >= limit,
        Comparison::Less => number < limit,
        Comparison::LessEqual => number <= limit,
    }
}
