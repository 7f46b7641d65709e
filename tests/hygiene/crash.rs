//! What the kernel was told: no core dumps, no reading by others, memory locked.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use crate::faketime::same_day;
use crate::served::{Served, generate, program};
use crate::{starter, wait};

/// The user and group that own nothing (Debian, Alpine and the images made from them).
const NOBODY: u32 = 65534;

async fn serve(serve: Command) -> (Served, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path(), "key", "2020-01-01", "2199-01-01").await;
    let source = format!("file:{}", folder.path().join("key").display());
    let served = Served::start(serve, &source, folder.path()).await;
    (served, folder)
}

fn proc(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
}

/// What stands in a file of /proc behind a name, without the space between.
fn field(pid: u32, file: &str, name: &str) -> String {
    let text = proc(pid, file);
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let words: Vec<&str> = value.unwrap().split_whitespace().collect();
    words.join(" ")
}

/// A shell that changes limits, and then becomes the program.
fn under(limits: &str) -> Command {
    let mut shell = Command::from(starter::program("sh"));
    shell.args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")]);
    shell.arg(program().as_std().get_program());
    shell.kill_on_drop(true);
    shell
}

#[tokio::test]
async fn a_service_that_crashes_leaves_no_core_file() {
    for signal in [Signal::ABORT, Signal::QUIT] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = under("ulimit -c unlimited");
        command.current_dir(folder.path());
        let (mut served, _secrets) = serve(command).await;
        assert_eq!(
            field(served.pid(), "limits", "Max core file size"),
            "0 0 bytes"
        );
        let pid = Pid::from_raw(i32::try_from(served.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let what = format!("{signal:?} to end it");
        let ended = wait::within(&what, served.child.wait());
        let ended = ended.await.unwrap();
        assert_eq!(ended.signal(), Some(signal.as_raw()), "{ended}");
        assert!(!ended.core_dumped(), "{ended}");
        let left = std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(left.count(), 0);
    }
}

#[tokio::test]
async fn other_processes_of_the_same_user_cannot_read_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    generate(folder.path(), "key", "2020-01-01", "2199-01-01").await;
    let key = folder.path().join("key");
    std::os::unix::fs::chown(&key, Some(NOBODY), Some(NOBODY)).unwrap();
    let record = format!("sqlite:{}", folder.path().join("record.sqlite").display());
    let as_nobody = |mut command: Command| {
        command
            .uid(NOBODY)
            .gid(NOBODY)
            .current_dir(folder.path())
            .env_clear()
            .envs(same_day());
        command
    };
    // The folder of the build may be closed to others.
    let binary = folder.path().join("program");
    std::fs::copy(program().as_std().get_program(), &binary).unwrap();
    let init = ["record", "init", "--record", &record];
    let init = as_nobody(starter::program(&binary).into())
        .args(init)
        .output()
        .await
        .unwrap();
    assert!(init.status.success(), "{init:?}");
    let source = format!("file:{}", key.display());
    let serve = [
        "serve",
        "--source",
        &source,
        "--record",
        &record,
        "--grpc",
        "127.0.0.1:0",
    ];
    let mut served = as_nobody(starter::program(&binary).into());
    let served = served.args(serve).stdout(Stdio::piped()).kill_on_drop(true);
    let mut served = served.stderr(Stdio::null()).spawn().unwrap();
    use tokio::io::AsyncBufReadExt as _;
    let stdout = served.stdout.take().unwrap();
    let mut lines = tokio::io::BufReader::new(stdout).lines();
    let line = wait::within("a service to say where it listens", lines.next_line());
    let line = line.await.unwrap().unwrap();
    assert!(line.starts_with("gRPC on"), "{line}");
    let pid = served.id().unwrap();
    for file in ["mem", "maps", "environ"] {
        let path = format!("/proc/{pid}/{file}");
        let read = as_nobody(starter::program("cat").into())
            .arg(&path)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&read.stderr).into_owned();
        assert!(said.contains("Permission denied"), "{path}: {said}");
    }
}

/// Whether the kernel lets a process lock all it likes: there is no limit, or it has CAP_IPC_LOCK (capabilities(7)),
/// and not only inside of a user namespace.
fn may_lock(pid: u32) -> bool {
    let capabilities = field(pid, "status", "CapEff:");
    let capabilities = u64::from_str_radix(&capabilities, 16).unwrap();
    let whole_machine = proc(pid, "uid_map")
        .split_whitespace()
        .eq(["0", "0", "4294967295"]);
    let unlimited = field(pid, "limits", "Max locked memory").contains("unlimited unlimited");
    unlimited || whole_machine && capabilities & 1 << 14 != 0
}

#[tokio::test]
async fn memory_is_locked_where_that_is_permitted() {
    let (served, _folder) = serve(program()).await;
    let locked = field(served.pid(), "status", "VmLck:") != "0 kB";
    assert_eq!(locked, may_lock(served.pid()));
    let log = String::from_utf8(served.log()).unwrap();
    assert_eq!(log.contains("memory locked"), locked, "{log}");
}

#[tokio::test]
async fn where_memory_may_not_be_locked_the_log_says_so_once_and_the_service_signs() {
    let mut command = Command::from(starter::program("setpriv"));
    command.args([
        "--bounding-set",
        "-ipc_lock",
        "--inh-caps",
        "-ipc_lock",
        "sh",
        "-c",
    ]);
    // Enough for a small process, and not for one with all its threads.
    command.arg("ulimit -l 65536; exec \"$0\" \"$@\"");
    command
        .arg(program().as_std().get_program())
        .kill_on_drop(true);
    let (mut served, _folder) = serve(command).await;
    assert_eq!(field(served.pid(), "status", "VmLck:"), "0 kB");
    assert_eq!(
        field(served.pid(), "limits", "Max core file size"),
        "0 0 bytes"
    );
    for _ in 0..20 {
        assert_eq!(served.sign().await, "key");
    }
    let log = String::from_utf8(served.log()).unwrap();
    assert_eq!(log.matches("memory is not locked").count(), 1, "{log}");
}
