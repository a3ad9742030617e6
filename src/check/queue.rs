//! Queues against what the steps push.

use super::Checker;
use super::length::examples;
use super::objective::Builder;
use super::pipeline::TypedStage;
use super::size::{Known, Size};
use super::stages::split_of;
use super::value::Kind;
use crate::diagnostics::{Diagnostic, findings};
use crate::resolve::declaration;
use crate::term::objective::Op;

impl Checker<'_> {
    /// A queue holds what whole steps push, so that no step sees half of another.
    pub(super) fn check_queues(&mut self, stage: &TypedStage, builder: &Builder) {
        let Some(batch) = stage.fields.get("batch") else { return };
        let Kind::Int(batch_size) = &batch.kind else { return };
        let Some(batch_size) = batch_size.as_constant() else { return };
        let data = split_of(stage.fields.get("data"));
        let examples = data.as_ref().and_then(examples);
        for node in &builder.nodes {
            let Op::Primitive(name) = &node.op else { continue };
            let Some(declaration) = declaration(name).filter(|own| own.keeps_rows()) else {
                continue;
            };
            let Some(size) = node.shape.first().and_then(Size::as_constant) else { continue };
            let pushed =
                node.inputs.first().and_then(|pushed| builder.nodes[*pushed].shape.first());
            let is_known = |size: &&Size| examples.is_some() || !size.holds(Known::Examples);
            let rows = pushed.filter(is_known).and_then(Size::extent);
            let rows = rows.map(|rows| rows.number(batch_size as usize, examples.unwrap_or(0)));
            let Some(rows) = rows.and_then(|rows| i64::try_from(rows).ok()).filter(|own| *own > 0)
            else {
                continue;
            };
            if size % rows != 0 {
                let below = size - size % rows;
                let right = match below {
                    0 => format!("{rows}"),
                    below => match below.checked_add(rows) {
                        Some(above) => format!("{below} or {above}"),
                        None => format!("{below}"),
                    },
                };
                let whole = match rows == batch_size {
                    true => format!("whole batches of {batch_size}"),
                    false => format!("the {rows} rows of whole steps"),
                };
                let message = format!("the queue of {size} does not hold {whole}");
                let argument = declaration.first_size();
                let queue = argument.and_then(|name| node.written.arguments.get(name));
                let error = match queue {
                    Some(queue) => {
                        let error = Diagnostic::new(findings::QUEUE_BATCH, *queue, message);
                        let batch = (self.written(batch), format!("the batch of {batch_size}"));
                        let error = error.also(batch.0, batch.1);
                        match node.span.holds(*queue) {
                            true => error,
                            false => error.also(node.span, "found here"),
                        }
                    }
                    None => {
                        let error = self.blame(findings::QUEUE_BATCH, batch, message);
                        error.label("the batch").also(node.span, format!("the queue of {size}"))
                    }
                };
                self.report(error.help(format!("a queue of {right} does")));
            }
        }
    }
}
