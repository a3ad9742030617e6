//! Facts that are computed: what a declaration states of a call, as an expression over the
//! arguments.
//!
//! They are computed in `f64`, which is exact up to 2^53 and has no overflow: arguments can be any
//! that a text writes. A test evaluates every fact of the library, so that none fails in a call
//! that the checker let through.

use super::{Declaration, declaration};
use crate::syntax::tree::{Expr, ExprKind, Name, Operator, TypeKind};
use crate::term::{Args, Call, Part, Term};

/// The name that stands for the size of the features that a module is given.
const INPUT: &str = "input";

/// How many examples a part of a dataset holds, known before it is loaded: the facts `train` and
/// `test`. `None` where `dataset` is of no declared dataset.
pub fn examples(dataset: &Call, part: Part) -> Option<usize> {
    let fact = match part {
        Part::Train => "train",
        Part::Test => "test",
    };
    let number = declaration(&dataset.name)?.number(fact, &dataset.args, None)?;
    number.ok().map(|number| number as usize)
}

/// How many numbers a module learns, running statistics left out: the fact `learns`. `input` is the
/// size of the features that it is given; where it is unknown, the count is a lower bound. `None`
/// where `module` is no call of a declared module.
pub fn learned(module: &Term, input: Option<usize>) -> Option<u128> {
    let Term::Call(call) = architecture(module) else { return None };
    let input = Some(input.unwrap_or(1));
    let number = declaration(&call.name)?.number("learns", &call.args, input)?;
    number.ok().map(|number| number as u128)
}

/// The constructor of a network, whose weights may come from a file: the fact `into`.
pub fn architecture(module: &Term) -> &Term {
    let Term::Call(call) = module else { return module };
    let into = declaration(&call.name).and_then(|declared| call.args.get(declared.named("into")?));
    into.map_or(module, architecture)
}

/// Whether a module is an encoder: made by a constructor of some, or by another stage.
pub fn is_encoder(module: &Term) -> bool {
    match architecture(module) {
        Term::Output(_) => true,
        Term::Call(call) => declaration(&call.name).is_some_and(|own| own.makes("Encoder")),
        _ => false,
    }
}

/// The call that takes the weights of a module from a file: the fact `loads` names the parameter
/// that says which.
pub fn loaded(module: &Term) -> Option<&Call> {
    let Term::Call(call) = module else { return None };
    declaration(&call.name)?.named("loads").map(|_| call)
}

impl Declaration {
    /// The number that a fact states of a call with these arguments, or what is wrong with the fact;
    /// `None` where nothing is stated under that name. `input` is what the name `input` stands for.
    pub fn number(
        &self,
        fact: &str,
        args: &Args,
        input: Option<usize>,
    ) -> Option<Result<f64, String>> {
        let fact = self.tree.facts.iter().find(|own| own.name.text == fact)?;
        let call = Given { declaration: self, args, input };
        Some(
            call.number(&fact.value)
                .map_err(|wrong| format!("`{}` of `{}`: {wrong}", fact.name.text, self.name())),
        )
    }
}

/// A call of what is declared.
struct Given<'c> {
    declaration: &'c Declaration,
    args: &'c Args,
    input: Option<usize>,
}

enum Stated<'c> {
    Number(f64),
    Bool(bool),
    Choice(&'c str),
}

impl<'c> Given<'c> {
    fn number(&self, expr: &'c Expr) -> Result<f64, String> {
        match self.value(expr)? {
            Stated::Number(number) => Ok(number),
            Stated::Bool(_) => Err("a truth value stands in the place of a number".to_owned()),
            Stated::Choice(name) => Err(format!("the choice `{name}` is no number")),
        }
    }

    fn value(&self, expr: &'c Expr) -> Result<Stated<'c>, String> {
        Ok(match &expr.kind {
            ExprKind::Int(value) => Stated::Number(*value as f64),
            ExprKind::Float(value) => Stated::Number(*value),
            ExprKind::Bool(value) => Stated::Bool(*value),
            ExprKind::Name(name) => self.named(name)?,
            ExprKind::Negate(inner) => Stated::Number(-self.number(inner)?),
            ExprKind::Binary(first, rest) => {
                let mut total = self.number(first)?;
                for (operator, operand) in rest {
                    let operand = self.number(operand)?;
                    match operator {
                        Operator::Add => total += operand,
                        Operator::Subtract => total -= operand,
                        Operator::Multiply => total *= operand,
                        Operator::Divide => total /= operand,
                    }
                }
                Stated::Number(total)
            }
            ExprKind::If(condition, yes, no) => {
                let Stated::Bool(holds) = self.value(condition)? else {
                    return Err("an `if` asks for a truth value".to_owned());
                };
                // Both, so that what is wrong with either shows in any call.
                let (yes, no) = (self.value(yes)?, self.value(no)?);
                if holds { yes } else { no }
            }
            ExprKind::Same(sides) => Stated::Bool(self.same(sides)?),
            _ => {
                return Err(
                    "numbers, parameters, `if` and `==` are all that it can hold".to_owned()
                );
            }
        })
    }

    fn named(&self, name: &'c str) -> Result<Stated<'c>, String> {
        if let Some(input) = self.input.filter(|_| name == INPUT) {
            return Ok(Stated::Number(input as f64));
        }
        match self.args.get(name) {
            Some(Term::Int(value)) => Ok(Stated::Number(*value as f64)),
            Some(Term::Float(value)) => Ok(Stated::Number(*value)),
            Some(Term::Percent(value)) => Ok(Stated::Number(*value)),
            Some(Term::Bool(value)) => Ok(Stated::Bool(*value)),
            Some(Term::Symbol(choice)) => Ok(Stated::Choice(choice)),
            Some(_) => Err(format!("`{name}` is neither a number nor a choice")),
            None => Err(format!("there is no parameter `{name}`")),
        }
    }

    /// Whether the two are equal; of choices one is a parameter, and both are among those of it.
    fn same(&self, sides: &'c [Expr; 2]) -> Result<bool, String> {
        let [left, right] = sides;
        let choices = self.choices(left).or_else(|| self.choices(right));
        let Some(choices) = choices else {
            return match (self.value(left)?, self.value(right)?) {
                (Stated::Number(left), Stated::Number(right)) => Ok(left == right),
                (Stated::Bool(left), Stated::Bool(right)) => Ok(left == right),
                _ => Err("`==` compares two that are not of one kind".to_owned()),
            };
        };
        let chosen = |side: &'c Expr| match &side.kind {
            ExprKind::Name(name) if self.choices(side).is_some() => match self.named(name)? {
                Stated::Choice(choice) => Ok(choice),
                _ => Err(format!("`{name}` is given no choice")),
            },
            ExprKind::Name(name) if choices.iter().any(|choice| choice.text == *name) => {
                Ok(name.as_str())
            }
            ExprKind::Name(name) => {
                Err(format!("`{name}` is no choice of what it is compared with"))
            }
            _ => Err("a choice is compared with a choice".to_owned()),
        };
        Ok(chosen(left)? == chosen(right)?)
    }

    /// The choices of the parameter that an expression names.
    fn choices(&self, expr: &Expr) -> Option<&'c [Name]> {
        let ExprKind::Name(name) = &expr.kind else { return None };
        let mut parameters = self.declaration.signature().parameters.iter();
        match &parameters.find(|own| own.name.text == *name)?.kind.kind {
            TypeKind::Choices(choices) => Some(choices),
            TypeKind::Named(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;
    use crate::syntax::parse;

    fn call(name: &str, args: &[(&str, Term)]) -> Call {
        let args = args.iter().map(|(name, term)| ((*name).to_owned(), term.clone()));
        Call { name: name.to_owned(), args: Args(args.collect()) }
    }

    fn symbol(name: &str) -> Term {
        Term::Symbol(name.to_owned())
    }

    fn residual(name: &str, stem: &str, width: i64) -> Term {
        Term::Call(call(name, &[("stem", symbol(stem)), ("width", Term::Int(width))]))
    }

    #[test]
    fn datasets_are_as_large_as_they_say() {
        let shapes = call("shapes", &[("train", Term::Int(30)), ("test", Term::Int(20))]);
        let of = |call: &Call| [Part::Train, Part::Test].map(|part| examples(call, part));
        assert_eq!(of(&shapes), [Some(30), Some(20)]);
        assert_eq!(of(&call("cifar10", &[])), [Some(50_000), Some(10_000)]);
        assert_eq!(of(&call("mlp", &[])), [None, None]);
    }

    /// As torchvision counts them, without `fc`.
    #[test]
    fn residual_networks_are_torchvisions() {
        for (name, numbers) in [
            ("resnet18", 11_689_512 - 513_000),
            ("resnet34", 21_797_672 - 513_000),
            ("resnet50", 25_557_032 - 2_049_000),
            ("resnet101", 44_549_160 - 2_049_000),
            ("wide_resnet50_2", 68_883_240 - 2_049_000),
            ("wide_resnet101_2", 126_886_696 - 2_049_000),
        ] {
            assert_eq!(learned(&residual(name, "imagenet", 64), None), Some(numbers), "{name}");
        }
    }

    #[test]
    fn no_width_overflows() {
        for width in [1 << 59, 1 << 60, 1 << 62, i64::MAX] {
            for name in ["resnet18", "resnet34", "resnet50", "convnet"] {
                assert!(learned(&residual(name, "small", width), None) > Some(1 << 100), "{name}");
            }
            let args = [
                ("hidden", Term::Int(width)),
                ("out", Term::Int(width)),
                ("layers", Term::Int(width)),
                ("norm", symbol("batch")),
                ("output_norm", symbol("batch")),
                ("bias", Term::Bool(true)),
            ];
            let wide = Term::Call(call("mlp", &args));
            assert!(learned(&wide, usize::try_from(width).ok()) > Some(1 << 100));
        }
    }

    /// What `fact: text` states of a call, where `width` is 3, `kind` is `small` and `bias` true.
    fn stated(text: &str) -> Result<f64, String> {
        let text = format!(
            "extern own(width: Int, kind: small | large, bias: Bool, share: Percent, part: Range) -> Augment {{ fact: {text} }}"
        );
        let mut sources = Sources::default();
        let file = sources.add("own.cpipe", text);
        let parsed = parse::file(&sources, file);
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        let tree = &Box::leak(Box::new(parsed.file)).externs[0];
        let args = [
            ("width", Term::Int(3)),
            ("kind", symbol("small")),
            ("bias", Term::Bool(true)),
            ("share", Term::Percent(10.0)),
            ("part", Term::Range(0.0, 1.0)),
        ];
        let declaration = Declaration { module: "own", tree };
        declaration.number("fact", &call("own", &args).args, Some(5)).expect("it is stated")
    }

    #[test]
    fn facts_are_arithmetic_over_the_arguments() {
        for (text, number) in [
            ("2 * width * width - input / 2", 15.5),
            ("-width + 1_000", 997.0),
            ("if kind == small { 1 } else { 2 }", 1.0),
            ("if large == kind { 1 } else { 2 }", 2.0),
            ("if bias { width } else { 0 }", 3.0),
            ("if width == 3.0 { 1 } else { 0 }", 1.0),
            ("if bias == false { 1 } else { 0 }", 0.0),
            ("share * (100 - share)", 900.0),
        ] {
            assert_eq!(stated(text), Ok(number), "{text}");
        }
    }

    /// Wherever it stands in the fact, and in every call.
    #[test]
    fn what_is_wrong_with_a_fact_is_said() {
        for (text, wrong) in [
            ("2 * widht", "there is no parameter `widht`"),
            ("if bias { 1 } else { widht }", "there is no parameter `widht`"),
            ("if kind == smal { 1 } else { 2 }", "`smal` is no choice of what it is compared with"),
            ("if kind == 3 { 1 } else { 2 }", "a choice is compared with a choice"),
            ("if bias == 1 { 1 } else { 2 }", "`==` compares two that are not of one kind"),
            ("if width { 1 } else { 2 }", "an `if` asks for a truth value"),
            ("kind * 2", "the choice `small` is no number"),
            ("bias", "a truth value stands in the place of a number"),
            ("part", "`part` is neither a number nor a choice"),
            ("width >> width", "numbers, parameters, `if` and `==` are all that it can hold"),
        ] {
            assert_eq!(stated(text), Err(format!("`fact` of `own`: {wrong}")), "{text}");
        }
    }
}
