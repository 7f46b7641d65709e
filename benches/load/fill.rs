//! Fills a record through its public trait, so that the rows are those that the service would have written.
//!
//! RSA for ten million rows would take hours, so the signatures are random bytes but for the newest rows, which the
//! server verifies when it starts.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use checkpoint::checkpoint::{
    Checkpoint, CheckpointFields, CumulativeHash, EntryCount, JsonObject, Timestamp, TotalVolume,
};
use checkpoint::history::rules::MaxEntryJump;
use checkpoint::jws::{DetachedJws, JwsType, ProtectedHeader, SignedCheckpoint};
use checkpoint::key::KeyVersion;
use checkpoint::signing::{KeySecret, SigningKey};
use checkpoint_signer::record::Record;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::ledgers::{LEDGERS, TOTAL_VOLUME, checkpoint_id, ledger_id};
use crate::place::Place;

/// The newest rows, whose signatures are right. The server verifies 100 at a start.
const SIGNED_ROWS: u64 = 200;

/// Rows in a transaction: many, as each touches pages of every ledger; and not so many that PostgreSQL would end the
/// statement (record/postgres/address.rs) or memory would be felt.
const BATCH: u64 = 12_000;

/// How often the progress is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Fills the record of a place with rows, and leaves the key on record.
pub async fn fill(place: &Place, key_document: &str, rows: u64) {
    let key = KeySecret::parse(key_document, None).unwrap();
    let filling = Filling {
        key: key.into_signing_key(),
        rows,
        first_day: first_day(rows),
    };
    let record = place.open().await;
    let registered = record.register_key(filling.key.version(), None, Utc::now());
    registered.await.unwrap();
    filling.run(record.as_ref()).await;
    drop(record);
    place.settle().await;
}

/// Midnight of the first day, such that the last one is over.
fn first_day(rows: u64) -> DateTime<Utc> {
    let days = rows.div_ceil(LEDGERS).try_into().unwrap();
    (Utc::now() - TimeDelta::days(days)).trunc_subsecs(0)
}

struct Filling {
    key: SigningKey,
    rows: u64,
    first_day: DateTime<Utc>,
}

impl Filling {
    async fn run(&self, record: &dyn Record) {
        let (start, mut told) = (Instant::now(), Instant::now());
        let mut first = 0;
        while first < self.rows {
            let end = self.rows.min(first + BATCH);
            let batch = (first..end).map(|row| self.signed(row).into()).collect();
            for answer in record.append(batch, MaxEntryJump::ANY).await {
                answer.unwrap();
            }
            first = end;
            if told.elapsed() > TELL_EVERY || first == self.rows {
                let rate = first as f64 / start.elapsed().as_secs_f64();
                eprintln!("filled {first} of {} rows, {rate:.0} rows/s", self.rows);
                told = Instant::now();
            }
        }
    }

    fn signed(&self, row: u64) -> SignedCheckpoint {
        let (day, ledger) = (row / LEDGERS, row % LEDGERS);
        // A ledger after the other, all within the day.
        let second = day * 86_400 + ledger * (86_400 / LEDGERS);
        let signed_at = self.first_day + TimeDelta::seconds(second.try_into().unwrap());
        let checkpoint = checkpoint(ledger, day, signed_at);
        let jws = match row + SIGNED_ROWS >= self.rows {
            true => {
                let key = self.key.open_at(signed_at).unwrap();
                key.sign(checkpoint.payload()).unwrap()
            }
            false => unsigned(
                self.key.version(),
                checkpoint.payload().as_bytes(),
                signed_at,
            ),
        };
        SignedCheckpoint { checkpoint, jws }
    }
}

fn checkpoint(ledger: u64, entry_count: u64, timestamp: DateTime<Utc>) -> Checkpoint {
    let mut hash = [0; 32];
    rand::fill(&mut hash);
    Checkpoint::new(CheckpointFields {
        checkpoint_id: checkpoint_id(entry_count).parse().unwrap(),
        ledger_id: ledger_id(ledger).parse().unwrap(),
        timestamp: Timestamp::from_unix(timestamp.timestamp(), 0).unwrap(),
        cumulative_hash: CumulativeHash::from(hash),
        entry_count: EntryCount::try_from(i128::from(entry_count)).unwrap(),
        total_volume: TotalVolume::try_from(i128::from(TOTAL_VOLUME)).unwrap(),
        organization_summaries: Vec::new(),
        additional_members: JsonObject::default(),
    })
    .unwrap()
}

/// A JWS in which random bytes stand for the signature.
fn unsigned(version: &KeyVersion, payload: &[u8], signed_at: DateTime<Utc>) -> DetachedJws {
    let header = ProtectedHeader {
        alg: version.algorithm,
        iat: signed_at,
        kid: version.key_id.clone(),
        typ: JwsType::Checkpoint,
    };
    let mut bytes = vec![0; version.public_key.bits().div_ceil(8) as usize];
    rand::fill(&mut bytes[..]);
    let Ok(jws) = DetachedJws::create(header, payload, |_| Ok::<_, Infallible>(bytes));
    jws
}
