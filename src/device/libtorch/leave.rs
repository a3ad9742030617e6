//! The end of the process.

/// Lets the process end, whenever it does, without the destructors of C++ and what else was noted for
/// its end before: libtorch takes apart its tables of operations there, which lasts a tenth of a
/// second and leaves nothing that the system would not take back. What Rust has to do at the end is
/// done before, and what C has buffered is written.
///
/// Does nothing where the C library is not glibc.
pub fn leave_at_once() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::ffi::{c_int, c_void};

        unsafe extern "C" {
            fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void)
            -> c_int;
        }

        extern "C" fn leave(status: c_int, _: *mut c_void) {
            // SAFETY: null stands for all streams, of which each has its lock; the other takes any
            // status, and does not return.
            unsafe {
                libc::fflush(std::ptr::null_mut());
                libc::_exit(status)
            }
        }

        // SAFETY: as glibc declares it. What was noted last is called first. Where there is no room
        // for another note, the process ends as it would have.
        unsafe { on_exit(leave, std::ptr::null_mut()) };
    }
}
