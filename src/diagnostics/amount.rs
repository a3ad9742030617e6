//! How many bytes, in few characters.

/// `3.1 PiB`; more than has a name is as much as has one.
pub fn amount(bytes: u128) -> String {
    const UNITS: [&str; 9] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
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
    amount = amount.min(1024.0);
    let digits = usize::from(amount < 100.0 && unit != "bytes");
    format!("{amount:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts_are_short() {
        assert_eq!(amount(12), "12 bytes");
        assert_eq!(amount(3 << 29), "1.5 GiB");
        assert_eq!(amount(3072 * 1_000_000_000_000_000), "2.7 EiB");
        assert_eq!(amount(u128::MAX), "1024 YiB");
    }
}
