//! A SQLite record is one whole file after its service, and what is not whole is not signed on.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use checkpoint_signer::wire::proto::record_service_client::RecordServiceClient;
use checkpoint_signer::wire::proto::{
    GetRecordHeadRequest, GetSignedCheckpointRequest, ListSignedCheckpointsRequest,
};

use crate::backup::{Store, sign_all};
use crate::cluster::Replica;
use crate::one_owner::{not_signed, run, sign, verify};

fn log_of(record: &Path) -> PathBuf {
    record.with_extension("sqlite-wal")
}

fn sqlite(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// No file of SQLite's lies beside it.
fn is_alone(record: &Path) -> bool {
    !log_of(record).exists() && !record.with_extension("sqlite-shm").exists()
}

/// Neither a service nor `record verify` takes it for a record.
async fn refused(store: &Store, record: &Path, expected: &str) {
    let place = sqlite(record);
    let message = store.refused(&place, &[]).await;
    assert!(message.contains(expected), "{expected}: {message}");
    let (code, shown) = verify(&place);
    assert_eq!(code, Some(2), "{shown}");
    assert!(
        shown.contains(expected) && !shown.contains("all is well"),
        "{expected}: {shown}"
    );
}

/// Copies a record's file and, if it is asked for, its log.
fn copy(store: &Store, name: &str, with_log: bool) -> PathBuf {
    let (record, copy) = (store.file("record.sqlite"), store.file(name));
    std::fs::copy(&record, &copy).unwrap();
    if with_log {
        std::fs::copy(log_of(&record), log_of(&copy)).unwrap();
    }
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_service_all_of_a_record_is_in_one_file() {
    let store = Store::new(false).await;
    for first in [1, 4, 7] {
        let service = store.start(&store.place(), &[]).await;
        sign_all(&service, first..=first + 2).await;
        assert!(log_of(&store.file("record.sqlite")).exists());
        service.stop().await;
        assert!(is_alone(&store.file("record.sqlite")));
        let copy = copy(&store, &format!("copy-{first}.sqlite"), false);
        for _ in 0..2 {
            let (code, shown) = verify(&sqlite(&copy));
            let rows = format!("{} rows", first + 2);
            assert!(code == Some(0) && shown.contains(&rows), "{shown}");
            assert!(is_alone(&copy), "who reads it leaves it as it was");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_copied_without_its_log_is_not_signed_on() {
    let store = Store::new(false).await;
    let service = store.start(&store.place(), &[]).await;
    sign_all(&service, 1..=5).await;
    let missing = "is missing or empty: the newest rows are not in it";
    let running = copy(&store, "running.sqlite", false);
    refused(&store, &running, missing).await;
    service.kill().await;
    let alone = copy(&store, "alone.sqlite", false);
    refused(&store, &alone, missing).await;
    for bytes in [0, 32] {
        let cut = copy(&store, &format!("cut-{bytes}.sqlite"), true);
        let log = std::fs::File::options().write(true).open(log_of(&cut));
        log.unwrap().set_len(bytes).unwrap();
        refused(&store, &cut, missing).await;
    }
    // With its log it is whole, also after somebody read it.
    let whole = copy(&store, "whole.sqlite", true);
    for _ in 0..2 {
        let (code, shown) = verify(&sqlite(&whole));
        assert!(code == Some(0) && shown.contains("5 rows"), "{shown}");
    }
    let next = store.start(&sqlite(&whole), &[]).await;
    sign_all(&next, 1..=7).await;
    next.stop().await;
    assert!(is_alone(&whole));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_and_a_file_that_do_not_belong_together_are_not_signed_on() {
    let store = Store::new(false).await;
    let service = store.start(&store.place(), &[]).await;
    sign_all(&service, 1..=5).await;
    let early = copy(&store, "early.sqlite", true);
    service.stop().await;
    let five = copy(&store, "five.sqlite", false);
    let service = store.start(&store.place(), &[]).await;
    sign_all(&service, 6..=9).await;
    service.stop().await;
    let service = store.start(&store.place(), &[]).await;
    sign_all(&service, 10..=12).await;
    service.kill().await;

    // A log from before, beside the file of today.
    let older = copy(&store, "older.sqlite", false);
    std::fs::copy(log_of(&early), log_of(&older)).unwrap();
    refused(&store, &older, "the write-ahead log (-wal) beside it is").await;
    // A backup that is put where the damaged file was, beside its log.
    std::fs::copy(log_of(&store.file("record.sqlite")), log_of(&five)).unwrap();
    refused(&store, &five, "the file is an older copy").await;
    // A log whose end is missing, though the file has what was there.
    let service = store.start(&store.place(), &[]).await;
    sign_all(&service, 13..=13).await;
    let begun = copy(&store, "begun.sqlite", true);
    sign_all(&service, 14..=15).await;
    let raw = rusqlite::Connection::open(store.file("record.sqlite")).unwrap();
    let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
    raw.query_row(checkpoint, [], |_| Ok(())).unwrap();
    drop(raw);
    service.kill().await;
    let ended = copy(&store, "ended.sqlite", false);
    std::fs::copy(log_of(&begun), log_of(&ended)).unwrap();
    refused(&store, &ended, "is older than it, or its end is missing").await;
    let other = Store::new(false).await;
    let service = other.start(&other.place(), &[]).await;
    sign_all(&service, 1..=2).await;
    service.kill().await;
    let foreign = copy(&store, "foreign.sqlite", false);
    std::fs::copy(log_of(&other.file("record.sqlite")), log_of(&foreign)).unwrap();
    refused(&store, &foreign, "the write-ahead log (-wal) beside it is").await;
}

/// Nothing is signed, and no row is handed out, until it is put right.
async fn nothing_leaves(service: &Replica, expected: &str) {
    not_signed(service, 6, expected).await;
    // Not even what was signed before.
    not_signed(service, 5, expected).await;
    let mut client = RecordServiceClient::new(service.channel());
    let one = GetSignedCheckpointRequest {
        ledger_id: "org_1".into(),
        checkpoint_id: "chk_5".into(),
        ..Default::default()
    };
    let all = ListSignedCheckpointsRequest::default();
    let told = [
        client.get_signed_checkpoint(one).await.err(),
        client.list_signed_checkpoints(all).await.err(),
        client.get_record_head(GetRecordHeadRequest {}).await.err(),
    ];
    for told in told.map(|told| told.expect("refused")) {
        assert_eq!(told.code(), tonic::Code::Unavailable, "{told:?}");
        assert!(told.message().contains(expected), "{told:?}");
    }
}

/// What is done to the files of a record with five rows.
struct Attack {
    what: &'static str,
    act: fn(&Path),
    expected: &'static str,
    /// What is said when it is started again; none when nothing is lost.
    afterwards: Option<&'static str>,
}

fn cut(path: &Path, bytes: u64) {
    let file = std::fs::File::options().write(true).open(path);
    file.unwrap().set_len(bytes).unwrap();
}

const ATTACKS: &[Attack] = &[
    Attack {
        what: "the log is deleted",
        act: |record| std::fs::remove_file(log_of(record)).unwrap(),
        expected: "record.sqlite-wal was replaced by another file, or taken away",
        // The process has it open still, and puts it into the file at its end.
        afterwards: None,
    },
    Attack {
        what: "the log is replaced",
        act: |record| {
            std::fs::rename(log_of(record), record.with_extension("away")).unwrap();
            std::fs::write(log_of(record), "").unwrap();
        },
        expected: "record.sqlite-wal was replaced by another file, or taken away",
        afterwards: Some("is missing or empty"),
    },
    Attack {
        what: "the log is emptied",
        act: |record| cut(&log_of(record), 0),
        expected: "record.sqlite-wal was cut off",
        afterwards: Some("is missing or empty"),
    },
    Attack {
        what: "the index of the log is deleted",
        act: |record| std::fs::remove_file(record.with_extension("sqlite-shm")).unwrap(),
        expected: "record.sqlite-shm was replaced by another file, or taken away",
        afterwards: None,
    },
    Attack {
        what: "the file is cut off",
        act: |record| cut(record, 4096),
        expected: "record.sqlite was cut off",
        afterwards: Some("damaged"),
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_its_files_is_noticed_at_the_next_call() {
    for attack in ATTACKS {
        eprintln!("{}", attack.what);
        let store = Store::new(false).await;
        let service = store.start(&store.place(), &[]).await;
        sign_all(&service, 1..=5).await;
        (attack.act)(&store.file("record.sqlite"));
        nothing_leaves(&service, attack.expected).await;
        service.stop().await;
        match attack.afterwards {
            Some(expected) => {
                let message = store.refused(&store.place(), &[]).await;
                assert!(message.contains(expected), "{}: {message}", attack.what);
                let (code, shown) = verify(&store.place());
                assert_ne!(code, Some(0), "{}: {shown}", attack.what);
            }
            None => {
                assert!(is_alone(&store.file("record.sqlite")));
                let next = store.start(&store.place(), &[]).await;
                sign_all(&next, 1..=6).await;
                next.stop().await;
            }
        }
    }
}

fn names(folder: &Path) -> BTreeSet<OsString> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_deleted_beneath_its_service_is_not_made_anew_by_who_reads() {
    for missing in ["-wal", "-shm"] {
        let store = Store::new(false).await;
        let (record, place) = (store.file("record.sqlite"), store.place());
        let service = store.start(&place, &[]).await;
        sign_all(&service, 1..=5).await;
        let mut name = record.clone().into_os_string();
        name.push(missing);
        std::fs::remove_file(&name).unwrap();
        let before = names(store.folder.path());
        let out = store.file("out").display().to_string();
        for command in [
            &["record", "verify", "--record", &place][..],
            &["record", "export", "--record", &place, "--out", &out],
            &["record", "backup", &out, "--record", &place],
        ] {
            let (code, shown) = run(command);
            assert_eq!(code, Some(2), "{command:?}: {shown}");
            let expected = format!("the {missing} is missing: end the service first");
            assert!(shown.contains(&expected), "{command:?}: {shown}");
            assert_eq!(names(store.folder.path()), before, "{command:?}: {shown}");
        }
        service.stop().await;
        let (code, shown) = verify(&place);
        assert!(code == Some(0) && shown.contains("5 rows"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_renamed_is_noticed_and_its_record_is_whole() {
    let store = Store::new(false).await;
    let folder = store.file("folder");
    std::fs::create_dir(&folder).unwrap();
    let record = folder.join("record.sqlite");
    std::fs::rename(store.file("record.sqlite"), &record).unwrap();
    let service = store.start(&sqlite(&record), &[]).await;
    sign_all(&service, 1..=5).await;
    let away = store.file("away");
    std::fs::rename(&folder, &away).unwrap();
    nothing_leaves(&service, "was replaced by another file, or taken away").await;
    std::fs::rename(&away, &folder).unwrap();
    sign_all(&service, 1..=6).await;
    service.stop().await;
    assert!(is_alone(&record));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_at_the_end_is_waited_for_and_told_of() {
    let store = Store::new(false).await;
    let record = store.file("record.sqlite");
    let service = store.start(&store.place(), &[]).await;
    sign_all(&service, 1..=3).await;
    let reader = rusqlite::Connection::open(&record).unwrap();
    reader.busy_timeout(Duration::from_secs(5)).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count = || -> i64 {
        let sql = "SELECT count(*) FROM signed_checkpoint";
        reader.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(), 3);
    sign_all(&service, 4..=5).await;
    let log = store.folder.path().to_owned();
    service.stop().await;
    let told = std::fs::read_dir(&log).unwrap().flatten();
    let told = told.filter(|file| file.file_name().to_string_lossy().starts_with("log-"));
    let told: String = told
        .map(|file| std::fs::read_to_string(file.path()).unwrap())
        .collect();
    assert!(told.contains("somebody still reads it"), "{told}");
    assert_eq!(count(), 3);
    let alone = copy(&store, "alone.sqlite", false);
    refused(&store, &alone, "is missing or empty").await;
    let (code, shown) = verify(&store.place());
    assert!(code == Some(0) && shown.contains("5 rows"), "{shown}");
    drop(reader);
    let service = store.start(&store.place(), &[]).await;
    sign(&service, 6).await.unwrap();
    service.stop().await;
    assert!(is_alone(&record));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_put_into_the_file_by_somebody_else_is_no_loss() {
    let store = Store::new(false).await;
    let service = store.start(&store.place(), &[]).await;
    for entry_count in 1..=3 {
        sign(&service, entry_count).await.unwrap();
        let other = rusqlite::Connection::open(store.file("record.sqlite")).unwrap();
        other.busy_timeout(Duration::from_secs(5)).unwrap();
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: i64 = other.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(busy, 0);
    }
    sign_all(&service, 1..=4).await;
    service.stop().await;
    assert!(is_alone(&store.file("record.sqlite")));
}
