//! Devices for unit tests.

use burn::tensor::Device;

use super::{Array, Selected, select};

/// Every backend of this build, on the processor.
pub fn backends() -> Vec<Selected> {
    let built: Vec<_> = ["flex", "libtorch-cpu"].into_iter().flat_map(select).collect();
    let expected = usize::from(cfg!(feature = "flex")) + usize::from(cfg!(feature = "libtorch"));
    assert_eq!(built.len(), expected, "a backend is built in and cannot be had");
    built
}

/// One of them, where it does not matter which.
pub fn device() -> Device {
    backends().swap_remove(0).device
}

/// Where the numbers of an array lie in memory.
pub fn address(array: &Array) -> usize {
    let at: Vec<usize> = [
        #[cfg(feature = "flex")]
        super::flex::address(array),
        #[cfg(feature = "libtorch")]
        super::libtorch::address(array),
    ]
    .into_iter()
    .flatten()
    .collect();
    at[0]
}
