//! Types, made once from the syntax.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::shape::{Dimension, Shape};
use super::size::{Rounding, Size, Symbol, SymbolKind};
use crate::source::Span;
use crate::syntax::tree::{self, Expr, ExprKind, Operator, TypeArgument, TypeKind};

/// A type of the language.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// What names no type, and was reported: everything fits it.
    Unknown,
    /// `small | imagenet`
    Choices(Rc<[String]>),
    /// `Tensor[n, d]`, `Encoder[Image[3, h, w] -> Feature[512]]`, `Split`
    Named(TypeName, Brackets),
}

/// What stands in the brackets of a type.
#[derive(Clone, Debug, PartialEq)]
pub enum Brackets {
    /// No brackets: whatever they could hold.
    Any,
    Shape(Shape),
    Types(Vec<Type>),
    Function(Box<[Type; 2]>),
}

macro_rules! names {
    ($($name:ident)*) => {
        /// The name of a type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TypeName {
            $($name),*
        }

        impl TypeName {
            pub const ALL: &[TypeName] = &[$(TypeName::$name),*];

            pub fn text(self) -> &'static str {
                match self {
                    $(TypeName::$name => stringify!($name)),*
                }
            }
        }
    };
}

names! {
    Int Float Percent Bool Range Text Duration
    Dataset Split Augment Encoder Network Objective Optimizer Schedule Protocol Model History
    Tensor Labels Index Image Label Feature
}

impl TypeName {
    pub fn parse(text: &str) -> Option<Self> {
        TypeName::ALL.iter().copied().find(|name| name.text() == text)
    }
}

impl TypeName {
    /// Whether it is one of tensors, which exist in objectives only.
    pub fn is_tensor(self) -> bool {
        matches!(self, TypeName::Tensor | TypeName::Labels | TypeName::Index)
    }
}

impl From<TypeName> for Type {
    fn from(name: TypeName) -> Self {
        Type::Named(name, Brackets::Any)
    }
}

impl Type {
    /// `Tensor[…]`, `Image[…]`, …
    pub fn shaped(name: TypeName, shape: Shape) -> Self {
        Type::Named(name, Brackets::Shape(shape))
    }

    pub fn name(&self) -> Option<TypeName> {
        match self {
            Type::Named(name, _) => Some(*name),
            _ => None,
        }
    }

    pub fn is(&self, name: TypeName) -> bool {
        self.name() == Some(name)
    }

    /// Whether it is one of tensors, which exist in objectives only.
    pub fn is_tensor(&self) -> bool {
        self.name().is_some_and(TypeName::is_tensor)
    }

    /// The shape in its own brackets.
    pub fn shape(&self) -> Option<&Shape> {
        match self {
            Type::Named(_, Brackets::Shape(shape)) => Some(shape),
            _ => None,
        }
    }

    /// The shape of the type called `name` in it: of the `Feature[…]` in `Encoder[… -> Feature[d]]`.
    pub fn part(&self, name: TypeName) -> Option<&Shape> {
        let Type::Named(own, arguments) = self else { return None };
        match arguments {
            Brackets::Shape(shape) if *own == name => Some(shape),
            Brackets::Any | Brackets::Shape(_) => None,
            Brackets::Types(types) => types.iter().find_map(|inner| inner.part(name)),
            Brackets::Function(sides) => sides.iter().find_map(|inner| inner.part(name)),
        }
    }
}

/// A type as it is written.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, arguments) = match self {
            Type::Unknown => return f.write_str("something unknown"),
            Type::Choices(choices) => return f.write_str(&choices.join(" | ")),
            Type::Named(name, arguments) => (name, arguments),
        };
        f.write_str(name.text())?;
        match arguments {
            Brackets::Any => Ok(()),
            Brackets::Shape(shape) => write!(f, "[{shape}]"),
            Brackets::Types(types) => {
                let types: Vec<String> = types.iter().map(Type::to_string).collect();
                write!(f, "[{}]", types.join(", "))
            }
            Brackets::Function(sides) => write!(f, "[{} -> {}]", sides[0], sides[1]),
        }
    }
}

/// What is wrong with a type as it is written.
pub enum TypeFault {
    /// There is no type of that name.
    UnknownName(Span, String),
    /// What stands in its brackets fits no type.
    Brackets(Span, &'static str),
}

/// Makes types of the syntax of one signature, in which equal names are one size.
#[derive(Default)]
pub struct Reader {
    pub symbols: BTreeMap<String, Symbol>,
    pub faults: Vec<TypeFault>,
}

impl Reader {
    fn symbol(&mut self, name: &str) -> Symbol {
        let fresh = || Symbol::fresh(name, SymbolKind::Pattern);
        self.symbols.entry(name.to_owned()).or_insert_with(fresh).clone()
    }

    pub fn read(&mut self, written: &tree::TypeExpr) -> Type {
        let (name, arguments) = match &written.kind {
            TypeKind::Choices(choices) => {
                // `float` is a choice of one word, which nobody wants.
                if let [only] = choices.as_slice()
                    && TypeName::ALL.iter().any(|own| own.text().eq_ignore_ascii_case(&only.text))
                {
                    self.faults.push(TypeFault::UnknownName(only.span, only.text.clone()));
                    return Type::Unknown;
                }
                return Type::Choices(choices.iter().map(|choice| choice.text.clone()).collect());
            }
            TypeKind::Named(name, arguments) => (name, arguments),
        };
        let arguments = arguments.as_deref().map(|arguments| self.arguments(written, arguments));
        match TypeName::parse(name) {
            Some(name) => Type::Named(name, arguments.unwrap_or(Brackets::Any)),
            None => {
                self.faults.push(TypeFault::UnknownName(written.span, name.clone()));
                Type::Unknown
            }
        }
    }

    fn arguments(&mut self, written: &tree::TypeExpr, arguments: &[TypeArgument]) -> Brackets {
        let mut shape = Shape::default();
        let mut types = Vec::new();
        for argument in arguments {
            match argument {
                TypeArgument::Size(expr) => {
                    shape.0.push(Dimension::Size(self.size(expr)));
                }
                TypeArgument::Rest(name) => {
                    if shape.rest().is_some() {
                        let message = "a shape has one part of any length: with two, none is known";
                        self.faults.push(TypeFault::Brackets(name.span, message));
                    } else {
                        shape.0.push(Dimension::Rest(self.symbol(&name.text)));
                    }
                }
                TypeArgument::Type(inner) => types.push(self.read(inner)),
                TypeArgument::Function(from, to) => {
                    let sides = Box::new([self.read(from), self.read(to)]);
                    if arguments.len() > 1 {
                        let message = "`->` stands alone in the brackets of a type";
                        self.faults.push(TypeFault::Brackets(written.span, message));
                    }
                    return Brackets::Function(sides);
                }
            }
        }
        match (shape.0.is_empty(), types.is_empty()) {
            (_, true) => Brackets::Shape(shape),
            (true, false) => Brackets::Types(types),
            (false, false) => {
                let message = "sizes and types do not stand in the same brackets";
                self.faults.push(TypeFault::Brackets(written.span, message));
                Brackets::Any
            }
        }
    }

    /// The size that an expression in brackets is.
    fn size(&mut self, expr: &Expr) -> Size {
        let size = match &expr.kind {
            ExprKind::Int(value) => Some(Size::constant(*value)),
            ExprKind::Name(name) => Some(Size::symbol(self.symbol(name))),
            ExprKind::Binary(first, rest) => {
                rest.iter().try_fold(self.size(first), |total, (operator, operand)| {
                    arithmetic(*operator, &total, &self.size(operand))
                })
            }
            ExprKind::Call(callee, arguments) => match (&callee.kind, arguments.as_slice()) {
                (ExprKind::Name(name), [only]) if name == "floor" && only.name.is_none() => {
                    self.floor(&only.value)
                }
                _ => None,
            },
            _ => None,
        };
        size.unwrap_or_else(|| {
            let message =
                "a size is made of names and whole numbers by `+ - * /` and `floor(a / b)`";
            self.faults.push(TypeFault::Brackets(expr.span, message));
            Size::default()
        })
    }

    fn floor(&mut self, expr: &Expr) -> Option<Size> {
        match &expr.kind {
            ExprKind::Binary(first, rest) => match rest.as_slice() {
                [(Operator::Divide, by)] => {
                    let (above, below) = (self.size(first), self.size(by));
                    above.divide(&below, Rounding::Floor)
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// `None` where there is no such size.
pub fn arithmetic(operator: Operator, left: &Size, right: &Size) -> Option<Size> {
    match operator {
        Operator::Add => left.add(right, 1),
        Operator::Subtract => left.add(right, -1),
        Operator::Multiply => left.multiply(right),
        Operator::Divide => left.divide(right, Rounding::Exact),
    }
}
