//! A record belongs to one environment: it is told when it is made, kept by the store, and nobody writes in the name of another.

use std::path::{Path, PathBuf};

use checkpoint_signer::record::Record;
use checkpoint_signer::record::environment::{Claim, Environment};
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::postgres::Database;
use crate::program::{Ended, Serving, must, run};
use crate::starter::binary;
use crate::support::at;
use crate::transfer::{NOON, exported, fingerprint};

/// Makes a key for these years, so that a service can start.
pub fn make_key(folder: &Path, name: &str) -> String {
    let file = folder.join(format!("{name}.json"));
    let file = file.to_str().unwrap();
    let window = ["--valid-from", "2020-01-01", "--valid-until", "2120-01-01"];
    let key = [
        "keys", "generate", "--key-id", name, "--bits", "2048", "--out", file,
    ];
    must(binary().args(key).args(window));
    format!("file:{file}")
}

pub fn serve(place: &str, source: &str, environment: &[&str]) -> std::process::Command {
    let ports = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let mut command = binary();
    command.args([
        "serve",
        "--record",
        place,
        "--source",
        source,
        "--log-level",
        "info",
    ]);
    command.args(ports).args(environment);
    command
}

/// Starts a service that is to be well, and gives its log.
pub fn serves(place: &str, source: &str, environment: &[&str]) -> String {
    Serving::start(&mut serve(place, source, environment)).end()
}

pub fn init(place: &str, environment: &[&str]) -> String {
    must(
        binary()
            .args(["record", "init", "--record", place])
            .args(environment),
    )
}

fn refused(ended: Ended, words: &[&str]) {
    assert!(matches!(ended.code, 1 | 2), "{}", ended.text);
    for word in words {
        assert!(ended.text.contains(word), "{word}: {}", ended.text);
    }
    assert!(!ended.text.contains("secret%20word"), "{}", ended.text);
}

/// Both stores, empty: their places.
pub async fn places(folder: &TempDir) -> [String; 2] {
    let sqlite = format!("sqlite:{}", folder.path().join("record.sqlite").display());
    [sqlite, Database::new().await.url()]
}

pub fn file(place: &str) -> Option<PathBuf> {
    place.strip_prefix("sqlite:").map(PathBuf::from)
}

/// All that the record says, by what reads it and writes nothing.
pub fn verified(place: &str) -> serde_json::Value {
    let verify = ["record", "verify", "--record", place, "--format", "json"];
    serde_json::from_str(&must(binary().args(verify))).unwrap()
}

#[tokio::test]
async fn the_record_of_one_environment_is_not_served_in_the_name_of_another_or_of_none() {
    let folder = tempfile::tempdir().unwrap();
    let source = make_key(folder.path(), "key-1");
    for place in places(&folder).await {
        let made = init(&place, &["--environment", "prod"]);
        assert!(made.contains("of the environment prod"), "{made}");
        assert!(made.contains(" --environment prod\n"), "{made}");
        let as_it_was = file(&place).map(|path| std::fs::read(path).unwrap());
        let other = run(&mut serve(&place, &source, &["--environment", "staging"]));
        refused(
            other,
            &[
                "environment prod",
                "this is staging",
                "record init --environment staging",
            ],
        );
        let none = run(&mut serve(&place, &source, &[]));
        refused(none, &["--environment prod"]);
        let dev = run(binary()
            .args([
                "serve",
                "--dev",
                "--grpc",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
            ])
            .arg("--data")
            .arg(folder.path().join("dev"))
            .args(["--record", &place]));
        refused(dev, &["environment prod"]);
        assert_eq!(
            as_it_was,
            file(&place).map(|path| std::fs::read(path).unwrap()),
            "nothing was written"
        );
        serves(&place, &source, &["--environment", "prod"]);
        assert_eq!(verified(&place)["environment"], "prod");
    }
}

#[tokio::test]
async fn a_secret_by_its_name_is_its_environments() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("sqlite:{}", folder.path().join("record.sqlite").display());
    init(&place, &["--environment", "prod"]);
    let source = "secretsmanager:amply/staging/checkpoint-signing-key";
    let other = run(&mut serve(&place, source, &[]));
    refused(other, &["environment prod", "this is staging"]);
    let record = "secretsmanager:amply/prod/checkpoint-record";
    let staging = ["--environment", "staging"];
    let other = run(&mut serve(record, source, &staging));
    refused(other, &["--record", "the secret of prod", "is staging"]);
    let other = run(binary()
        .args(["record", "init", "--record", record])
        .args(staging));
    refused(other, &["--record", "the secret of prod", "is staging"]);
    let both = run(&mut serve(&place, source, &["--environment", "prod"]));
    refused(both, &["--source", "staging", "prod", "one environment"]);
}

#[tokio::test]
async fn who_writes_names_the_environment_and_who_only_reads_need_not() {
    let (folder, export) = exported().await;
    let export = export.to_str().unwrap();
    let lines = folder.path().join("published.ndjson");
    std::fs::write(&lines, "").unwrap();
    let keyring = folder.path().join("keyring.json");
    std::fs::write(&keyring, r#"{"keys":[]}"#).unwrap();
    let (lines, keyring) = (lines.to_str().unwrap(), keyring.to_str().unwrap());
    let own = tempfile::tempdir().unwrap();
    for place in places(&own).await {
        init(&place, &["--environment", "prod"]);
        let (of_place, trust) = (["--record", &*place], fingerprint());
        let mut writes = vec![
            vec!["record", "import", export, "--trust", &trust],
            vec!["record", "restore", lines],
            vec!["keys", "import", keyring],
        ];
        if file(&place).is_none() {
            writes.push(vec!["record", "accept-promotion"]);
        }
        for command in &writes {
            let none = run(binary().args(command).args(of_place));
            refused(none, &["environment prod", "--environment prod"]);
            let staging = ["--environment", "staging"];
            let other = run(binary().args(command).args(of_place).args(staging));
            refused(other, &["environment prod", "this is staging"]);
        }
        let bind = ["record", "bind", "--environment", "sandbox"];
        refused(
            run(binary().args(bind).args(of_place)),
            &["environment prod", "this is sandbox"],
        );
        let empty = verified(&place);
        assert_eq!(
            (&empty["rows"], &empty["environment"]),
            (&0.into(), &"prod".into())
        );
        let prod = ["--environment", "prod"];
        let told = must(binary().args(&writes[0]).args(of_place).args(prod));
        assert!(told.contains("25 rows"), "{told}");
        let bind = ["record", "bind", "--environment", "prod"];
        let told = must(binary().args(bind).args(of_place));
        assert!(
            told.contains("belonged already to the environment prod"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn the_stores_themselves_refuse_a_change_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let [sqlite, _] = places(&folder).await;
    init(&sqlite, &["--environment", "prod"]);
    let changes = [
        "UPDATE record_environment SET environment = 'staging'",
        "DELETE FROM record_environment",
        "INSERT INTO record_environment VALUES (1, 'staging', 0)",
        "INSERT INTO record_environment VALUES (2, 'staging', 0)",
    ];
    let connection = Connection::open(file(&sqlite).unwrap()).unwrap();
    // These call no trigger of a deletion.
    let in_place = ["INSERT OR REPLACE INTO record_environment VALUES (1, 'staging', 0)"];
    for change in changes.into_iter().chain(in_place) {
        assert!(connection.execute(change, []).is_err(), "{change}");
    }
    let database = Database::new().await;
    init(&database.url(), &["--environment", "prod"]);
    let client = database.client().await;
    for change in changes.into_iter().chain(["TRUNCATE record_environment"]) {
        assert!(client.batch_execute(change).await.is_err(), "{change}");
    }
    for place in [sqlite, database.url()] {
        assert_eq!(verified(&place)["environment"], "prod");
    }
}

/// Makes a record what an earlier program has left.
async fn as_of_before(place: &str, database: &Database<'_>) {
    match file(place) {
        Some(path) => {
            let connection = Connection::open(path).unwrap();
            let back = "DROP TABLE record_environment; DROP TRIGGER key_version_once; PRAGMA user_version = 6;";
            connection.execute_batch(back).unwrap();
        }
        None => {
            let back = "DROP TABLE record_environment; UPDATE record_version SET version = 1";
            database.client().await.batch_execute(back).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_record_of_before_is_bound_by_the_first_service_whose_key_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let source = make_key(folder.path(), "key-1");
    let stranger = make_key(folder.path(), "key-2");
    let database = Database::new().await;
    let sqlite = format!("sqlite:{}", folder.path().join("record.sqlite").display());
    for place in [sqlite, database.url()] {
        init(&place, &[]);
        as_of_before(&place, &database).await;
        // Who names no environment goes on, and leaves it open.
        let log = serves(&place, &source, &[]);
        assert!(!log.contains("belongs to this environment"), "{log}");
        assert_eq!(verified(&place)["environment"], serde_json::Value::Null);
        // It knows key-1 by now, so that another environment's service does not take it.
        let other = run(&mut serve(&place, &stranger, &["--environment", "staging"]));
        refused(
            other,
            &[
                "belongs to no environment",
                "key-1",
                "record bind",
                "--environment staging",
            ],
        );
        assert_eq!(verified(&place)["environment"], serde_json::Value::Null);
        let log = serves(&place, &source, &["--environment", "prod"]);
        assert!(
            log.contains("belongs to this environment from now on"),
            "{log}"
        );
        assert_eq!(verified(&place)["environment"], "prod");
        let other = run(&mut serve(&place, &source, &["--environment", "staging"]));
        refused(other, &["environment prod", "this is staging"]);
        let log = serves(&place, &stranger, &["--environment", "prod"]);
        assert!(
            !log.contains("from now on"),
            "only the first one says so: {log}"
        );
    }
}

#[tokio::test]
async fn without_anything_to_compare_a_record_of_before_stays_open_and_an_operator_binds_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = make_key(folder.path(), "key-1");
    let place = format!("sqlite:{}", folder.path().join("record.sqlite").display());
    init(&place, &[]);
    serves(&place, &source, &[]);
    let nothing = format!("file:{}", folder.path().join("none.json").display());
    let log = serves(&place, &nothing, &["--environment", "prod"]);
    assert!(log.contains("belongs to no environment yet"), "{log}");
    assert_eq!(verified(&place)["environment"], serde_json::Value::Null);
    let bind = [
        "record",
        "bind",
        "--record",
        &place,
        "--environment",
        "sandbox",
    ];
    let told = must(binary().args(bind));
    assert!(
        told.contains("belongs to the environment sandbox"),
        "{told}"
    );
    assert_eq!(verified(&place)["environment"], "sandbox");
}

#[tokio::test]
async fn of_two_that_bind_at_the_same_time_one_environment_wins() {
    let address = Database::new().await.address();
    PostgresRecord::init(&address).await.unwrap();
    let mut records = Vec::new();
    for _ in 0..9 {
        let claim = Claim::Reads(None);
        records.push(PostgresRecord::open_as(&address, claim).await.unwrap());
    }
    let binding = records.iter().zip(Environment::ALL.iter().cycle());
    let binding = binding.map(|(record, environment)| record.bind(*environment, at(NOON)));
    let bound = futures_util::future::join_all(binding).await;
    let won = records[0].environment().await.unwrap().unwrap();
    for (bound, environment) in bound.iter().zip(Environment::ALL.iter().cycle()) {
        match bound {
            Ok(()) => assert_eq!(*environment, won),
            Err(refused) => {
                assert_ne!(*environment, won);
                assert!(refused.to_string().contains(won.as_str()), "{refused}");
            }
        }
    }
    assert_eq!(bound.iter().filter(|bound| bound.is_ok()).count(), 3);
}

#[tokio::test]
async fn an_export_and_a_copy_stay_their_environments() {
    let (folder, unbound) = exported().await;
    let first = std::fs::read_to_string(&unbound).unwrap();
    assert!(
        !first.contains("\"environment\""),
        "the export of a record that is bound to none is as it was"
    );
    let path = folder.path().join("record.sqlite");
    let place = format!("sqlite:{}", path.display());
    must(binary().args([
        "record",
        "bind",
        "--record",
        &place,
        "--environment",
        "prod",
    ]));
    let out = folder.path().join("prod.ndjson");
    let out = out.to_str().unwrap();
    let export = ["record", "export", "--record", &place, "--out", out];
    let told = must(binary().args(export));
    assert!(told.contains(" --environment prod"), "{told}");
    let copy = folder.path().join("copy.sqlite");
    let backup = [
        "record",
        "backup",
        copy.to_str().unwrap(),
        "--record",
        &place,
    ];
    must(binary().args(backup));
    let copy = SqliteRecord::open_beside(&copy).unwrap();
    assert_eq!(copy.environment().await.unwrap(), Some(Environment::Prod));

    let own = tempfile::tempdir().unwrap();
    let trust = fingerprint();
    let import = ["record", "import", out, "--trust", &trust, "--record"];
    let [sqlite, postgres] = places(&own).await;
    init(&sqlite, &["--environment", "staging"]);
    let other = run(binary()
        .args(import)
        .args([&sqlite, "--environment", "staging"]));
    refused(
        other,
        &[
            "of the environment prod",
            "belongs to staging",
            "nothing was imported",
        ],
    );
    init(&postgres, &[]);
    let other = run(binary()
        .args(import)
        .args([&postgres, "--environment", "sandbox"]));
    refused(other, &["of the environment prod", "sandbox"]);
    assert_eq!(verified(&postgres)["rows"], 0);
    // A record that belongs to none becomes that of its rows.
    must(binary().args(import).arg(&postgres));
    assert_eq!(verified(&postgres)["environment"], "prod");
    let strange = std::fs::read_to_string(out).unwrap();
    let strange = strange.replacen("\"prod\"", "\"moon\"", 1);
    std::fs::write(out, strange).unwrap();
    let third = format!("sqlite:{}", own.path().join("third.sqlite").display());
    init(&third, &[]);
    refused(
        run(binary().args(import).arg(&third)),
        &["moon", "prod, staging or sandbox"],
    );
}
