//! What a GPU is called, as its driver tells it.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

/// The longest name that is asked for, with the zero behind it.
const LONGEST: usize = 256;

/// The name of the GPU that CUDA counts so: `NVIDIA H200`. None where no driver tells one.
pub fn name(index: usize) -> Option<String> {
    let driver = Driver::open()?;
    type Init = unsafe extern "C" fn(c_uint) -> c_int;
    type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
    type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
    let mut name = [0; LONGEST];
    let mut device = 0;
    // SAFETY: these are the types that the driver's interface has for functions of these names since
    // its first version, and the name is written into as many bytes as are said.
    let told = unsafe {
        let init: Init = std::mem::transmute(driver.function(c"cuInit")?);
        let get: Get = std::mem::transmute(driver.function(c"cuDeviceGet")?);
        let told: Name = std::mem::transmute(driver.function(c"cuDeviceGetName")?);
        init(0) == 0
            && get(&raw mut device, c_int::try_from(index).ok()?) == 0
            && told(name.as_mut_ptr(), LONGEST as c_int, device) == 0
    };
    let last = name.last_mut()?;
    *last = 0;
    // SAFETY: there is a zero at its end at the latest.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    told.then(|| name.to_string_lossy().into_owned())
}

/// The library of CUDA's driver, which stays loaded: libtorch has it, too.
struct Driver(*mut c_void);

impl Driver {
    fn open() -> Option<Self> {
        // SAFETY: it is given a text that ends in a zero; the library runs nothing of ours.
        let library = unsafe { libc::dlopen(c"libcuda.so.1".as_ptr(), libc::RTLD_LAZY) };
        (!library.is_null()).then_some(Driver(library))
    }

    fn function(&self, name: &CStr) -> Option<*mut c_void> {
        // SAFETY: the library is loaded, and the name ends in a zero.
        let function = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        (!function.is_null()).then_some(function)
    }
}
