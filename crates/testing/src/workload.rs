//! Clients that sign ledgers of their own, fight for shared ones, come too late, and repeat themselves.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tonic::transport::Channel;

use crate::cluster::{Log, Trouble, sign};
use crate::history::{Answer, Request};

/// Ledgers that all clients sign.
const SHARED: usize = 4;

#[derive(Default)]
pub struct Workload {
    pub log: Log,
    pub stop: AtomicBool,
    /// The largest entry_count of each shared ledger that somebody got.
    shared: [AtomicU64; SHARED],
}

impl Workload {
    /// One client, until it is told to stop.
    pub async fn run(&self, client: usize, replicas: &[Channel], trouble: Trouble) {
        let mut own = 0;
        let mut asked: Vec<Request> = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let request = match rand::random_range(0..10) {
                0..3 => {
                    own += 1;
                    own_request(client, own)
                }
                3..8 => self.shared_request(client),
                _ if asked.is_empty() => continue,
                _ => asked[rand::random_range(0..asked.len())].clone(),
            };
            let answer = sign(
                replicas,
                client % replicas.len(),
                &request,
                &self.log,
                trouble,
            )
            .await;
            if let (Answer::Signed(_), Some(ledger)) = (answer, shared_index(&request)) {
                self.shared[ledger].fetch_max(request.entry_count, Ordering::Relaxed);
            }
            asked.push(request);
        }
    }

    fn shared_request(&self, client: usize) -> Request {
        let ledger = rand::random_range(0..SHARED);
        let newest = self.shared[ledger].load(Ordering::Relaxed);
        let entry_count = match rand::random_range(0..8) {
            0 => newest.saturating_sub(2),
            1 => newest,
            2 => newest + 2,
            _ => newest + 1,
        };
        // Some fight for the name, some for the place alone, some add a name to the same history.
        let (checkpoint_id, history) = match rand::random_range(0..3) {
            0 => (format!("chk_{entry_count}"), format!("by {client}")),
            1 => (
                format!("chk_{entry_count}_{client}"),
                format!("by {client}"),
            ),
            _ => (format!("chk_{entry_count}_{client}_too"), "by 0".into()),
        };
        Request {
            ledger_id: format!("shared_{ledger}"),
            checkpoint_id,
            entry_count,
            history,
        }
    }
}

fn own_request(client: usize, count: u64) -> Request {
    Request {
        ledger_id: format!("own_{client}"),
        checkpoint_id: format!("chk_{count}"),
        entry_count: count,
        history: "own".into(),
    }
}

fn shared_index(request: &Request) -> Option<usize> {
    request.ledger_id.strip_prefix("shared_")?.parse().ok()
}
