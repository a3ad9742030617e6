//! The versions of what decides about the bits of a result.
//!
//! A stage's key in the store holds them: results of other numerics are not found. Whoever changes
//! the bits that a part gives raises its version; the test below fails until that is done.

/// Each part and its version.
const PARTS: [(&str, u32); 6] = [
    ("images", 2),
    ("views", 1),
    ("initialization", 1),
    ("steps", 1),
    ("schedules", 1),
    ("protocols", 1),
];

/// All of them as one text.
pub fn version() -> String {
    PARTS.map(|(part, version)| format!("{part} {version}")).join(", ")
}
