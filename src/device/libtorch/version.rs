//! Whether the libtorch that was loaded is the one that this program was built against.

use std::sync::OnceLock;

use super::library;
use crate::device::DeviceError;

/// # Errors
///
/// If they differ in more than a patch: their tensors need not lie in memory alike.
pub fn agrees() -> Result<(), DeviceError> {
    static FOUND: OnceLock<Result<(), DeviceError>> = OnceLock::new();
    FOUND
        .get_or_init(|| compared(&library::built_against(), loaded(&library::configuration())))
        .clone()
}

/// The version in what libtorch says of how it was built.
fn loaded(configuration: &str) -> Option<&str> {
    let (_, rest) = configuration.split_once("TORCH_VERSION=")?;
    rest.split([',', ' ', '\n']).next()
}

/// One that does not say its version is taken for the right one.
fn compared(built: &str, loaded: Option<&str>) -> Result<(), DeviceError> {
    let release =
        |version: &str| -> Vec<String> { version.split('.').take(2).map(str::to_owned).collect() };
    let Some(loaded) = loaded.filter(|loaded| release(loaded) != release(built)) else {
        return Ok(());
    };
    Err(DeviceError {
        message: format!(
            "this cpipe was built against libtorch {built}, and libtorch {loaded} was loaded"
        ),
        help: format!(
            "put the libraries of libtorch {built} first in `LD_LIBRARY_PATH`, or build cpipe again \
             with `LIBTORCH` as the folder of {loaded}"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_is_here_is_the_one_it_was_built_against() {
        assert_eq!(loaded(&library::configuration()), Some(library::built_against().as_str()));
        assert_eq!(agrees(), Ok(()));
    }

    #[test]
    fn another_release_is_told_by_both_versions() {
        let other = "PyTorch built with:\n  - GCC 13.3\n  - Build settings: BLAS_INFO=mkl, \
                     TORCH_VERSION=2.11.0, USE_CUDA=ON, ";
        assert_eq!(loaded(other), Some("2.11.0"));
        let error = compared("2.9.0", loaded(other)).unwrap_err();
        assert!(error.message.contains("2.9.0") && error.message.contains("2.11.0"));
        assert!(error.help.contains("LIBTORCH"), "{}", error.help);
        assert_eq!(compared("2.9.0", Some("2.9.1")), Ok(()));
        assert_eq!(compared("2.9.0", Some("2.9.0+cu128")), Ok(()));
        assert_eq!(compared("2.9.0", loaded("")), Ok(()));
    }
}
