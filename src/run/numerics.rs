//! The versions of what decides about the bits of a result.
//!
//! A stage's key in the store holds them: results of other numerics are not found. Whoever changes
//! the bits that a part gives raises its version; a test compares digests, and fails until that is
//! done.

use crate::device::Selected;

/// Each part and its version.
const PARTS: [(&str, u32); 7] = [
    // What datasets draw, which examples a sample takes, and the order of an epoch.
    ("images", 1),
    // Where a GPU makes them, too, which rounds otherwise.
    ("views", 2),
    ("initialization", 1),
    // Layers, gradients, optimizers, and which examples a step sees.
    ("steps", 10),
    // What objectives are written in.
    ("operations", 2),
    ("schedules", 1),
    ("protocols", 2),
];

/// All of them as one text, for what is computed on a device.
pub fn version(device: &Selected) -> String {
    let mut all = PARTS.map(|(part, version)| format!("{part} {version}")).to_vec();
    if device.lacks_embedded() {
        all.push("protocols of its own".to_owned());
    }
    let library = device.library();
    if !library.is_empty() {
        all.push(blake3::hash(library.as_bytes()).to_hex().to_string());
    }
    all.join(", ")
}

#[cfg(test)]
mod tests;
