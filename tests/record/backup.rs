//! A service that is started on a record that is older than it once was.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::cluster::{Log, Replica, Trouble, refused, sign};
use crate::history::{Answer, Request};
use crate::postgres::Database;
use crate::support::{key_with, versions, write_keys};
use crate::wait::until;

/// A record that can be copied, and the folder of the services on it.
pub struct Store {
    pub folder: TempDir,
    pub database: Option<Database<'static>>,
}

impl Store {
    /// Empty.
    pub async fn new(postgres: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = key_with("key-old", "2020-01-01", "2099-01-01", 0);
        write_keys(folder.path(), &key);
        let database = match postgres {
            true => Some(Database::new().await),
            false => None,
        };
        match &database {
            Some(database) => PostgresRecord::init(&database.address()).await.unwrap(),
            None => SqliteRecord::init(&folder.path().join("record.sqlite")).unwrap(),
        }
        Self { folder, database }
    }

    pub fn place(&self) -> String {
        match &self.database {
            Some(database) => database.url(),
            None => format!("sqlite:{}", self.file("record.sqlite").display()),
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Copies the files of a record that nobody uses, and gives the place of the copy.
    pub async fn backup(&self, name: &str) -> String {
        let Some(database) = &self.database else {
            let copy = self.file(name);
            settle(&self.file("record.sqlite"));
            std::fs::copy(self.file("record.sqlite"), &copy).unwrap();
            return format!("sqlite:{}", copy.display());
        };
        let copy = format!("{}_{name}", database.name);
        let client = database.server.client("postgres").await;
        wait_until_unused(&client, &database.name).await;
        let create = format!("CREATE DATABASE {copy} TEMPLATE {}", database.name);
        client.batch_execute(&create).await.unwrap();
        database.server.url(&copy)
    }

    pub async fn start(&self, record: &str, further: &[&str]) -> Replica {
        Replica::start_with(self.folder.path(), record, further).await
    }

    pub async fn refused(&self, record: &str, further: &[&str]) -> String {
        refused(self.folder.path(), record, further).await
    }
}

/// Puts the write-ahead log, which a process may leave behind, into the file.
fn settle(record: &Path) {
    let raw = rusqlite::Connection::open(record).unwrap();
    raw.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(raw);
    assert!(!record.with_extension("sqlite-wal").exists());
}

/// The sessions of a process that has ended take a moment to end.
async fn wait_until_unused(client: &tokio_postgres::Client, database: &str) {
    let used = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
    for _ in 0..500 {
        let row = client.query_one(used, &[&database]).await.unwrap();
        if row.get::<_, i64>(0) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{database} is still used");
}

pub fn request(entry_count: u64) -> Request {
    Request {
        ledger_id: "org".into(),
        checkpoint_id: format!("chk_{entry_count}"),
        entry_count,
        history: "x".into(),
    }
}

/// Signs the checkpoints of these entry counts.
pub async fn sign_all(replica: &Replica, counts: std::ops::RangeInclusive<u64>) {
    for entry_count in counts {
        let (channels, log) = ([replica.channel()], Log::default());
        let answer = sign(&channels, 0, &request(entry_count), &log, Trouble::None).await;
        assert!(matches!(answer, Answer::Signed(_)), "{answer:?}");
    }
}

/// `record head > FILE`
pub fn save_head(replica: &Replica, path: &Path, further: &[&str]) {
    // The head of the second before may be given again.
    std::thread::sleep(Duration::from_millis(1100));
    let output = crate::starter::binary()
        .args(["record", "head", "--server", &replica.url()])
        .args(further)
        .output()
        .unwrap();
    assert!(output.status.success());
    std::fs::write(path, output.stdout).unwrap();
}

/// Nine rows with a head file, what was kept of them, and a backup from when there were five.
struct Lost {
    store: Store,
    backup: String,
    head_file: String,
    jws: String,
    note: String,
}

impl Lost {
    async fn new(postgres: bool) -> Self {
        let store = Store::new(postgres).await;
        let text = |name: &str| store.file(name).to_str().unwrap().to_owned();
        let (head_file, jws, note) = (text("kept.jws"), text("head.jws"), text("head.note"));
        let first = store
            .start(&store.place(), &["--head-file", &head_file])
            .await;
        sign_all(&first, 1..=5).await;
        first.stop().await;
        let backup = store.backup("backup").await;
        let second = store
            .start(&store.place(), &["--head-file", &head_file])
            .await;
        sign_all(&second, 6..=9).await;
        save_head(&second, Path::new(&jws), &[]);
        save_head(&second, Path::new(&note), &["--note"]);
        second.stop().await;
        Self {
            store,
            backup,
            head_file,
            jws,
            note,
        }
    }

    fn witnesses(&self) -> [[&str; 2]; 3] {
        [
            ["--head-file", &self.head_file],
            ["--known-head", &self.jws],
            ["--known-head", &self.note],
        ]
    }
}

async fn an_older_backup_is_refused_by_whatever_knows_better(postgres: bool) {
    let lost = Lost::new(postgres).await;
    let (store, place) = (&lost.store, lost.store.place());
    for witness in lost.witnesses() {
        let message = store.refused(&lost.backup, &witness).await;
        for part in [
            &witness.join(" "),
            "counts 9 rows",
            "the record has 5 rows",
            "older",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    let all: Vec<&str> = lost.witnesses().into_iter().flatten().collect();
    let healthy = store.start(&place, &all).await;
    let peer = ["--peer", &healthy.url()];
    let message = store.refused(&lost.backup, &peer).await;
    for part in [&peer.join(" "), "counts 9 rows", "the record has 5 rows"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    sign_all(&healthy, 10..=10).await;
    healthy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_is_refused_on_sqlite() {
    an_older_backup_is_refused_by_whatever_knows_better(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_is_refused_on_postgres() {
    an_older_backup_is_refused_by_whatever_knows_better(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_that_has_grown_again_is_refused_for_its_other_rows() {
    let lost = Lost::new(false).await;
    let blind = lost.store.start(&lost.backup, &[]).await;
    // The same checkpoints: only their signatures are others.
    sign_all(&blind, 6..=12).await;
    blind.stop().await;
    let peer = lost.store.start(&lost.store.place(), &[]).await;
    let url = peer.url();
    for witness in lost.witnesses().into_iter().chain([["--peer", &url]]) {
        let message = lost.store.refused(&lost.backup, &witness).await;
        let expected = "the first of the 12 rows of the record are others";
        assert!(message.contains(expected), "{witness:?}: {message}");
    }
    peer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_from_before_a_rollover_does_not_know_the_key_of_a_head() {
    let store = Store::new(true).await;
    let first = store.start(&store.place(), &[]).await;
    sign_all(&first, 1..=2).await;
    first.stop().await;
    let backup = store.backup("backup").await;
    let old = key_with("key-old", "2020-01-01", "2099-01-01", 0);
    let new = key_with("key-new", "2021-01-01", "2099-01-01", 0);
    let both = versions(&[(&new, "AWSCURRENT"), (&old, "AWSPREVIOUS")]);
    write_keys(store.folder.path(), &both);
    let second = store.start(&store.place(), &[]).await;
    let unseen = "had never seen this key";
    until("the warning of the new key", async || {
        let log = second.log();
        log.contains(unseen) && log.contains("key-new")
    })
    .await;
    let [jws, note] = ["head.jws", "head.note"].map(|name| store.file(name));
    save_head(&second, &jws, &[]);
    save_head(&second, &note, &["--note"]);
    second.stop().await;
    for (head, key) in [(jws, "signed by key-new,"), (note, "signed by a key,")] {
        let known = ["--known-head", head.to_str().unwrap()];
        let message = store.refused(&backup, &known).await;
        for part in [key, "does not know", "has 2 rows", "older than that key"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    // What was seen before is not told again.
    let third = store.start(&store.place(), &[]).await;
    // What is signed is so after the keys were read.
    sign_all(&third, 3..=3).await;
    assert!(!third.log().contains(unseen), "{}", third.log());
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_file_is_begun_by_an_empty_record_or_by_a_head_that_the_operator_brings() {
    let store = Store::new(false).await;
    let path = store.file("kept.jws");
    let keep = ["--head-file", path.to_str().unwrap()];
    let first = store.start(&store.place(), &keep).await;
    assert!(path.exists());
    sign_all(&first, 1..=3).await;
    first.stop().await;
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);

    std::fs::remove_file(&path).unwrap();
    let message = store.refused(&store.place(), &keep).await;
    assert!(
        message.contains("is missing, but the record has 3 rows"),
        "{message}"
    );
    assert!(!path.exists());
    let without = store.start(&store.place(), &[]).await;
    save_head(&without, &path, &[]);
    without.stop().await;
    let with = store.start(&store.place(), &keep).await;
    with.stop().await;

    let other = [keep[0], keep[1], "--log-name", "another-record"];
    let message = store.refused(&store.place(), &other).await;
    assert!(message.contains("a head of the record"), "{message}");

    // A new record in the place of the old one: its file has outlived it.
    settle(&store.file("record.sqlite"));
    std::fs::remove_file(store.file("record.sqlite")).unwrap();
    SqliteRecord::init(&store.file("record.sqlite")).unwrap();
    let message = store.refused(&store.place(), &keep).await;
    assert!(message.contains("has 0 rows"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_damaged_or_nobodys_is_refused_and_left_as_it_is() {
    let lost = Lost::new(false).await;
    let (store, place) = (&lost.store, lost.store.place());
    let whole = std::fs::read_to_string(&lost.head_file).unwrap();
    let stranger = Store::new(false).await;
    let key = key_with("key-old", "2020-01-01", "2099-01-01", 1);
    write_keys(stranger.folder.path(), &key);
    let forger = stranger.start(&stranger.place(), &[]).await;
    save_head(&forger, &stranger.file("head"), &[]);
    forger.stop().await;
    let forged = std::fs::read_to_string(stranger.file("head")).unwrap();
    let cases = [
        (String::new(), "is damaged"),
        (whole[..40].to_owned(), "is damaged"),
        ("x".repeat(1_000_000), "is damaged"),
        (forged, "INVALID_SIGNATURE"),
    ];
    for (text, expected) in cases {
        std::fs::write(&lost.head_file, &text).unwrap();
        let message = store
            .refused(&place, &["--head-file", &lost.head_file])
            .await;
        assert!(
            message.contains(expected) && message.contains(&lost.head_file),
            "{expected}: {message}"
        );
        assert_eq!(std::fs::read_to_string(&lost.head_file).unwrap(), text);
    }
    let missing = store
        .refused(&place, &["--known-head", "/nowhere/head.jws"])
        .await;
    assert!(
        missing.contains("--known-head /nowhere/head.jws"),
        "{missing}"
    );
    let nowhere = ["--head-file", "/nowhere/kept.jws"];
    let unwritable = stranger.refused(&stranger.place(), &nowhere).await;
    assert!(
        unwritable.contains("--head-file /nowhere/kept.jws"),
        "{unwritable}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_are_down_do_not_keep_a_replica_from_starting() {
    let store = Store::new(true).await;
    // Who listens here answers nobody.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let peers = format!("http://127.0.0.1:1,{silent}");
    let replica = store.start(&store.place(), &["--peer", &peers]).await;
    for peer in ["http://127.0.0.1:1", &silent] {
        assert!(replica.log().contains(peer), "{}", replica.log());
    }
    sign_all(&replica, 1..=1).await;
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_file_survives_a_kill_at_any_moment() {
    let store = Store::new(false).await;
    let path = store.file("kept.jws");
    let keep = ["--head-file", path.to_str().unwrap()];
    let mut counts = 1..;
    for _ in 0..25 {
        let replica = store.start(&store.place(), &keep).await;
        let count = counts.next().unwrap();
        sign_all(&replica, count..=count).await;
        // The last head is being written.
        replica.signal(Signal::TERM);
        let wait = Duration::from_micros(rand::random_range(0..15_000));
        tokio::time::sleep(wait).await;
        replica.kill().await;
    }
    let last = store.start(&store.place(), &keep).await;
    last.stop().await;
    let message = {
        settle(&store.file("record.sqlite"));
        std::fs::remove_file(store.file("record.sqlite")).unwrap();
        SqliteRecord::init(&store.file("record.sqlite")).unwrap();
        store.refused(&store.place(), &keep).await
    };
    assert!(message.contains("counts 25 rows"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_while_others_sign_raise_no_false_alarm() {
    let store = Store::new(true).await;
    let replicas = [
        store.start(&store.place(), &[]).await,
        store.start(&store.place(), &[]).await,
    ];
    let urls = replicas.each_ref().map(Replica::url).join(",");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clients = (0..8).map(|client: usize| {
        let channels = replicas.each_ref().map(Replica::channel);
        let stop = std::sync::Arc::clone(&stop);
        tokio::spawn(async move {
            let log = Log::default();
            let mut count = 0;
            // At least some, however slow the machine is.
            while count < 5 || !stop.load(std::sync::atomic::Ordering::Relaxed) {
                count += 1;
                let request = Request {
                    ledger_id: format!("org_{client}"),
                    ..request(count)
                };
                let first = count as usize % 2;
                // Any refusal by the record fails this.
                let answer = sign(&channels, first, &request, &log, Trouble::None).await;
                assert!(matches!(answer, Answer::Signed(_)), "{answer:?}");
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let head = store.file("head.jws");
    for _ in 0..6 {
        save_head(&replicas[0], &head, &[]);
        let known = ["--peer", &urls, "--known-head", head.to_str().unwrap()];
        let third = store.start(&store.place(), &known).await;
        assert_quiet(&third);
        third.stop().await;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    futures_util::future::try_join_all(clients).await.unwrap();
    for replica in replicas {
        assert_quiet(&replica);
        replica.stop().await;
    }
}

/// Nothing was logged but the audit log, and of the key file, which the test writes as any file.
fn assert_quiet(replica: &Replica) {
    let log = replica.log();
    let expected = ["the key file", "\"logger\":\"audit\""];
    let is_expected = |line: &&str| expected.iter().any(|part| line.contains(part));
    let others = log.lines().filter(|line| !is_expected(line));
    assert_eq!(others.count(), 0, "{log}");
}
