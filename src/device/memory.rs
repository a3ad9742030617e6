//! The memory of the process.

/// Tells glibc to keep what it is given back. A training step allocates and frees tensors of tens
/// of megabytes; by default each is mapped and unmapped, and the kernel clears every page anew.
///
/// To be called before there is another thread.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: both parameters take any value, and glibc holds its own lock while it sets them.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
    }
}
