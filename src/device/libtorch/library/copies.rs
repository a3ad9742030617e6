//! Numbers on their way between the processor and a GPU.

use std::ffi::c_void;
use std::ptr;

use tch::kind::Element;
use tch::{Kind, Tensor};

use super::{check, cpipe_bring, cpipe_copy_begin, cpipe_copy_end, made, size, taken};

/// Numbers of a shape on their way to a GPU, in its order of work.
///
/// # Panics
///
/// If there are not as many values as the shape has places.
pub fn bring<N: Element>(values: &[N], shape: &[usize], gpu: usize) -> Tensor {
    let places: usize = shape.iter().product();
    assert_eq!(values.len(), places, "a value for each place");
    let sizes: Vec<i64> = shape.iter().map(|own| size(*own)).collect();
    let gpu = i32::try_from(gpu).expect("there are few GPUs");
    assert!(matches!(N::KIND, Kind::Float | Kind::Int64), "no others are brought");
    let [brought] = made(|made| {
        let (values, at, rank) = (values.as_ptr().cast(), sizes.as_ptr(), sizes.len());
        // SAFETY: as many values of that kind as the sizes say, and `made` has one place.
        unsafe { cpipe_bring(made, values, at, rank, N::KIND == Kind::Int64, gpu) }
    });
    brought.expect("numbers that are brought")
}

/// A tensor of a device on its way to the processor.
pub struct CopyOut(*mut c_void);

impl CopyOut {
    /// Begins it behind what the device has been told so far.
    pub fn of(x: &Tensor) -> Self {
        let mut made = ptr::null_mut();
        // SAFETY: `x` is a live tensor, and `made` one place.
        check(unsafe { cpipe_copy_begin(&raw mut made, x.as_ptr()) });
        CopyOut(made)
    }

    /// The tensor, once it is there.
    pub fn wait(mut self) -> Tensor {
        let [there] = made(|made| {
            // SAFETY: it was begun, is ended once, and `made` has one place.
            unsafe { cpipe_copy_end(made, std::mem::replace(&mut self.0, ptr::null_mut())) }
        });
        there.expect("a copy that has ended")
    }
}

impl Drop for CopyOut {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: it was begun and not ended; what it would give is not asked for.
            let _ = taken(unsafe { cpipe_copy_end(ptr::null_mut(), self.0) });
        }
    }
}
