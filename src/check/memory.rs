//! The memory of the machine, and what would not fit into it.
//!
//! A dataset, a queue or a network too large for the machine is an error of the text: it would be
//! killed hours later, or at once, without a word. The estimates are lower bounds, and no graph
//! depends on them.

use std::sync::LazyLock;

use super::objective::{Body, Builder};
use super::pipeline::TypedStage;
use super::size::Size;
use super::{Checker, flow::Flow};
use crate::diagnostics::{Diagnostic, amount, findings};
use crate::resolve::learned;
use crate::source::Span;

/// The bytes of a number.
pub(super) const NUMBER: u128 = size_of::<f32>() as u128;

/// Where the machine does not say: more than any machine at hand.
const FALLBACK: u128 = 1 << 40;

/// No machine that trains has less; what is smaller asks for nothing to be read.
const LEAST: u128 = 64 << 20;

/// The bytes of memory that the machine has.
static TOTAL: LazyLock<u128> = LazyLock::new(|| {
    let told = std::fs::read_to_string("/proc/meminfo").ok();
    told.as_deref().and_then(total).unwrap_or(FALLBACK)
});

/// The total in the text of `/proc/meminfo`.
fn total(meminfo: &str) -> Option<u128> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u128 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// A module as a training holds it.
pub(super) struct Held {
    /// The numbers of its weights.
    numbers: u128,
    /// How often they are there: as weights, as gradients, in averages.
    sets: u128,
    /// The user's text that makes it, and the text that it is made by.
    place: Span,
    made: Span,
}

impl Held {
    /// The modules of an objective. What it does not apply, it does not hold.
    pub fn objective(builder: &Builder, flow: &Flow) -> Vec<Self> {
        let mut sets = vec![0_u128; builder.modules.len()];
        for network in &flow.applied {
            for module in builder.chain(*network) {
                sets[*module] = sets[*module].max(1);
            }
        }
        for network in &flow.applied {
            if let Body::Ema { of, .. } = builder.networks[*network].body {
                builder.chain(of).iter().for_each(|module| sets[*module] += 1);
            }
        }
        let modules = builder.modules.iter().zip(sets).zip(&flow.trained);
        let held = modules.map(|((module, sets), trained)| {
            let input = module.input.as_ref().and_then(known);
            let term = module.term.as_ref();
            let numbers = module.parameters.or_else(|| term.and_then(|term| learned(term, input)));
            Held {
                numbers: numbers.unwrap_or_default(),
                sets: sets + u128::from(*trained),
                place: module.place,
                // An encoder is made in the user's text, whoever applies it.
                made: if module.is_encoder { module.place } else { module.span },
            }
        });
        held.collect()
    }

    fn bytes(&self) -> u128 {
        self.numbers.saturating_mul(self.sets).saturating_mul(NUMBER)
    }
}

impl Checker<'_> {
    /// Reports what takes more memory than the machine has, at the text to blame for it and where it
    /// is made; says whether it fits.
    pub(super) fn fits_memory(&mut self, what: &str, bytes: u128, place: Span, made: Span) -> bool {
        let Some(error) = too_large(what, bytes, place) else { return true };
        if !self.too_large.insert(place) {
            // Whatever else is made of that size.
            self.silent += 1;
            return false;
        }
        self.report(match made.holds(place) || place.holds(made) {
            true => error,
            false => error.also(made, "found here"),
        });
        false
    }

    /// Weights, gradients and averages of what a stage trains. What its optimizer remembers and what
    /// its layers pass on comes on top.
    pub(super) fn check_networks(&mut self, stage: &TypedStage, held: &[Held]) {
        let bytes = held.iter().fold(0_u128, |all, held| all.saturating_add(held.bytes()));
        let Some(largest) = held.iter().max_by_key(|held| held.bytes()) else { return };
        let what = format!("what `{}` trains", stage.name);
        let Some(mut error) = too_large(&what, bytes, largest.place) else { return };
        error = error.label("the largest of its networks");
        if largest.made != largest.place {
            error = error.also(largest.made, "it is made here");
        }
        self.report(error.also(stage.span, "weights, gradients and averages are held here"));
    }
}

/// The error of taking more memory than the machine has.
fn too_large(what: &str, bytes: u128, span: Span) -> Option<Diagnostic> {
    let message = || format!("{what} takes at least {}", amount(bytes));
    let help = || format!("this machine has {} of memory", amount(*TOTAL));
    (bytes > LEAST && bytes > *TOTAL)
        .then(|| Diagnostic::new(findings::TOO_LARGE, span, message()).help(help()))
}

fn known(size: &Size) -> Option<usize> {
    usize::try_from(size.as_constant()?).ok()
}

/// The product of sizes; `None` where one is unknown.
pub(super) fn product<'s>(sizes: impl IntoIterator<Item = &'s Size>) -> Option<u128> {
    let known = |size: &Size| u128::try_from(size.as_constant()?).ok();
    sizes.into_iter().try_fold(1_u128, |all, size| Some(all.saturating_mul(known(size)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total() {
        assert_eq!(total("MemTotal:       16315 kB\nMemFree: 1 kB\n"), Some(16_315 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }
}
