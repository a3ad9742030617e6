//! A device that has no room for what is to be computed on it.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

/// What libtorch says where memory is at its end, of a GPU and of the machine.
const SIGNS: [&str; 5] = [
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "you tried to allocate",
];

/// What the backend said when it had no room.
#[derive(Clone, Debug, PartialEq)]
pub struct Full(pub String);

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// What a function gives that computes on a device. Backends panic where there is no room, which
/// their functions have no other way to tell; what was under work then is lost.
///
/// # Errors
///
/// Where there was no room.
pub fn unless_full<T>(function: impl FnOnce() -> T) -> Result<T, Full> {
    /// It is told as an error, not as a fault of this program.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !WATCHED.get() || said(panic.payload()).is_none() {
                before(panic);
            }
        }));
    });
    let before = WATCHED.replace(true);
    let made = catch_unwind(AssertUnwindSafe(function));
    WATCHED.set(before);
    made.or_else(|panic| match said(panic.as_ref()) {
        Some(own) => Err(Full(own)),
        None => resume_unwind(panic),
    })
}

/// What a panic says of memory at its end: a sentence or two.
fn said(panic: &(dyn Any + Send)) -> Option<String> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied())?;
    let from = SIGNS.iter().find_map(|sign| text.find(sign))?;
    // The bindings quote it.
    let line = text[from..].split(['\n', '\\']).next().unwrap_or_default();
    let sentences: Vec<&str> = line.split(". ").take(2).collect();
    Some(sentences.join(". ").trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_is_an_error() {
        assert_eq!(unless_full(|| 3), Ok(3));
        let quoted = "called `Result::unwrap()` on an `Err` value: Torch(\"CUDA out of memory. Tried \
                      to allocate 2.00 GiB. GPU 0 has a total capacity of 139 GiB.\\nException \
                      raised from malloc\")";
        let found = unless_full(|| panic!("{quoted}"));
        let said = "CUDA out of memory. Tried to allocate 2.00 GiB";
        assert_eq!(found, Err::<(), _>(Full(said.to_owned())));
        let plain = "libtorch: [enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: \
                     can't allocate memory: you tried to allocate 512 bytes. Error code 12 (Cannot \
                     allocate memory)\nException raised";
        let found = unless_full(|| panic!("{plain}"));
        let said = "you tried to allocate 512 bytes. Error code 12 (Cannot allocate memory)";
        assert_eq!(found, Err::<(), _>(Full(said.to_owned())));
    }

    #[test]
    fn libraries_of_a_gpu_have_words_of_their_own() {
        for said in [
            "CUDA error: out of memory",
            "CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "CUDNN_STATUS_ALLOC_FAILED",
        ] {
            let text = format!("libtorch: {said}\nException raised");
            assert_eq!(unless_full(|| panic!("{text}")), Err::<(), _>(Full(said.to_owned())));
        }
    }

    #[test]
    fn other_faults_stay_faults() {
        let found = catch_unwind(|| unless_full(|| panic!("an index out of bounds")));
        assert_eq!(found.unwrap_err().downcast_ref::<&str>(), Some(&"an index out of bounds"));
    }
}
