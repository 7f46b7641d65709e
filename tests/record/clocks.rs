//! Replicas whose clocks are wrong, and the way out after one ran ahead.

use std::sync::Arc;

use checkpoint::history::rules::MaxEntryJump;
use checkpoint_signer::clock::Clock;
use checkpoint_signer::grpc::access::Access;
use checkpoint_signer::record::Record;
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::service::{Parts, Service};
use checkpoint_signer::source::FileSource;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{ListKeysRequest, SignCheckpointRequest};
use chrono::{TimeDelta, Utc};
use tempfile::TempDir;
use tonic::Status;
use tonic::transport::Channel;

use crate::postgres::Database;
use crate::support::{checkpoint, key_with, refusal, write_keys};
use crate::wait;

/// A replica in this process, on a clock of its own.
pub struct Replica {
    pub service: Service,
    pub channel: Channel,
}

impl Replica {
    pub async fn start(folder: &TempDir, record: Arc<dyn Record>, clock: Clock) -> Self {
        let service = Service::start(Parts {
            clock,
            source: Box::new(FileSource::new(&folder.path().join("keys.json"))),
            record,
            log: "test-record".parse().unwrap(),
            max_entry_jump: Default::default(),
            witnesses: Default::default(),
            grpc: ([127, 0, 0, 1], 0).into(),
            access: Access::Open,
            http: Some(([127, 0, 0, 1], 0).into()),
            public_url: None,
            metrics: None,
        });
        let service = service.await.unwrap();
        let channel = Channel::from_shared(format!("http://{}", service.grpc())).unwrap();
        let channel = channel.connect().await.unwrap();
        Self { service, channel }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.service.grpc())
    }

    pub async fn sign(&self, entry_count: u64) -> Result<String, Status> {
        let request = SignCheckpointRequest {
            checkpoint: Some(checkpoint(&format!("chk_{entry_count}"), entry_count, "x")),
            ..Default::default()
        };
        let mut client = SigningServiceClient::new(self.channel.clone());
        let signed = client
            .sign_checkpoint(request)
            .await?
            .into_inner()
            .signed_checkpoint
            .unwrap();
        Ok(signed.published_json)
    }

    /// The reason with which a checkpoint is refused.
    async fn reason(&self, entry_count: u64) -> String {
        refusal(self.sign(entry_count).await.unwrap_err()).1
    }

    /// What it says of why it signs nothing; empty while it signs.
    async fn why_not(&self) -> String {
        let mut keys = KeyServiceClient::new(self.channel.clone());
        let answer = keys.list_keys(ListKeysRequest {}).await.unwrap();
        answer.into_inner().signing_refused
    }
}

/// A folder with a key whose window is decades.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let keys = key_with("key-clock", "2020-01-01", "2099-01-01", 0);
    write_keys(folder.path(), &keys);
    folder
}

/// Exit code, and what is printed to either.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = crate::starter::binary()
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

pub async fn run_beside(arguments: &[&str]) -> (Option<i32>, String) {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let ran = tokio::task::spawn_blocking(move || {
        run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    });
    wait::within("a command to end", ran).await.unwrap()
}

async fn health(replica: &Replica) -> (Option<i32>, String) {
    let service = "amply.checkpoint.v1.SigningService";
    run_beside(&["health", "--server", &replica.url(), "--service", service]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_replicas_one_with_a_wrong_clock_signs_nothing_and_stops_nobody() {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let folder = folder();
    let open = || async { Arc::new(PostgresRecord::open(&database.address()).await.unwrap()) };
    let right = [
        Replica::start(&folder, open().await, Clock::system()).await,
        Replica::start(&folder, open().await, Clock::system()).await,
    ];
    let cases = [
        (TimeDelta::minutes(2), "CLOCK_AHEAD"),
        (TimeDelta::days(3), "CLOCK_AHEAD"),
        (TimeDelta::days(365), "CLOCK_AHEAD"),
        // Its key's window has ended by its own clock, which is wrong: that is what is said.
        (TimeDelta::days(80 * 365), "CLOCK_AHEAD"),
        (-TimeDelta::minutes(2), "CLOCK_WENT_BACK"),
        (-TimeDelta::days(3), "CLOCK_WENT_BACK"),
        (-TimeDelta::days(365), "CLOCK_WENT_BACK"),
    ];
    let mut entry_count = 0;
    for (offset, reason) in cases {
        let clock = Clock::simulated(Utc::now() + offset);
        // The first time on an empty record: nothing but the other clock tells.
        let wrong = Replica::start(&folder, open().await, clock.clone()).await;
        assert_eq!(wrong.reason(entry_count + 1).await, reason, "{offset}");
        let why_not = wrong.why_not().await;
        assert!(why_not.starts_with(&format!("{reason}: ")), "{why_not}");
        let (code, said) = health(&wrong).await;
        let not_serving = format!("NOT_SERVING\n{reason}: ");
        assert_eq!(code, Some(1), "{said}");
        assert!(said.starts_with(&not_serving), "{said}");
        for replica in &right {
            entry_count += 1;
            replica.sign(entry_count).await.unwrap();
            assert_eq!(replica.why_not().await, "");
        }
        // What it could sign, it signs once its clock is right, by itself.
        clock.set(Utc::now());
        entry_count += 1;
        wait::until("a mended clock to sign", async || {
            clock.set(Utc::now());
            wrong.sign(entry_count).await.is_ok()
        })
        .await;
        assert!(wrong.service.drain().await);
    }
    let newest = "SELECT newest_signed_at FROM checkpoint_signer.record_head";
    let client = database.client().await;
    let newest: i64 = client.query_one(newest, &[]).await.unwrap().get(0);
    assert!(newest <= Utc::now().timestamp(), "no row is of the future");
}

/// A record on SQLite in whose rows a clock ran ahead by 300 days, and its path.
pub async fn ran_ahead(folder: &TempDir) -> std::path::PathBuf {
    let path = folder.path().join("record.sqlite");
    SqliteRecord::init(&path).unwrap();
    let record = Arc::new(SqliteRecord::open(&path).unwrap());
    let ahead = Clock::simulated(Utc::now() + TimeDelta::days(300));
    let replica = Replica::start(folder, record, ahead).await;
    replica.sign(1).await.unwrap();
    assert!(replica.service.drain().await);
    path
}

/// Everything that holds when an operator lets signing go on.
async fn resumes(folder: &TempDir, place: &str, record: Arc<dyn Record>) {
    let replica = Replica::start(folder, record, Clock::system()).await;
    let url = replica.url();
    assert_eq!(replica.reason(2).await, "CLOCK_WENT_BACK");
    let resume = [
        "record",
        "resume-clock",
        "--server",
        &url,
        "--format",
        "json",
    ];
    let resume = |reason, dry: &[&str]| {
        let arguments = [&resume[..], &["--reason", reason], dry].concat();
        arguments
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let ask = async |arguments: Vec<String>| {
        run_beside(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let (code, said) = ask(resume("NTP of host 3 was wrong", &["--dry-run"])).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        replica.reason(2).await,
        "CLOCK_WENT_BACK",
        "it was a dry run"
    );
    let (code, said) = ask(resume("a\nline", &[])).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("INVALID_REQUEST"), "{said}");
    let (code, said) = ask(resume("NTP of host 3 was wrong", &[])).await;
    assert_eq!(code, Some(0), "{said}");
    let resumed: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(resumed["after_rows"], 1);
    assert_eq!(resumed["reason"], "NTP of host 3 was wrong");
    let from = resumed["resumed_from"].as_str().unwrap();
    let by = resumed["by"].as_str().unwrap();
    let (code, said) = ask(resume("a second time", &["--dry-run"])).await;
    let expected =
        format!("signing goes on from {from} already, by {by}; nothing was signed since");
    assert!(
        code == Some(1) && said.contains("CLOCK_NOT_BEHIND") && said.contains(&expected),
        "{said}"
    );
    wait::until("health to recover", async || {
        replica.why_not().await.is_empty()
    })
    .await;
    replica.sign(2).await.unwrap();
    replica.sign(3).await.unwrap();
    let (code, said) = ask(resume("again", &[])).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("CLOCK_NOT_BEHIND") && said.contains("the newest signature on record is of"),
        "{said}"
    );
    assert!(replica.service.drain().await);
    let (code, said) = run_beside(&["record", "verify", "--record", place]).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_clock_ran_ahead_an_operator_lets_signing_go_on_for_ever_on_record() {
    let folder = folder();
    let path = ran_ahead(&folder).await;
    let export = |name: &str| folder.path().join(name).display().to_string();
    let sqlite = format!("sqlite:{}", path.display());
    // An import takes no row of the future while nobody has explained it.
    let before = export("before.ndjson");
    let (code, said) =
        run_beside(&["record", "export", "--record", &sqlite, "--out", &before]).await;
    assert_eq!(code, Some(0), "{said}");
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let rows = SqliteRecord::open(&path).unwrap();
    let keyring = rows.keyring().await.unwrap();
    let print = keyring.entries()[0].version().fingerprint().to_string();
    let import = ["record", "import", &before, "--trust", &print, "--record"];
    let (code, said) = run_beside(&[&import[..], &[&database.url()]].concat()).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("in the future"), "{said}");
    let postgres = PostgresRecord::open(&database.address()).await.unwrap();
    for entry in keyring.entries() {
        let registered = postgres.register_key(entry.version(), None, Utc::now());
        registered.await.unwrap();
    }
    let signed = rows
        .newest(10)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.signed.into());
    for answer in postgres.append(signed.collect(), MaxEntryJump::ANY).await {
        answer.unwrap();
    }
    rows.close().await;
    drop((rows, postgres));
    let postgres = PostgresRecord::open(&database.address()).await.unwrap();
    resumes(&folder, &database.url(), Arc::new(postgres)).await;
    let record = SqliteRecord::open(&path).unwrap();
    resumes(&folder, &sqlite, Arc::new(record)).await;

    // It goes where the rows go, and nobody can leave it out.
    for (place, name) in [
        (sqlite.as_str(), "of-sqlite"),
        (&database.url(), "of-postgres"),
    ] {
        let out = export(name);
        let (code, said) =
            run_beside(&["record", "export", "--record", place, "--out", &out]).await;
        assert_eq!(code, Some(0), "{said}");
        let copy = format!("sqlite:{}", export(&format!("{name}.sqlite")));
        run_beside(&["record", "init", "--record", &copy]).await;
        for _ in 0..2 {
            let (code, said) = run_beside(&[
                "record",
                "import",
                &out,
                "--trust",
                &print,
                "--record",
                &copy,
                "--believe-resumptions",
            ])
            .await;
            assert_eq!(code, Some(0), "{said}");
        }
        let (code, said) = run_beside(&["record", "verify", "--record", &copy]).await;
        assert_eq!(code, Some(0), "{said}");
        let text = std::fs::read_to_string(&out).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        let mut header: serde_json::Value = serde_json::from_str(first).unwrap();
        assert_eq!(header["clock_resumptions"][0]["after_rows"], 1);
        header.as_object_mut().unwrap().remove("clock_resumptions");
        let stripped = export(&format!("{name}.stripped"));
        std::fs::write(&stripped, format!("{header}\n{rest}")).unwrap();
        let other = format!("sqlite:{}", export(&format!("{name}.other.sqlite")));
        run_beside(&["record", "init", "--record", &other]).await;
        let (code, said) = run_beside(&[
            "record", "import", &stripped, "--trust", &print, "--record", &other,
        ])
        .await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("in the future"), "{said}");
    }
    // Both stores refuse to forget it.
    for change in [
        "DELETE FROM clock_resumption",
        "UPDATE clock_resumption SET reason = ''",
    ] {
        let sqlite = rusqlite::Connection::open(&path).unwrap();
        sqlite.execute(change, []).unwrap_err();
        let client = database.client().await;
        client.batch_execute(change).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_knows_to_be_of_the_future_is_neither_imported_nor_restored() {
    let folder = folder();
    let path = ran_ahead(&folder).await;
    let sqlite = format!("sqlite:{}", path.display());
    let out = folder.path().join("ahead.ndjson");
    let shown = out.display().to_string();
    let (code, said) =
        run_beside(&["record", "export", "--record", &sqlite, "--out", &shown]).await;
    assert_eq!(code, Some(0), "{said}");
    let rows = SqliteRecord::open(&path).unwrap();
    let (keyring, newest) = (
        rows.keyring().await.unwrap(),
        rows.newest(1).await.unwrap().remove(0),
    );
    rows.close().await;
    let lines = folder.path().join("lines.ndjson");
    std::fs::write(&lines, newest.signed.published_json()).unwrap();
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let postgres = PostgresRecord::open(&database.address()).await.unwrap();
    for entry in keyring.entries() {
        let registered = postgres.register_key(entry.version(), None, Utc::now());
        registered.await.unwrap();
    }
    // The clock of the machine that does it is as wrong as the one that signed.
    let wrong = Utc::now() + TimeDelta::days(301);
    let trust = checkpoint::keyring::Trust {
        fingerprints: Vec::new(),
        revocations: false,
    };
    let imported =
        checkpoint_signer::record::import::import(&postgres, &out, wrong, &trust, false, None)
            .await;
    let problem = imported.unwrap_err().to_string();
    assert!(problem.contains("the record store's clock"), "{problem}");
    let restored =
        checkpoint_signer::record::restore::restore(&postgres, &lines, wrong, Vec::new()).await;
    let problem = restored.unwrap_err().to_string();
    assert!(problem.contains("the record store's clock"), "{problem}");
    assert_eq!(postgres.head().await.unwrap().size(), 0, "nothing went in");
}
