//! The versions of what decides about the bits of a result.
//!
//! A stage's key in the store holds them: results of other numerics are not found. Whoever changes
//! the bits that a part gives raises its version; a test compares digests, and fails until that is
//! done.

/// Each part and its version.
const PARTS: [(&str, u32); 7] = [
    // What datasets draw, which examples a sample takes, and the order of an epoch.
    ("images", 1),
    // Where a GPU makes them, too, which rounds otherwise.
    ("views", 2),
    ("initialization", 1),
    // Layers, gradients, optimizers, and which examples a step sees.
    ("steps", 8),
    // What objectives are written in.
    ("operations", 1),
    ("schedules", 1),
    ("protocols", 1),
];

/// All of them as one text.
pub fn version() -> String {
    PARTS.map(|(part, version)| format!("{part} {version}")).join(", ")
}

#[cfg(test)]
mod tests;
