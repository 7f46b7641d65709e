//! Compares what the clients were told with what is in the record, read by SQL and not by the service.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::history::{self, Answer, Call, Request};

/// A row as it is in the database.
#[derive(Debug)]
pub struct Row {
    pub ledger_id: String,
    pub checkpoint_id: String,
    pub entry_count: i64,
    pub cumulative_hash: Vec<u8>,
    pub payload: Vec<u8>,
    pub signature: String,
}

const ROWS: &str = "SELECT ledger_id, checkpoint_id, entry_count, cumulative_hash, payload, signature \
                    FROM signed_checkpoint ORDER BY position";

pub fn sqlite_rows(path: &Path) -> Vec<Row> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare(ROWS).unwrap();
    let rows = statement.query_map([], |row| {
        Ok(Row {
            ledger_id: row.get(0)?,
            checkpoint_id: row.get(1)?,
            entry_count: row.get(2)?,
            cumulative_hash: row.get(3)?,
            payload: row.get(4)?,
            signature: row.get(5)?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

pub async fn postgres_rows(client: &tokio_postgres::Client) -> Vec<Row> {
    let rows = client.query(ROWS, &[]).await.unwrap();
    let rows = rows.iter().map(|row| Row {
        ledger_id: row.get(0),
        checkpoint_id: row.get(1),
        entry_count: row.get(2),
        cumulative_hash: row.get(3),
        payload: row.get(4),
        signature: row.get(5),
    });
    rows.collect()
}

/// How many calls got each answer: a test in which nothing happened proves nothing.
#[derive(Debug, Default)]
pub struct Counts {
    pub rows: usize,
    pub signed: usize,
    pub equivocations: usize,
    pub rollbacks: usize,
    pub unknown: usize,
}

/// Every signature that somebody received is in the record, byte for byte; no place has two histories; every row was
/// asked for; and the calls on each ledger are linearizable.
pub fn judge(rows: &[Row], calls: &[Call]) -> Counts {
    let mut counts = Counts {
        rows: rows.len(),
        ..Counts::default()
    };
    let by_name: HashMap<_, _> = rows
        .iter()
        .map(|row| ((row.ledger_id.as_str(), row.checkpoint_id.as_str()), row))
        .collect();
    assert_eq!(by_name.len(), rows.len(), "one content for each name");
    let mut places = HashMap::new();
    for row in rows {
        let place = (row.ledger_id.as_str(), row.entry_count);
        let first = places.entry(place).or_insert(&row.cumulative_hash);
        assert_eq!(*first, &row.cumulative_hash, "two histories: {row:?}");
    }
    for call in calls {
        match &call.answer {
            Answer::Signed(published) => {
                counts.signed += 1;
                let request = &call.request;
                let name = (request.ledger_id.as_str(), request.checkpoint_id.as_str());
                let row = by_name.get(&name);
                let row = row.unwrap_or_else(|| panic!("lost: {published}"));
                assert_published(published, row);
            }
            Answer::Equivocation => counts.equivocations += 1,
            Answer::Rollback => counts.rollbacks += 1,
            Answer::Unknown => counts.unknown += 1,
        }
    }
    check_histories(rows, calls);
    counts
}

/// The published JSON is the payload and the signature of the row.
pub fn assert_published(published: &str, row: &Row) {
    let mut value: serde_json::Value = serde_json::from_str(published).unwrap();
    let signature = value.as_object_mut().unwrap().remove("signature").unwrap();
    assert_eq!(signature, row.signature.as_str());
    // Its members are ASCII and in order, so that this is the JCS form.
    assert_eq!(value.to_string().as_bytes(), row.payload);
}

fn check_histories(rows: &[Row], calls: &[Call]) {
    let mut ledgers: BTreeMap<&str, (Vec<Request>, Vec<&Call>)> = BTreeMap::new();
    let mut asked = HashMap::new();
    for call in calls {
        let ledger = ledgers.entry(&call.request.ledger_id).or_default();
        ledger.1.push(call);
        asked.insert(key(&call.request), &call.request);
    }
    for row in rows {
        let key = (
            row.ledger_id.clone(),
            row.checkpoint_id.clone(),
            row.entry_count,
            row.cumulative_hash.clone(),
        );
        let request = asked.get(&key);
        let request = request.unwrap_or_else(|| panic!("nobody asked for {row:?}"));
        let ledger = ledgers.entry(&row.ledger_id).or_default();
        ledger.0.push((*request).clone());
    }
    for (name, (rows, calls)) in ledgers {
        if let Err(problem) = history::check(&rows, &calls) {
            panic!("{name} is not linearizable: {problem}");
        }
    }
}

fn key(request: &Request) -> (String, String, i64, Vec<u8>) {
    (
        request.ledger_id.clone(),
        request.checkpoint_id.clone(),
        request.entry_count.try_into().unwrap(),
        Sha256::digest(&request.history).to_vec(),
    )
}
