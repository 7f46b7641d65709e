//! Where times go back in what comes in a file: only an operator says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use checkpoint_signer::clock::Clock;
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::record::{Filter, Record};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::get;
use crate::clocks::{Replica, folder, ran_ahead, run_beside};
use crate::postgres::Database;

/// A record whose clock was resumed after its first row, its export, and what was published.
struct Resumed {
    folder: TempDir,
    place: String,
    export: String,
    /// The command that the export printed.
    printed: Vec<String>,
    /// `/v1/clock-resumptions`.
    resumptions: String,
    /// The published checkpoints.
    lines: Vec<String>,
}

impl Resumed {
    async fn new() -> Self {
        let folder = folder();
        let path = ran_ahead(&folder).await;
        let place = format!("sqlite:{}", path.display());
        let verify = ["record", "verify", "--record", &place];
        let (code, said) = run_beside(&verify).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains("NOTE the newest signature is of") && said.contains("resume-clock"),
            "{said}"
        );
        let record = Arc::new(SqliteRecord::open(&path).unwrap());
        let replica = Replica::start(&folder, record.clone(), Clock::system()).await;
        let (url, reason) = (replica.url(), "NTP of host 3 was wrong");
        let resume = ["record", "resume-clock", "--server", &url];
        let (code, said) = run_beside(&[&resume[..], &["--reason", reason]].concat()).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains("compared: the clocks of this machine, the service; no other clock"),
            "{said}"
        );
        let service = ["--service", "amply.checkpoint.v1.SigningService"];
        let health = [&["health", "--server", &url][..], &service].concat();
        let (code, said) = run_beside(&health).await;
        assert_eq!(code, Some(0), "at once: {said}");
        let (_, said) = run_beside(&verify).await;
        assert!(!said.contains("NOTE"), "{said}");
        for entry_count in 2..=4 {
            replica.sign(entry_count).await.unwrap();
        }
        let http = format!("http://{}", replica.service.http().unwrap());
        let answer = tokio::task::spawn_blocking(move || get(&http, "/v1/clock-resumptions"));
        let resumptions = answer.await.unwrap().json().to_string();
        let rows = record.list(&Filter::default(), 0, 100).await.unwrap().rows;
        let lines = rows.iter().map(|row| row.signed.published_json()).collect();
        assert!(replica.service.drain().await);
        drop(record);
        let export = folder.path().join("export.ndjson").display().to_string();
        let (code, said) =
            run_beside(&["record", "export", "--record", &place, "--out", &export]).await;
        assert_eq!(code, Some(0), "{said}");
        let command = said.split("next: checkpoint-signer ").nth(1).unwrap();
        let printed = command.split_whitespace().map(str::to_owned).collect();
        Self {
            folder,
            place,
            export,
            printed,
            resumptions,
            lines,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.file(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    async fn empty(&self, name: &str) -> String {
        let place = format!("sqlite:{}", self.file(name).display());
        let (code, said) = run_beside(&["record", "init", "--record", &place]).await;
        assert_eq!(code, Some(0), "{said}");
        place
    }

    /// Runs the printed import of a file into a place, with or without the operator's word for the resumptions.
    async fn import(&self, file: &str, place: &str, believe: bool) -> (Option<i32>, String) {
        let words = self.printed.iter().map(String::as_str);
        let words = words.filter(|word| believe || *word != "--believe-resumptions");
        let words: Vec<&str> = words
            .map(|word| match word {
                "PLACE" => place,
                word if word == self.export => file,
                word => word,
            })
            .collect();
        run_beside(&words).await
    }

    /// A record that knows the key, and nothing else.
    async fn with_key(&self, name: &str) -> String {
        let place = self.empty(name).await;
        let export = std::fs::read_to_string(&self.export).unwrap();
        let header: Value = serde_json::from_str(export.lines().next().unwrap()).unwrap();
        let keyring = self.write("keyring.json", &header["keyring"].to_string());
        let trust = self.printed.iter().skip_while(|word| *word != "--trust");
        let trust = trust.take(2).last().unwrap().as_str();
        let import = ["keys", "import", &keyring, "--record", &place];
        let (code, said) = run_beside(&[&import[..], &["--trust", trust]].concat()).await;
        assert_eq!(code, Some(0), "{said}");
        place
    }
}

async fn holds(path: &Path, keys: usize, rows: u64, resumptions: usize) {
    let record = SqliteRecord::open(path).unwrap();
    assert_eq!(record.keyring().await.unwrap().entries().len(), keys);
    assert_eq!(record.head().await.unwrap().size(), rows);
    assert_eq!(record.resumptions().await.unwrap().len(), resumptions);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_does_not_say_by_itself_that_an_operator_let_times_go_back() {
    let resumed = Resumed::new().await;
    let target = resumed.empty("target.sqlite").await;
    let (code, said) = resumed.import(&resumed.export, &target, false).await;
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "--believe-resumptions",
        "after row 1",
        "NTP of host 3 was wrong",
        "by \"",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    holds(&resumed.file("target.sqlite"), 0, 0, 0).await;

    // The command that was printed says it, into either store, and again after it was cut off.
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    for place in [target, database.url()] {
        let (code, said) = resumed.import(&resumed.export, &place, true).await;
        assert_eq!(code, Some(0), "{said}");
        let believed = "the clock was resumed, as the export says: after row 1";
        assert!(said.contains(believed), "{said}");
        let (code, said) = resumed.import(&resumed.export, &place, false).await;
        assert_eq!(code, Some(0), "it is no news any more: {said}");
        let (code, said) = run_beside(&["record", "verify", "--record", &place]).await;
        assert_eq!(code, Some(0), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumption_that_no_record_would_take_is_refused_before_anything_is_written() {
    let resumed = Resumed::new().await;
    let target = resumed.empty("target.sqlite").await;
    let export = std::fs::read_to_string(&resumed.export).unwrap();
    let (first, rest) = export.split_once('\n').unwrap();
    let header: Value = serde_json::from_str(first).unwrap();
    let real = header["clock_resumptions"][0].clone();
    let newest = real["newest_signed_at"].as_i64().unwrap();
    let with = |field: &str, value: Value| {
        let mut changed = real.clone();
        changed[field] = value;
        changed
    };
    let last = json!({
        "after_rows": 4, "newest_signed_at": newest, "resumed_from": 1, "by": "evil", "reason": "x"
    });
    let cases = [
        (
            json!([with("reason", json!("a\u{7}b"))]),
            "control characters",
        ),
        (json!([with("reason", json!(""))]), "reason"),
        (json!([with("by", json!("x".repeat(600)))]), "by"),
        (
            json!([with("resumed_from", json!(newest - 3))]),
            "not behind",
        ),
        (json!([with("after_rows", json!(2))]), "row 2"),
        (json!([real.clone(), last]), "does not fit"),
        (
            json!([real.clone(), with("after_rows", json!(9))]),
            "beyond the rows",
        ),
    ];
    for (resumptions, part) in cases {
        let mut header = header.clone();
        header["clock_resumptions"] = resumptions;
        let file = resumed.write("forged.ndjson", &format!("{header}\n{rest}"));
        let (code, said) = resumed.import(&file, &target, true).await;
        assert!(code == Some(1) && said.contains(part), "{part}: {said}");
        assert!(!said.contains('\u{7}'), "{said}");
        holds(&resumed.file("target.sqlite"), 0, 0, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_is_restored_past_a_resumption_by_the_operators_word() {
    let resumed = Resumed::new().await;
    let file = resumed.write("published.ndjson", &resumed.lines.join("\n"));
    let later = resumed.write("later.ndjson", &resumed.lines[1..].join("\n"));
    let words = resumed.write("resumptions.json", &resumed.resumptions);
    let place = resumed.with_key("target.sqlite").await;
    let restore = ["record", "restore", &file, "--record", &place];
    let (code, said) = run_beside(&restore).await;
    assert!(
        code == Some(1) && said.contains("line 1") && said.contains("--resumptions"),
        "{said}"
    );
    holds(&resumed.file("target.sqlite"), 1, 0, 0).await;

    // One that does not fit the lines says nothing about them.
    let with_words = [
        "record",
        "restore",
        &later,
        "--record",
        &place,
        "--resumptions",
        &words,
    ];
    let (code, said) = run_beside(&with_words).await;
    assert!(code == Some(1) && said.contains("after row 1"), "{said}");
    holds(&resumed.file("target.sqlite"), 1, 0, 0).await;
    let broken = resumed.write("broken.json", "{\"clock_resumptions\":[{}]}");
    let (code, said) = run_beside(&[&restore[..], &["--resumptions", &broken]].concat()).await;
    assert!(code == Some(2) && said.contains("broken.json"), "{said}");

    for added in [
        "4 of 4 checkpoints were added",
        "0 of 4 checkpoints were added",
    ] {
        let (code, said) = run_beside(&[&restore[..], &["--resumptions", &words]].concat()).await;
        assert!(code == Some(0) && said.contains(added), "{said}");
    }
    let (code, said) = run_beside(&["record", "verify", "--record", &place]).await;
    assert_eq!(code, Some(0), "{said}");
    let path = resumed.place.strip_prefix("sqlite:").unwrap();
    let own = SqliteRecord::open(Path::new(path)).unwrap();
    let restored = SqliteRecord::open(&resumed.file("target.sqlite")).unwrap();
    assert_eq!(own.head().await.unwrap(), restored.head().await.unwrap());
    assert_eq!(
        own.resumptions().await.unwrap(),
        restored.resumptions().await.unwrap()
    );
    drop(restored);

    // An older state, from before the operator's word: lines whose times go back are named as that, and no clock is.
    let older = resumed.with_key("older.sqlite").await;
    let target = SqliteRecord::open(&resumed.file("older.sqlite")).unwrap();
    let rows = own.list(&Filter::default(), 0, 1).await.unwrap().rows;
    let rows = rows.into_iter().map(|row| row.signed.into()).collect();
    let any = checkpoint::history::rules::MaxEntryJump::ANY;
    for answer in target.append(rows, any).await {
        answer.unwrap();
    }
    drop(target);
    let restore = ["record", "restore", &later, "--record", &older];
    let (code, said) = run_beside(&restore).await;
    assert!(
        code == Some(1)
            && said.contains("before what goes before it")
            && !said.contains("signer's clock"),
        "{said}"
    );
    let (code, said) = run_beside(&[&restore[..], &["--resumptions", &words]].concat()).await;
    assert!(
        code == Some(0) && said.contains("3 of 3 checkpoints were added, 4 rows"),
        "{said}"
    );
}
