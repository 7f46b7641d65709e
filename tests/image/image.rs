//! The image in a folder, and commands in it.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::dockerfile::{flags, last_stage, root};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The user and the group of the image.
pub const USER: u32 = 65532;

/// The program as the Dockerfile builds it, but for its profile: a release build would take minutes and is the same program.
fn program() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image-build");
    let cargo = Path::new(env!("CARGO"));
    let output = Command::new(cargo)
        .current_dir(root())
        // Its own: one that rustup puts before it would go by the file for a toolchain that a crate may have in its folder.
        .env("RUSTC", cargo.with_file_name("rustc"))
        .args([
            "build",
            "--locked",
            "--quiet",
            "--bin",
            "checkpoint-signer",
            "--target",
            TARGET,
        ])
        .env("RUSTFLAGS", flags())
        .env("SOURCE_COMMIT", "0123456789abcdef0123456789abcdef01234567")
        .env("CARGO_TARGET_DIR", &folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the static build: {said}");
    folder.join(TARGET).join("debug/checkpoint-signer")
}

/// Everything in a folder, as the image has it, and an empty folder for data, as a runtime mounts it.
pub struct Image {
    pub files: TempDir,
    pub data: TempDir,
}

impl Image {
    pub fn unpacked() -> Self {
        static PROGRAM: LazyLock<PathBuf> = LazyLock::new(program);
        let image = Self {
            files: tempfile::tempdir().unwrap(),
            data: tempfile::tempdir().unwrap(),
        };
        open(image.files.path());
        for (from, to) in last_stage().copies {
            let from = match (from.strip_prefix("/src"), from.strip_prefix("/out")) {
                (Ok(source), _) => root().join(source),
                (_, Ok(_)) => PROGRAM.clone(),
                // What the base image of the build stage (Debian) has in this place, this machine must have, too.
                (Err(_), Err(_)) => from,
            };
            let to = image.files.path().join(to.strip_prefix("/").unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(&from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        }
        for volume in last_stage().volumes {
            let folder = image.files.path().join(volume.strip_prefix("/").unwrap());
            std::fs::create_dir(&folder).unwrap();
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
            if rustix::process::geteuid().is_root() {
                chown(&folder, Some(USER), Some(USER)).unwrap();
            }
        }
        image
    }

    /// What a container's runtime adds: the names of this machine, some devices, and a mount for data.
    pub fn with_mounts() -> Self {
        let image = Self::unpacked();
        std::fs::write(
            image.files.path().join("etc/hosts"),
            "127.0.0.1 localhost\n",
        )
        .unwrap();
        for folder in ["data", "dev"] {
            std::fs::create_dir(image.files.path().join(folder)).unwrap();
        }
        for device in ["null", "random", "urandom"] {
            std::fs::write(image.files.path().join("dev").join(device), "").unwrap();
        }
        open(image.data.path());
        if rustix::process::geteuid().is_root() {
            chown(image.data.path(), Some(USER), Some(USER)).unwrap();
        }
        image
    }

    /// A command in it: read-only but for /data, as the image's user, without new privileges.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = crate::starter::program("unshare");
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            // The one place that can be written.
            .env("TMPDIR", "/data");
        // Without root, the user of the image is this one under another name.
        if !rustix::process::geteuid().is_root() {
            let user = USER.to_string();
            command.args([
                "--user",
                "--keep-caps",
                "--map-user",
                &user,
                "--map-group",
                &user,
            ]);
        }
        command
            .args(["--mount", "--", "sh"])
            .arg(root().join("tests/image/enter.sh"))
            .args([self.files.path(), self.data.path()])
            .args(arguments);
        command
    }

    /// The image's program.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        let program = last_stage().entrypoint;
        let program: Vec<&str> = program.iter().map(String::as_str).collect();
        ended(
            self.command(&[&program[..], arguments].concat())
                .output()
                .unwrap(),
        )
    }

    pub fn must(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.text);
        ended.text
    }
}

/// Others may look into a folder that only this user could.
fn open(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// How a command ended, and all that it printed.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub text: String,
}

pub fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().unwrap(),
        text: String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
    }
}
