//! Which machine part computes: `--device` to a backend of burn, and what is computed there.

mod adam;
#[cfg(feature = "flex")]
mod arithmetic;
mod array;
mod ceilings;
#[cfg(feature = "flex")]
mod flex;
mod full;
#[cfg(any(feature = "flex", feature = "libtorch"))]
mod host;
mod kernels;
mod memory;
#[cfg(any(feature = "flex", feature = "libtorch"))]
mod operations;
mod precision;
mod processes;
mod reading;
#[cfg(test)]
pub mod testing;

use std::fmt;

use burn::tensor::Device;

pub use adam::{Adam, Averages};
pub use array::Array;
pub(crate) use array::by_rank;
pub use ceilings::Ceilings;
pub use full::{Full, unless_full};
pub use kernels::{After, Descent, FallBack, Kernels, Normalized};
#[cfg(feature = "libtorch")]
pub use libtorch::leave_at_once;
pub use memory::{keep_memory, processor_time};
pub use precision::{Mixed, Precision};
pub use processes::Processes;
pub use reading::Reading;

/// A device that is there, and what it is called.
#[derive(Clone)]
pub struct Selected {
    pub device: Device,
    /// What is computed with there.
    pub kernels: &'static dyn Kernels,
    /// Part of a stage's identity: results are the same to the bit on one kind of device only.
    pub kind: String,
}

impl fmt::Debug for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selected").field(&self.kind).finish()
    }
}

impl Selected {
    /// Whether it computes in the memory of the machine itself.
    pub fn is_host(&self) -> bool {
        !self.kind.contains("cuda")
    }

    /// Where protocols are carried out on features that it has computed: on a processor that is the
    /// embedded backend, where it is built in. Its threads are those that find neighbours, while
    /// libtorch's wait for more work of theirs by keeping a core busy.
    pub fn for_protocols(&self) -> Device {
        self.embedded().unwrap_or_else(|| self.device.clone())
    }

    /// Whether its protocols are carried out by itself, though another build carries them out by
    /// the embedded backend, whose bits are others.
    pub fn lacks_embedded(&self) -> bool {
        self.is_host() && self.embedded().is_none()
    }

    /// What its bits depend on beside this program, as a text: the libtorch that was loaded, the
    /// instructions of the processor that it uses and its threads, or the GPU; and how the embedded
    /// backend computes on this processor, where it does the whole or the protocols.
    pub fn library(&self) -> String {
        let own = match self.kind.starts_with("libtorch") {
            true => libtorch::library(self),
            false => String::new(),
        };
        own + &self.embedded().map(|device| flex::arithmetic(&device)).unwrap_or_default()
    }

    fn embedded(&self) -> Option<Device> {
        flex::select().ok().filter(|_| self.is_host()).map(|own| own.device)
    }

    /// Makes sure that it has the numbers of that precision.
    pub fn offers(&self, precision: Precision) -> Result<(), DeviceError> {
        let is_there = match self.kind.starts_with("libtorch") {
            true => libtorch::offers(self, precision),
            false => precision == Precision::F32,
        };
        if is_there { Ok(()) } else { Err(self.lacks(precision)) }
    }

    /// The same device, which from now on computes networks in that precision.
    ///
    /// # Errors
    ///
    /// Where it has no such numbers.
    pub fn in_precision(&self, precision: Precision) -> Result<Self, DeviceError> {
        self.offers(precision)?;
        Ok(match self.kind.starts_with("libtorch") {
            true => libtorch::in_precision(self, precision),
            false => self.clone(),
        })
    }

    fn lacks(&self, precision: Precision) -> DeviceError {
        let (kind, name) = (&self.kind, precision.name());
        let help = match precision {
            Precision::Bf16 => {
                "GPUs have bf16, and processors with AVX512-BF16, on libtorch; \
                 `precision: f32` computes everywhere"
            }
            _ => "NVIDIA's GPUs from Ampere on have it; `precision: f32` computes everywhere",
        };
        let message = format!("`{kind}` has no {name} on this machine");
        DeviceError { message, help: help.to_owned() }
    }
}

/// Why a device cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceError {
    pub message: String,
    pub help: String,
}

/// What `--device` takes.
pub const CHOICES: &str = "auto, flex, libtorch, libtorch-cpu, libtorch-cuda or libtorch-cuda:N";

/// The device of that name; `auto` is the fastest that is there.
pub fn select(name: &str) -> Result<Selected, DeviceError> {
    match name {
        "auto" => auto(),
        "flex" => flex::select(),
        "libtorch" => libtorch::best(),
        "libtorch-cpu" => libtorch::cpu(),
        "libtorch-cuda" => libtorch::cuda(0),
        other => match other.strip_prefix("libtorch-cuda:").map(str::parse) {
            Some(Ok(index)) => libtorch::cuda(index),
            _ => {
                let names = ["auto", "flex", "libtorch", "libtorch-cpu", "libtorch-cuda"];
                let near = match other {
                    "gpu" | "cuda" => Some("libtorch-cuda"),
                    "cpu" if cfg!(feature = "flex") => Some("flex"),
                    "cpu" => Some("libtorch-cpu"),
                    other => crate::diagnostics::suggest::nearest(other, names),
                };
                let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
                let help = format!("{near}the devices are {CHOICES}");
                Err(DeviceError { message: format!("there is no device `{other}`"), help })
            }
        },
    }
}

fn auto() -> Result<Selected, DeviceError> {
    libtorch::best().or_else(|_| flex::select())
}

#[cfg(not(feature = "flex"))]
mod flex {
    use burn::tensor::Device;

    use super::{DeviceError, Selected};

    pub fn arithmetic(_: &Device) -> String {
        String::new()
    }

    pub fn select() -> Result<Selected, DeviceError> {
        let message = "this build of cpipe has no embedded backend".to_owned();
        Err(DeviceError { message, help: "build it with `--features flex`".to_owned() })
    }
}

#[cfg(feature = "libtorch")]
mod libtorch;

#[cfg(not(feature = "libtorch"))]
mod libtorch {
    use super::{DeviceError, Precision, Selected};

    fn absent() -> Result<Selected, DeviceError> {
        let message = "this build of cpipe has no libtorch".to_owned();
        let help = "build it with `--features libtorch`, or use `--device flex`".to_owned();
        Err(DeviceError { message, help })
    }

    pub fn best() -> Result<Selected, DeviceError> {
        absent()
    }

    pub fn cpu() -> Result<Selected, DeviceError> {
        absent()
    }

    pub fn cuda(_: usize) -> Result<Selected, DeviceError> {
        absent()
    }

    pub fn offers(_: &Selected, _: Precision) -> bool {
        false
    }

    pub fn library(_: &Selected) -> String {
        String::new()
    }

    pub fn in_precision(own: &Selected, _: Precision) -> Selected {
        own.clone()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod selection {
    use super::*;

    #[test]
    fn unknown_and_absent_devices_say_what_there_is() {
        let error = select("flx").unwrap_err();
        assert!(error.help.starts_with("did you mean `flex`?"), "{}", error.help);
        assert_eq!(select("flex").is_ok(), cfg!(feature = "flex"));
        assert_eq!(select("libtorch-cpu").is_ok(), cfg!(feature = "libtorch"));
        let error = select("gpu").unwrap_err();
        assert!(error.help.starts_with("did you mean `libtorch-cuda`?"), "{}", error.help);
        assert!(select("libtorch-cuda:999").is_err());
        assert!(select("libtorch-cuda:many").is_err());
    }

    #[test]
    fn auto_is_always_there() {
        assert!(select("auto").is_ok());
    }
}
