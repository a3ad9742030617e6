//! The `cpipe` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(all(feature = "run", target_os = "linux", target_env = "gnu"))]
    keep_memory();
    cpipe::cli::main()
}

/// Tells glibc to keep what it is given back. A training step allocates and frees tensors of tens
/// of megabytes; by default each is mapped and unmapped, and the kernel clears every page anew.
#[cfg(all(feature = "run", target_os = "linux", target_env = "gnu"))]
fn keep_memory() {
    // SAFETY: no thread but this one exists yet, and both parameters take any value.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
    }
}
