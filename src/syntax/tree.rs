//! The syntax tree: what stands in a text, with spans, before any name has a meaning.

use std::collections::BTreeSet;

use crate::source::Span;

/// A name where it stands.
#[derive(Clone, Debug)]
pub struct Name {
    pub text: String,
    pub span: Span,
}

#[derive(Clone, Debug, Default)]
pub struct File {
    /// `//!` at the top, without the marks.
    pub doc: String,
    pub uses: Vec<Use>,
    pub defines: Vec<Define>,
    pub externs: Vec<Extern>,
    pub pipelines: Vec<Pipeline>,
    /// Whether all of its items could be read, except perhaps lines inside of them. What could not
    /// be read may declare any name.
    pub items_whole: bool,
    /// Whether all of the text could be read. What could not be read may use any name.
    pub whole: bool,
}

/// `use std.augment.{a, b}`: each imported name is one entry with its whole path.
#[derive(Clone, Debug)]
pub struct Use {
    /// Starts with a dot: relative to the file's folder.
    pub relative: bool,
    /// The path without the imported name.
    pub module: Vec<Name>,
    pub name: Name,
}

#[derive(Clone, Debug)]
pub struct Define {
    pub signature: Signature,
    pub body: Vec<Statement>,
    pub body_span: Span,
    /// Whether all of the body could be read.
    pub whole: bool,
}

/// What Rust implements: a constructor, or a kind of stage.
#[derive(Clone, Debug)]
pub struct Extern {
    pub signature: Signature,
    /// Of a kind of stage, what it yields; the result of its signature says nothing then.
    pub outputs: Option<Vec<Parameter>>,
    /// What the checker needs to know of it beside its types: `{ keeps: rows }`.
    pub facts: Vec<Binding>,
    /// Whether all of its facts could be read.
    pub whole: bool,
}

/// A name, its parameters and what it makes; shared by defines and externs.
#[derive(Clone, Debug)]
pub struct Signature {
    pub doc: String,
    pub name: Name,
    pub parameters: Vec<Parameter>,
    pub result: TypeExpr,
    /// From the name to the end of the result.
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Parameter {
    pub doc: String,
    pub name: Name,
    /// `detached name: TypeExpr`: no gradient flows back through it.
    pub detached: Option<Span>,
    /// `name?: TypeExpr`: may be left out, and has no default.
    pub optional: bool,
    pub kind: TypeExpr,
    pub bound: Option<Bound>,
    pub default: Option<Expr>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum Bound {
    Compare(Comparison, Expr),
    In(Expr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

#[derive(Clone, Debug)]
pub struct TypeExpr {
    pub kind: TypeKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `small | imagenet`
    Choices(Vec<Name>),
    /// `Tensor[n, d]`, `Encoder[Image[3, h, w] -> Feature[512]]`
    ///
    /// Without brackets there are no arguments, which is not the same as none in brackets.
    Named(String, Option<Vec<TypeArgument>>),
}

#[derive(Clone, Debug)]
pub enum TypeArgument {
    Type(TypeExpr),
    Function(TypeExpr, TypeExpr),
    Size(Expr),
    /// `..s`: any number of sizes.
    Rest(Name),
}

#[derive(Clone, Debug)]
pub enum Statement {
    Let(Binding),
    Given(Given),
    Minimize(Expr),
    Report(Binding),
    Export(Binding),
    /// The value of a define that is no objective.
    Result(Expr),
}

/// `let name = value`, `report name = value`, `export name = value`.
#[derive(Clone, Debug)]
pub struct Binding {
    pub name: Name,
    pub value: Expr,
}

/// What an objective asks a batch for.
#[derive(Clone, Debug)]
pub struct Given {
    pub views: Vec<Views>,
    /// The classes of the examples.
    pub labels: Vec<Name>,
    /// Which examples they are.
    pub indices: Vec<Name>,
    pub span: Span,
}

impl Given {
    /// All that it names.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.views.iter().map(|own| &own.name).chain(&self.labels).chain(&self.indices)
    }
}

/// `a`, one view, or `a[4]`, as many.
#[derive(Clone, Debug)]
pub struct Views {
    pub name: Name,
    pub count: Option<Expr>,
}

#[derive(Clone, Debug)]
pub struct Pipeline {
    pub doc: String,
    pub name: Name,
    pub parameters: Vec<Parameter>,
    /// From the name to the end of the parameters.
    pub head: Span,
    pub members: Vec<Member>,
    /// Whether all of its members could be read.
    pub whole: bool,
}

#[derive(Clone, Debug)]
pub enum Member {
    Value(ValueDeclaration),
    Stage(StageDeclaration),
    Profile(Profile),
}

/// `kind name = value`; `let` is a kind like any other here.
#[derive(Clone, Debug)]
pub struct ValueDeclaration {
    pub kind: Name,
    pub name: Name,
    pub value: Expr,
}

#[derive(Clone, Debug)]
pub struct StageDeclaration {
    pub kind: Name,
    pub name: Name,
    pub fields: Vec<Binding>,
    /// Whether all of its fields could be read.
    pub whole: bool,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Profile {
    pub doc: String,
    pub name: Name,
    pub settings: Vec<Setting>,
}

/// `moco.temperature: 0.2`
#[derive(Clone, Debug)]
pub struct Setting {
    pub path: Vec<Name>,
    pub value: Expr,
}

#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum ExprKind {
    Int(i64),
    /// Infinite where what is written is too large, which is said where it is read.
    Float(f64),
    Percent(f64),
    /// A number with a unit, which may be unknown; whether it was written without a point.
    Quantity(f64, Name),
    Bool(bool),
    Text(String),
    Name(String),
    /// Operators of one precedence, left to right.
    Binary(Box<Expr>, Vec<(Operator, Expr)>),
    /// `a >> b >> c`
    Pipe(Vec<Expr>),
    Range(Box<Expr>, Box<Expr>),
    Negate(Box<Expr>),
    Call(Box<Expr>, Vec<Argument>),
    Access(Box<Expr>, Name),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a == b`
    Same(Box<[Expr; 2]>),
}

#[derive(Clone, Debug)]
pub struct Argument {
    pub name: Option<Name>,
    pub value: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Statement {
    /// The expressions in the statement.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Statement::Let(binding) | Statement::Report(binding) | Statement::Export(binding) => {
                vec![&binding.value]
            }
            Statement::Minimize(expr) | Statement::Result(expr) => vec![expr],
            Statement::Given(given) => {
                given.views.iter().filter_map(|own| own.count.as_ref()).collect()
            }
        }
    }
}

impl Member {
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Member::Value(value) => vec![&value.value],
            Member::Stage(stage) => stage.fields.iter().map(|field| &field.value).collect(),
            Member::Profile(profile) => {
                profile.settings.iter().map(|setting| &setting.value).collect()
            }
        }
    }
}

/// Adds every name that an expression mentions to `names`.
pub fn names<'t>(expr: &'t Expr, names: &mut BTreeSet<&'t str>) {
    mentions(expr, &mut |name, _| {
        names.insert(name);
    });
}

/// Tells of every name that an expression mentions, and where.
pub fn mentions<'t>(expr: &'t Expr, see: &mut impl FnMut(&'t str, Span)) {
    each(expr, |part| {
        if let ExprKind::Name(name) = &part.kind {
            see(name, part.span);
        }
    });
}

/// Sees an expression and every part of it, in no order.
pub fn each<'t>(expr: &'t Expr, mut see: impl FnMut(&'t Expr)) {
    let mut stack = vec![expr];
    while let Some(expr) = stack.pop() {
        see(expr);
        match &expr.kind {
            ExprKind::Binary(first, rest) => {
                stack.push(first);
                stack.extend(rest.iter().map(|(_, operand)| operand));
            }
            ExprKind::Pipe(parts) => stack.extend(parts),
            ExprKind::Range(low, high) => stack.extend([&**low, &**high]),
            ExprKind::Negate(inner) | ExprKind::Access(inner, _) => stack.push(inner),
            ExprKind::Call(callee, arguments) => {
                stack.push(callee);
                stack.extend(arguments.iter().map(|argument| &argument.value));
            }
            ExprKind::If(condition, yes, no) => stack.extend([&**condition, &**yes, &**no]),
            ExprKind::Same(sides) => stack.extend(sides.iter()),
            ExprKind::Name(_)
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Percent(_)
            | ExprKind::Quantity(..)
            | ExprKind::Bool(_)
            | ExprKind::Text(_) => {}
        }
    }
}
