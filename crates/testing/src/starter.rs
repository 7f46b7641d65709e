//! Programs that the tests start, which know nothing of the shell in which the tests were started: not its settings, proxies,
//! accounts, language or zone, nor its mask for new files, nor what it ignores.

use std::ffi::{OsStr, OsString};
use std::process::Command;
use std::sync::Once;

use rustix::fs::Mode;

/// Where programs, libraries and the tester's files are; the measuring of what tests reach. All other variables change what some
/// program does.
const KEPT: [&str; 11] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LLVM_PROFILE_FILE",
    "RUST_BACKTRACE",
    "RUSTUP_HOME",
    "CARGO_HOME",
];

/// What a program keeps of the tester's variables, and what it has in place of the others: the language and the zone of servers.
pub fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    let kept = std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        // Another day, as `.ci/on-another-day` makes it.
        KEPT.contains(&&*name) || name.starts_with("FAKETIME")
    });
    let set = [("LC_ALL", "C.UTF-8"), ("TZ", "UTC")];
    kept.chain(set.map(|(name, value)| (name.into(), value.into())))
}

/// Any program.
pub fn program(path: impl AsRef<OsStr>) -> Command {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        crate::signals::give_defaults();
        // What is made is readable by others, as usual, unless somebody says otherwise.
        rustix::process::umask(Mode::WGRP | Mode::WOTH);
    });
    let mut command = Command::new(path);
    command.env_clear().envs(variables());
    command
}

/// The program of this project.
pub fn binary() -> Command {
    program(crate::checkpoint_signer())
}
