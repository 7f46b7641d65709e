//! Programs of Debian's packages: the machine's, or, where it has none, fetched once by `apt-get download` and unpacked under the target
//! folder, without being installed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program, and the folder in which its package was unpacked; `/` for one that is installed.
pub struct Package {
    pub program: PathBuf,
    pub root: PathBuf,
}

impl Package {
    /// `packages` are what it takes besides the C library and OpenSSL, as patterns of whole names (a `*` at the end stands for the `t64` that some
    /// releases of Debian add).
    pub fn get(name: &str, packages: &[&str]) -> Self {
        if let Some(program) = installed(name) {
            return Self {
                program,
                root: "/".into(),
            };
        }
        let root = crate::kept().join(format!("debian-{name}"));
        // Several test processes may want it at once. The lock ends with the file's handle.
        let lock = File::create(root.with_extension("lock")).expect("a lock file");
        lock.lock().expect("the lock on a package");
        let program = root.join("usr/sbin").join(name);
        if !program.is_file() {
            fetch(&root, packages);
        }
        assert!(program.is_file(), "{name} is needed (Debian: {packages:?})");
        Self { program, root }
    }

    /// The program with its libraries.
    pub fn command(&self) -> Command {
        let mut command = crate::starter::program(&self.program);
        if self.root != Path::new("/") {
            let folder = format!("{}-linux-gnu", std::env::consts::ARCH);
            let places = ["usr/lib", "lib"].map(|place| self.root.join(place).join(&folder));
            command.env("LD_LIBRARY_PATH", std::env::join_paths(places).unwrap());
        }
        command
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders
        .find(|folder| folder.join(name).is_file())
        .map(|folder| folder.join(name))
}

fn fetch(root: &Path, packages: &[&str]) {
    std::fs::create_dir_all(root).expect("a folder for packages");
    let names = packages.join("|").replace('*', "(t64)?");
    let fetch = format!(
        "apt-get download $(apt-cache pkgnames | grep -xE '{names}') && for p in *.deb; do dpkg -x $p .; done"
    );
    let fetched = Command::new("sh")
        .args(["-c", &fetch])
        .current_dir(root)
        .output();
    let is_well = fetched.as_ref().is_ok_and(|output| output.status.success());
    assert!(is_well, "{packages:?} cannot be fetched: {fetched:?}");
}
