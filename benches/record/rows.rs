//! What is appended: a checkpoint of the next day for each ledger in turn, and random bytes for its signature.

use std::convert::Infallible;

use checkpoint::checkpoint::{
    Checkpoint, CheckpointFields, CumulativeHash, EntryCount, JsonObject, Timestamp, TotalVolume,
};
use checkpoint::jws::{DetachedJws, JwsType, ProtectedHeader, SignedCheckpoint};
use checkpoint::key::{Algorithm, KeyVersion, ValidityWindow, parse_instant};
use checkpoint::log::batch::Candidate;
use checkpoint::signing::KeySecret;
use chrono::{DateTime, Utc};
use rayon::prelude::*;

const BITS: usize = 2048;

pub struct Rows {
    key: KeyVersion,
    ledgers: u64,
    made: u64,
}

impl Rows {
    pub fn new(ledgers: u64) -> Self {
        let at = |text| parse_instant(text).unwrap();
        let window = ValidityWindow::new(at("1990-01-01"), at("2099-01-01")).unwrap();
        let key_id = "load".parse().unwrap();
        let made = KeySecret::generate(key_id, window, Algorithm::Ps256, BITS, None);
        let key = made.unwrap().1.into_signing_key().version().clone();
        Self {
            key,
            ledgers,
            made: 0,
        }
    }

    pub fn key(&self) -> &KeyVersion {
        &self.key
    }

    /// When the next ones are signed.
    pub fn signed_at(&self) -> DateTime<Utc> {
        Utc::now()
    }

    /// The next batch, with what a pool of signers would have made before the record is asked.
    pub fn next(&mut self, batch: usize) -> Vec<Candidate> {
        let (first, signed_at) = (self.made, self.signed_at());
        self.made += batch as u64;
        (first..self.made)
            .into_par_iter()
            .map(|row| self.signed(row, signed_at).into())
            .collect()
    }

    fn signed(&self, row: u64, signed_at: DateTime<Utc>) -> SignedCheckpoint {
        let (day, ledger) = (row / self.ledgers, row % self.ledgers);
        let checkpoint = checkpoint(ledger, day);
        let header = ProtectedHeader {
            alg: self.key.algorithm,
            iat: signed_at,
            kid: self.key.key_id.clone(),
            typ: JwsType::Checkpoint,
        };
        let mut bytes = vec![0; BITS / 8];
        rand::fill(&mut bytes[..]);
        let payload = checkpoint.payload().as_bytes();
        let Ok(jws) = DetachedJws::create(header, payload, |_| Ok::<_, Infallible>(bytes));
        SignedCheckpoint { checkpoint, jws }
    }
}

fn checkpoint(ledger: u64, day: u64) -> Checkpoint {
    let mut hash = [0; 32];
    rand::fill(&mut hash);
    Checkpoint::new(CheckpointFields {
        checkpoint_id: format!("chk_{day}").parse().unwrap(),
        ledger_id: format!("org_{ledger:06}").parse().unwrap(),
        timestamp: Timestamp::from_unix(1_736_985_599, 0).unwrap(),
        cumulative_hash: CumulativeHash::from(hash),
        entry_count: EntryCount::try_from(i128::from(day)).unwrap(),
        total_volume: TotalVolume::try_from(284_729_340).unwrap(),
        organization_summaries: Vec::new(),
        additional_members: JsonObject::default(),
    })
    .unwrap()
}
