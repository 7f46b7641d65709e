//! The ledger's batch, as a process that is given checkpoints one after the other.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::environment::Environment;

/// One checkpoint each.
pub const LEDGERS: usize = 10_000;

/// Given, and not signed yet: enough for all calls at once and the whole window of the stream.
const AHEAD: usize = 320;

/// Held back until everything has happened, so that all of it falls into the batch.
const LAST: usize = LEDGERS / 10;

/// While something happens, the pause before each one is this by the number of those that are left: so there is work for minutes.
const WHILE_SOMETHING_HAPPENS: Duration = Duration::from_secs(30);

/// Far longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The checkpoint of a ledger.
pub fn checkpoint(ledger: usize) -> Value {
    let hash: String = Sha256::digest(ledger.to_string())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({
        "checkpoint_id": "chk_2025-01-15",
        "ledger_id": format!("org_{ledger:05}"),
        "timestamp": "2025-01-15T23:59:59Z",
        "cumulative_hash": format!("sha256:{hash}"),
        "entry_count": 1000 + ledger,
        "total_volume": 25 * ledger,
        "organization_summaries": [{ "name": "Hilfe für Kinder", "share": 0.25, "sum": ledger }],
    })
}

pub struct Batch {
    child: Child,
    complaints: PathBuf,
    progress: Arc<Progress>,
    signed: watch::Receiver<usize>,
    giving: JoinHandle<()>,
}

#[derive(Default)]
struct Progress {
    given: AtomicUsize,
    something_happens: AtomicBool,
    all_has_happened: AtomicBool,
}

impl Batch {
    /// Starts it in a folder with its certificates.
    pub fn start(folder: &Path, servers: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/production/batch.py");
        let complaints = folder.join("batch.err");
        let mut child = Command::from(Environment::get().python())
            .arg(script)
            .arg(folder)
            .args(servers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&complaints).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let progress = Arc::new(Progress::default());
        let (sender, signed) = watch::channel(0);
        tokio::spawn(follow(child.stdout.take().unwrap(), sender));
        let stdin = child.stdin.take().unwrap();
        let giving = tokio::spawn(give(stdin, Arc::clone(&progress), signed.clone()));
        Self {
            child,
            complaints,
            progress,
            signed,
            giving,
        }
    }

    /// Waits until so many are signed, for as long as there are ever more.
    pub async fn reached(&mut self, count: usize) {
        loop {
            let signed = *self.signed.borrow_and_update();
            if signed >= count {
                return;
            }
            let more = tokio::time::timeout(PATIENCE, self.signed.changed()).await;
            if !matches!(more, Ok(Ok(()))) {
                panic!("{signed} of {count} are signed: {}", self.complaints());
            }
        }
    }

    /// Has something happen while the batch goes on, and waits until it is seen to go on afterwards.
    pub async fn during<T>(&mut self, name: &str, happening: impl Future<Output = T>) -> T {
        let before = *self.signed.borrow();
        let begun = std::time::Instant::now();
        self.progress
            .something_happens
            .store(true, Ordering::Relaxed);
        let done = happening.await;
        let after = *self.signed.borrow();
        println!(
            "{name}: {:.1?}, {before} to {after} signed",
            begun.elapsed()
        );
        let given = self.progress.given.load(Ordering::Relaxed);
        assert!(
            given < LEDGERS - LAST,
            "{name}: the batch had nothing left to do"
        );
        self.reached(after + 1).await;
        self.progress
            .something_happens
            .store(false, Ordering::Relaxed);
        done
    }

    /// Gives it the rest, and waits for its good end.
    pub async fn finish(mut self) {
        self.progress
            .all_has_happened
            .store(true, Ordering::Relaxed);
        self.reached(LEDGERS).await;
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = status.expect("the batch ends").unwrap();
        assert!(status.success(), "{status}: {}", self.complaints());
        self.giving.await.unwrap();
    }

    fn complaints(&self) -> String {
        std::fs::read_to_string(&self.complaints).unwrap()
    }
}

/// Notes how many are signed, as it says.
async fn follow(stdout: ChildStdout, signed: watch::Sender<usize>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        signed.send(line.parse().unwrap()).unwrap();
    }
}

async fn give(mut stdin: ChildStdin, progress: Arc<Progress>, mut signed: watch::Receiver<usize>) {
    for ledger in 0..LEDGERS {
        let left = (LEDGERS - LAST).saturating_sub(ledger);
        while left == 0 && !progress.all_has_happened.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if signed
            .wait_for(|signed| ledger < signed + AHEAD)
            .await
            .is_err()
        {
            // It has ended before its time; whoever waits for it says so.
            return;
        }
        if left > 0 && progress.something_happens.load(Ordering::Relaxed) {
            let left = u32::try_from(left).unwrap();
            tokio::time::sleep(WHILE_SOMETHING_HAPPENS / left).await;
        }
        let line = format!("{}\n", checkpoint(ledger));
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
        progress.given.store(ledger + 1, Ordering::Relaxed);
    }
}
