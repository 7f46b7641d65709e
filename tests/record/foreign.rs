//! What comes in a file is believed as far as the record or its operator vouches for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use checkpoint::history::rules::MaxEntryJump;
use checkpoint::keyring::Revocation;
use checkpoint::signing::{KeySecret, SigningKey};
use checkpoint_signer::record::Record;
use checkpoint_signer::record::sqlite::SqliteRecord;
use tempfile::TempDir;

use crate::support::{at, key_with};
use crate::wait;
use testing::record::{NOON, key, signed};

fn run(arguments: &[&str]) -> Output {
    crate::starter::binary().args(arguments).output().unwrap()
}

/// Exit code, and everything that was shown.
fn shown(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    let shown = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(shown).unwrap())
}

struct Records {
    folder: TempDir,
}

impl Records {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The place of a new record with the first `rows` rows by a key.
    async fn with_rows(&self, name: &str, key: &SigningKey, rows: u64) -> String {
        let path = self.file(name);
        SqliteRecord::init(&path).unwrap();
        let record = SqliteRecord::open(&path).unwrap();
        record
            .register_key(key.version(), None, at(NOON))
            .await
            .unwrap();
        let rows = (1..=rows).map(|n| signed(key, "org", &format!("chk_{n}"), n, "x", at(NOON)));
        let rows = rows.map(Into::into).collect();
        for answer in record.append(rows, MaxEntryJump::ANY).await {
            answer.unwrap();
        }
        format!("sqlite:{}", path.display())
    }

    /// For the test itself; a record has one owner at a time.
    fn open(&self, name: &str) -> SqliteRecord {
        SqliteRecord::open(&self.file(name)).unwrap()
    }

    async fn has(&self, name: &str, keys: usize, rows: u64) {
        let record = self.open(name);
        assert_eq!(record.keyring().await.unwrap().entries().len(), keys);
        assert_eq!(record.head().await.unwrap().size(), rows);
    }

    fn empty(&self, name: &str) -> String {
        let place = format!("sqlite:{}", self.file(name).display());
        assert!(
            run(&["record", "init", "--record", &place])
                .status
                .success()
        );
        place
    }

    /// The file, and the command to import it that is shown.
    fn export(&self, place: &str, name: &str) -> (String, Vec<String>) {
        let out = self.file(name).display().to_string();
        let (code, text) = shown(&["record", "export", "--record", place, "--out", &out]);
        assert_eq!(code, Some(0), "{text}");
        let command = text.split("next: checkpoint-signer ").nth(1).unwrap();
        (out, command.split_whitespace().map(str::to_owned).collect())
    }
}

fn other_key() -> SigningKey {
    let document = key_with("key-other", "2025-01-01", "2026-01-01", 3);
    KeySecret::parse(&document, None)
        .unwrap()
        .into_signing_key()
}

#[tokio::test]
async fn a_key_that_nobody_vouches_for_does_not_come_in_with_its_rows() {
    let records = Records::new();
    let place = records.with_rows("own.sqlite", &other_key(), 3).await;
    let (file, printed) = records.export(&place, "export.ndjson");
    let target = records.empty("target.sqlite");
    let import = ["record", "import", &file, "--record", &target];
    let (code, message) = shown(&import);
    let fingerprint = other_key().version().fingerprint().to_string();
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.contains("key-other") && message.contains(&fingerprint),
        "{message}"
    );
    records.has("target.sqlite", 0, 0).await;
    let wrong = "sha256:".to_owned() + &"0".repeat(64);
    for (trust, part) in [
        (wrong.as_str(), "no key of the file"),
        ("key-other", "fingerprint"),
    ] {
        let (code, message) = shown(&[&import[..], &["--trust", trust]].concat());
        assert!(code != Some(0) && message.contains(part), "{message}");
    }
    // The command that was printed, with the place in it.
    let printed: Vec<&str> = printed
        .iter()
        .map(|word| match word.as_str() {
            "PLACE" => target.as_str(),
            word => word,
        })
        .collect();
    let (code, message) = shown(&printed);
    assert_eq!(code, Some(0), "{message}");
    assert!(message.contains("3 rows, 0 of them"), "{message}");

    // The same for keys alone.
    let keys = records.empty("keys.sqlite");
    let export = std::fs::read_to_string(&file).unwrap();
    let header: serde_json::Value = serde_json::from_str(export.lines().next().unwrap()).unwrap();
    let keyring = records.file("keyring.json");
    std::fs::write(&keyring, header["keyring"].to_string()).unwrap();
    let import = [
        "keys",
        "import",
        keyring.to_str().unwrap(),
        "--record",
        &keys,
    ];
    let (code, message) = shown(&import);
    assert!(
        code == Some(1) && message.contains(&fingerprint),
        "{message}"
    );
    let (code, message) = shown(&[&import[..], &["--trust", &fingerprint]].concat());
    assert_eq!(code, Some(0), "{message}");
}

#[tokio::test]
async fn a_key_of_another_kind_in_an_export_is_told_and_not_put_on_record() {
    let records = Records::new();
    let place = records.with_rows("own.sqlite", &key(), 2).await;
    let (file, _) = records.export(&place, "export.ndjson");
    let export = std::fs::read_to_string(&file).unwrap();
    let (first, rows) = export.split_once('\n').unwrap();
    let mut header: serde_json::Value = serde_json::from_str(first).unwrap();
    let keys = header["keyring"]["keys"].as_array_mut().unwrap();
    keys.insert(0, serde_json::json!({ "kty": "FUTURE", "kid": "later" }));
    let changed = records.file("changed.ndjson");
    std::fs::write(&changed, format!("{header}\n{rows}")).unwrap();
    let target = records.empty("target.sqlite");
    let fingerprint = key().version().fingerprint().to_string();
    let import = ["record", "import", changed.to_str().unwrap(), "--record"];
    let (code, message) = shown(
        &[
            &import[..],
            &[&target, "--trust", &fingerprint, "--format", "json"],
        ]
        .concat(),
    );
    assert!(
        code == Some(0) && message.contains("keys[0] \"later\": kty is \"FUTURE\""),
        "{message}"
    );
    assert!(message.contains("\"keys_skipped\": ["), "{message}");
    records.has("target.sqlite", 1, 2).await;
}

#[tokio::test]
async fn a_revocation_that_no_operator_could_make_comes_in_no_file() {
    let records = Records::new();
    let place = records.with_rows("own.sqlite", &key(), 2).await;
    let (file, _) = records.export(&place, "export.ndjson");
    let export = std::fs::read_to_string(&file).unwrap();
    let (first, rows) = export.split_once('\n').unwrap();
    let fingerprint = key().version().fingerprint().to_string();
    for (name, revoked, part) in [
        (
            "control",
            serde_json::json!({ "revoked_at": 1748736000, "reason": "x\u{1b}[2J" }),
            "reason: has 5 characters, control characters among them",
        ),
        (
            "long",
            serde_json::json!({ "revoked_at": 1748736000, "reason": "x".repeat(513) }),
            "reason: has 513 characters",
        ),
        (
            "future",
            serde_json::json!({ "revoked_at": 4102444800_i64, "reason": "leaked" }),
            "distrust_after: lies in the future",
        ),
    ] {
        let mut header: serde_json::Value = serde_json::from_str(first).unwrap();
        header["keyring"]["keys"][0]["revoked"] = revoked;
        let (export, ring) = (records.file("changed.ndjson"), records.file("ring.json"));
        std::fs::write(&export, format!("{header}\n{rows}")).unwrap();
        std::fs::write(&ring, header["keyring"].to_string()).unwrap();
        let file = format!("{name}.sqlite");
        let target = records.empty(&file);
        for act in [["record", "import"], ["keys", "import"]] {
            let from = if act[0] == "record" { &export } else { &ring };
            let from = from.to_str().unwrap();
            let rest = [from, "--record", &target, "--trust", &fingerprint];
            let all = [&act[..], &rest, &["--believe-revocations"]].concat();
            let (code, message) = shown(&all);
            assert!(
                code == Some(1) && message.contains(part),
                "{name}: {message}"
            );
            assert!(!message.contains('\u{1b}'), "{message}");
            records.has(&file, 0, 0).await;
        }
    }
}

#[tokio::test]
async fn a_revocation_in_the_database_that_no_operator_could_make_is_damage() {
    let records = Records::new();
    for (name, instants, reason, part) in [
        (
            "control",
            "1748736000",
            "x\u{1b}[2J",
            "reason: has 5 characters",
        ),
        (
            "future",
            "4102444800",
            "leaked",
            "distrust_after: lies in the future",
        ),
    ] {
        let file = format!("{name}.sqlite");
        let place = records.with_rows(&file, &key(), 2).await;
        let sqlite = rusqlite::Connection::open(records.file(&file)).unwrap();
        let sql = format!(
            "INSERT INTO key_revocation (key_id, distrust_after, reason, revoked_at) VALUES ('key-2025', {instants}, ?1, 1748736000)"
        );
        sqlite.execute(&sql, [reason]).unwrap();
        drop(sqlite);
        let (code, message) = shown(&["record", "verify", "--record", &place]);
        assert!(
            code != Some(0) && message.contains(part) && message.contains("revocation of key-2025"),
            "{name}: {code:?} {message}"
        );
        assert!(!message.contains('\u{1b}'), "{message}");
    }
}

#[tokio::test]
async fn a_known_key_is_not_revoked_by_the_word_of_a_file() {
    let records = Records::new();
    let place = records.with_rows("own.sqlite", &key(), 2).await;
    let target = records.with_rows("target.sqlite", &key(), 0).await;
    let revocation = Revocation {
        distrust_after: at("2025-06-02"),
        reason: "they say".into(),
        revoked_at: at("2025-06-03"),
    };
    let own = records.open("own.sqlite");
    own.revoke_key(&key().version().key_id, revocation)
        .await
        .unwrap();
    drop(own);
    let (file, _) = records.export(&place, "export.ndjson");
    let import = ["record", "import", &file, "--record", &target];
    let (code, message) = shown(&import);
    assert!(
        code == Some(1) && message.contains("--believe-revocations"),
        "{message}"
    );
    records.has("target.sqlite", 1, 0).await;
    let (code, message) = shown(&[&import[..], &["--believe-revocations"]].concat());
    assert_eq!(code, Some(0), "{message}");
    assert!(
        message.contains("revoked, as the export says: key-2025"),
        "{message}"
    );
}

/// A key that is in force for long, with rows of its own.
async fn dated(records: &Records, name: &str, when: &str) -> String {
    let document = key_with("key-long", "2020-01-01", "2199-01-01", 0);
    let key = KeySecret::parse(&document, None)
        .unwrap()
        .into_signing_key();
    let path = records.file(name);
    SqliteRecord::init(&path).unwrap();
    let record = SqliteRecord::open(&path).unwrap();
    record
        .register_key(key.version(), None, at(NOON))
        .await
        .unwrap();
    let rows = vec![signed(&key, "org", "chk_1", 1, "x", at(when)).into()];
    for answer in record.append(rows, MaxEntryJump::ANY).await {
        answer.unwrap();
    }
    format!("sqlite:{}", path.display())
}

#[tokio::test]
async fn rows_of_the_future_are_not_taken() {
    let records = Records::new();
    let place = dated(&records, "future.sqlite", "2150-01-01").await;
    let (file, printed) = records.export(&place, "export.ndjson");
    let target = records.empty("target.sqlite");
    let (_, trust) = printed.split_at(printed.len() - 2);
    let import = [
        "record", "import", &file, "--record", &target, &trust[0], &trust[1],
    ];
    let (code, message) = shown(&import);
    assert!(
        code == Some(1) && message.contains("row 1") && message.contains("in the future"),
        "{message}"
    );
    let published = records.file("published.ndjson");
    let lines = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&published, lines.split_once('\n').unwrap().1).unwrap();
    let own = dated(&records, "own.sqlite", NOON).await;
    let restore = [
        "record",
        "restore",
        published.to_str().unwrap(),
        "--record",
        &own,
    ];
    let (code, message) = shown(&restore);
    assert!(
        code == Some(1) && message.contains("line 1") && message.contains("in the future"),
        "{message}"
    );
}

#[tokio::test]
async fn lines_in_another_order_are_refused_before_the_first_goes_in() {
    let records = Records::new();
    let place = records.with_rows("own.sqlite", &key(), 4).await;
    let target = records.with_rows("target.sqlite", &key(), 0).await;
    let (export, _) = records.export(&place, "export.ndjson");
    let export = std::fs::read_to_string(export).unwrap();
    let lines: Vec<&str> = export.lines().skip(1).collect();
    let file = records.file("published.ndjson");
    let restore = |lines: Vec<&str>| {
        std::fs::write(&file, lines.join("\n")).unwrap();
        shown(&[
            "record",
            "restore",
            file.to_str().unwrap(),
            "--record",
            &target,
        ])
    };
    let reversed: Vec<&str> = lines.iter().rev().copied().collect();
    let (code, message) = restore(reversed);
    assert_eq!(code, Some(1), "{message}");
    assert!(
        message.contains("line 2: entry_count: is 3")
            && message.contains("nothing was restored")
            && message.contains("the oldest first"),
        "{message}"
    );
    records.has("target.sqlite", 1, 0).await;
    // Once each, though one stands there twice.
    let (code, message) = restore(vec![lines[0], lines[1], lines[0]]);
    assert!(
        code == Some(0) && message.contains("2 of 3 checkpoints were added, 2 rows"),
        "{message}"
    );
    let (code, message) = restore(lines.clone());
    assert!(
        code == Some(0) && message.contains("2 of 4 checkpoints were added, 4 rows"),
        "{message}"
    );
    let (record, own) = (records.open("target.sqlite"), records.open("own.sqlite"));
    assert_eq!(record.head().await.unwrap(), own.head().await.unwrap());
}

#[tokio::test]
async fn a_pipe_a_device_or_a_folder_is_refused_and_nobody_waits() {
    let records = Records::new();
    let place = records.empty("record.sqlite");
    let fifo = records.file("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    for command in ["import", "restore"] {
        for path in [
            fifo.as_path(),
            Path::new("/dev/zero"),
            records.folder.path(),
        ] {
            let child = tokio::process::Command::from(crate::starter::binary())
                .args(["record", command])
                .arg(path)
                .args(["--record", &place])
                .kill_on_drop(true)
                .output();
            let output = wait::within("a refusal", child).await.unwrap();
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{message}");
            assert!(message.contains("regular file"), "{message}");
        }
    }
}
