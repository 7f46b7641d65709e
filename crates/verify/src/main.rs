//! The binary: parse the command line, call the library, turn an error into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    checkpoint_verify::cli::main()
}
