//! The ledger's side: it signs forwards, asks again until it is answered, and keeps what it was handed.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::faketime::same_day;
use crate::program::{Ended, run};
use crate::wait::PATIENCE;

const PROGRAM: &str = env!("CARGO_BIN_EXE_checkpoint-signer");

pub struct Ledger {
    /// Where its certificate is.
    folder: PathBuf,
    /// The first is the one that operators ask.
    pub servers: [String; 2],
    /// What it was handed out, in this order.
    published: Mutex<Vec<String>>,
}

impl Ledger {
    pub fn new(folder: PathBuf, servers: [String; 2]) -> Self {
        Self {
            folder,
            servers,
            published: Mutex::default(),
        }
    }

    /// Asks for a signature. The total tells histories apart.
    pub fn asks(&self, ledger_id: &str, entry_count: u64, total_volume: u64) -> Ended {
        self.asks_at(&self.servers[0], ledger_id, entry_count, total_volume)
    }

    /// At a service without TLS, and with success.
    pub fn asks_plainly(&self, server: &str, ledger_id: &str, entry_count: u64) {
        let ended = self.asks_at(server, ledger_id, entry_count, 100 * entry_count);
        assert_eq!(ended.code, 0, "{}", ended.text);
        self.published.lock().unwrap().push(ended.text);
    }

    fn asks_at(&self, server: &str, ledger_id: &str, entry_count: u64, total_volume: u64) -> Ended {
        let checkpoint = json!({
            "checkpoint_id": format!("chk_{entry_count}"),
            "ledger_id": ledger_id,
            "timestamp": "2025-01-15T23:59:59Z",
            "cumulative_hash": format!("sha256:{entry_count:064x}"),
            "entry_count": entry_count,
            "total_volume": total_volume,
            "organization_summaries": [],
        });
        let file = self.folder.join("checkpoint.json");
        std::fs::write(&file, checkpoint.to_string()).unwrap();
        run(crate::starter::program(PROGRAM)
            .current_dir(&self.folder)
            .env_clear()
            .envs(same_day())
            .args(["sign", "checkpoint.json", "--server", server])
            .args(["--server-ca", "ca.crt"])
            .args([
                "--client-certificate",
                "ledger.crt",
                "--client-key",
                "ledger.key",
            ]))
    }

    /// Asks one replica and the other until it is signed, as a ledger does; gives what is to be published.
    pub fn signs(&self, ledger_id: &str, entry_count: u64) -> String {
        let begun = Instant::now();
        for server in self.servers.iter().cycle() {
            let ended = self.asks_at(server, ledger_id, entry_count, 100 * entry_count);
            match ended.code {
                0 => {
                    self.published.lock().unwrap().push(ended.text.clone());
                    return ended.text;
                }
                // It could not be done, or the keys could not be read in time. Any other 1 would be: it may not be done.
                code if begun.elapsed() < PATIENCE
                    && (code == 2 || ended.text.contains("the key source cannot be read")) =>
                {
                    std::thread::sleep(Duration::from_millis(500));
                }
                _ => panic!("{ledger_id} {entry_count}: {}", ended.text),
            }
        }
        panic!("there is no server to ask");
    }

    /// All that was published, one a line.
    pub fn published(&self) -> String {
        self.published.lock().unwrap().concat()
    }

    /// A ledger that nobody else uses signs its next checkpoint.
    pub fn signs_something(&self) {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        self.signs("org_always", count);
    }
}
