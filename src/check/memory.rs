//! The memory of the machine, and what would not fit into it.
//!
//! A dataset or a queue too large for the machine is an error of the text: it would be killed hours
//! later, or at once, without a word. The estimates are lower bounds, and no graph depends on them.

use std::sync::LazyLock;

use super::Checker;
use crate::diagnostics::Diagnostic;
use crate::syntax::Span;

/// Where the machine does not say: more than any machine at hand.
const FALLBACK: u128 = 1 << 40;

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

impl Checker<'_> {
    /// Reports what takes more memory than the machine has; says whether it fits.
    pub(super) fn fits_memory(&mut self, what: &str, bytes: u128, span: Span) -> bool {
        if bytes <= *TOTAL {
            return true;
        }
        let message = format!("{what} takes at least {}", amount(bytes));
        let error = Diagnostic::error("too-large", span, message);
        self.report(error.help(format!("this machine has {} of memory", amount(*TOTAL))));
        false
    }
}

/// The product of sizes; `None` where one is unknown.
pub(super) fn product<'s>(sizes: impl IntoIterator<Item = &'s super::size::Size>) -> Option<u128> {
    let known = |size: &super::size::Size| u128::try_from(size.as_constant()?).ok();
    sizes.into_iter().try_fold(1_u128, |all, size| Some(all.saturating_mul(known(size)?)))
}

/// `3.1 PiB`
pub fn amount(bytes: u128) -> String {
    const UNITS: [&str; 7] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut amount = bytes as f64;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    let digits = usize::from(amount < 100.0 && unit != "bytes");
    format!("{amount:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total() {
        assert_eq!(total("MemTotal:       16315 kB\nMemFree: 1 kB\n"), Some(16_315 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!(amount(12), "12 bytes");
        assert_eq!(amount(3 << 29), "1.5 GiB");
        assert_eq!(amount(3072 * 1_000_000_000_000_000), "2.7 EiB");
    }
}
