//! Chains of `>>`: augmentations one after another, an encoder and the networks after it.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::groups::grouping;
use super::objective::{Body, DraftNetwork};
use super::value::{AugmentValue, Kind, NetworkValue, Value};
use super::{Checker, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::source::Span;
use crate::syntax::tree::{Expr, ExprKind};
use crate::term::Term;

/// Parts of a chain of `>>`.
const LONGEST_CHAIN: usize = 256;

impl Checker<'_> {
    /// A chain none of whose steps an override can name.
    pub(super) fn chain(&mut self, parts: &[Expr], scope: &Scope, span: Span) -> Value {
        self.join(parts, span, |checker, part| checker.eval(part, scope, None, None))
    }

    /// A chain whose steps overrides name by what they call: `crops.color_jitter`.
    pub(super) fn named_chain(
        &mut self,
        parts: &[Expr],
        scope: &Scope,
        path: &str,
        span: Span,
    ) -> Value {
        let mut steps = Vec::new();
        for part in parts {
            self.collect_steps(part, scope, &mut steps);
        }
        let mut places: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
        for (step, name) in steps.iter().filter_map(|step| Some((step, called(step)?))) {
            places.entry(name).or_default().push(step.span);
        }
        for (name, places) in places.iter().filter(|(_, places)| places.len() > 1) {
            self.state.forbid_override(format!("{path}.{name}"), places.clone());
        }
        self.join(steps, span, |checker, step| {
            let name =
                called(step).filter(|name| places.get(name).is_some_and(|all| all.len() == 1));
            match name {
                Some(name) => checker.named_step(step, scope, &format!("{path}.{name}")),
                None => checker.eval(step, scope, None, None),
            }
        })
    }

    /// A step of a chain, or what an override puts in its place.
    fn named_step(&mut self, step: &Expr, scope: &Scope, path: &str) -> Value {
        // As for an argument: what is kept of its path costs more than to evaluate it.
        self.steps += 4;
        let Some(over) = self.state.take_override(path) else {
            return self.eval(step, scope, None, Some(path));
        };
        let value = self.eval_override(&over, None, None);
        // Outside of objectives nothing else is joined, and the text of the chain is not to blame.
        if !matches!(value.kind, Kind::Augment(_) | Kind::Poison) {
            let message = format!("`{path}` is a step of views, not {}", value.describe());
            let error = Diagnostic::new(findings::TYPE_MISMATCH, over.value.span, message);
            self.report(error.also(step.span, "in place of this step"));
            return Value::poison(step.span);
        }
        self.state.resolve(Some(path), &value, over.origin);
        value
    }

    /// The steps of a part of a chain: those of a chain in brackets, and of that branch of a
    /// condition which is taken.
    fn collect_steps<'e>(&mut self, part: &'e Expr, scope: &Scope, steps: &mut Vec<&'e Expr>) {
        match &part.kind {
            ExprKind::Pipe(parts) => {
                for part in parts {
                    self.collect_steps(part, scope, steps);
                }
            }
            ExprKind::If(condition, yes, no) => {
                match self.eval(condition, scope, None, None).kind {
                    Kind::Bool(Some(is_first)) => {
                        let (taken, other) = if is_first { (yes, no) } else { (no, yes) };
                        // Outside of objectives nothing else is joined.
                        let view = AugmentValue { term: None, sizes: Vec::new(), by_view: None };
                        let view = Value::new(Kind::Augment(Rc::new(view)), other.span);
                        self.not_taken(other, scope, None, &view);
                        self.collect_steps(taken, scope, steps);
                    }
                    // Wrong: what is wrong with it is said when the step is evaluated.
                    _ => steps.push(part),
                }
            }
            _ => steps.push(part),
        }
    }

    fn join<'e>(
        &mut self,
        parts: impl IntoIterator<Item = &'e Expr>,
        span: Span,
        mut evaluate: impl FnMut(&mut Self, &'e Expr) -> Value,
    ) -> Value {
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return Value::poison(span) };
        let mut total = evaluate(self, first);
        for (index, part) in parts.enumerate() {
            let right = evaluate(self, part);
            // From the second joint on the left side is known to nobody else.
            total = self.pipe(total, right, index > 0);
        }
        Value { span, ..total }
    }

    /// Joins two values. A `temporary` left side belongs to this pipe alone and is extended in
    /// place: a copy at every joint would make a chain cost the square of its length.
    fn pipe(&mut self, left: Value, right: Value, temporary: bool) -> Value {
        let span = left.span.to(right.span);
        let origin = self.origins.computed(span, [&left, &right]);
        let kind = match (left.kind, right.kind) {
            (Kind::Poison, _) | (_, Kind::Poison) => Kind::Poison,
            (Kind::Augment(first), Kind::Augment(second)) => {
                self.join_augments(first, &second, span)
            }
            (
                left_kind @ (Kind::Encoder(_) | Kind::Network(_)),
                right_kind @ (Kind::Network(_) | Kind::Head(_)),
            ) => {
                let first = self.as_network(&Value::new(left_kind, left.span));
                let second = self.as_network(&Value::new(right_kind, right.span));
                let networks = first.zip(second);
                networks.map_or(Kind::Poison, |(first, second)| {
                    self.join_networks(&first, &second, span, temporary)
                })
            }
            (left_kind, right_kind) => {
                let [left, right] = [(left_kind, left.span), (right_kind, right.span)]
                    .map(|(kind, span)| Value::new(kind, span).describe());
                let message = format!("`>>` does not join {left} and {right}");
                let error = Diagnostic::new(findings::TYPE_MISMATCH, span, message);
                self.report(
                    error.help("it joins augmentations, or an encoder and the networks after it"),
                );
                Kind::Poison
            }
        };
        Value { kind, span, origin }
    }

    fn join_augments(
        &mut self,
        mut first: Rc<AugmentValue>,
        second: &AugmentValue,
        span: Span,
    ) -> Kind {
        let parts = |term: Term| match term {
            Term::Chain(parts) => parts,
            other => vec![other],
        };
        if first.by_view.is_some() || second.by_view.is_some() {
            let message = "a recipe for each view stands alone";
            let error = Diagnostic::new(findings::TYPE_MISMATCH, span, message);
            self.report(error.help("put what all have in common into each of the recipes"));
            return Kind::Poison;
        }
        let whole = Rc::make_mut(&mut first);
        whole.sizes.extend_from_slice(&second.sizes);
        let terms = whole.term.take().zip(second.term.clone());
        let chain = terms.map(|(before, after)| {
            // Beside another part, an identity does nothing.
            if is_identity(&after) {
                return before;
            }
            if is_identity(&before) {
                return after;
            }
            let mut chain = parts(before);
            chain.extend(parts(after));
            Term::Chain(chain)
        });
        let length = whole.sizes.len().max(match &chain {
            Some(Term::Chain(parts)) => parts.len(),
            _ => 1,
        });
        whole.term = chain;
        match self.is_short(length, span) {
            true => Kind::Augment(first),
            false => Kind::Poison,
        }
    }

    /// Whether a chain is no longer than anybody would write. Through names it doubles with every
    /// line.
    fn is_short(&mut self, length: usize, span: Span) -> bool {
        if length > LONGEST_CHAIN {
            let message = format!("this chain has more than {LONGEST_CHAIN} parts");
            self.error(findings::CHAIN_TOO_LONG, span, message);
            return false;
        }
        true
    }

    fn join_networks(
        &mut self,
        first: &NetworkValue,
        second: &NetworkValue,
        span: Span,
        temporary: bool,
    ) -> Kind {
        let Some(builder) = &mut self.builder else { return Kind::Poison };
        let is_fixed = |own: &&NetworkValue| !builder.is_trained(own.network);
        if let Some(fixed) = [first, second].into_iter().find(is_fixed) {
            let (message, help) = match builder.networks[fixed.network].body {
                Body::Frozen { .. } => (
                    "a frozen network cannot be extended",
                    "apply what follows to what it makes: `head(frozen(encoder)(a))`",
                ),
                _ => (
                    "an averaged network cannot be extended",
                    "join the networks first and average the whole: `ema(encoder >> mlp(…))`",
                ),
            };
            let error = Diagnostic::new(findings::TYPE_MISMATCH, span, message);
            self.report(error.help(help));
            return Kind::Poison;
        }
        let has_groups = |own: &&NetworkValue| {
            grouping(builder, own.network).is_some_and(|(_, groups)| groups > 1)
        };
        if [first, second].iter().any(has_groups) {
            let message = "a network whose norms see groups cannot be extended";
            let error = Diagnostic::new(findings::TYPE_MISMATCH, span, message);
            let help = "join the networks first and group the whole: \
                        `grouped_norm(encoder >> mlp(…), groups: …)`";
            self.report(error.help(help));
            return Kind::Poison;
        }
        let added = builder.chain(second.network).to_vec();
        let length = builder.chain(first.network).len() + added.len();
        if !self.is_short(length, span) {
            return Kind::Poison;
        }
        if let Some(head) = added.first()
            && !self.feed(*head, &first.output, span)
        {
            return Kind::Poison;
        }
        let written = self.written_at(span);
        let Some(builder) = &mut self.builder else { return Kind::Poison };
        let output = second.output.clone();
        let network = match temporary {
            true => first.network,
            false => {
                let body = Body::Chain(builder.chain(first.network).to_vec());
                let section = builder.section(first.network);
                builder.network(DraftNetwork { body, written, output: output.clone(), section })
            }
        };
        builder.extend(network, &added, &output);
        Kind::Network(NetworkValue { network, output })
    }
}

/// The name that a step calls.
fn called(step: &Expr) -> Option<&str> {
    match &step.kind {
        ExprKind::Call(callee, _) => match &callee.kind {
            ExprKind::Name(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

fn is_identity(term: &Term) -> bool {
    matches!(term, Term::Call(call) if call.name == "identity")
}
