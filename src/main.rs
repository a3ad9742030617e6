//! The `cpipe` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "run")]
    cpipe::device::keep_memory();
    #[cfg(feature = "libtorch")]
    cpipe::device::leave_at_once();
    cpipe::cli::main()
}
