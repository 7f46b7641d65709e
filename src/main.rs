//! The binary: parse the command line, call the library, turn an error into an exit code.

use std::process::ExitCode;

use checkpoint_signer::cli;

fn main() -> ExitCode {
    cli::main()
}
