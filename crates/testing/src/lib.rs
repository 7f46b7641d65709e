//! What the test programs share: programs that are started, servers behind Python scripts, services in the test's own process, and
//! histories whose outcome is known.
//!
//! What is missing on the machine is a failure that says so, never a skipped test.

use std::path::{Path, PathBuf};

pub mod authority;
pub mod aws;
pub mod client;
pub mod cloud;
pub mod cluster;
pub mod debian;
pub mod environment;
pub mod faketime;
pub mod forest;
pub mod history;
pub mod judgement;
pub mod port;
pub mod postgres;
pub mod process;
pub mod program;
pub mod proxy;
pub mod publication;
pub mod python;
pub mod record;
pub mod scrape;
mod signals;
pub mod starter;
pub mod support;
pub mod talk;
pub mod wait;
pub mod workload;

/// The repository.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("crates/testing is in it")
}

/// Where cargo has put the test that runs: `target/debug/deps`, say.
fn beside() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.parent().expect("its folder").to_owned()
}

/// The program of this project, as cargo built it for the test that runs.
pub fn checkpoint_signer() -> PathBuf {
    let program = beside().join("../checkpoint-signer");
    program
        .canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// What tests make once and find again: environments, keys, tools. It is cargo's `CARGO_TARGET_TMPDIR`.
pub fn kept() -> PathBuf {
    let folder = beside().join("../../tmp");
    std::fs::create_dir_all(&folder).expect("a folder under target");
    folder.canonicalize().expect("its path")
}
