//! The embedded library: `stdlib/` as `std.*`, `pipelines/` as `std.pipelines.*`.

include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// The text of an embedded module, by its dotted path: `std.objectives.moco_v2`.
pub fn text(path: &str) -> Option<&'static str> {
    LIBRARY.iter().find(|(name, _)| *name == path).map(|(_, text)| *text)
}

/// Every embedded module, as dotted path and text, sorted by path.
pub fn embedded() -> &'static [(&'static str, &'static str)] {
    LIBRARY
}
