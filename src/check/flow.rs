//! Which networks of an objective are built, where the gradient of its loss arrives, and what that
//! means for its encoders.
//!
//! The graph tells the same of its canonical form. That is made of a pipeline without any error, knows
//! one encoder from all others and no more, and asks for the loss alone: here each stage is judged
//! although others are wrong, every encoder counts, and so does what only a report applies.

use std::collections::BTreeSet;

use super::Checker;
use super::objective::Builder;
use super::pipeline::TypedStage;
use super::value::ObjectiveValue;
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::declaration;
use crate::term::objective::{ENCODER, Op};

/// What a step does with the networks of an objective.
pub(super) struct Flow {
    /// The networks that the loss or a report applies, and those that are exported; those that they
    /// average come with them.
    pub applied: BTreeSet<usize>,
    /// For each module, whether it receives a gradient.
    pub trained: Vec<bool>,
}

impl Checker<'_> {
    /// The encoders that the stage yields are trained.
    pub(super) fn check_encoders(
        &mut self,
        stage: &TypedStage,
        objective: &ObjectiveValue,
        flow: &Flow,
    ) {
        let (name, modules) = (&objective.name, &objective.builder.modules);
        let place = self.place(stage, "objective");
        let handed = objective.encoder.as_ref().map(|encoder| encoder.id);
        // What is exported by that name is judged as an export.
        let is_named = objective.builder.export(ENCODER).is_some();
        let trained = || modules.iter().zip(&flow.trained).filter(|(_, trained)| **trained);
        if handed.is_none() || !trained().any(|(module, _)| module.is_encoder) {
            let message = format!("`{name}` trains no encoder");
            self.error(findings::NO_ENCODER, place, message);
        } else if let Some((other, _)) = trained().find(|(module, _)| module.is_encoder)
            && !is_named
            && !trained().any(|(module, _)| Some(module.id) == handed)
        {
            let message = format!(
                "`{name}` trains another encoder than its first, which `{}.encoder` is",
                stage.name
            );
            let error = Diagnostic::new(findings::NO_ENCODER, place, message);
            let error = error.also(other.span, "it trains this one");
            self.report(error.help(
                "let its signature begin with the encoder that it trains, or `export encoder = …`",
            ));
        }
        for export in &objective.builder.exports {
            let module = objective.builder.chain(export.network)[0];
            if !flow.trained[module] && trained().any(|(module, _)| module.is_encoder) {
                let exported = &export.name;
                let message =
                    format!("`{name}` exports `{}`, and trains it nowhere", exported.text);
                let error = Diagnostic::new(findings::NO_ENCODER, place, message);
                self.report(error.also(exported.span, "exported here"));
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
        flow.applied.extend(builder.exports.iter().map(|export| export.network));
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
