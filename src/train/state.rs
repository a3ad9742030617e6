//! What steps change, by name.

use indexmap::IndexMap;

use crate::device::Array;

/// State by name under a prefix.
pub fn prefixed(
    prefix: &str,
    state: IndexMap<String, Array>,
) -> impl Iterator<Item = (String, Array)> {
    state.into_iter().map(move |(name, array)| (format!("{prefix}.{name}"), array))
}

/// Splits state into what stands under each prefix, in the order of `prefixes`; what stands under
/// none is an error.
pub fn split_state<const N: usize>(
    state: Vec<(String, Array)>,
    prefixes: [&str; N],
) -> Result<[IndexMap<String, Array>; N], String> {
    let mut parts: [IndexMap<String, Array>; N] = std::array::from_fn(|_| IndexMap::new());
    for (name, array) in state {
        let place = prefixes.iter().enumerate().find_map(|(index, prefix)| {
            let rest = name.strip_prefix(prefix)?.strip_prefix('.')?;
            Some((index, rest.to_owned()))
        });
        let Some((index, rest)) = place else {
            return Err(format!("`{name}` belongs to no part of the training"));
        };
        parts[index].insert(rest, array);
    }
    Ok(parts)
}
