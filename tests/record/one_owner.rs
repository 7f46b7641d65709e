//! One service owns a SQLite record, by whatever name each finds it.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use checkpoint::keyring::Keyring;
use checkpoint_signer::wire::proto::SignCheckpointRequest;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use tonic::Status;

use crate::backup::{Store, request, sign_all};
use crate::cluster::Replica;
use crate::support::refusal;
use crate::wait;
use testing::record::key;

const PROGRAM: &str = env!("CARGO_BIN_EXE_checkpoint-signer");

/// Exit code, and everything that was shown.
pub fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = crate::starter::binary().args(arguments).output().unwrap();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!shown.contains("panicked"), "{shown}");
    (output.status.code(), shown)
}

pub fn verify(place: &str) -> (Option<i32>, String) {
    run(&["record", "verify", "--record", place])
}

pub async fn sign(replica: &Replica, entry_count: u64) -> Result<String, Status> {
    let checkpoint = Some(request(entry_count).checkpoint());
    let mut client = SigningServiceClient::new(replica.channel());
    let answer = client.sign_checkpoint(SignCheckpointRequest {
        checkpoint,
        ..Default::default()
    });
    let signed = answer.await?.into_inner().signed_checkpoint.unwrap();
    Ok(signed.published_json)
}

/// It is refused because of the record, with this.
pub async fn not_signed(replica: &Replica, entry_count: u64, expected: &str) {
    let status = sign(replica, entry_count).await.unwrap_err();
    let message = status.message().to_owned();
    let (code, reason) = refusal(status);
    assert_eq!(code, tonic::Code::Unavailable, "{message}");
    assert_eq!(reason, "RECORD_STORE_UNAVAILABLE", "{message}");
    assert!(message.contains(expected), "{expected}: {message}");
}

fn sqlite(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_is_refused_by_whatever_name_it_finds_the_record() {
    let store = Store::new(false).await;
    let service = store.start(&store.place(), &[]).await;
    sign_all(&service, 1..=2).await;
    let link = store.file("link.sqlite");
    symlink("record.sqlite", &link).unwrap();
    let around = store.folder.path().join("../").join(
        store
            .folder
            .path()
            .file_name()
            .map(Path::new)
            .unwrap()
            .join("record.sqlite"),
    );
    let opened = std::fs::File::open(store.file("record.sqlite")).unwrap();
    let descriptor = format!(
        "sqlite:/proc/{}/fd/{}",
        std::process::id(),
        std::os::fd::AsRawFd::as_raw_fd(&opened)
    );
    let holder = format!("is in use by process {}", service.pid());
    for place in [store.place(), sqlite(&link), sqlite(&around), descriptor] {
        let message = store.refused(&place, &[]).await;
        assert!(message.contains(&holder), "{place}: {message}");
    }
    // Who would write is refused as well, and who reads is not.
    let export = store.file("export.ndjson");
    let export = export.to_str().unwrap();
    let place = store.place();
    let (code, shown) = run(&["record", "export", "--record", &place, "--out", export]);
    assert!(code == Some(0) && shown.contains("2 rows"), "{shown}");
    for write in ["import", "restore"] {
        let (code, shown) = run(&["record", write, export, "--record", &sqlite(&link)]);
        assert_eq!(code, Some(2), "{shown}");
        assert!(shown.contains(&holder), "{shown}");
    }
    let (code, shown) = verify(&sqlite(&link));
    assert!(code == Some(0) && shown.contains("2 rows"), "{shown}");
    let mut keyring = Keyring::default();
    keyring.insert(key().version().clone()).unwrap();
    let keys = store.file("older.json");
    std::fs::write(&keys, keyring.to_jwks()).unwrap();
    let keys = keys.to_str().unwrap();
    let print = key().version().fingerprint().to_string();
    let import = [
        "keys", "import", keys, "--trust", &print, "--record", &place,
    ];
    let (code, shown) = run(&import);
    assert_eq!(code, Some(0), "{shown}");
    sign_all(&service, 3..=4).await;

    // It is free with the process, however that ends.
    service.kill().await;
    let next = store.start(&sqlite(&link), &[]).await;
    sign_all(&next, 1..=5).await;
    next.stop().await;
    let (code, shown) = run(&["record", "restore", keys, "--record", &place]);
    assert!(
        code == Some(2) && shown.contains("line 1"),
        "nobody has it: {shown}"
    );
    let (code, shown) = verify(&place);
    assert!(code == Some(0) && shown.contains("5 rows"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_with_a_second_name_is_not_signed_on() {
    let store = Store::new(false).await;
    let (record, other) = (store.file("record.sqlite"), store.file("other.sqlite"));
    std::fs::hard_link(&record, &other).unwrap();
    for path in [&record, &other] {
        let message = store.refused(&sqlite(path), &[]).await;
        assert!(message.contains("has 2 names (hard links)"), "{message}");
        let (code, shown) = verify(&sqlite(path));
        assert!(
            code == Some(2) && shown.contains("2 names") && !shown.contains("all is well"),
            "{shown}"
        );
    }
    std::fs::remove_file(&other).unwrap();
    let service = store.start(&store.place(), &[]).await;
    sign_all(&service, 1..=2).await;
    std::fs::hard_link(&record, &other).unwrap();
    not_signed(&service, 3, "has 2 names (hard links)").await;
    not_signed(&service, 1, "has 2 names (hard links)").await;
    std::fs::remove_file(&other).unwrap();
    sign_all(&service, 1..=3).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_is_no_record_and_hangs_nobody() {
    let store = Store::new(false).await;
    let pipe = store.file("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let folder = store.folder.path().to_owned();
    for (path, expected) in [
        (pipe.as_path(), "is a pipe; expected a file"),
        (folder.as_path(), "is a folder; expected a file"),
        (Path::new("/dev/null"), "is a device; expected a file"),
        (Path::new(":memory:"), ":memory: is missing"),
    ] {
        let message = store.refused(&sqlite(path), &[]).await;
        assert!(message.contains(expected), "{message}");
        let (code, shown) = verify(&sqlite(path));
        assert!(code == Some(2) && shown.contains(expected), "{shown}");
    }
    // A name that SQLite would take for no file is one like any other.
    let init = crate::starter::binary()
        .args(["record", "init", "--record", "sqlite::memory:"])
        .current_dir(&folder)
        .output();
    assert!(init.unwrap().status.success());
    let place = sqlite(&folder.join(":memory:"));
    let service = store.start(&place, &[]).await;
    sign_all(&service, 1..=1).await;
    service.stop().await;
    let (code, shown) = verify(&place);
    assert!(code == Some(0) && shown.contains("1 row,"), "{shown}");
}

async fn health_says(replica: &Replica, code: i32, expected: &str) {
    let (service, url) = ("amply.checkpoint.v1.SigningService", replica.url());
    wait::until(&format!("health to say {expected}"), async || {
        let (found, said) = run(&["health", "--server", &url, "--service", service]);
        found == Some(code) && said.contains(expected)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_of_a_program_that_keeps_the_file_locked_before_anybody_calls() {
    let store = Store::new(false).await;
    let service = store.start(&store.place(), &[]).await;
    sign_all(&service, 1..=1).await;
    health_says(&service, 0, "SERVING").await;
    let other = rusqlite::Connection::open(store.file("record.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = "another program keeps the record's file locked";
    health_says(&service, 1, locked).await;
    not_signed(&service, 2, locked).await;
    health_says(&service, 1, locked).await;
    other.execute_batch("ROLLBACK").unwrap();
    health_says(&service, 0, "SERVING").await;
    sign_all(&service, 1..=2).await;
    drop(other);
    service.stop().await;
}

/// A container that is given the file and not its folder: the log would lie in the container.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_mounted_by_itself_is_refused() {
    let store = Store::new(false).await;
    let (record, mounted) = (store.file("record.sqlite"), store.file("mounted.sqlite"));
    std::fs::write(&mounted, "").unwrap();
    let flags = match rustix::process::geteuid().is_root() {
        true => "-m",
        false => "-Urm",
    };
    let script = "mount --bind \"$0\" \"$1\" || exit 77; shift; exec \"$@\"";
    let output = Command::new("unshare")
        .args([flags, "--propagation", "private", "sh", "-c", script])
        .args([&record, &mounted])
        .args([PROGRAM, "record", "verify", "--record", &sqlite(&mounted)])
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() != Some(2) && !shown.contains("mounted by itself") {
        eprintln!("not tried, for this machine permits no mounts: {shown}");
        return;
    }
    assert!(
        shown.contains("is mounted by itself, so that its -wal would lie elsewhere"),
        "{shown}"
    );
}
