//! What the process has of the machine.

use std::time::Duration;

/// Tells glibc to keep what it is given back. A training step allocates and frees tensors of tens
/// of megabytes; by default each is mapped and unmapped, and the kernel clears every page anew.
///
/// To be called before there is another thread.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: both parameters take any value, and glibc holds its own lock while it sets them.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        // Never: the largest `int` would still give back what is above 2 GiB.
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

/// How long the processor has worked for this process so far, on all of its cores together; `None`
/// where the system does not say.
pub fn processor_time() -> Option<Duration> {
    #[cfg(unix)]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the pointer is to a living value, which is written to or not.
        let told = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
        let seconds = u64::try_from(time.tv_sec).ok().filter(|_| told == 0)?;
        Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
    }
    #[cfg(not(unix))]
    None
}
