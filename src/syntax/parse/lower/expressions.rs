//! Expressions.

use super::{Lower, contents, name, own_name, parts};
use crate::diagnostics::{Diagnostic, findings};
use crate::source::Span;
use crate::syntax::lossless::{Node, SyntaxKind};
use crate::syntax::tree::*;

/// Calls and accesses in a row, as in `a.b(c).d`.
const LONGEST_CHAIN: usize = 16;

impl Lower<'_> {
    pub fn expr(&mut self, node: Node<'_>) -> Expr {
        let text = node.text();
        let kind = match node.kind() {
            SyntaxKind::Parentheses => return self.inner(node),
            SyntaxKind::Chain => return self.chain(node),
            SyntaxKind::Pipe => {
                ExprKind::Pipe(contents(node).map(|step| self.expr(step)).collect())
            }
            SyntaxKind::Same => ExprKind::Same(Box::new(self.sides(node))),
            SyntaxKind::Range => {
                let [low, high] = self.sides(node);
                ExprKind::Range(Box::new(low), Box::new(high))
            }
            SyntaxKind::Sum | SyntaxKind::Product => self.binary(node),
            SyntaxKind::Negate => ExprKind::Negate(Box::new(self.inner(node))),
            SyntaxKind::Conditional => self.conditional(node),
            SyntaxKind::Number | SyntaxKind::Quantity => self.quantity(node),
            SyntaxKind::Text => ExprKind::Text(text.trim_matches('"').to_owned()),
            SyntaxKind::Boolean => ExprKind::Bool(text == "true"),
            SyntaxKind::Name => ExprKind::Name(text.to_owned()),
            _ => unreachable!("an expression is one of these"),
        };
        Expr { kind, span: node.span() }
    }

    /// The expression that a node is made of beside signs.
    fn inner(&mut self, node: Node<'_>) -> Expr {
        self.expr(contents(node).next().expect("what holds an expression: the expression"))
    }

    fn sides(&mut self, node: Node<'_>) -> [Expr; 2] {
        let mut sides = contents(node);
        let left = self.expr(sides.next().expect("what has two sides: the left one"));
        [left, self.expr(sides.next().expect("what has two sides: the right one"))]
    }

    fn binary(&mut self, node: Node<'_>) -> ExprKind {
        let mut parts = parts(node);
        let first = self.expr(parts.next().expect("sum or product: its first operand"));
        let mut rest = Vec::new();
        let mut operator = Operator::Add;
        for part in parts {
            match (part.kind(), part.text()) {
                (SyntaxKind::Punctuation, "+") => operator = Operator::Add,
                (SyntaxKind::Punctuation, "-") => operator = Operator::Subtract,
                (SyntaxKind::Punctuation, "*") => operator = Operator::Multiply,
                (SyntaxKind::Punctuation, _) => operator = Operator::Divide,
                _ => rest.push((operator, self.expr(part))),
            }
        }
        ExprKind::Binary(Box::new(first), rest)
    }

    fn chain(&mut self, node: Node<'_>) -> Expr {
        let mut links = parts(node);
        let mut expr = self.expr(links.next().expect("chain: its first value"));
        for (length, link) in links.enumerate() {
            let span = expr.span.to(link.span());
            if length == LONGEST_CHAIN {
                let message = format!("more than {LONGEST_CHAIN} calls and fields in a row");
                let error = Diagnostic::new(findings::CHAIN_TOO_LONG, span, message);
                self.diagnostics.push(error.help("name a part of it with `let`"));
                break;
            }
            let kind = match link.kind() {
                SyntaxKind::Arguments => ExprKind::Call(Box::new(expr), self.arguments(link)),
                _ => ExprKind::Access(Box::new(expr), own_name(link)),
            };
            expr = Expr { kind, span };
        }
        expr
    }

    fn arguments(&mut self, list: Node<'_>) -> Vec<Argument> {
        contents(list).map(|argument| self.argument(argument)).collect()
    }

    fn argument(&mut self, argument: Node<'_>) -> Argument {
        let mut own = contents(argument);
        let first = own.next().expect("argument: name or value");
        match own.next() {
            Some(value) => Argument { name: Some(name(first)), value: self.expr(value) },
            None => Argument { name: None, value: self.expr(first) },
        }
    }

    fn conditional(&mut self, node: Node<'_>) -> ExprKind {
        let mut own = contents(node).filter(|part| part.kind() != SyntaxKind::Keyword);
        let mut next = || own.next().expect("conditional: a condition and two branches");
        let (condition, yes, no) = (self.expr(next()), self.inner(next()), self.inner(next()));
        ExprKind::If(Box::new(condition), Box::new(yes), Box::new(no))
    }

    /// A number, perhaps with a unit.
    fn quantity(&mut self, node: Node<'_>) -> ExprKind {
        let mut own = parts(node);
        // A number alone is a leaf, and has no parts.
        let number = own.next().unwrap_or(node);
        let digits: String = number.text().chars().filter(|c| *c != '_').collect();
        let value: f64 = digits.parse().unwrap_or(f64::INFINITY);
        if !value.is_finite() {
            return self.too_large(number.span());
        }
        if let Some((before, after)) = digits.split_once('.')
            && (before.is_empty() || !after.starts_with(|c: char| c.is_ascii_digit()))
        {
            self.half_a_point(number);
        }
        let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        match own.next() {
            None if whole => match digits.parse() {
                Ok(value) => ExprKind::Int(value),
                Err(_) => self.too_large(number.span()),
            },
            None => ExprKind::Float(value),
            Some(unit) if unit.text() == "%" => ExprKind::Percent(value),
            Some(unit) => ExprKind::Quantity(value, name(unit)),
        }
    }

    /// Reports a number such as `1.` or `.5`.
    fn half_a_point(&mut self, number: Node<'_>) {
        let written = number.text();
        let (side, right, or) = match written.strip_suffix('.') {
            _ if written.starts_with('.') => ("before", format!("0{written}"), String::new()),
            Some(whole) => ("behind", format!("{whole}.0"), format!(", or `{whole}` of a count")),
            None => ("behind", written.replacen('.', ".0", 1), String::new()),
        };
        let message = format!("`{written}` lacks a digit {side} its point");
        let error = Diagnostic::new(findings::SYNTAX_ERROR, number.span(), message);
        let error = error.help(format!("write `{right}`{or}"));
        // A count with a point would be another mistake.
        self.diagnostics.push(match or.is_empty() {
            true => error.safe_edit(number.span(), right),
            false => error.likely_edit(number.span(), right),
        });
    }

    fn too_large(&mut self, number: Span) -> ExprKind {
        let error = Diagnostic::new(findings::OUT_OF_RANGE, number, "this number is too large");
        self.diagnostics.push(error);
        ExprKind::Float(f64::INFINITY)
    }
}
