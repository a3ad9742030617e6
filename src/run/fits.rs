//! Whether the steps of a training fit into memory, and what would where they do not.

use super::Run;
use super::estimate::free_memory;
use super::failure::Cause;
use super::fields::Fields;
use super::prepare::Lookups;
use crate::check::{StageKind, examples_of};
use crate::device::{Full, unless_full};
use crate::graph::Stage;
use crate::resolve::{Declaration, declaration};
use crate::store::error::{Fit, RunError};
use crate::term::objective::{NetworkBody, Op};

/// What is expected may be off by a fifth: a run is refused where it would not fit even so.
const AT_LEAST: [u128; 2] = [5, 6];

impl Run<'_> {
    /// Makes sure that what is to be computed fits into what is free, beside what the `datasets`
    /// take.
    pub(super) fn check_steps(&self, lookups: &Lookups, datasets: u128) -> Result<(), RunError> {
        for stage in self.needed(lookups) {
            match stage.kind {
                StageKind::Evaluate => self.check_passes(stage, datasets)?,
                _ => self.check_step(&Fields(stage), datasets)?,
            }
        }
        Ok(())
    }

    /// The same of an evaluation.
    fn check_passes(&self, stage: &Stage, datasets: u128) -> Result<(), RunError> {
        let Some(free) = free_memory().filter(|_| self.device.is_host()) else { return Ok(()) };
        let Some(work) = self.work(stage, &[]) else { return Ok(()) };
        let needed = work.memory.saturating_add(datasets);
        if fits_in(needed, free) {
            return Ok(());
        }
        let (stage, needed) = (stage.name.clone(), bytes(needed));
        Err(RunError::StepTooLarge { stage, batch: None, needed, free, fits: Vec::new() })
    }

    /// The same of a training.
    pub(super) fn check_step(&self, fields: &Fields<'_>, datasets: u128) -> Result<(), RunError> {
        let Some(free) = free_memory().filter(|_| self.device.is_host()) else { return Ok(()) };
        let (batch, parts) = (fields.args().size("batch"), fields.parts());
        let Some(needed) = self.step_memory(fields, [batch, parts], datasets) else {
            return Ok(());
        };
        if fits_in(needed, free) {
            return Ok(());
        }
        Err(RunError::StepTooLarge {
            stage: fields.0.name.clone(),
            batch: Some(batch),
            needed: bytes(needed),
            free,
            fits: self.fits(fields, datasets, Some(free)),
        })
    }

    /// What a part of a stage gives, or that the device had no room for it.
    pub(super) fn unless_full<T>(
        &self,
        stage: &Stage,
        part: impl FnOnce() -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        let made = unless_full(part);
        made.unwrap_or_else(|full| Err(self.device_full(stage, full).into()))
    }

    /// What a device says that had no room for a stage, and what takes less.
    fn device_full(&self, stage: &Stage, Full(said): Full) -> RunError {
        let (fields, name) = (Fields(stage), stage.name.clone());
        let (batch, fits) = match stage.kind {
            StageKind::Evaluate => (None, Vec::new()),
            _ => (Some(fields.args().size("batch")), self.fits(&fields, 0, None)),
        };
        RunError::DeviceFull { stage: name, batch, said, fits }
    }

    /// The fewest parts with which steps fit into so many bytes beside `datasets`, and the largest
    /// batch of those that divide it, or that are powers of two where no queue holds it: or, of
    /// unknown room, those that take less.
    fn fits(&self, fields: &Fields<'_>, datasets: u128, room: Option<u64>) -> Vec<Fit> {
        let (batch, parts) = (fields.args().size("batch"), fields.parts());
        let fit = |field, value: usize, [batch, parts]: [usize; 2]| {
            let takes = self.step_memory(fields, [batch, parts], datasets)?;
            let fits = room.is_none_or(|room| takes <= u128::from(room));
            fits.then(|| Fit { field, value, takes: bytes(takes) })
        };
        let is_even = |batch: usize, parts: usize| {
            parts < batch
                && groups(fields).all(|groups| {
                    batch.is_multiple_of(groups)
                        && batch.is_multiple_of(parts * groups.div_ceil(parts))
                })
        };
        let nodes = &fields.objective().nodes;
        // What a batch divides, as the rows of a queue, its divisors divide, too.
        let has_queue = nodes.iter().any(|node| match &node.op {
            Op::Primitive(name) => declaration(name).is_some_and(Declaration::keeps_rows),
            _ => false,
        });
        let may_be = |own: usize| match has_queue {
            true => batch.is_multiple_of(own),
            false => batch.is_multiple_of(own) || own.is_power_of_two(),
        };
        let examples = examples_of(fields.split("data")).unwrap_or(0);
        let is_whole = |own: usize| {
            let mut sizes = nodes.iter().flat_map(|node| &node.shape);
            sizes.all(|size| size.is_whole(own, examples))
        };
        let fewer = (2..batch).rev().filter(|own| may_be(*own) && is_whole(*own));
        let fewer = fewer.filter(|own| is_even(*own, parts));
        let more = (parts + 1..batch).filter(|own| is_even(batch, *own));
        let fits: [Option<Fit>; 2] = [
            { more }.find_map(|parts| fit("accumulate", parts, [batch, parts])),
            { fewer }.find_map(|batch| fit("batch", batch, [batch, parts])),
        ];
        fits.into_iter().flatten().collect()
    }

    /// The bytes that steps of such a batch in so many parts are expected to take, beside `datasets`.
    fn step_memory(
        &self,
        fields: &Fields<'_>,
        [batch, parts]: [usize; 2],
        datasets: u128,
    ) -> Option<u128> {
        let besides = datasets.saturating_add(self.judging_memory(fields.0));
        Some(self.training_work(fields, batch, parts)?.memory.saturating_add(besides))
    }
}

fn fits_in(needed: u128, free: u64) -> bool {
    let [share, of] = AT_LEAST;
    needed / of * share <= u128::from(free)
}

/// In how many groups the batch norms of networks see a batch.
fn groups<'s>(fields: &Fields<'s>) -> impl Iterator<Item = usize> + use<'s> {
    let grouped = fields.objective().networks.iter().filter_map(|network| match network.body {
        NetworkBody::Grouped { groups, .. } => Some(groups),
        _ => None,
    });
    std::iter::once(1).chain(grouped)
}

fn bytes(number: u128) -> u64 {
    number.try_into().unwrap_or(u64::MAX)
}
