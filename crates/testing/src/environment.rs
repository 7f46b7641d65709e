//! A Python environment with locked packages and the client's wheel, made once under the target folder.
//!
//! What is missing (python3, its venv module, a package) is a failure that says so, never a skipped test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

/// All versions, the transitive ones as well.
const REQUIREMENTS: &str = "clients/python/tests/requirements.txt";

/// What the wheel is made from.
const SOURCES: [&str; 4] = [
    "clients/python/pyproject.toml",
    "clients/python/hatch_build.py",
    "clients/python/src",
    "proto",
];

pub struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// The environment of these sources: its name tells what it was made from, so that a change makes another one.
    pub fn get() -> Self {
        let (root, temporary) = (crate::root(), crate::kept());
        let folder = temporary.join(format!("client-{}", digest(root)));
        // Several tests want it at once. The lock ends with the file's handle.
        let lock = File::create(temporary.join("client.lock")).expect("a lock file");
        lock.lock().expect("the lock on the client's environment");
        let environment = Self { folder };
        let complete = environment.folder.join("complete");
        if !complete.exists() {
            if environment.folder.exists() {
                std::fs::remove_dir_all(&environment.folder)
                    .expect("to remove what was begun and not finished");
            }
            environment.make(root);
            File::create(&complete).expect("the mark of a complete environment");
        }
        environment
    }

    /// Python in it, free of what the tester's shell says.
    pub fn python(&self) -> Command {
        in_utf8(crate::starter::program(self.folder.join("bin/python")))
    }

    fn make(&self, root: &Path) {
        run(
            in_utf8(crate::starter::program("python3"))
                .args(["-m", "venv"])
                .arg(&self.folder),
            "python3 with its venv module is needed (Debian: python3-venv)",
        );
        // Without dependencies: what is not in the file is not installed, and the check afterwards would miss it.
        run(
            self.pip()
                .args(["install", "--no-deps", "--only-binary", ":all:"])
                .arg("--requirement")
                .arg(root.join(REQUIREMENTS)),
            "pip must be able to install the locked requirements",
        );
        let wheels = self.folder.join("wheels");
        run(
            self.pip()
                .args(["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir"])
                .args([&wheels, &root.join("clients/python")]),
            "the wheel must be built",
        );
        run(
            self.pip()
                .args(["install", "--no-deps", "--no-index", "--find-links"])
                .arg(&wheels)
                .arg("amply-checkpoint-signer"),
            "the wheel must be installed",
        );
        run(
            self.python().args(["-m", "pip", "check"]),
            "the requirements must be complete and agree with one another",
        );
    }

    fn pip(&self) -> Command {
        let mut pip = self.python();
        pip.args(["-m", "pip", "--quiet", "--no-input"]);
        pip
    }
}

fn digest(root: &Path) -> String {
    let mut digest = Sha256::new();
    for source in SOURCES.iter().chain([&REQUIREMENTS]) {
        let entries = walkdir::WalkDir::new(root.join(source)).sort_by_file_name();
        for entry in entries {
            let entry = entry.expect("an entry of the sources");
            if entry.file_type().is_file() {
                digest.update(entry.path().to_string_lossy().as_bytes());
                digest.update(std::fs::read(entry.path()).expect("a source"));
            }
        }
    }
    let bytes = digest.finalize();
    bytes[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn in_utf8(mut command: Command) -> Command {
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUTF8", "1");
    command
}

/// Runs it to its end, which must be a good one.
pub fn run(command: &mut Command, need: &str) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{need}: {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{need}: {command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
