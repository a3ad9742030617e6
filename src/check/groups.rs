//! The groups that batch norms see a batch in.

use super::Checker;
use super::objective::{Body, Builder};
use super::pipeline::TypedStage;
use super::value::Kind;
use crate::diagnostics::{Diagnostic, findings};
use crate::term::objective::Op;

impl Checker<'_> {
    /// Groups are of one size, so that the statistics of each are of as many examples.
    pub(super) fn check_groups(&mut self, stage: &TypedStage, builder: &Builder) {
        let Some(batch) = stage.fields.get("batch") else { return };
        let Kind::Int(size) = &batch.kind else { return };
        let Some(size) = size.as_constant().and_then(|size| usize::try_from(size).ok()) else {
            return;
        };
        let mut seen = Vec::new();
        for node in &builder.nodes {
            let Op::Apply(network) = node.op else { continue };
            let Some((grouped, groups)) = grouping(builder, network) else { continue };
            // The examples of the split are no rows of a network.
            let rows = node.shape.first().and_then(|rows| Some(rows.extent()?.number(size, 1)));
            let Some(rows) = rows.filter(|rows| rows % groups != 0) else { continue };
            if seen.contains(&grouped) {
                continue;
            }
            seen.push(grouped);
            let message = format!("{groups} groups of one size cannot be made of {rows} rows");
            let written = &builder.networks[grouped].written;
            let place = written.arguments.get("groups").copied().unwrap_or(written.place);
            let error = Diagnostic::new(findings::GROUP_BATCH, place, message);
            let error = error.also(self.written(batch), format!("the batch of {size}"));
            let below = size - size % groups;
            self.report(error.help(match below {
                0 => format!("a batch of {groups} or more, or fewer groups"),
                below => format!("a batch of {below} or {} does", below + groups),
            }));
        }
    }
}

/// In how many groups a network sees its batch, and which network says so. An average or a frozen
/// form of a grouped one sees it as a whole.
fn grouping(builder: &Builder, network: usize) -> Option<(usize, usize)> {
    match builder.networks[network].body {
        Body::Grouped { groups, .. } => groups.map(|groups| (network, groups.max(1))),
        _ => None,
    }
}
