//! libtorch's own threads.

use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{check, cpipe_each, size};
use crate::device::host::Threads;

/// libtorch's own threads.
pub const THREADS: Threads =
    Threads { count: || usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1), each };

/// What is to be called with each number below `count`, by as many threads as ask for the next.
struct Each<'e> {
    count: usize,
    next: AtomicUsize,
    work: &'e (dyn Fn(usize) + Sync),
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

fn each(count: usize, work: &(dyn Fn(usize) + Sync)) {
    let threads = (THREADS.count)().min(count);
    if threads < 2 {
        return (0..count).for_each(work);
    }
    let all = Each { count, next: AtomicUsize::new(0), work, panic: Mutex::new(None) };
    let data = (&raw const all).cast();
    // SAFETY: `take_part` is called with `data` alone, and only until this returns.
    check(unsafe { cpipe_each(size(threads), take_part, data) });
    if let Some(panic) = all.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
        resume_unwind(panic);
    }
}

extern "C" fn take_part(data: *const c_void) {
    // SAFETY: `each` gives one of these, which outlives the call.
    let all = unsafe { &*data.cast::<Each<'_>>() };
    let part = || {
        loop {
            let index = all.next.fetch_add(1, Ordering::Relaxed);
            if index >= all.count {
                return;
            }
            (all.work)(index);
        }
    };
    // Nothing unwinds through C++.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(part)) {
        all.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
    }
}
