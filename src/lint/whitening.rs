//! Groups that are whitened by the statistics of too few rows.

use super::Objective;
use super::operations::{is, named};
use crate::diagnostics::{Diagnostic, Diagnostics, findings};
use crate::term::Term;

/// Rows that are no more than their dimensions can all be made orthogonal: after whitening every two
/// of them are as far apart as every other two, whatever a network has made of their images, and
/// nothing keeps it from making one of all. Ermolov et al. 2020, arXiv:2007.06346, section 3.1, take
/// two rows for each dimension.
pub(super) fn check(objective: &Objective<'_>, found: &mut Diagnostics) {
    let Objective { graph, flow, subject, .. } = objective;
    let Some(batch) = subject.batch() else { return };
    let examples = subject.examples().unwrap_or(usize::MAX);
    for (index, node) in graph.nodes.iter().enumerate() {
        if !flow.reaches_loss[index] || !is(graph, index, named::WHITEN) {
            continue;
        }
        let [rows, dimensions] = &node.shape[..] else { continue };
        let [rows, dimensions] =
            [rows, dimensions].map(|size| size.number(batch as usize, examples));
        let groups = match node.args.get("groups") {
            Some(Term::Int(groups)) => usize::try_from(*groups).unwrap_or(1).max(1),
            _ => 1,
        };
        if rows / groups > dimensions {
            continue;
        }
        let message = format!(
            "{} rows are whitened in {dimensions} dimensions: all come out equally far apart",
            rows / groups
        );
        let most = rows.saturating_sub(1) / dimensions.max(1);
        let help = match most {
            0 => format!("take a batch above {dimensions}, or fewer dimensions"),
            1 => "whiten the batch as one, take a larger one, or fewer dimensions".to_string(),
            most => format!("take {most} groups at the most, a larger batch or fewer dimensions"),
        };
        let written = &subject.places.nodes[index];
        let place = match groups {
            1 => subject.places.field("batch"),
            _ => written.argument("groups"),
        };
        let warning = Diagnostic::new(findings::WHITENED_ALIKE, place, message);
        found.push(warning.help(help));
    }
}
