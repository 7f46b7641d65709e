//! Every verifier says the same of the vectors of `vectors/`: the command line, the page, the npm package, the Python client, and the recipes of
//! `examples/`. What asks them is in Python (`verifiers.py`); what is missing on the machine is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

#[path = "../web/node.rs"]
mod node;
mod package;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use testing::{environment::Environment, python::python, starter};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

/// Cases of each run of the tests. The program takes any seed, and any number.
const CASES: &str = "6000";

/// Where everything is, for the programs in Python.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let installed = package::installed(folder.path());
        let text = |command: Command| command.get_program().to_str().unwrap().to_owned();
        let told = json!({
            "program": [env!("CARGO_BIN_EXE_checkpoint-signer"), "verify"],
            "client": text(Environment::get().python()),
            "python": text(python()),
            "node": ["node"],
            "modules": installed.join("node_modules"),
            "folder": folder.path(),
            "cargo": env!("CARGO"),
            "built": Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted"),
        });
        std::fs::write(folder.path().join("machine.json"), told.to_string()).unwrap();
        Self { folder }
    }

    /// Runs one of the programs to its end, which must be a good one, and gives what it printed.
    fn run(&self, program: &str, more: &[&str]) -> String {
        let mut command = python();
        command
            .env_remove("PYTHONSAFEPATH")
            .arg(format!("{FOLDER}/{program}.py"))
            .arg(self.folder.path().join("machine.json"))
            .args(more);
        node::run(&mut command)
    }
}

/// The folder of a path of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn all_verifiers_say_what_the_vectors_expect() {
    let table = Machine::new().run("table", &[]);
    println!("{table}");
    assert!(table.ends_with("\nall are as expected\n"), "{table}");
    let rows: Vec<&str> = table
        .lines()
        .filter(|row| row.contains(".json |"))
        .collect();
    assert_eq!(rows.len(), 5, "{table}");
    for row in rows {
        // How many there are, and how many each verifier ran.
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let ran = cells.iter().filter(|cell| cell.contains(" of ")).count();
        assert!(ran >= 3, "{row}");
    }
}

#[test]
fn a_fault_in_any_verifier_is_caught_by_a_vector() {
    let told = Machine::new().run("faults", &[]);
    assert_eq!(told.lines().count(), 22, "{told}");
    assert!(
        told.lines().all(|line| line.contains(": caught by ")),
        "{told}"
    );
}

#[test]
fn the_verifiers_say_the_same_of_what_is_made_by_mutation() {
    let told = Machine::new().run("fuzz", &["--seed", "1", "--cases", CASES]);
    assert!(told.ends_with(" cases, 0 told apart\n"), "{told}");
}
