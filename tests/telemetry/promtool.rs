//! `promtool`: the one on the path, or the one of Debian's package `prometheus`, unpacked under the target folder.
//!
//! What cannot be had is a failure that says so, never a skipped test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const NEED: &str = "promtool is needed: on the path, or by `apt-get download prometheus` (Debian)";

/// Runs it in the folder of the rules, and gives what it said.
pub fn promtool(arguments: &[&str]) -> String {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(program);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
    let mut command = Command::new(&*PROGRAM);
    let output = command
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect(NEED);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

fn program() -> PathBuf {
    if Command::new("promtool").arg("--version").output().is_ok() {
        return "promtool".into();
    }
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Several test processes may want it at once. The lock ends with the file's handle.
    let lock = File::create(temporary.join("promtool.lock")).expect("a lock file");
    lock.lock().expect("the lock on promtool");
    let folder = temporary.join("prometheus");
    let (program, complete) = (folder.join("usr/bin/promtool"), folder.join("complete"));
    if !complete.exists() {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        run(Command::new("apt-get")
            .current_dir(&folder)
            .args(["download", "prometheus"]));
        let downloaded = std::fs::read_dir(&folder).expect("the folder").next();
        let package = downloaded.expect(NEED).expect("an entry").path();
        run(Command::new("dpkg").arg("-x").args([&package, &folder]));
        std::fs::remove_file(package).expect("to remove the package");
        File::create(&complete).expect("the mark of a complete folder");
    }
    program
}

fn run(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{NEED}: {command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{NEED}: {command:?}: {said}");
}
