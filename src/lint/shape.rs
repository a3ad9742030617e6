//! Images that are too small for the network.

use super::Subject;
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::graph::flow::Flow;
use crate::resolve::declaration;
use crate::term::Term;
use crate::term::objective::{ObjectiveGraph, Op};

/// A side of the last map below which an average over it is one of next to nothing.
const LEAST_SIDE: f64 = 3.0;

pub(super) fn check(subject: &Subject<'_>, objective: &ObjectiveGraph, found: &mut Diagnostics) {
    let flow = Flow::of(objective);
    let view = objective.nodes.iter().find(|node| matches!(node.op, Op::View(_)));
    let Some([_, _, height, width]) = view.map(|view| view.shape.as_slice()) else { return };
    let side = height.constant.min(width.constant);
    for (index, module) in objective.modules.iter().enumerate() {
        let Term::Call(call) = &module.term else { continue };
        let Some(declaration) = declaration(&call.name).filter(|_| flow.applied[index]) else {
            continue;
        };
        let Some(Ok(divides)) = declaration.number("divides", &call.args, None) else { continue };
        let last = side as f64 / divides;
        if last >= LEAST_SIDE {
            continue;
        }
        let written = &subject.places.modules[index];
        let message = format!(
            "`{}` divides images of {side} pixels by {divides}, to maps of {} × {}",
            call.name,
            last.ceil(),
            last.ceil()
        );
        let warning =
            Diagnostic::new(findings::FEATURES_TOO_COARSE, written.argument("stem"), message);
        found.push(match call.args.get("stem") {
            Some(Term::Symbol(stem)) if stem != "small" => {
                warning.help("write `stem: small`, the stem for images of about 32 pixels")
            }
            _ => warning.help("give it larger views"),
        });
    }
}
