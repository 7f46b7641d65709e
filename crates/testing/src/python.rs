//! A Python environment with locked packages and the gRPC stubs of `proto/`, made once under the target folder.
//!
//! What is missing (python3, its venv module, a package) is a failure that says so, never a skipped test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// All versions, the transitive ones as well.
const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// The same for `checkov`, which wants other versions.
const CHECKOV: &str = "tests/python/checkov.txt";

/// The stubs are made from these. google/rpc/status.proto is not among them: its module comes with
/// googleapis-common-protos.
const PROTOS: &str = "proto/amply/checkpoint/v1";

/// Variables that would change what Python imports. What makes the environment keeps all others: it may need a proxy.
const UNWANTED: [&str; 2] = ["PYTHONPATH", "PYTHONHOME"];

/// Python in the environment. The folder of a script is not searched for modules, so that stubs which somebody
/// generated beside it are not taken for ours.
pub fn python() -> Command {
    static ENVIRONMENT: LazyLock<PathBuf> = LazyLock::new(with_stubs);
    program(&ENVIRONMENT, "python")
}

/// A program that came with a package of the environment.
pub fn tool(name: &str) -> Command {
    let python = PathBuf::from(python().get_program());
    let folder = python.parent().expect("the folder of the programs");
    crate::starter::program(folder.join(name))
}

/// `checkov`, in an environment of its own.
pub fn checkov() -> Command {
    static ENVIRONMENT: LazyLock<PathBuf> = LazyLock::new(|| {
        let requirements = crate::root().join(CHECKOV);
        let sources = [requirements.clone()];
        kept("checkov", &sources, |folder| install(folder, &requirements))
    });
    program(&ENVIRONMENT, "checkov")
}

fn program(environment: &Path, name: &str) -> Command {
    let mut command = crate::starter::program(environment.join("bin").join(name));
    command
        .env("PYTHONSAFEPATH", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUTF8", "1");
    command
}

fn without_unwanted(command: &mut Command) -> &mut Command {
    for variable in UNWANTED {
        command.env_remove(variable);
    }
    command
}

fn with_stubs() -> PathBuf {
    let root = crate::root();
    let requirements = root.join(REQUIREMENTS);
    let mut protos: Vec<PathBuf> = std::fs::read_dir(root.join(PROTOS))
        .expect("the folder of the protos")
        .map(|entry| entry.expect("an entry of it").path())
        .collect();
    protos.sort();
    let sources = [std::slice::from_ref(&requirements), &protos].concat();
    kept("python", &sources, |folder| {
        install(folder, &requirements);
        make_stubs(folder, root, &protos);
    })
}

/// The folder of an environment, which is made once. Its name tells what it was made from, so that a change makes another one.
fn kept(name: &str, sources: &[PathBuf], make: impl FnOnce(&Path)) -> PathBuf {
    let mut digest = Sha256::new();
    for path in sources {
        digest.update(std::fs::read(path).expect("a file that the environment is made from"));
    }
    let digest: String = digest.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let temporary = crate::kept();
    let folder = temporary.join(format!("{name}-{digest}"));
    // Several test processes may want it at once. The lock ends with the file's handle.
    let lock = File::create(temporary.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock on the Python environment");
    let complete = folder.join("complete");
    if !complete.exists() {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).expect("to remove what was begun and not finished");
        }
        make(&folder);
        File::create(&complete).expect("the mark of a complete environment");
    }
    folder
}

fn install(folder: &Path, requirements: &Path) {
    run(
        Command::new("python3").args(["-m", "venv"]).arg(folder),
        "python3 with its venv module is needed (Debian: python3-venv)",
    );
    let python = folder.join("bin/python");
    // Without dependencies: what is not in the file is not installed, and the check afterwards would miss it.
    run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--no-input", "--no-deps"])
            .args(["--only-binary", ":all:", "--requirement"])
            .arg(requirements),
        "pip must be able to install the locked requirements",
    );
    run(
        Command::new(&python).args(["-m", "pip", "check"]),
        "the requirements must be complete and agree with one another",
    );
}

fn make_stubs(folder: &Path, root: &Path, protos: &[PathBuf]) {
    let python = folder.join("bin/python");
    let packages = run(
        Command::new(&python).args([
            "-c",
            "import sysconfig; print(sysconfig.get_path('purelib'))",
        ]),
        "python must say where its packages are",
    );
    let packages = String::from_utf8(packages.stdout).expect("a path in UTF-8");
    let packages = packages.trim();
    run(
        Command::new(&python)
            .args(["-m", "grpc_tools.protoc", "--proto_path"])
            .arg(root.join("proto"))
            .arg(format!("--python_out={packages}"))
            .arg(format!("--grpc_python_out={packages}"))
            .args(protos),
        "the stubs must come out of the protos",
    );
}

fn run(command: &mut Command, need: &str) -> Output {
    crate::environment::run(without_unwanted(command), need)
}
