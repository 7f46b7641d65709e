//! The binary: parse the command line, call the library, turn an error into an exit code.

use std::alloc::System;
use std::process::ExitCode;

use checkpoint_signer::cli;
use zeroizing_alloc::ZeroAlloc;

/// Wipes all that is freed: parsers, TLS and HTTP hold copies of a secret that nobody else can reach.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    cli::main()
}
