//! The record as a transparency log, on both stores and through the command line: it grows and nothing else, and whoever
//! takes a row away, changes it or moves it is found out by two heads.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use checkpoint::history::rules::MaxEntryJump;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::keyring::Keyring;
use checkpoint::log::head::SignedHead;
use checkpoint::log::tree::TreeHash;
use checkpoint::log::{verify_grown, verify_head, verify_included};
use checkpoint::signing::{KeySecret, SigningKey};
use checkpoint::verdict::VerdictKind;
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::record::{Record, check::check_record};
use checkpoint_signer::wire::proto::record_service_client::RecordServiceClient;
use checkpoint_signer::wire::proto::{GetSignedCheckpointRequest, ProveConsistencyRequest};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tonic::transport::Channel;

use crate::cluster::{Log, Replica, Trouble, sign};
use crate::history::{Answer, Request};
use crate::postgres::Database;
use crate::support::{at, key_with, write_keys};
use testing::record::signed;

const CLIENTS: usize = 8;
const ROWS_OF_A_CLIENT: u64 = 90;

/// The key of these tests, whose window holds by the machine's clock.
fn secret() -> KeySecret {
    KeySecret::parse(&key_with("key-log", "2020-01-01", "2099-01-01", 0), None).unwrap()
}

fn key() -> SigningKey {
    secret().into_signing_key()
}

fn keyring() -> Keyring {
    let mut keyring = Keyring::default();
    keyring.insert(secret().version().clone()).unwrap();
    keyring
}

/// A folder with the key file and the keyring, and the place of a new record.
async fn place(postgres: bool) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    write_keys(
        folder.path(),
        &key_with("key-log", "2020-01-01", "2099-01-01", 0),
    );
    std::fs::write(folder.path().join("keyring.json"), keyring().to_jwks()).unwrap();
    let place = new_record(&folder, "record.sqlite", postgres).await;
    (folder, place)
}

async fn new_record(folder: &TempDir, name: &str, postgres: bool) -> String {
    if postgres {
        let database = Database::new().await;
        PostgresRecord::init(&database.address()).await.unwrap();
        return database.url();
    }
    let path = folder.path().join(name);
    SqliteRecord::init(&path).unwrap();
    format!("sqlite:{}", path.display())
}

async fn open(place: &str) -> Arc<dyn Record> {
    match place.strip_prefix("sqlite:") {
        Some(path) => Arc::new(SqliteRecord::open(Path::new(path)).unwrap()),
        None => Arc::new(PostgresRecord::open(&place.parse().unwrap()).await.unwrap()),
    }
}

/// What somebody noted while the record grew: a checkpoint, its place, a head, and the proof.
#[derive(Clone)]
struct Noted {
    signed: SignedCheckpoint,
    position: u64,
    head: SignedHead,
    proof: Vec<TreeHash>,
}

fn hashes(wire: Vec<Vec<u8>>) -> Vec<TreeHash> {
    let hash = |bytes: Vec<u8>| TreeHash::from(<[u8; 32]>::try_from(bytes).unwrap());
    wire.into_iter().map(hash).collect()
}

/// Asks for a checkpoint with its proof, against a head that is known or a new one.
async fn note(channel: &Channel, request: &Request, known: Option<&SignedHead>) -> Noted {
    let request = GetSignedCheckpointRequest {
        ledger_id: request.ledger_id.clone(),
        checkpoint_id: request.checkpoint_id.clone(),
        include_proof: true,
        tree_size: known.map_or(0, |head| head.head().tree.size),
    };
    let mut client = RecordServiceClient::new(channel.clone());
    let answer = client
        .get_signed_checkpoint(request)
        .await
        .unwrap()
        .into_inner();
    let published = answer.signed_checkpoint.unwrap().published_json;
    Noted {
        signed: SignedCheckpoint::from_published_json(published.as_bytes()).unwrap(),
        position: answer.position,
        head: match known {
            Some(head) => head.clone(),
            None => SignedHead::parse(&answer.record_head.unwrap().jws).unwrap(),
        },
        proof: hashes(answer.inclusion_proof.unwrap().hashes),
    }
}

async fn consistency(channel: &Channel, from: u64, to: u64) -> Vec<TreeHash> {
    let request = ProveConsistencyRequest {
        from_rows: from,
        to_rows: to,
    };
    let mut client = RecordServiceClient::new(channel.clone());
    hashes(
        client
            .prove_consistency(request)
            .await
            .unwrap()
            .into_inner()
            .hashes,
    )
}

fn request(client: usize, n: u64) -> Request {
    Request {
        ledger_id: format!("ledger_{client}"),
        checkpoint_id: format!("chk_{n}"),
        entry_count: n,
        history: "one".into(),
    }
}

/// Clients sign; every now and then each asks for a head and a proof of what it just got.
async fn load(channels: &[Channel], first: u64) -> Vec<Noted> {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let clients = (0..CLIENTS).map(|client| {
        let (channels, noted) = (channels.to_vec(), Arc::clone(&noted));
        tokio::spawn(async move {
            let log = Log::default();
            for n in first..first + ROWS_OF_A_CLIENT {
                let request = request(client, n);
                let answer = sign(
                    &channels,
                    client % channels.len(),
                    &request,
                    &log,
                    Trouble::None,
                );
                assert!(matches!(answer.await, Answer::Signed(_)));
                if n % 9 == 0 {
                    // Of any replica, not of the one that signed.
                    let channel = &channels[(client + 1) % channels.len()];
                    let found = note(channel, &request, None).await;
                    noted.lock().await.push(found);
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let mut noted = Arc::into_inner(noted).unwrap().into_inner();
    noted.sort_by_key(|noted| noted.head.head().tree.size);
    noted
}

async fn heads_grow_while_signing(postgres: bool) {
    let (folder, record) = place(postgres).await;
    let replicas = if postgres { 2 } else { 1 };
    let mut running = Vec::new();
    for _ in 0..replicas {
        running.push(Replica::start(folder.path(), &record).await);
    }
    let channels: Vec<Channel> = running.iter().map(Replica::channel).collect();
    let mut noted = load(&channels, 1).await;
    running[0].kill_and_restart().await;
    let channels: Vec<Channel> = running.iter().map(Replica::channel).collect();
    noted.extend(load(&channels, ROWS_OF_A_CLIENT + 1).await);
    let rows = CLIENTS as u64 * ROWS_OF_A_CLIENT * 2;
    // A head may be a second old.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let newest = note(&channels[0], &request(0, 1), None).await;
    assert_eq!(newest.head.head().tree.size, rows);
    noted.push(newest.clone());
    // Some of the checkpoints, once more against heads of before.
    for client in 0..CLIENTS {
        let early = noted[noted.len() / 2].head.clone();
        noted.push(note(&channels[0], &request(client, 1), Some(&early)).await);
    }
    let keyring = keyring();
    let mut cases = Vec::new();
    for noted in &noted {
        assert_eq!(verify_head(&keyring, &noted.head).kind, VerdictKind::Valid);
        let (tree, position) = (noted.head.head().tree, noted.position);
        verify_included(&noted.signed, position, &noted.proof, tree).unwrap();
        cases.push(json!({
            "published": noted.signed.published_json(), "position": position, "rows": tree.size,
            "root": tree.root.to_string(), "proof": text(&noted.proof),
        }));
    }
    noted.sort_by_key(|noted| noted.head.head().tree.size);
    for pair in noted.windows(2) {
        let (earlier, later) = (pair[0].head.head(), pair[1].head.head());
        let proof = consistency(&channels[0], earlier.tree.size, later.tree.size).await;
        verify_grown(earlier, later, &proof).unwrap();
        cases.push(json!({
            "from": earlier.tree.size, "from_root": earlier.tree.root.to_string(), "rows": later.tree.size,
            "root": later.tree.root.to_string(), "proof": text(&proof),
        }));
    }
    python_says_yes(&cases);
    for replica in running {
        replica.stop().await;
    }
    let found = check_record(open(&record).await.as_ref()).await.unwrap();
    assert_eq!(found.problems, 0, "{:?}", found.told);
    assert_eq!(found.tree.root(), newest.head.head().tree.root);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_grow_while_signing_on_sqlite() {
    heads_grow_while_signing(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_grow_while_signing_on_postgres() {
    heads_grow_while_signing(true).await;
}

fn text(proof: &[TreeHash]) -> Vec<String> {
    proof.iter().map(TreeHash::to_string).collect()
}

fn python_says_yes(cases: &[Value]) {
    use std::io::Write as _;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/proofs.py");
    let mut python = crate::python::python()
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let verdicts = String::from_utf8(output.stdout).unwrap();
    assert_eq!(verdicts, "yes\n".repeat(cases.len()));
}

/// More than the 256 of a kept node.
const ROWS: u64 = 300;

/// Always the same: a signature has a random salt.
pub fn rows() -> Vec<SignedCheckpoint> {
    static ROWS_MADE: LazyLock<Vec<SignedCheckpoint>> = LazyLock::new(|| {
        let key = key();
        let row = |n: u64| {
            let (ledger, id) = (format!("org_{}", n % 3), format!("chk_{n}"));
            signed(&key, &ledger, &id, n, &id, at("2025-06-01T12:00:00Z"))
        };
        (0..ROWS).map(row).collect()
    });
    ROWS_MADE.clone()
}

async fn fill(place: &str, rows: Vec<SignedCheckpoint>) {
    let (record, key) = (open(place).await, key());
    let registered = record.register_key(key.version(), None, at("2025-06-01"));
    registered.await.unwrap();
    let rows = rows.into_iter().map(Into::into).collect();
    for answer in record.append(rows, MaxEntryJump::ANY).await {
        answer.unwrap();
    }
}

fn run(arguments: &[&str]) -> Output {
    crate::starter::binary().args(arguments).output().unwrap()
}

/// Exit code, and everything that was shown.
pub fn shown(arguments: &[&str]) -> (i32, String) {
    let output = run(arguments);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code().unwrap(), text)
}

/// What went to standard output alone, in a file.
pub fn to_file(arguments: &[&str], path: &Path) {
    let output = run(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    std::fs::write(path, output.stdout).unwrap();
}

pub struct Case {
    pub folder: TempDir,
    pub record: String,
    pub url: String,
    _replica: Replica,
}

impl Case {
    /// A service on a new record that somebody filled with these rows.
    pub async fn new(rows: Vec<SignedCheckpoint>, postgres: bool) -> Self {
        let (folder, record) = place(postgres).await;
        fill(&record, rows).await;
        let replica = Replica::start(folder.path(), &record).await;
        Self {
            url: replica.url(),
            folder,
            record,
            _replica: replica,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn head(&self) -> PathBuf {
        let path = self.path("head.jws");
        to_file(&["record", "head", "--server", &self.url], &path);
        path
    }

    fn consistency(&self, from: &Path, to: &Path) -> (i32, String) {
        let keys = self.path("keyring.json");
        shown(&[
            "record",
            "consistency",
            "--server",
            &self.url,
            "--keys",
            keys.to_str().unwrap(),
            "--from",
            from.to_str().unwrap(),
            "--to",
            to.to_str().unwrap(),
        ])
    }
}

/// Somebody who has the key, the database and all rows makes the record anew, one row of it otherwise.
async fn a_record_made_anew_is_found(postgres: bool) {
    let honest = Case::new(rows()[..299].to_vec(), postgres).await;
    let first = honest.head();
    let made = tokio::time::Instant::now();
    let (code, text) = honest.consistency(&first, &first);
    assert!(code == 0 && text.contains("CONSISTENT"), "{text}");
    let grown = Case::new(rows(), postgres).await;
    let (code, text) = grown.consistency(&first, &grown.head());
    assert!(
        code == 0 && text.contains("the first 299 of 300 rows"),
        "{text}"
    );
    let mut without = rows();
    without.remove(100);
    without.push(signed(
        &key(),
        "org_9",
        "chk_new",
        1,
        "new",
        at("2025-06-01T12:00:00Z"),
    ));
    let mut changed = rows();
    changed[7] = signed(
        &key(),
        "org_1",
        "chk_7",
        7,
        "another history",
        at("2025-06-01T12:00:00Z"),
    );
    let mut swapped = rows();
    swapped.swap(297, 298);
    for (what, rows) in [
        ("without", without),
        ("changed", changed),
        ("swapped", swapped),
    ] {
        let forged = Case::new(rows, postgres).await;
        let (code, text) = forged.consistency(&first, &forged.head());
        assert!(
            code == 1 && text.contains("NOT ONE RECORD"),
            "{what}: {text}"
        );
    }
    let mut shorter = rows();
    shorter.truncate(200);
    // Further from the first than two clocks of one record may be.
    tokio::time::sleep_until(made + Duration::from_secs(7)).await;
    let shorter = Case::new(shorter, postgres).await;
    let (code, text) = shorter.consistency(&first, &shorter.head());
    assert!(
        code == 1 && text.contains("NOT ONE RECORD: the record went back"),
        "{text}"
    );
    // The service itself has fewer rows than the later of two heads counts: its own head tells.
    let (code, text) = shorter.consistency(&shorter.head(), &first);
    assert!(
        code == 1 && text.contains("NOT ONE RECORD: the record went back"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_made_anew_is_found_on_sqlite() {
    a_record_made_anew_is_found(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_made_anew_is_found_on_postgres() {
    a_record_made_anew_is_found(true).await;
}
