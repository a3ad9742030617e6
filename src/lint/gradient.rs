//! Networks that nothing trains.

use super::Objective;
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::resolve::loaded;
use crate::term::Term;

/// A module with random weights that the loss reads and no gradient reaches keeps them for good.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    for (index, module) in graph.modules.iter().enumerate() {
        // What another stage, or whoever wrote a file, has trained is meant to stay.
        let Term::Call(call) = &module.term else { continue };
        let is_drawn = loaded(&module.term).is_none();
        if is_drawn && flow.applied[index] && !flow.trained[index] {
            let message = format!("this `{}` keeps its random weights", call.name);
            let place = subject.places.modules[index].place;
            let warning = Diagnostic::new(findings::UNTRAINED_NETWORK, place, message);
            found.push(warning.label("no gradient of the loss arrives here").help(
                "apply it on the side that learns, average one that is trained, or take the encoder \
                 of another stage",
            ));
        }
    }
}
