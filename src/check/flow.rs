//! Which networks of an objective are built, where the gradient of its loss arrives, and what that
//! means for its encoders.
//!
//! The graph tells the same of its canonical form. That is made of a pipeline without any error, knows
//! one encoder from all others and no more, and asks for the loss alone: here each stage is judged
//! although others are wrong, every encoder counts, and so does what only a report applies.

use std::collections::BTreeSet;

use super::Checker;
use super::objective::{Builder, DraftModule};
use super::pipeline::TypedStage;
use super::value::ObjectiveValue;
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::declaration;
use crate::source::Span;
use crate::term::Term;
use crate::term::objective::Op;

/// What a step does with the networks of an objective.
pub(super) struct Flow {
    /// The networks that the loss or a report applies; those that they average come with them.
    pub applied: BTreeSet<usize>,
    /// For each module, whether it receives a gradient.
    pub trained: Vec<bool>,
}

impl Checker<'_> {
    /// The encoder that the stage yields is trained, and no other is taken from another stage: a
    /// training starts from one set of weights at most.
    pub(super) fn check_encoders(
        &mut self,
        stage: &TypedStage,
        objective: &ObjectiveValue,
        flow: &Flow,
    ) {
        let (name, modules) = (&objective.name, &objective.builder.modules);
        let place = self.place(stage, "objective");
        let yielded = objective.encoder.as_ref().map(|encoder| encoder.id);
        let trained = || modules.iter().zip(&flow.trained).filter(|(_, trained)| **trained);
        if yielded.is_none() || !trained().any(|(module, _)| module.is_encoder) {
            let message = format!("`{name}` trains no encoder");
            self.error(findings::NO_ENCODER, place, message);
        } else if let Some((other, _)) = trained().find(|(module, _)| module.is_encoder)
            && !trained().any(|(module, _)| Some(module.id) == yielded)
        {
            let message = format!(
                "`{name}` trains another encoder than its first, which `{}.encoder` is",
                stage.name
            );
            let error = Diagnostic::new(findings::NO_ENCODER, place, message);
            let error = error.also(other.span, "it trains this one");
            self.report(error.help("let its signature begin with the encoder that it trains"));
        }
        for network in &flow.applied {
            let mut chain =
                objective.builder.chain(*network).iter().map(|module| &modules[*module]);
            let taken = |module: &&DraftModule| {
                Some(module.id) != yielded && matches!(module.term, Some(Term::Output(_)))
            };
            if let Some(module) = chain.find(taken) {
                let message = format!(
                    "`{name}` is handed the encoder of another stage besides the one that it yields"
                );
                let handed = |(id, _): &&(usize, Span)| *id == module.id;
                let written = objective.handed.iter().find(handed).map(|(_, written)| *written);
                let place = written.unwrap_or(place);
                let error = Diagnostic::new(findings::ENCODER_NOT_FRESH, place, message);
                let error = error.also(module.span, "it uses it here");
                self.report(error.help("only its first encoder can start from another stage"));
                return;
            }
        }
    }

    /// Follows the loss and the reports back to what they are made of.
    pub(super) fn flow(&mut self, builder: &Builder) -> Flow {
        let count = builder.nodes.len();
        let mut flow =
            Flow { applied: BTreeSet::new(), trained: vec![false; builder.modules.len()] };
        let (mut needed, mut differentiated) = (vec![false; count], vec![false; count]);
        for (_, report) in &builder.reports {
            needed[*report] = true;
        }
        if let Some(loss) = builder.loss {
            needed[loss] = true;
            differentiated[loss] = true;
        }
        // Inputs stand before the nodes that read them: backwards, each is settled when reached.
        for (index, node) in builder.nodes.iter().enumerate().rev() {
            for (position, input) in node.inputs.iter().enumerate() {
                needed[*input] |= needed[index];
                differentiated[*input] |=
                    differentiated[index] && self.carries(builder, &node.op, position);
            }
            let (Op::Apply(network), true) = (&node.op, needed[index]) else { continue };
            flow.applied.insert(*network);
            if builder.is_trained(*network) && differentiated[index] {
                builder.chain(*network).iter().for_each(|module| flow.trained[*module] = true);
            }
        }
        flow
    }

    /// Whether a gradient passes from an operation to its input at `position`.
    fn carries(&mut self, builder: &Builder, op: &Op, position: usize) -> bool {
        match op {
            Op::Apply(network) => builder.is_trained(*network),
            Op::Primitive(name) => {
                declaration(name).is_some_and(|declaration| declaration.carries(position))
            }
            _ => true,
        }
    }
}
