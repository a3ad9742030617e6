//! The groups that batch norms see a batch in, and the parts that it passes encoders in.

use super::Checker;
use super::objective::{Body, Builder};
use super::pipeline::TypedStage;
use super::value::{Kind, Value};
use crate::diagnostics::{Diagnostic, findings};
use crate::term::objective::{Op, Section};

/// How many more parts are looked at for a number that does.
const MOST_PARTS: usize = 1024;

impl Checker<'_> {
    /// Groups are of one size, so that the statistics of each are of as many examples.
    pub(super) fn check_groups(&mut self, stage: &TypedStage, builder: &Builder) {
        let Some((batch, size)) = whole(stage, "batch") else { return };
        let mut seen = Vec::new();
        for node in &builder.nodes {
            let Op::Apply(network) = node.op else { continue };
            let Some((grouped, groups)) = grouping(builder, network) else { continue };
            if builder.section(network) == Some(Section::Places) {
                continue;
            }
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
            self.report(error.help(match size - size % groups {
                0 => format!("a batch of {groups} or more, or fewer groups"),
                below => format!("a batch of {below} or {} does", below + groups),
            }));
        }
    }

    /// Parts are of one size, so that each example counts as much as any other.
    pub(super) fn check_parts(&mut self, stage: &TypedStage, builder: &Builder) {
        let both = whole(stage, "accumulate").zip(whole(stage, "batch"));
        let Some(((accumulate, parts), (batch, size))) = both.filter(|((_, parts), _)| *parts > 0)
        else {
            return;
        };
        for node in &builder.nodes {
            let Op::Apply(network) = node.op else { continue };
            let first = builder.chain(network).first().map(|module| &builder.modules[*module]);
            // Places are the same for every example, and so in one part.
            let is_whole = builder.section(network) == Some(Section::Places);
            if is_whole || !first.is_some_and(|module| module.is_encoder) {
                continue;
            }
            let groups = grouping(builder, network).map_or(1, |(_, groups)| groups);
            let own = groups.div_ceil(parts);
            let Some(all) = parts.checked_mul(own) else { continue };
            let rows = node.shape.first().and_then(|rows| Some(rows.extent()?.number(size, 1)));
            // Groups that do not divide the batch are told of by themselves.
            let is_uneven = |rows: &usize| rows.is_multiple_of(groups) && !rows.is_multiple_of(all);
            let Some(rows) = rows.filter(is_uneven) else { continue };
            let message = match own {
                1 => format!("{parts} parts of one size cannot be made of {rows} rows"),
                own => format!("{parts} parts of {own} groups cannot be made of {rows} rows"),
            };
            let error = self.blame(findings::PART_BATCH, accumulate, message);
            let error = error.also(self.written(batch), format!("the batch of {size}"));
            let batches = match size - size % all {
                0 => format!("a batch of {all} or a multiple of it"),
                below => format!("a batch of {below} or {}", below + all),
            };
            // As many parts as leave each whole, and its groups.
            let does = |parts: &usize| {
                let own = groups.div_ceil(*parts);
                parts.checked_mul(own).is_some_and(|all| rows.is_multiple_of(all))
            };
            let below = (2..parts.min(rows + 1)).rev().take(MOST_PARTS).find(does);
            let above = (parts..=rows).take(MOST_PARTS).find(does);
            let both: Vec<String> =
                below.into_iter().chain(above).map(|parts| parts.to_string()).collect();
            self.report(error.help(match both.as_slice() {
                [] => format!("{batches} does"),
                both => format!("`accumulate: {}` does, or {batches}", both.join("` or `")),
            }));
            return;
        }
    }
}

/// A field that is a whole number.
pub(super) fn whole<'s>(stage: &'s TypedStage, field: &str) -> Option<(&'s Value, usize)> {
    let value = stage.fields.get(field)?;
    let Kind::Int(size) = &value.kind else { return None };
    Some((value, size.as_constant().and_then(|size| usize::try_from(size).ok())?))
}

/// In how many groups a network sees its batch, and which network says so. An average or a frozen
/// form of a grouped one sees it as a whole; an encoder, or a section of one, as what begins with it.
pub(super) fn grouping(builder: &Builder, network: usize) -> Option<(usize, usize)> {
    match builder.networks[network].body {
        Body::Grouped { groups, .. } => groups.map(|groups| (network, groups.max(1))),
        Body::Encoder { of } => grouping(builder, of),
        _ => None,
    }
}
