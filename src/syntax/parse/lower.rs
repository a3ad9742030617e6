//! pest's pairs to the syntax tree. The grammar guarantees which pairs stand where; a place where
//! it does not hold is marked by an `expect` that names the rule.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Pair, Rule, brackets, errors, span};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::source::{FileId, Span};
use crate::syntax::tree::*;

/// Calls and accesses in a row, as in `a.b(c).d`.
const LONGEST_CHAIN: usize = 16;

pub struct Lower<'t> {
    text: &'t str,
    file: FileId,
    pub diagnostics: Diagnostics,
    /// Whether everything has fitted a rule so far.
    whole: bool,
}

impl<'t> Lower<'t> {
    pub fn new(text: &'t str, file: FileId) -> Self {
        Lower { text, file, diagnostics: Diagnostics::default(), whole: true }
    }

    // ------------------------------------------------------------ entry points

    pub fn file(&mut self, pair: Pair<'_>) -> File {
        let mut file = File { items_whole: true, ..File::default() };
        for pair in pair.into_inner() {
            match pair.as_rule() {
                Rule::module_doc => push_doc(&mut file.doc, pair.as_str()),
                Rule::item => self.item(&mut file, pair),
                Rule::bad_item => {
                    self.bad(&pair, Rule::item);
                    file.items_whole = false;
                    // It may belong to the pipeline before it, closed by a bracket too many.
                    file.pipelines.last_mut().into_iter().for_each(|own| own.whole = false);
                }
                _ => {}
            }
        }
        file.whole = self.whole;
        file
    }

    pub fn expression_file(&mut self, pair: Pair<'_>) -> Expr {
        let inner = pair.into_inner().next().expect("expression: expr");
        self.expr(inner)
    }

    pub fn path_file(&mut self, pair: Pair<'_>) -> Vec<Name> {
        let inner = pair.into_inner().next().expect("path_only: dotted");
        self.dotted(inner)
    }

    /// Reports a stretch of text that fits no rule.
    fn bad(&mut self, pair: &Pair<'_>, rule: Rule) {
        self.whole = false;
        let start = pair.as_span().start();
        // To find out why takes a look at the whole rest of the text: for as many as are read.
        let error = match self.diagnostics.wants_suggestions() {
            true => errors::explain(self.text, self.file, start, rule),
            false => errors::unexplained(self.text, self.file, start),
        };
        self.diagnostics.push(error);
    }

    // ------------------------------------------------------------ items

    fn item(&mut self, file: &mut File, pair: Pair<'_>) {
        let (doc, pairs) = documented(pair);
        let item = pairs.into_iter().next().expect("item: one of its alternatives");
        match item.as_rule() {
            Rule::use_item => self.use_item(&mut file.uses, item),
            Rule::define => file.defines.push(self.define(doc, item)),
            Rule::external => file.externs.push(self.external(doc, item)),
            _ => file.pipelines.push(self.pipeline(doc, item)),
        }
    }

    fn use_item(&mut self, uses: &mut Vec<Use>, pair: Pair<'_>) {
        let mut relative = false;
        let mut module = Vec::new();
        let mut group = None;
        for pair in pair.into_inner() {
            match pair.as_rule() {
                Rule::use_path => {
                    for (index, part) in pair.into_inner().enumerate() {
                        match part.as_rule() {
                            Rule::name => module.push(self.name(&part)),
                            _ => relative |= index == 0,
                        }
                    }
                }
                Rule::use_group => group = Some(self.names(pair)),
                _ => {}
            }
        }
        let names = match group {
            Some(names) => names,
            None => vec![module.pop().expect("use_path: at least one name")],
        };
        uses.extend(names.into_iter().map(|name| Use { relative, module: module.clone(), name }));
    }

    fn define(&mut self, doc: String, pair: Pair<'_>) -> Define {
        let mut pairs = pair.into_inner().filter(|pair| pair.as_rule() != Rule::kw_define);
        let signature = self.signature(doc, &mut pairs);
        let body = pairs.next().expect("define: body");
        let body_span = self.span(&body);
        let (body, whole) = self.body(body);
        Define { signature, body, body_span, whole }
    }

    fn external(&mut self, doc: String, pair: Pair<'_>) -> Extern {
        let span = self.span(&pair);
        let mut name = None;
        let mut parameters = Vec::new();
        let mut makes = None;
        let (mut facts, mut whole) = (Vec::new(), true);
        for pair in pair.into_inner() {
            match pair.as_rule() {
                Rule::name => name = Some(self.name(&pair)),
                Rule::parameters => parameters = self.parameters(pair),
                Rule::type_ => makes = Some((self.type_(pair), None)),
                Rule::outputs => {
                    let nothing =
                        Type { kind: TypeKind::Choices(Vec::new()), span: self.span(&pair) };
                    makes = Some((nothing, Some(self.parameters(pair))));
                }
                Rule::fields => (facts, whole) = self.fields(pair),
                _ => {}
            }
        }
        let name = name.expect("external: name");
        let (result, outputs) = makes.expect("external: type or outputs");
        let span = name.span.to(result.span).to(span);
        Extern {
            signature: Signature { doc, name, parameters, result, span },
            outputs,
            facts,
            whole,
        }
    }

    fn signature<'i>(
        &mut self,
        doc: String,
        pairs: &mut impl Iterator<Item = Pair<'i>>,
    ) -> Signature {
        let name = self.name(&pairs.next().expect("signature: name"));
        let parameters = self.parameters(pairs.next().expect("signature: parameters"));
        let result = pairs.find(|pair| pair.as_rule() == Rule::type_).expect("signature: type");
        let result = self.type_(result);
        let span = name.span.to(result.span);
        Signature { doc, name, parameters, result, span }
    }

    fn parameters(&mut self, pair: Pair<'_>) -> Vec<Parameter> {
        let mut parameters: Vec<Parameter> = Vec::new();
        let mut places = HashMap::new();
        for pair in pair.into_inner().filter(|pair| pair.as_rule() == Rule::parameter) {
            let parameter = self.parameter(pair);
            match places.entry(parameter.name.text.clone()) {
                Entry::Occupied(first) => self.twice("parameter", &parameter.name, *first.get()),
                Entry::Vacant(place) => {
                    place.insert(parameter.name.span);
                    parameters.push(parameter);
                }
            }
        }
        parameters
    }

    fn parameter(&mut self, pair: Pair<'_>) -> Parameter {
        let (doc, pairs) = documented(pair);
        let mut pairs = pairs.into_iter().peekable();
        let detached = pairs.next_if(|pair| pair.as_rule() == Rule::kw_detached);
        let name = self.name(&pairs.next().expect("parameter: name"));
        let mut parameter = Parameter {
            doc,
            span: name.span,
            detached: detached.map(|pair| self.span(&pair)),
            optional: false,
            kind: Type { kind: TypeKind::Choices(Vec::new()), span: name.span },
            bound: None,
            default: None,
            name,
        };
        for pair in pairs {
            parameter.span = parameter.span.to(self.span(&pair));
            match pair.as_rule() {
                Rule::optional => parameter.optional = true,
                Rule::type_ => parameter.kind = self.type_(pair),
                Rule::bound => parameter.bound = Some(self.bound(pair)),
                Rule::expr => parameter.default = Some(self.expr(pair)),
                _ => {}
            }
        }
        parameter
    }

    fn bound(&mut self, pair: Pair<'_>) -> Bound {
        let mut pairs = pair.into_inner();
        let first = pairs.next().expect("bound: comparison or `in`");
        let value = pairs.next().expect("bound: value");
        match first.as_str().trim_end() {
            ">" => Bound::Compare(Comparison::Greater, self.expr(value)),
            ">=" => Bound::Compare(Comparison::GreaterEqual, self.expr(value)),
            "<" => Bound::Compare(Comparison::Less, self.expr(value)),
            "<=" => Bound::Compare(Comparison::LessEqual, self.expr(value)),
            _ => Bound::In(self.expr(value)),
        }
    }

    fn type_(&mut self, pair: Pair<'_>) -> Type {
        let span = self.span(&pair);
        let inner = pair.into_inner().next().expect("type: one of its alternatives");
        match inner.as_rule() {
            Rule::choices => Type { kind: TypeKind::Choices(self.names(inner)), span },
            _ => self.named_type(inner),
        }
    }

    fn named_type(&mut self, pair: Pair<'_>) -> Type {
        let span = self.span(&pair);
        let mut name = String::new();
        let mut arguments: Option<Vec<TypeArgument>> = None;
        for pair in pair.into_inner() {
            match pair.as_rule() {
                Rule::type_name => name = pair.as_str().to_owned(),
                Rule::open_bracket => arguments = Some(Vec::new()),
                Rule::type_argument => {
                    let argument = self.type_argument(pair);
                    arguments.get_or_insert_default().push(argument);
                }
                _ => {}
            }
        }
        Type { kind: TypeKind::Named(name, arguments), span }
    }

    fn type_argument(&mut self, pair: Pair<'_>) -> TypeArgument {
        let mut parts = pair.into_inner().filter(|pair| pair.as_rule() != Rule::arrow);
        let first = parts.next().expect("type argument: one alternative");
        match (first.as_rule(), parts.next()) {
            (Rule::named_type, None) => TypeArgument::Type(self.named_type(first)),
            (Rule::named_type, Some(to)) => {
                TypeArgument::Function(self.named_type(first), self.named_type(to))
            }
            (Rule::rest, _) => {
                let name = first.into_inner().find(|pair| pair.as_rule() == Rule::name);
                TypeArgument::Rest(self.name(&name.expect("rest: name")))
            }
            _ => TypeArgument::Size(self.expr(first)),
        }
    }

    // ------------------------------------------------------------ bodies

    fn body(&mut self, pair: Pair<'_>) -> (Vec<Statement>, bool) {
        let mut statements = Vec::new();
        let (pairs, whole) = self.recovered(pair, Rule::statement);
        for (pair, _) in pairs {
            let (_, pairs) = documented(pair);
            let inner = pairs.into_iter().next().expect("statement: one alternative");
            statements.push(self.statement(inner));
        }
        (statements, whole)
    }

    fn statement(&mut self, pair: Pair<'_>) -> Statement {
        let rule = pair.as_rule();
        if rule == Rule::given {
            return Statement::Given(self.given(pair));
        }
        let mut name = None;
        let mut value = None;
        for pair in pair.into_inner() {
            match pair.as_rule() {
                Rule::name => name = Some(self.name(&pair)),
                Rule::expr => value = Some(self.expr(pair)),
                _ => {}
            }
        }
        let value = value.expect("statement: expr");
        match (rule, name) {
            (Rule::minimize, _) => Statement::Minimize(value),
            (Rule::report, Some(name)) => Statement::Report(Binding { name, value }),
            (Rule::let_, Some(name)) => Statement::Let(Binding { name, value }),
            _ => Statement::Result(value),
        }
    }

    fn given(&mut self, pair: Pair<'_>) -> Given {
        let span = self.span(&pair);
        let mut given = Given { views: Vec::new(), label: None, span };
        let mut label = false;
        for pair in pair.into_inner() {
            match pair.as_rule() {
                Rule::kw_label => label = true,
                Rule::name if label => given.label = Some(self.name(&pair)),
                Rule::name => given.views.push(self.name(&pair)),
                _ => {}
            }
        }
        given
    }

    fn pipeline(&mut self, doc: String, pair: Pair<'_>) -> Pipeline {
        let mut name = None;
        let mut parameters = Vec::new();
        let mut members = Vec::new();
        let mut whole = true;
        for pair in pair.into_inner() {
            match pair.as_rule() {
                Rule::name => name = Some(self.name(&pair)),
                Rule::parameters => parameters = self.parameters(pair),
                Rule::stages => {
                    let pairs;
                    (pairs, whole) = self.recovered(pair, Rule::member);
                    for (pair, torn) in pairs {
                        let (doc, pairs) = documented(pair);
                        let inner = pairs.into_iter().next().expect("member: one alternative");
                        let mut member = self.member(doc, inner);
                        if let Member::Stage(stage) = &mut member {
                            // What follows may be a part of it, closed by a bracket too many.
                            stage.whole &= !torn;
                        }
                        members.push(member);
                    }
                }
                _ => {}
            }
        }
        Pipeline { doc, name: name.expect("pipeline: name"), parameters, members, whole }
    }

    fn member(&mut self, doc: String, pair: Pair<'_>) -> Member {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let mut kind = None;
        let mut name = None;
        let mut value = None;
        let mut fields = Vec::new();
        let mut whole = true;
        let mut settings = Vec::new();
        for pair in pair.into_inner() {
            match pair.as_rule() {
                Rule::kind | Rule::kw_let => kind = Some(self.name(&pair)),
                Rule::name => name = Some(self.name(&pair)),
                Rule::expr => value = Some(self.expr(pair)),
                Rule::fields => (fields, whole) = self.fields(pair),
                Rule::settings => settings = self.settings(pair),
                _ => {}
            }
        }
        let name = name.expect("member: name");
        match (rule, kind, value) {
            (Rule::stage, Some(kind), _) => {
                Member::Stage(Stage { kind, name, fields, whole, span })
            }
            (_, Some(kind), Some(value)) => Member::Value(ValueDeclaration { kind, name, value }),
            _ => Member::Profile(Profile { doc, name, settings }),
        }
    }

    fn fields(&mut self, pair: Pair<'_>) -> (Vec<Binding>, bool) {
        let mut fields: Vec<Binding> = Vec::new();
        let mut places = HashMap::new();
        let (pairs, whole) = self.recovered(pair, Rule::field);
        for (pair, _) in pairs {
            let (_, pairs) = documented(pair);
            let mut pairs = pairs.into_iter();
            let name = self.name(&pairs.next().expect("field: name"));
            let value = pairs.find(|pair| pair.as_rule() == Rule::expr).expect("field: expr");
            let value = self.expr(value);
            match places.entry(name.text.clone()) {
                // Beside what was not understood it may be no field at all.
                Entry::Occupied(first) if whole => self.twice("field", &name, *first.get()),
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => {
                    place.insert(name.span);
                    fields.push(Binding { name, value });
                }
            }
        }
        (fields, whole)
    }

    fn settings(&mut self, pair: Pair<'_>) -> Vec<Setting> {
        let mut settings = Vec::new();
        for (pair, _) in self.recovered(pair, Rule::setting).0 {
            let mut pairs = pair.into_inner();
            let path = self.dotted(pairs.next().expect("setting: path"));
            let value = pairs.find(|pair| pair.as_rule() == Rule::expr).expect("setting: expr");
            settings.push(Setting { path, value: self.expr(value) });
        }
        settings
    }

    /// The good parts of a block, each with whether a line follows it that fits nothing, and whether
    /// they are all. Lines that fit nothing are reported, a run of them once. What stands in their
    /// brackets or before them on their line is set aside with them: it may well be a part of them.
    fn recovered<'i>(&mut self, pair: Pair<'i>, rule: Rule) -> (Vec<(Pair<'i>, bool)>, bool) {
        let is_part = |pair: &Pair<'_>| [rule, Rule::bad_line].contains(&pair.as_rule());
        let parts: Vec<Pair<'i>> = pair.into_inner().filter(is_part).collect();
        let bad_line = |pair: &Pair<'i>| (pair.as_rule() != rule).then(|| pair.as_str());
        let mut is_bad = {
            let bad_lines: Vec<Option<&str>> = parts.iter().map(bad_line).collect();
            brackets::bracketed(&bad_lines)
        };
        let mut next: Option<(usize, bool)> = None;
        for (part, bad) in parts.iter().zip(&mut is_bad).rev() {
            let span = self.span(part);
            let joined = next.is_some_and(|(start, next_bad)| {
                next_bad && self.text.get(span.end..start).is_some_and(|gap| !gap.contains('\n'))
            });
            *bad |= joined || part.as_rule() != rule;
            next = Some((span.start, *bad));
        }
        let whole = !is_bad.contains(&true);
        let mut good: Vec<(Pair<'i>, bool)> = Vec::new();
        let mut is_reported = false;
        for (part, bad) in parts.into_iter().zip(is_bad) {
            if !bad {
                is_reported = false;
                good.push((part, false));
                continue;
            }
            if !is_reported {
                good.last_mut().into_iter().for_each(|(_, torn)| *torn = true);
            }
            if part.as_rule() != rule && !is_reported {
                self.bad(&part, rule);
                is_reported = true;
            }
        }
        (good, whole)
    }

    fn twice(&mut self, what: &str, name: &Name, first: Span) {
        let message = format!("{what} `{}` is given twice", name.text);
        self.diagnostics.push(
            Diagnostic::new(findings::DUPLICATE_NAME, name.span, message)
                .label("the second time")
                .also(first, "the first time"),
        );
    }

    // ------------------------------------------------------------ expressions

    fn expr(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::expr => {
                let operands = pair.into_inner().filter(|pair| pair.as_rule() == Rule::equality);
                let mut parts: Vec<Expr> = operands.map(|pair| self.expr(pair)).collect();
                match parts.len() {
                    1 => parts.remove(0),
                    _ => Expr { kind: ExprKind::Pipe(parts), span },
                }
            }
            Rule::equality => {
                let mut sides = pair.into_inner().filter(|pair| pair.as_rule() == Rule::range);
                let left = sides.next().expect("equality: its left side");
                let left = self.expr(left);
                match sides.next() {
                    None => left,
                    Some(right) => {
                        let sides = Box::new([left, self.expr(right)]);
                        Expr { kind: ExprKind::Same(sides), span }
                    }
                }
            }
            Rule::range => {
                let mut ends = pair.into_inner().filter(|pair| pair.as_rule() == Rule::sum);
                let low = ends.next().expect("range: its low end");
                let low = self.expr(low);
                match ends.next() {
                    None => low,
                    Some(high) => {
                        let high = Box::new(self.expr(high));
                        Expr { kind: ExprKind::Range(Box::new(low), high), span }
                    }
                }
            }
            Rule::sum | Rule::product => self.binary(pair, span),
            Rule::unary => {
                let mut negative = false;
                let mut inner = None;
                for pair in pair.into_inner() {
                    match pair.as_rule() {
                        Rule::minus => negative = true,
                        _ => inner = Some(self.postfix(pair)),
                    }
                }
                let inner = inner.expect("unary: postfix");
                match negative {
                    true => Expr { kind: ExprKind::Negate(Box::new(inner)), span },
                    false => inner,
                }
            }
            _ => self.postfix(pair),
        }
    }

    fn binary(&mut self, pair: Pair<'_>, span: Span) -> Expr {
        let mut first = None;
        let mut rest = Vec::new();
        let mut operator = Operator::Add;
        for pair in pair.into_inner() {
            match pair.as_rule() {
                Rule::plus => operator = Operator::Add,
                Rule::minus => operator = Operator::Subtract,
                Rule::times => operator = Operator::Multiply,
                Rule::divide => operator = Operator::Divide,
                _ if first.is_none() => first = Some(self.expr(pair)),
                _ => rest.push((operator, self.expr(pair))),
            }
        }
        let first = first.expect("binary: its first operand");
        match rest.is_empty() {
            true => first,
            false => Expr { kind: ExprKind::Binary(Box::new(first), rest), span },
        }
    }

    fn postfix(&mut self, pair: Pair<'_>) -> Expr {
        let mut pairs = pair.into_inner();
        let primary = pairs.next().expect("postfix: primary");
        let mut expr = self.primary(primary);
        for (length, pair) in pairs.enumerate() {
            let span = expr.span.to(self.span(&pair));
            if length == LONGEST_CHAIN {
                let message = format!("more than {LONGEST_CHAIN} calls and fields in a row");
                let error = Diagnostic::new(findings::NESTING_TOO_DEEP, span, message);
                self.diagnostics.push(error.help("name a part of it with `let`"));
                break;
            }
            let kind = match pair.as_rule() {
                Rule::arguments => ExprKind::Call(Box::new(expr), self.arguments(pair)),
                _ => {
                    let name = pair.into_inner().find(|pair| pair.as_rule() == Rule::name);
                    ExprKind::Access(Box::new(expr), self.name(&name.expect("access: name")))
                }
            };
            expr = Expr { kind, span };
        }
        expr
    }

    fn arguments(&mut self, pair: Pair<'_>) -> Vec<Argument> {
        let arguments = pair.into_inner().filter(|pair| pair.as_rule() == Rule::argument);
        let mut all: Vec<Argument> = Vec::new();
        for pair in arguments {
            let mut name = None;
            let mut value = None;
            for pair in pair.into_inner() {
                match pair.as_rule() {
                    Rule::name => name = Some(self.name(&pair)),
                    Rule::expr => value = Some(self.expr(pair)),
                    _ => {}
                }
            }
            all.push(Argument { name, value: value.expect("argument: expr") });
        }
        all
    }

    fn primary(&mut self, pair: Pair<'_>) -> Expr {
        let mut inner = pair
            .into_inner()
            .filter(|pair| !matches!(pair.as_rule(), Rule::open_paren | Rule::close_paren));
        let pair = inner.next().expect("primary: one of its alternatives");
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::conditional => self.conditional(pair),
            Rule::quantity => self.quantity(pair),
            Rule::string => {
                let text = pair.into_inner().find(|pair| pair.as_rule() == Rule::text);
                ExprKind::Text(text.map(|pair| pair.as_str().to_owned()).unwrap_or_default())
            }
            Rule::boolean => ExprKind::Bool(pair.as_str() == "true"),
            Rule::name => ExprKind::Name(pair.as_str().to_owned()),
            _ => return self.expr(pair),
        };
        Expr { kind, span }
    }

    fn conditional(&mut self, pair: Pair<'_>) -> ExprKind {
        let mut parts = Vec::new();
        for pair in pair.into_inner() {
            match pair.as_rule() {
                Rule::expr => parts.push(self.expr(pair)),
                Rule::branch => {
                    let inner = pair.into_inner().find(|pair| pair.as_rule() == Rule::expr);
                    parts.push(self.expr(inner.expect("branch: expr")));
                }
                _ => {}
            }
        }
        let [condition, yes, no] =
            <[Expr; 3]>::try_from(parts).expect("conditional: a condition and two branches");
        ExprKind::If(Box::new(condition), Box::new(yes), Box::new(no))
    }

    fn quantity(&mut self, pair: Pair<'_>) -> ExprKind {
        let mut pairs = pair.into_inner();
        let number = pairs.next().expect("quantity: number");
        let digits: String = number.as_str().chars().filter(|c| *c != '_').collect();
        let value: f64 = digits.parse().unwrap_or(f64::INFINITY);
        if !value.is_finite() {
            let span = self.span(&number);
            self.diagnostics.push(Diagnostic::new(
                findings::OUT_OF_RANGE,
                span,
                "this number is too large",
            ));
            return ExprKind::Int(0);
        }
        let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
        match pairs.next() {
            None if whole => match digits.parse() {
                Ok(value) => ExprKind::Int(value),
                Err(_) => {
                    let span = self.span(&number);
                    let error =
                        Diagnostic::new(findings::OUT_OF_RANGE, span, "this number is too large");
                    self.diagnostics.push(error);
                    ExprKind::Int(0)
                }
            },
            None => ExprKind::Float(value),
            Some(unit) if unit.as_rule() == Rule::percent => ExprKind::Percent(value),
            Some(unit) => ExprKind::Quantity(value, self.name(&unit)),
        }
    }

    // ------------------------------------------------------------ names

    fn name(&self, pair: &Pair<'_>) -> Name {
        Name { text: pair.as_str().to_owned(), span: self.span(pair) }
    }

    fn names(&self, pair: Pair<'_>) -> Vec<Name> {
        let names = pair.into_inner().filter(|pair| pair.as_rule() == Rule::name);
        names.map(|pair| self.name(&pair)).collect()
    }

    fn dotted(&self, pair: Pair<'_>) -> Vec<Name> {
        self.names(pair)
    }

    fn span(&self, pair: &Pair<'_>) -> Span {
        span(self.file, pair)
    }
}

/// Splits documentation comments off the front of a rule's parts.
fn documented<'i>(pair: Pair<'i>) -> (String, Vec<Pair<'i>>) {
    let mut doc = String::new();
    let mut rest = Vec::new();
    for pair in pair.into_inner() {
        match pair.as_rule() {
            Rule::doc => push_doc(&mut doc, pair.as_str()),
            _ => rest.push(pair),
        }
    }
    (doc, rest)
}

fn push_doc(doc: &mut String, line: &str) {
    if !doc.is_empty() {
        doc.push('\n');
    }
    let text = line.get(3..).unwrap_or_default();
    doc.push_str(text.strip_prefix(' ').unwrap_or(text).trim_end());
}
