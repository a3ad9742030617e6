//! One name: its signature, its parameters, and what it is made of.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{self, Links};
use super::html;
use super::model::{Ids, Place, Unit};
use crate::source::{Sources, Span};
use crate::syntax::lossless::SyntaxKind;
use crate::syntax::tree::{self, Bound, Comparison, Expr, Member, Statement};

/// What is shown of a name. What stands for text is HTML but for names and kinds.
pub struct Item {
    pub id: String,
    pub name: String,
    pub kind: &'static str,
    pub access: String,
    pub signature: String,
    pub doc: String,
    pub parameters: Vec<Parameter>,
    /// The body of a define or a pipeline.
    pub body: Option<String>,
    /// The names on the page that it names.
    pub mentions: BTreeSet<String>,
}

pub struct Parameter {
    pub name: String,
    /// What it may be, with its range: `Float in 0..=1`.
    pub kind: String,
    /// What it is where it is left out: `` `0.2` ``, or that it may be left out.
    pub default: Option<String>,
    pub doc: String,
}

/// What defines and pipelines are made of, by the place of the signature.
pub type Parts<'t> = BTreeMap<Span, Part<'t>>;

pub enum Part<'t> {
    Define(&'t tree::Define),
    Pipeline(&'t tree::Pipeline),
}

pub fn parts(tree: &tree::File) -> Parts<'_> {
    let defines = tree.defines.iter().map(|own| (own.signature.span, Part::Define(own)));
    let pipelines = tree.pipelines.iter().map(|own| (own.head, Part::Pipeline(own)));
    defines.chain(pipelines).collect()
}

pub fn item(unit: &Unit<'_>, place: &Place<'_>, parts: &Parts<'_>, ids: &Ids<'_>) -> Item {
    let named = &place.named;
    let part = parts.get(&named.span);
    let own = locals(named.parameters, part);
    let id_of = |name: &str| (!own.contains(name)).then(|| unit.id_of(name, ids)).flatten();
    let mut links = Links::new();
    let mut see = |name: &str, span: Span| {
        links.extend(id_of(name).map(|id| (span.start, id)));
    };
    exprs(named.parameters, part).iter().for_each(|expr| tree::mentions(expr, &mut see));
    for kind in kinds(part) {
        see(&kind.text, kind.span);
    }
    let lossless = &unit.program.module(unit.module).lossless;
    let head = named.span.start..named.span.end;
    let end = part.and_then(|_| {
        let is_whole = |kind| matches!(kind, SyntaxKind::Define | SyntaxKind::Pipeline);
        let inner = lossless.covering(head.clone());
        let mut nodes = std::iter::successors(Some(inner), |node| node.parent());
        nodes.find(|node| is_whole(node.kind())).map(|node| node.range().end)
    });
    let body = end.filter(|end| *end > head.end).map(|end| {
        let text = lossless.text().get(head.end..end).unwrap_or_default();
        let begin = end - text.trim_start().len();
        code::highlighted(lossless, begin..end, &links)
    });
    let sources = unit.sources;
    let shown = |own: &tree::Parameter| parameter(own, sources, &id_of);
    Item {
        id: place.id.clone(),
        name: named.name.to_owned(),
        kind: named.kind.singular(),
        access: place.access.clone(),
        signature: code::highlighted(lossless, head, &links),
        doc: html::markdown(named.doc, 3, &id_of),
        parameters: named.parameters.iter().map(shown).collect(),
        body,
        mentions: links.into_values().collect(),
    }
}

fn parameter(own: &tree::Parameter, sources: &Sources, leads: html::Leads<'_>) -> Parameter {
    let detached = own.detached.map_or("", |_| "detached ");
    let bound = match &own.bound {
        None => String::new(),
        Some(Bound::In(range)) => format!(" in {}", sources.text(range.span)),
        Some(Bound::Compare(comparison, value)) => {
            let sign = match comparison {
                Comparison::Greater => ">",
                Comparison::GreaterEqual => ">=",
                Comparison::Less => "<",
                Comparison::LessEqual => "<=",
            };
            format!(" {sign} {}", sources.text(value.span))
        }
    };
    let default = own
        .default
        .as_ref()
        .map(|value| format!("by default <code>{}</code>", html::escape(sources.text(value.span))));
    Parameter {
        name: own.name.text.clone(),
        kind: html::escape(&format!("{detached}{}{bound}", sources.text(own.kind.span))),
        default: default.or_else(|| own.optional.then(|| "may be left out".to_owned())),
        doc: html::markdown(&own.doc, 3, leads),
    }
}

/// Names that mean something else inside than they do on the page.
fn locals<'t>(parameters: &'t [tree::Parameter], part: Option<&Part<'t>>) -> BTreeSet<&'t str> {
    let mut names: Vec<&tree::Name> = parameters.iter().map(|own| &own.name).collect();
    match part {
        None => {}
        Some(Part::Define(define)) => {
            for statement in &define.body {
                match statement {
                    Statement::Let(binding) => names.push(&binding.name),
                    Statement::Given(given) => names.extend(given.names()),
                    Statement::Minimize(_)
                    | Statement::Report(_)
                    | Statement::Export(_)
                    | Statement::Result(_) => {}
                }
            }
        }
        Some(Part::Pipeline(pipeline)) => {
            names.extend(pipeline.members.iter().filter_map(|member| match member {
                Member::Value(value) => Some(&value.name),
                Member::Stage(stage) => Some(&stage.name),
                Member::Profile(_) => None,
            }));
        }
    }
    names.into_iter().map(|name| name.text.as_str()).collect()
}

/// Every expression in a signature and what follows it.
fn exprs<'t>(parameters: &'t [tree::Parameter], part: Option<&Part<'t>>) -> Vec<&'t Expr> {
    let mut all: Vec<&Expr> = parameters.iter().filter_map(|own| own.default.as_ref()).collect();
    match part {
        None => {}
        Some(Part::Define(define)) => all.extend(define.body.iter().flat_map(Statement::exprs)),
        Some(Part::Pipeline(pipeline)) => {
            all.extend(pipeline.members.iter().flat_map(Member::exprs))
        }
    }
    all
}

/// The kinds of the stages of a pipeline, where they stand.
fn kinds<'t>(part: Option<&Part<'t>>) -> Vec<&'t tree::Name> {
    let Some(Part::Pipeline(pipeline)) = part else { return Vec::new() };
    let kind = |member: &'t Member| match member {
        Member::Stage(stage) => Some(&stage.kind),
        Member::Value(_) | Member::Profile(_) => None,
    };
    pipeline.members.iter().filter_map(kind).collect()
}
