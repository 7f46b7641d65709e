//! `record export` and `record import`, as their user runs them.

use std::path::{Path, PathBuf};
use std::process::Output;

use checkpoint::history::rules::MaxEntryJump;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::keyring::Revocation;
use checkpoint_signer::record::Record;
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use tempfile::TempDir;

use crate::postgres::Database;
use crate::support::at;
use testing::record::{key, large, signed};

pub const NOON: &str = "2025-06-01T12:00:00Z";
const ROWS: u64 = 25;

fn run(arguments: &[&str]) -> Output {
    crate::starter::binary().args(arguments).output().unwrap()
}

fn succeed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Exit code and message.
fn fail(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!message.contains("panicked"), "{message}");
    (output.status.code(), message)
}

/// Rows of three ledgers.
fn rows() -> Vec<SignedCheckpoint> {
    let key = key();
    let row = |n: u64| {
        let (ledger, id) = (format!("org_{}", n % 3), format!("chk_{n}"));
        signed(&key, &ledger, &id, n, &id, at(NOON))
    };
    (0..ROWS).map(row).collect()
}

async fn with_rows(record: &dyn Record, rows: Vec<SignedCheckpoint>) {
    let key = key();
    let registered = record.register_key(key.version(), None, at(NOON)).await;
    registered.unwrap();
    let rows = rows.into_iter().map(Into::into).collect();
    for answer in record.append(rows, MaxEntryJump::ANY).await {
        answer.unwrap();
    }
}

/// A folder with a record of [`ROWS`] rows, whose key was revoked afterwards, and its export.
pub async fn exported() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.sqlite");
    SqliteRecord::init(&path).unwrap();
    let record = SqliteRecord::open(&path).unwrap();
    with_rows(&record, rows()).await;
    let revocation = Revocation {
        distrust_after: at("2025-06-02"),
        reason: "leaked".into(),
        revoked_at: at("2025-06-03"),
    };
    let key_id = key().version().key_id.clone();
    record.revoke_key(&key_id, revocation).await.unwrap();
    let out = folder.path().join("export.ndjson");
    export(&format!("sqlite:{}", path.display()), &out);
    (folder, out)
}

fn export(place: &str, out: &Path) {
    let told = succeed(&[
        "record",
        "export",
        "--record",
        place,
        "--out",
        out.to_str().unwrap(),
    ]);
    assert!(told.contains("25 rows"), "{told}");
}

/// What is noted of the key another way than by the export.
pub fn fingerprint() -> String {
    key().version().fingerprint().to_string()
}

/// The place of a new, empty SQLite record.
pub fn empty(folder: &TempDir, name: &str) -> String {
    let place = format!("sqlite:{}", folder.path().join(name).display());
    succeed(&["record", "init", "--record", &place]);
    place
}

#[tokio::test]
async fn a_record_moves_to_postgres_and_back_and_stays_the_same() {
    let (folder, first) = exported().await;
    let url = Database::new().await.url();
    succeed(&["record", "init", "--record", &url]);
    let (first_name, trust) = (first.to_str().unwrap(), fingerprint());
    let import = [
        "record", "import", first_name, "--record", &url, "--trust", &trust,
    ];
    let told = succeed(&import);
    assert!(
        told.contains("25 rows, 0 of them were there before"),
        "{told}"
    );
    assert!(
        !told.contains("secret"),
        "the password is not shown: {told}"
    );
    succeed(&["record", "verify", "--record", &url]);
    let second = folder.path().join("second.ndjson");
    export(&url, &second);
    let back = empty(&folder, "back.sqlite");
    let second = second.to_str().unwrap();
    succeed(&[
        "record", "import", second, "--record", &back, "--trust", &trust,
    ]);
    let third = folder.path().join("third.ndjson");
    export(&back, &third);
    let [first, second, third] =
        [&first, Path::new(second), &third].map(|path| std::fs::read(path).unwrap());
    assert!(first == second && second == third);
    let header: serde_json::Value =
        serde_json::from_slice(first.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!(header["rows"], ROWS);
    assert_eq!(header["keyring"]["keys"][0]["revoked"]["reason"], "leaked");
}

/// They are more than what is held at once by bytes, and fewer than what is by number.
#[tokio::test]
async fn large_rows_go_through_an_export_an_import_and_a_restoration() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let whole = |place: &str| {
        let out = file("export.ndjson");
        let _ = std::fs::remove_file(&out);
        succeed(&["record", "export", "--record", place, "--out", &out]);
        std::fs::read_to_string(&out).unwrap()
    };
    let first = empty(&folder, "first.sqlite");
    let record = SqliteRecord::open(&folder.path().join("first.sqlite")).unwrap();
    let rows = (1..=24).map(|n| large(&key(), n, 450 * 1024));
    with_rows(&record, rows.collect()).await;
    let export = whole(&first);
    let (source, trust) = (file("source.ndjson"), fingerprint());
    std::fs::write(&source, &export).unwrap();

    let imported = empty(&folder, "imported.sqlite");
    succeed(&[
        "record", "import", &source, "--record", &imported, "--trust", &trust,
    ]);
    assert_eq!(whole(&imported), export);

    let restored = empty(&folder, "restored.sqlite");
    let record = SqliteRecord::open(&folder.path().join("restored.sqlite")).unwrap();
    with_rows(&record, Vec::new()).await;
    drop(record);
    let (_, published) = export.split_once('\n').unwrap();
    std::fs::write(&source, published).unwrap();
    succeed(&["record", "restore", &source, "--record", &restored]);
    assert_eq!(whole(&restored), export);
}

#[tokio::test]
async fn an_import_that_was_interrupted_is_continued() {
    let (_folder, export) = exported().await;
    let export = export.to_str().unwrap();
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let record = PostgresRecord::open(&database.address()).await.unwrap();
    // The rows of the same export: those signed anew would have other signatures.
    let lines = std::fs::read_to_string(export).unwrap();
    let first = lines.lines().skip(1).take(11);
    let first = first.map(|line| SignedCheckpoint::from_published_json(line.as_bytes()).unwrap());
    with_rows(&record, first.collect()).await;
    let url = database.url();
    // The record knows the key by now, and is told of its revocation.
    let import = [
        "record",
        "import",
        export,
        "--record",
        &url,
        "--believe-revocations",
    ];
    let told = succeed(&import);
    assert!(
        told.contains("25 rows, 11 of them were there before"),
        "{told}"
    );
    let told = succeed(&import);
    assert!(
        told.contains("25 rows, 25 of them were there before"),
        "{told}"
    );
}

#[tokio::test]
async fn nothing_is_written_of_an_export_that_is_wrong() {
    let (folder, export) = exported().await;
    let text = std::fs::read_to_string(&export).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let place = empty(&folder, "target.sqlite");
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        change(&mut lines);
        lines.join("\n") + "\n"
    };
    let cases = [
        (with(&|lines| lines.swap(3, 6)), "row 6: entry_count", 1),
        (with(&|lines| lines.swap(3, 4)), "root", 1),
        (
            with(&|lines| drop(lines.remove(5))),
            "rows: is 25, but 24",
            1,
        ),
        (with(&|lines| lines.truncate(20)), "rows: is 25, but 19", 1),
        (
            with(&|lines| lines.push(lines[25].clone())),
            "two checkpoints",
            1,
        ),
        (
            with(&|lines| {
                lines[7] = lines[7].replace("\"total_volume\":1000", "\"total_volume\":1001")
            }),
            "row 7: INVALID_SIGNATURE",
            1,
        ),
        (with(&|lines| lines[9].truncate(30)), "line 10", 2),
        (
            with(&|lines| lines[9] = "x".repeat(2_000_000)),
            "line 10: is longer",
            2,
        ),
        (
            with(&|lines| drop(lines.remove(0))),
            "not the first line",
            2,
        ),
        (
            with(&|lines| lines[0] = lines[0].replace("_export\":1", "_export\":9")),
            "record_export: is 9",
            2,
        ),
        (
            with(&|lines| lines[0] = lines[0].replace("\"PS256\"", "\"PS512\"")),
            "keyring",
            2,
        ),
        (String::new(), "not the first line", 2),
    ];
    for (text, expected, code) in cases {
        let file = folder.path().join("wrong.ndjson");
        std::fs::write(&file, text).unwrap();
        let (found, message) = fail(&[
            "record",
            "import",
            file.to_str().unwrap(),
            "--record",
            &place,
            "--trust",
            &fingerprint(),
        ]);
        assert!(
            found == Some(code) && message.to_lowercase().contains(&expected.to_lowercase()),
            "{expected}: {found:?} {message}"
        );
    }
    let record = SqliteRecord::open(&folder.path().join("target.sqlite")).unwrap();
    assert_eq!(record.head().await.unwrap().size(), 0);
    assert!(record.keyring().await.unwrap().entries().is_empty());
}

#[tokio::test]
async fn other_rows_are_not_mixed_with_those_of_an_export() {
    let (folder, export) = exported().await;
    let export = export.to_str().unwrap();
    let place = empty(&folder, "used.sqlite");
    let record = SqliteRecord::open(&folder.path().join("used.sqlite")).unwrap();
    with_rows(&record, rows().into_iter().take(3).collect()).await;
    drop(record);
    let import = [
        "record",
        "import",
        export,
        "--believe-revocations",
        "--record",
    ];
    let (code, message) = fail(&[&import[..], &[&place]].concat());
    assert_eq!(code, Some(1));
    assert!(message.contains("holds 3 rows"), "{message}");

    let revoked = empty(&folder, "revoked.sqlite");
    let path = folder.path().join("revoked.sqlite");
    let record = SqliteRecord::open(&path).unwrap();
    with_rows(&record, Vec::new()).await;
    let revocation = Revocation {
        distrust_after: at(NOON),
        reason: "leaked".into(),
        revoked_at: at("2025-06-03"),
    };
    record
        .revoke_key(&key().version().key_id, revocation)
        .await
        .unwrap();
    drop(record);
    let (code, message) = fail(&["record", "import", export, "--record", &revoked]);
    assert_eq!(code, Some(1));
    assert!(
        message.contains("row 1: key-2025 signed at 2025-06-01T12:00:00Z"),
        "{message}"
    );
    let record = SqliteRecord::open(&path).unwrap();
    assert_eq!(record.head().await.unwrap().size(), 0);
}

#[tokio::test]
async fn a_record_that_is_wrong_is_not_exported() {
    let (folder, _) = exported().await;
    let path = folder.path().join("record.sqlite");
    let raw = rusqlite::Connection::open(&path).unwrap();
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'record_head_follows'";
    let trigger: String = raw.query_row(sql, [], |row| row.get(0)).unwrap();
    raw.execute_batch("DROP TRIGGER record_head_follows; UPDATE record_head SET frontier = zeroblob(length(frontier))")
        .unwrap();
    raw.execute_batch(&trigger).unwrap();
    let out = folder.path().join("wrong.ndjson");
    let place = format!("sqlite:{}", path.display());
    let arguments = [
        "record",
        "export",
        "--record",
        &place,
        "--out",
        out.to_str().unwrap(),
    ];
    let (code, message) = fail(&arguments);
    assert_eq!(code, Some(1));
    assert!(message.contains("root"), "{message}");
    assert!(!out.exists());
}
