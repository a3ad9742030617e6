//! Tensors and networks added to the objective that is being built.

use super::Checker;
use super::objective::{Body, DraftModule, DraftNetwork, DraftNode};
use super::shape::Shape;
use super::size::{Known, Relation, Size};
use super::value::{EncoderValue, HeadValue, Kind, Made, NetworkValue, TensorValue, Value};
use crate::diagnostics::{Diagnostic, findings};
use crate::source::Span;
use crate::term::objective::Op;

impl Checker<'_> {
    /// Adds a node to the objective that is being built.
    pub(super) fn tensor(
        &mut self,
        op: Op,
        inputs: Vec<usize>,
        args: Option<crate::term::Args>,
        shape: Shape,
        gradient: bool,
        span: Span,
    ) -> Value {
        let written = self.written_at(span);
        let Some(builder) = &mut self.builder else {
            let error = Diagnostic::new(
                findings::OUTSIDE_OBJECTIVE,
                span,
                "tensors exist inside of an objective only",
            );
            self.report(error.help("write this in a `define … -> Objective`"));
            return Value::poison(span);
        };
        let shared = shape.clone();
        let node =
            DraftNode { op, inputs, args, shape: shared, counts: None, gradient, span, written };
        let node = builder.node(node);
        Value::new(Kind::Tensor(TensorValue { node, shape, gradient }), span)
    }

    /// Fixes the size of what a module is given, or says that it is given two sizes.
    pub(super) fn feed(&mut self, module: usize, size: &Size, span: Span) -> bool {
        let Some(builder) = &mut self.builder else { return false };
        let module = &mut builder.modules[module];
        let (message, place) = match &module.input {
            Some(known) if known.relation(size) == Relation::Different => (
                format!("this network is given {size} features here and {known} elsewhere"),
                module.span,
            ),
            _ if module.is_encoder => {
                (format!("an encoder takes images, not {size} features"), module.span)
            }
            _ if size.holds(Known::Batch) || size.holds(Known::Examples) => {
                let message = format!("this network is given as many features as {size} is");
                (message, module.span)
            }
            _ => {
                module.input = Some(size.clone());
                return true;
            }
        };
        self.report(
            Diagnostic::new(findings::SHAPE_MISMATCH, span, message)
                .also(place, "the network is made here"),
        );
        false
    }

    /// An encoder or a head as a network of the objective that is being built.
    pub(super) fn as_network(&mut self, value: &Value) -> Option<NetworkValue> {
        let span = value.span;
        let module = match value.kind.clone() {
            Kind::Network(network) => return Some(network),
            Kind::Encoder(EncoderValue { term, channels, features, id, made }) => {
                let Made { parameters, grid, place, written } = (*made).clone();
                DraftModule {
                    term,
                    input: None,
                    output: features,
                    channels,
                    id,
                    is_encoder: true,
                    parameters,
                    grid,
                    span,
                    place,
                    written,
                }
            }
            Kind::Head(HeadValue { term, output, id, made, place }) => DraftModule {
                term,
                input: None,
                output,
                channels: None,
                id,
                is_encoder: false,
                parameters: None,
                grid: None,
                span: made,
                place,
                written: self.written_at(span),
            },
            _ => return None,
        };
        let output = module.output.clone();
        let written = self.written_at(span);
        let Some(builder) = &mut self.builder else {
            let error = Diagnostic::new(
                findings::OUTSIDE_OBJECTIVE,
                value.span,
                "networks are joined inside of an objective only",
            );
            self.report(error.help("write this in a `define … -> Objective`"));
            return None;
        };
        let position = builder.module(module);
        let network = builder.network(DraftNetwork {
            body: Body::Chain(vec![position]),
            written,
            output: output.clone(),
            section: None,
        });
        Some(NetworkValue { network, output })
    }
}
