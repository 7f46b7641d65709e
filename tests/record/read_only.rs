//! A record that a user may read and not write: an auditor with a backup, a snapshot that is mounted read-only.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use crate::backup::{Store, sign_all};
use crate::starter;

/// Who owns nothing here.
const NOBODY: u32 = 65534;

/// What a user does who may not write.
struct Auditor {
    folder: TempDir,
    binary: PathBuf,
}

impl Auditor {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        // The folder of the build may be closed to others.
        let binary = folder.path().join("program");
        std::fs::copy(env!("CARGO_BIN_EXE_checkpoint-signer"), &binary).unwrap();
        Self { folder, binary }
    }

    /// A folder with a copy of a record in it, of these modes.
    fn given(&self, record: &Path, name: &str, modes: [u32; 2]) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let copy = folder.join("record.sqlite");
        std::fs::copy(record, &copy).unwrap();
        std::fs::set_permissions(&copy, Permissions::from_mode(modes[1])).unwrap();
        std::fs::set_permissions(&folder, Permissions::from_mode(modes[0])).unwrap();
        copy
    }

    fn run(&self, arguments: &[&str], record: &Path) -> Output {
        let mut command = starter::program(&self.binary);
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let place = format!("sqlite:{}", record.display());
        command.args(arguments).args(["--record", &place]);
        command.current_dir("/").output().unwrap()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_a_copy_verifies_and_exports_it_and_leaves_nothing_there() {
    let store = Store::new(false).await;
    let replica = store.start(&store.place(), &[]).await;
    sign_all(&replica, 1..=5).await;
    let auditor = Auditor::new();
    let out = auditor.folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&out, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    // While the service runs, what is newest is in its log, which who only reads cannot.
    let live = store.file("record.sqlite");
    if rustix::process::geteuid().is_root() {
        for path in [store.folder.path(), &live] {
            std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        let refused = auditor.run(&["record", "verify"], &live);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("a service has it open"), "{said}");
    }
    replica.stop().await;
    let copy = store.backup("copy.sqlite").await;
    let copy = PathBuf::from(copy.strip_prefix("sqlite:").unwrap());
    for (n, modes) in [[0o555, 0o444], [0o1777, 0o444], [0o555, 0o644]]
        .into_iter()
        .enumerate()
    {
        let record = auditor.given(&copy, &format!("of-{n}"), modes);
        let folder = record.parent().unwrap().to_owned();
        let verified = auditor.run(&["record", "verify"], &record);
        let said = String::from_utf8([verified.stdout, verified.stderr].concat()).unwrap();
        assert_eq!(verified.status.code(), Some(0), "{modes:?}: {said}");
        assert!(said.contains(": 5 rows, root "), "{said}");
        let export = out.join(format!("{n}.ndjson"));
        let exported = auditor.run(
            &["record", "export", "--out", export.to_str().unwrap()],
            &record,
        );
        assert!(exported.status.success(), "{exported:?}");
        let lines = std::fs::read_to_string(export).unwrap();
        assert_eq!(lines.lines().count(), 6);
        assert_eq!(names(&folder), ["record.sqlite"], "{modes:?}");
        // So that the folder can be removed.
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    }
}
