//! Node with locked packages, a browser among them, made once under the target folder.
//!
//! What is missing (node, npm, a package) is a failure that says so, never a skipped test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web");

/// What npm is told by: the versions, the transitive ones as well, by their hashes.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// The folder with `node_modules` and the browser.
pub fn environment() -> &'static Path {
    static ENVIRONMENT: LazyLock<PathBuf> = LazyLock::new(make_once);
    &ENVIRONMENT
}

/// A command of Node, with the packages' folder and the browser's path in its environment.
pub fn node() -> Command {
    let environment = environment();
    let browser = std::fs::read_to_string(environment.join("complete")).unwrap();
    let mut command = crate::starter::program("node");
    command
        .env("MODULES", environment.join("node_modules"))
        .env("BROWSER", browser)
        .env("LD_LIBRARY_PATH", environment.join("browser/al2023/lib"))
        // The page's modules say what they are by being imported.
        .arg("--disable-warning=MODULE_TYPELESS_PACKAGE_JSON");
    command
}

/// Runs it to its end, which must be a good one; gives its standard output.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; node and npm are needed"));
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{out}{err}",
        output.status
    );
    out.into_owned()
}

fn make_once() -> PathBuf {
    let mut digest = Sha256::new();
    for name in FILES {
        digest.update(std::fs::read(Path::new(FOLDER).join(name)).expect("a file for npm"));
    }
    let name: String = digest.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = temporary.join(format!("node-{name}"));
    // Several test processes may want it at once. The lock ends with the file's handle.
    let lock = File::create(temporary.join("node.lock")).expect("a lock file");
    lock.lock().expect("the lock on the Node environment");
    let complete = folder.join("complete");
    if !complete.exists() {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).expect("to remove what was begun and not finished");
        }
        let browser = make(&folder);
        std::fs::write(&complete, browser).expect("the mark of a complete environment");
    }
    folder
}

/// Installs the packages and unpacks the browser; gives its path.
fn make(folder: &Path) -> String {
    let unpacked = folder.join("browser");
    std::fs::create_dir_all(&unpacked).expect("a folder");
    for name in FILES {
        std::fs::copy(Path::new(FOLDER).join(name), folder.join(name)).expect("a copy");
    }
    run(Command::new("npm")
        .args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
        ])
        .arg(folder)
        .current_dir(folder));
    // It unpacks into the folder for temporary files; for Lambda's machines, with the libraries that the browser needs.
    let unpack = "import('@sparticuz/chromium').then(async (m) => process.stdout.write(await m.default.executablePath()))";
    let browser = run(Command::new("node")
        .args(["-e", unpack])
        .current_dir(folder)
        .env("TMPDIR", &unpacked)
        .env("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs20.x"));
    assert!(Path::new(&browser).exists(), "the browser: {browser:?}");
    browser
}
