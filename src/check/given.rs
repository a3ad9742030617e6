//! What an objective is given: views, labels and the places of the examples.

use super::objective::ViewGroup;
use super::shape::Shape;
use super::size::{Known, Size};
use super::types::{Type, TypeName, arithmetic};
use super::value::{Kind, TensorValue, Value};
use super::{Checker, Scope};
use crate::diagnostics::findings;
use crate::syntax::tree::{Given, Name, Operator, Statement, Views};
use crate::term::objective::Op;

/// How many views may have one name: no recipe of the field has as many crops.
const MOST_VIEWS: i64 = 1024;

impl Checker<'_> {
    pub(super) fn given(&mut self, scope: &mut Scope, given: &Given) {
        let counts: Vec<Option<Size>> =
            given.views.iter().map(|views| self.count(scope, views)).collect();
        let Some(builder) = &mut self.builder else { return };
        let first = builder.views;
        // One whose number each use gives stands for as many.
        let number = |count: &Option<Size>| match count.as_ref().and_then(Size::as_constant) {
            Some(count) => usize::try_from(count).unwrap_or(1),
            None => 1,
        };
        builder.views += counts.iter().map(number).sum::<usize>();
        // Views that are named together are of one size.
        let named = given.views.first().map(|views| views.name.text.as_str());
        let of = named.filter(|_| !builder.groups.is_empty());
        let group = ViewGroup::new(first, builder.views - first, of);
        let sides = group.sides.clone().map(Size::symbol);
        builder.groups.push(group);
        builder.labels = builder.labels.or(given.labels.first().map(|name| name.span));
        builder.index = builder.index.or(given.indices.first().map(|name| name.span));
        // A define on its own is given encoders of any.
        let channels = scope.locals.values().find_map(|own| match &own.kind {
            Kind::Encoder(encoder) => encoder.channels.clone().filter(|own| !own.is_open()),
            _ => None,
        });
        let channels = channels.unwrap_or_else(|| Known::Channels.size());
        let mut next = first;
        for (views, count) in given.views.iter().zip(&counts) {
            let (first, number) = (next, number(count));
            next += number;
            let rows = match count {
                None => Some(Size::batch()),
                Some(count) => arithmetic(Operator::Multiply, count, &Size::batch()),
            };
            let op = match number {
                1 => Op::View(first),
                count => Op::Views { first, count },
            };
            let rows = rows.unwrap_or_else(Size::batch);
            let sizes = [rows, channels.clone()].into_iter().chain(sides.clone());
            self.input(scope, &views.name, op, Shape::of(sizes), Kind::Tensor);
        }
        for name in &given.labels {
            self.input(scope, name, Op::Labels, Shape::of([Size::batch()]), Kind::Labels);
        }
        for name in &given.indices {
            let shape = Shape::of([Size::batch(), Known::Examples.size()]);
            self.input(scope, name, Op::Index, shape, Kind::Index);
        }
    }

    /// How labels or the places of the examples come to have that name, where those are wanted:
    /// `given views a, b and index i`.
    pub(super) fn giving(
        &self,
        name: &str,
        wanted: Option<&Type>,
        scope: &Scope,
    ) -> Option<String> {
        let builder = self.builder.as_ref()?;
        let word = given_word(wanted?)?;
        let (mut views, mut others) = (Vec::new(), Vec::new());
        for (own, value) in &scope.locals {
            let (Kind::Tensor(tensor) | Kind::Labels(tensor) | Kind::Index(tensor)) = &value.kind
            else {
                continue;
            };
            let node = &builder.nodes[tensor.node];
            // A helper is handed them under another name.
            if node.span != value.span {
                continue;
            }
            match node.op {
                // Meant as that word, and read as a view.
                Op::View(_) if ["label", "labels", "index"].contains(&own.as_str()) => {}
                Op::View(first) => views.push((first, own.clone())),
                Op::Views { first, count } => views.push((first, format!("{own}[{count}]"))),
                Op::Labels if word == "label" => return Some(format!("they are given as `{own}`")),
                Op::Index if word == "index" => return Some(format!("it is given as `{own}`")),
                Op::Labels => others.push(format!(" and label {own}")),
                Op::Index => others.push(format!(" and index {own}")),
                _ => {}
            }
        }
        views.sort();
        let names: Vec<&str> = views.iter().map(|(_, own)| own.as_str()).collect();
        let views = match names.as_slice() {
            [] => return None,
            [own] if !own.ends_with(']') => format!("view {own}"),
            all => format!("views {}", all.join(", ")),
        };
        Some(match builder.groups.len() {
            1 => format!("write `given {views}{} and {word} {name}`", others.concat()),
            _ => format!("add `and {word} {name}` to one of the lines that give views"),
        })
    }

    /// How many views are under one name, where the text says so. What is no such number is told,
    /// and taken for one.
    fn count(&mut self, scope: &Scope, views: &Views) -> Option<Size> {
        let expr = views.count.as_ref()?;
        let value = self.eval(expr, scope, None, None);
        let name = &views.name.text;
        match &value.kind {
            Kind::Poison => {}
            Kind::Int(size) => match size.as_constant() {
                None => return Some(size.clone()),
                Some(count) if (1..=MOST_VIEWS).contains(&count) => return Some(size.clone()),
                Some(count) => {
                    let message = format!("`{name}` cannot be {count} views");
                    let error = self.blame(findings::OUT_OF_RANGE, &value, message);
                    self.report(error.help(format!("between 1 and {MOST_VIEWS}")));
                }
            },
            _ => {
                let found = value.describe();
                let message = format!("how many views `{name}` is, is a whole number, not {found}");
                let error = self.blame_use(findings::TYPE_MISMATCH, &value, message);
                self.report(error);
            }
        }
        None
    }

    /// Something that a batch has, under the name that the objective gives to it.
    fn input(
        &mut self,
        scope: &mut Scope,
        name: &Name,
        op: Op,
        shape: Shape,
        kind: impl Fn(TensorValue) -> Kind,
    ) {
        if scope.locals.contains_key(&name.text) {
            let message = format!("`{}` already has a value", name.text);
            self.error(findings::DUPLICATE_NAME, name.span, message);
            return;
        }
        let value = self.tensor(op, Vec::new(), Some(Default::default()), shape, false, name.span);
        if let Kind::Tensor(tensor) = value.kind {
            scope.locals.insert(name.text.clone(), Value::new(kind(tensor), name.span));
        }
    }
}

/// The word before the name of what a batch has beside its views.
fn given_word(kind: &Type) -> Option<&'static str> {
    match kind.name()? {
        TypeName::Labels => Some("label"),
        TypeName::Index => Some("index"),
        _ => None,
    }
}

/// Whether what is given last is called as if it were labels: `given views a, labels y` is read as
/// two views and a value behind them.
pub(super) fn gives_labels(statement: &Statement) -> bool {
    match statement {
        Statement::Given(given) => {
            let last = given.names().last();
            last.is_some_and(|name| ["label", "labels"].contains(&name.text.as_str()))
        }
        _ => false,
    }
}
