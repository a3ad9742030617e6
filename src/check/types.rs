//! Whether a value fits the type and the range of a parameter.

use std::collections::{BTreeMap, BTreeSet};

use super::size::Size;
use super::value::{Kind, Value, shape};
use crate::syntax::tree::{
    self, Comparison, Expr, ExprKind, Operator, Type, TypeArgument, TypeKind,
};
use crate::term::Term;

/// The sizes that a signature's names stand for, as far as the arguments have told.
pub type Sizes = BTreeMap<String, Size>;

/// Every type that a signature can name.
pub const TYPES: &[&str] = &[
    "Int",
    "Float",
    "Percent",
    "Bool",
    "Range",
    "Text",
    "Duration",
    "Dataset",
    "Split",
    "Augment",
    "Encoder",
    "Network",
    "Objective",
    "Optimizer",
    "Schedule",
    "Protocol",
    "Model",
    "Tensor",
    "Labels",
    "Image",
    "Label",
    "Feature",
];

/// Gives the value as the type wants it, or says what was wanted.
pub fn accept(value: &Value, wanted: &Type, sizes: &mut Sizes) -> Result<Value, String> {
    let fits = |kind: Kind| Ok(Value::new(kind, value.span));
    let refuse = || Err(describe(wanted));
    if value.is_poison() {
        return Ok(value.clone());
    }
    let (name, arguments) = match &wanted.kind {
        TypeKind::Choices(choices) => {
            return match &value.kind {
                Kind::Choice(Some(text), _)
                    if choices.iter().all(|choice| choice.text != *text) =>
                {
                    refuse()
                }
                Kind::Choice(chosen, _) => {
                    fits(Kind::Choice(chosen.clone(), choices.as_slice().into()))
                }
                _ => refuse(),
            };
        }
        TypeKind::Named(name, arguments) => (name.as_str(), arguments),
    };
    match (name, &value.kind) {
        ("Int", Kind::Int(_))
        | ("Float", Kind::Float(_))
        | ("Percent", Kind::Percent(_))
        | ("Bool", Kind::Bool(_))
        | ("Range", Kind::Range(_))
        | ("Text", Kind::Text(_))
        | ("Duration", Kind::Duration(_))
        | ("Dataset", Kind::Dataset(_))
        | ("Split", Kind::Split(_))
        | ("Augment", Kind::Augment(_))
        | ("Encoder", Kind::Encoder(_))
        | ("Network", Kind::Network(_) | Kind::Head(_))
        | ("Objective", Kind::Objective(_))
        | ("Optimizer", Kind::Optimizer(_))
        | ("Schedule", Kind::Schedule(_))
        | ("Protocol", Kind::Protocol(_))
        | ("Model", Kind::Model(_) | Kind::Encoder(_) | Kind::History(_)) => Ok(value.clone()),
        ("Float", Kind::Int(_)) => fits(Kind::Float(value.number())),
        ("Schedule", Kind::Float(_) | Kind::Int(_)) => {
            fits(Kind::Schedule(value.number().map(Term::Float)))
        }
        ("Tensor", Kind::Tensor(tensor)) => {
            unify(arguments.as_deref(), &tensor.shape, sizes)?;
            Ok(value.clone())
        }
        ("Labels", Kind::Labels(labels)) => {
            unify(arguments.as_deref(), &labels.shape, sizes)?;
            Ok(value.clone())
        }
        _ => refuse(),
    }
}

/// Matches a shape of the signature with a tensor's, solving the signature's names.
fn unify(wanted: Option<&[TypeArgument]>, found: &[Size], sizes: &mut Sizes) -> Result<(), String> {
    let Some(wanted) = wanted else { return Ok(()) };
    let pattern = |sizes: &Sizes| {
        let part = |argument: &TypeArgument| match argument {
            TypeArgument::Size(expr) => match (size(expr, sizes), &expr.kind) {
                (Some(size), ExprKind::Name(name)) => format!("{name} = {size}"),
                (Some(size), _) => size.to_string(),
                (None, ExprKind::Name(name)) => name.clone(),
                (None, _) => "?".to_owned(),
            },
            _ => "?".to_owned(),
        };
        format!("Tensor[{}]", wanted.iter().map(part).collect::<Vec<_>>().join(", "))
    };
    if wanted.len() != found.len() {
        return Err(pattern(sizes));
    }
    for (argument, found) in wanted.iter().zip(found) {
        let TypeArgument::Size(expr) = argument else { return Err(pattern(sizes)) };
        match (size(expr, sizes), &expr.kind) {
            (Some(wanted), _) if wanted == *found => {}
            (None, ExprKind::Name(name)) => {
                sizes.insert(name.clone(), found.clone());
            }
            _ => return Err(pattern(sizes)),
        }
    }
    Ok(())
}

/// The value of a size in a signature; `None` where a name in it is not known.
pub fn size(expr: &Expr, sizes: &Sizes) -> Option<Size> {
    match &expr.kind {
        ExprKind::Int(value) => Some(Size::constant(*value)),
        ExprKind::Name(name) => sizes.get(name).cloned(),
        ExprKind::Binary(first, rest) => {
            let mut total = size(first, sizes)?;
            for (operator, operand) in rest {
                let operand = size(operand, sizes)?;
                total = arithmetic(*operator, &total, &operand)?;
            }
            Some(total)
        }
        _ => None,
    }
}

pub fn arithmetic(operator: Operator, left: &Size, right: &Size) -> Option<Size> {
    match operator {
        Operator::Add => left.add(right, 1),
        Operator::Subtract => left.add(right, -1),
        Operator::Multiply => left.multiply(right),
        Operator::Divide => left.divide(right),
    }
}

/// The sizes in a type's brackets: those of `Tensor[n, d]`, of the `Feature[d]` in
/// `Encoder[Image[3, h, w] -> Feature[d]]`, …; a name that is unknown stays a name.
pub fn sizes_of(arguments: &[TypeArgument], sizes: &Sizes) -> Vec<Size> {
    let one = |argument: &TypeArgument| match argument {
        TypeArgument::Size(expr) => match (size(expr, sizes), &expr.kind) {
            (Some(size), _) => size,
            (None, ExprKind::Name(name)) => Size::symbol(name),
            (None, _) => Size::symbol("?"),
        },
        _ => Size::symbol("?"),
    };
    arguments.iter().map(one).collect()
}

/// A size in a type that no number holds although every name in it is known.
pub fn overflow<'t>(wanted: &'t Type, sizes: &Sizes) -> Option<&'t Expr> {
    let TypeKind::Named(_, arguments) = &wanted.kind else { return None };
    arguments.iter().flatten().find_map(|argument| match argument {
        TypeArgument::Rest(_) => None,
        TypeArgument::Type(inside) => overflow(inside, sizes),
        TypeArgument::Function(from, to) => overflow(from, sizes).or_else(|| overflow(to, sizes)),
        TypeArgument::Size(expr) => {
            let mut names = BTreeSet::new();
            tree::names(expr, &mut names);
            let is_known = names.iter().all(|name| sizes.contains_key(*name));
            (is_known && size(expr, sizes).is_none()).then_some(expr)
        }
    })
}

/// The argument of that name among a type's: the `Image[…]` or `Feature[…]` of an `Encoder[…]`.
pub fn inner<'t>(wanted: &'t Type, name: &str) -> Option<&'t [TypeArgument]> {
    let TypeKind::Named(own, arguments) = &wanted.kind else { return None };
    if own == name {
        return arguments.as_deref();
    }
    arguments.iter().flatten().find_map(|argument| match argument {
        TypeArgument::Type(inside) => inner(inside, name),
        TypeArgument::Function(from, to) => inner(from, name).or_else(|| inner(to, name)),
        TypeArgument::Size(_) | TypeArgument::Rest(_) => None,
    })
}

/// Whether it is the type of that name, whatever its arguments are.
pub fn is_named(wanted: &Type, name: &str) -> bool {
    matches!(&wanted.kind, TypeKind::Named(own, _) if own == name)
}

/// A type as it is written.
pub fn describe(wanted: &Type) -> String {
    match &wanted.kind {
        TypeKind::Choices(choices) => {
            choices.iter().map(|choice| choice.text.as_str()).collect::<Vec<_>>().join(" | ")
        }
        TypeKind::Named(name, arguments) if name == "Tensor" => {
            let name_of = |argument: &TypeArgument| match argument {
                TypeArgument::Size(Expr { kind: ExprKind::Name(name), .. }) => Size::symbol(name),
                other => sizes_of(std::slice::from_ref(other), &Sizes::new()).remove(0),
            };
            shape(&arguments.iter().flatten().map(name_of).collect::<Vec<_>>())
        }
        TypeKind::Named(name, _) => name.clone(),
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
