//! Defines on their own, with arguments of which only the types or the defaults are known.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::bind::{Arguments, What};
use super::objective::Builder;
use super::shape::{Dimension, Shape};
use super::signature::TypedSignature;
use super::size::{Size, Symbol, SymbolKind};
use super::types::{Type, TypeName};
use super::unify::Solution;
use super::value::{
    AugmentValue, DatasetValue, EncoderValue, HeadValue, Kind, Made, SplitValue, Value,
};
use super::{Checker, Scope};
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::ModuleId;
use crate::syntax::tree::Parameter;
use crate::term::Part;
use crate::term::objective::Op;

impl<'a> Checker<'a> {
    /// Checks a define with unknown arguments, so that its mistakes are found although no pipeline
    /// uses it, and once.
    pub(super) fn define_alone(&mut self, module: ModuleId, index: usize) {
        let errors = self.errors();
        let program = self.program;
        let define = program.define(module, index);
        let signature = self.signature(&define.signature);
        define.signature.parameters.iter().for_each(|parameter| self.not_detached(parameter));
        self.report_types(&signature.faults);
        for (parameter, kind) in signature.parameters() {
            self.check_bound(parameter, kind);
        }
        if self.errors() == errors && define.whole {
            let is_objective = signature.result.is(TypeName::Objective);
            // A helper over tensors is checked inside of an objective of its own.
            let is_helper = !is_objective && takes_tensors(&signature);
            for with_defaults in [false, true] {
                let has_defaults =
                    define.signature.parameters.iter().any(|own| own.default.is_some());
                if self.errors() > errors || (with_defaults && !has_defaults) {
                    break;
                }
                self.with_defaults = with_defaults;
                self.is_alone = true;
                self.builder = is_helper.then(Builder::default);
                let arguments = self.unknown_arguments(module, &signature, with_defaults);
                if self.errors() == errors {
                    self.expand(module, index, arguments, None);
                }
                self.builder = None;
                self.is_alone = false;
            }
        }
        if self.errors() > errors {
            self.broken.insert((module, index));
        }
    }

    /// Arguments of which nothing more is known than their types, or than their defaults.
    fn unknown_arguments(
        &mut self,
        module: ModuleId,
        signature: &TypedSignature<'a>,
        with_defaults: bool,
    ) -> Arguments {
        let mut scope = Scope::new(module, BTreeMap::new());
        let mut solution = signature.alone();
        for (parameter, kind) in signature.parameters() {
            let name = &parameter.name.text;
            let default = parameter.default.as_ref().map(|default| {
                let value = self.eval(default, &scope, Some(kind), None);
                self.fit(
                    value,
                    parameter,
                    kind,
                    &mut Solution::default(),
                    What::Argument { of: Some(signature.name()) },
                )
            });
            let value = match default.filter(|_| with_defaults) {
                Some(value) => value,
                None => self.unknown_value(signature, parameter, kind, &solution),
            };
            if let (Kind::Int(size), Some(symbol)) = (&value.kind, signature.symbol(name)) {
                solution.set(symbol, size);
            }
            scope.locals.insert(name.clone(), value);
        }
        Arguments { values: scope.locals, solution, are_right: true }
    }

    /// Reports a parameter that is `detached` where only a body says what becomes of it.
    pub(super) fn not_detached(&mut self, parameter: &Parameter) {
        if let Some(span) = parameter.detached {
            let name = &parameter.name.text;
            let message = "only an `extern` of the library has detached parameters";
            let error = Diagnostic::new(findings::EXTERN_OUTSIDE_LIBRARY, span, message);
            self.report(error.help(format!("stop the gradient in the body: `detach({name})`")));
        }
    }

    /// A value of the parameter's type of which nothing more is known.
    fn unknown_value(
        &mut self,
        signature: &TypedSignature<'_>,
        parameter: &Parameter,
        kind: &Type,
        solution: &Solution,
    ) -> Value {
        let name = &parameter.name.text;
        let span = parameter.name.span;
        let given = |suffix: &str| Size::fresh(&format!("{name}{suffix}"), SymbolKind::Given);
        // What the signature says of the sizes, and otherwise a number that each use gives.
        let shape = |part| kind.part(part).and_then(|shape| solution.apply_to_shape(shape));
        let first = |part| shape(part).and_then(|shape| shape.first().cloned());
        let dataset = || {
            let sizes = shape(TypeName::Image).and_then(|shape| {
                let sizes = shape.sizes()?.into_iter().cloned().collect::<Vec<_>>();
                <[Size; 3]>::try_from(sizes).ok()
            });
            DatasetValue {
                call: None,
                image: sizes.unwrap_or_else(|| [".channels", ".height", ".width"].map(given)),
                classes: first(TypeName::Label).unwrap_or_else(|| given(".classes")),
                labeled: kind.part(TypeName::Label).is_some()
                    || kind.part(TypeName::Image).is_none(),
            }
        };
        let width = || first(TypeName::Feature).unwrap_or_else(|| given(".width"));
        let type_name = match kind {
            Type::Unknown => return Value::poison(span),
            Type::Choices(choices) => {
                return Value::new(Kind::Choice(None, choices.clone()), span);
            }
            Type::Named(name, _) => *name,
        };
        let kind = match type_name {
            TypeName::Int => {
                let known = signature.symbol(name).and_then(|symbol| solution.size(symbol));
                Kind::Int(known.cloned().unwrap_or_else(|| given("")))
            }
            TypeName::Float => Kind::Float(None),
            TypeName::Percent => Kind::Percent(None),
            TypeName::Bool => Kind::Bool(None),
            TypeName::Range => Kind::Range(None),
            TypeName::Text => Kind::Text(None),
            TypeName::Duration => Kind::Duration(None),
            TypeName::Dataset => Kind::Dataset(dataset()),
            TypeName::Split => {
                let own = dataset();
                let labeled = own.labeled;
                // One without labels may be of a dataset that has some.
                let dataset = DatasetValue { labeled: true, ..own };
                Kind::Split(SplitValue { dataset, part: Part::Train, labeled, share: None })
            }
            TypeName::Augment => Kind::Augment(Rc::new(AugmentValue {
                term: None,
                sizes: Vec::new(),
                by_view: None,
            })),
            TypeName::Encoder | TypeName::Model => {
                let id = self.fresh_id();
                Kind::Encoder(EncoderValue {
                    term: None,
                    channels: None,
                    features: width(),
                    id,
                    made: Rc::new(Made {
                        parameters: None,
                        grid: None,
                        place: span,
                        written: self.written_at(span),
                    }),
                })
            }
            TypeName::Network => {
                let id = self.fresh_id();
                let output = width();
                Kind::Head(HeadValue { term: None, output, id, made: span, place: span })
            }
            TypeName::Optimizer => Kind::Optimizer(None),
            TypeName::Schedule => Kind::Schedule(None),
            TypeName::Protocol => Kind::Protocol(None),
            TypeName::Tensor | TypeName::Labels | TypeName::Index => {
                let any = || Shape(vec![Dimension::Rest(Symbol::fresh(name, SymbolKind::Rigid))]);
                let shape = shape(type_name).unwrap_or_else(any);
                let value = self.tensor(Op::View(0), Vec::new(), None, shape, true, span);
                match (type_name, value.kind) {
                    (TypeName::Labels, Kind::Tensor(tensor)) => Kind::Labels(tensor),
                    (TypeName::Index, Kind::Tensor(tensor)) => Kind::Index(tensor),
                    (_, kind) => kind,
                }
            }
            TypeName::Objective
            | TypeName::History
            | TypeName::Image
            | TypeName::Label
            | TypeName::Feature => {
                let message = format!("a parameter cannot have the type `{}`", type_name.text());
                self.error(findings::TYPE_MISMATCH, parameter.kind.span, message);
                Kind::Poison
            }
        };
        let value = Value::new(kind, span);
        match (&value.kind, self.builder.is_some()) {
            (Kind::Head(_), true) => {
                let network = self.as_network(&value);
                network
                    .map_or(Value::poison(span), |network| Value::new(Kind::Network(network), span))
            }
            _ => value,
        }
    }
}

fn takes_tensors(signature: &TypedSignature<'_>) -> bool {
    signature.types.iter().chain([&signature.result]).any(Type::is_tensor)
}
