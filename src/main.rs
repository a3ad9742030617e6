//! The `cpipe` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "run")]
    cpipe::device::keep_memory();
    cpipe::cli::main()
}
