//! The `cpipe` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    cpipe::cli::main()
}
