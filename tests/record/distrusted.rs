//! What a key signed before the instant from which a revocation distrusts it goes back into a record that knows the revocation; what
//! it signed from then on does not, and nothing is signed by it.

use std::sync::Arc;

use checkpoint::jws::SignedCheckpoint;
use checkpoint::keyring::Revocation;
use checkpoint_signer::record::Record;
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use chrono::TimeDelta;
use tempfile::TempDir;
use testing::record::{NOON, append, key, signed, with_key};

use crate::postgres::Database;
use crate::support::at;
use crate::transfer::fingerprint;

/// Seconds after noon of the instant from which the key is distrusted: that of the third row.
const DISTRUSTED: i64 = 3;

/// Exit code, and everything that was shown.
fn run(arguments: &[&str]) -> (i32, String) {
    let output = crate::starter::binary().args(arguments).output().unwrap();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!shown.contains("panicked"), "{shown}");
    (output.status.code().unwrap(), shown)
}

fn succeeds((code, shown): (i32, String), part: &str) {
    assert!(code == 0 && shown.contains(part), "{part}: {shown}");
}

fn is_refused((code, shown): (i32, String), parts: &[&str]) {
    assert_eq!(code, 1, "{shown}");
    for part in parts {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("in the order"), "it is right: {shown}");
}

fn row(n: u64) -> SignedCheckpoint {
    let when = at(NOON) + TimeDelta::seconds(i64::try_from(n).unwrap());
    let id = format!("chk_{n}");
    signed(&key(), "org", &id, n, &id, when)
}

fn revocation() -> Revocation {
    Revocation {
        distrust_after: at(NOON) + TimeDelta::seconds(DISTRUSTED),
        reason: "leaked".into(),
        revoked_at: at("2025-06-02"),
    }
}

/// What there is of a record of four rows whose key was revoked after them, two of them from the third one's time on.
struct Leaked {
    folder: TempDir,
    /// What was published of it.
    lines: Vec<String>,
    root: String,
    export_of_two: String,
    export_of_four: String,
    keyring: String,
    /// The same from before the revocation.
    earlier: String,
}

impl Leaked {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<_> = (1..=4).map(row).collect();
        let (export_of_two, _) = exported(&folder, "two", rows[..2].to_vec()).await;
        let (export_of_four, root) = exported(&folder, "four", rows.clone()).await;
        let text = std::fs::read_to_string(&export_of_four).unwrap();
        let header = text.lines().next().unwrap();
        let header: serde_json::Value = serde_json::from_str(header).unwrap();
        let mut keyring = header["keyring"].clone();
        let file = |name| path(&folder, name);
        let (after, before) = (file("keyring.json"), file("before.json"));
        std::fs::write(&after, keyring.to_string()).unwrap();
        let key = keyring["keys"][0].as_object_mut().unwrap();
        key.remove("revoked").unwrap();
        std::fs::write(&before, keyring.to_string()).unwrap();
        Self {
            lines: rows.iter().map(SignedCheckpoint::published_json).collect(),
            root,
            export_of_two,
            export_of_four,
            keyring: after,
            earlier: before,
            folder,
        }
    }

    fn file(&self, name: &str) -> String {
        path(&self.folder, name)
    }

    /// A file with the first so many lines.
    fn published(&self, lines: usize) -> String {
        let file = self.file(&format!("published-{lines}.ndjson"));
        std::fs::write(&file, self.lines[..lines].join("\n")).unwrap();
        file
    }

    /// An empty record of either kind.
    async fn empty(&self) -> [String; 2] {
        let database = Database::new().await;
        PostgresRecord::init(&database.address()).await.unwrap();
        let names = std::fs::read_dir(self.folder.path()).unwrap().count();
        let file = self.file(&format!("{names}.sqlite"));
        SqliteRecord::init(file.as_ref()).unwrap();
        [format!("sqlite:{file}"), database.url()]
    }
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

/// A record with these rows, whose key was revoked then: its export and its root.
async fn exported(folder: &TempDir, name: &str, rows: Vec<SignedCheckpoint>) -> (String, String) {
    let file = path(folder, &format!("{name}.sqlite"));
    SqliteRecord::init(file.as_ref()).unwrap();
    let record: Arc<dyn Record> = Arc::new(SqliteRecord::open(file.as_ref()).unwrap());
    let key = with_key(&record).await;
    append(&record, rows).await;
    let key_id = &key.version().key_id;
    record.revoke_key(key_id, revocation()).await.unwrap();
    let root = record.head().await.unwrap().root().to_string();
    drop(record);
    let (place, out) = (format!("sqlite:{file}"), path(folder, name));
    let export = ["record", "export", "--record", &place, "--out", &out];
    succeeds(run(&export), "root");
    (out, root)
}

#[tokio::test]
async fn what_was_published_before_goes_back_beside_the_revocation() {
    let leaked = Leaked::new().await;
    let (before, all, trust) = (leaked.published(2), leaked.published(4), fingerprint());
    for place in leaked.empty().await {
        let on = |arguments: &[&str]| run(&[arguments, &["--record", &place]].concat());
        let import = ["keys", "import", &leaked.keyring, "--trust", &trust];
        succeeds(on(&import), "revoked from");
        for (added, by_leaked_key) in [("2 of 2 checkpoints were added", true), ("0 of 2", false)] {
            let restored = on(&["record", "restore", &before]);
            let told = restored.1.contains(
                "\n2 of them are by a key that is revoked: whoever has it can date a signature back. Compare them with the \
                 ledgers' own copies, and the record with every head",
            );
            assert_eq!(told, by_leaked_key, "{}", restored.1);
            succeeds(restored, added);
        }
        let why = ["line 3: is KEY_REVOKED", "does not know of the revocation"];
        is_refused(on(&["record", "restore", &all]), &why);
        let export = &leaked.export_of_four;
        let why = "row 3: key-2025 signed at 2025-06-01T12:00:03Z, and the record distrusts it from 2025-06-01T12:00:03Z on";
        let why = [why, "nothing was imported", "before `keys import`"];
        is_refused(on(&["record", "import", export]), &why);
        succeeds(on(&["record", "verify"]), "2 rows");
    }
    // Another content in a place is no matter of order.
    let [place, _] = leaked.empty().await;
    let on = |arguments: &[&str]| run(&[arguments, &["--record", &place]].concat());
    succeeds(
        on(&["keys", "import", &leaked.earlier, "--trust", &trust]),
        "",
    );
    let other = signed(&key(), "org", "chk_1", 1, "other", at(NOON)).published_json();
    let both = leaked.file("both.ndjson");
    std::fs::write(&both, [&leaked.lines[0], other.as_str()].join("\n")).unwrap();
    let why = ["line 2: checkpoint_id", "nothing was restored"];
    is_refused(on(&["record", "restore", &both]), &why);
}

#[tokio::test]
async fn what_was_published_after_it_goes_back_before_the_revocation_does() {
    let leaked = Leaked::new().await;
    let (all, trust) = (leaked.published(4), fingerprint());
    for place in leaked.empty().await {
        let on = |arguments: &[&str]| run(&[arguments, &["--record", &place]].concat());
        succeeds(
            on(&["keys", "import", &leaked.earlier, "--trust", &trust]),
            "",
        );
        succeeds(on(&["record", "restore", &all]), "4 of 4");
        let import = ["keys", "import", &leaked.keyring];
        let believing = [&import[..], &["--believe-revocations"]].concat();
        succeeds(on(&believing), "");
        succeeds(on(&["record", "verify"]), &leaked.root);
        succeeds(on(&["record", "restore", &all]), "0 of 4");
    }
}

#[tokio::test]
async fn an_export_goes_in_beside_the_revocation_and_with_it() {
    let leaked = Leaked::new().await;
    let trust = fingerprint();
    let (two, four) = (&leaked.export_of_two, &leaked.export_of_four);
    for place in leaked.empty().await {
        let on = |arguments: &[&str]| run(&[arguments, &["--record", &place]].concat());
        succeeds(
            on(&["keys", "import", &leaked.keyring, "--trust", &trust]),
            "",
        );
        let import = ["record", "import", two];
        succeeds(on(&import), "2 rows, 0 of them were there before");
        succeeds(on(&import), "2 rows, 2 of them were there before");
    }
    // Rows from before and after the instant, and then what the export says of the key.
    for place in leaked.empty().await {
        let on = |arguments: &[&str]| run(&[arguments, &["--record", &place]].concat());
        let import = ["record", "import", four, "--trust", &trust];
        succeeds(on(&import), "revoked, as the export says: key-2025");
        succeeds(on(&import), "4 rows, 4 of them were there before");
        succeeds(on(&["record", "verify"]), &leaked.root);
    }
    // It was interrupted among the rows.
    for place in leaked.empty().await {
        let on = |arguments: &[&str]| run(&[arguments, &["--record", &place]].concat());
        succeeds(
            on(&["keys", "import", &leaked.earlier, "--trust", &trust]),
            "",
        );
        succeeds(on(&["record", "restore", &leaked.published(3)]), "3 of 3");
        let import = ["record", "import", four, "--believe-revocations"];
        succeeds(on(&import), "4 rows, 3 of them were there before");
        succeeds(on(&import), "4 rows, 4 of them were there before");
        succeeds(on(&["record", "verify"]), &leaked.root);
    }
}

/// A further row of the same ledger, which the service had no part in.
const FURTHER: &str = "INSERT INTO signed_checkpoint SELECT 2, ledger_id, 'further', entry_count, cumulative_hash, total_volume, \
                       timestamp, key_id, signed_at + ";

#[tokio::test]
async fn the_stores_themselves_refuse_a_row_of_that_instant() {
    let leaked = Leaked::new().await;
    let (one, trust) = (leaked.published(1), fingerprint());
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let [sqlite, _] = leaked.empty().await;
    for place in [&sqlite, &database.url()] {
        let on = |arguments: &[&str]| run(&[arguments, &["--record", place]].concat());
        succeeds(
            on(&["keys", "import", &leaked.keyring, "--trust", &trust]),
            "",
        );
        succeeds(on(&["record", "restore", &one]), "1 of 1");
    }
    let client = database.client().await;
    let file = rusqlite::Connection::open(sqlite.strip_prefix("sqlite:").unwrap()).unwrap();
    for (seconds, is_taken) in [(0, true), (1, true), (2, false), (3, false)] {
        let further = format!("{FURTHER}{seconds}, payload, signature FROM signed_checkpoint");
        let judge = |taken: Result<(), String>| match taken {
            Ok(()) => assert!(is_taken, "{seconds}"),
            Err(error) => assert!(!is_taken && error.contains("the key is revoked"), "{error}"),
        };
        // Not for good.
        file.execute_batch("BEGIN").unwrap();
        judge(
            file.execute_batch(&further)
                .map_err(|error| error.to_string()),
        );
        file.execute_batch("ROLLBACK").unwrap();
        client.batch_execute("BEGIN").await.unwrap();
        let taken = client.batch_execute(&further).await;
        judge(taken.map_err(|error| error.as_db_error().unwrap().to_string()));
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}
