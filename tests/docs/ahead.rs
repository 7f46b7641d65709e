//! A row on record that a wrong clock dated ahead: the services refuse to make one, so it is put there past them.

use checkpoint::checkpoint::Checkpoint;
use checkpoint::history::rules::MaxEntryJump;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::signing::KeySecret;
use checkpoint_signer::record::Record as _;
use checkpoint_signer::record::environment::{Claim, Environment};
use checkpoint_signer::record::postgres::{DatabaseAddress, PostgresRecord};
use chrono::{TimeDelta, Utc};

use crate::installation::Installation;

/// Far more than the tolerance, and not long to wait for.
const AHEAD: TimeDelta = TimeDelta::seconds(45);

pub fn a_replica_signs_with_a_clock_that_is_ahead(installation: &mut Installation, secret: &str) {
    let document = crate::thief::first_value(installation, secret);
    let key = KeySecret::parse(&document, None)
        .unwrap()
        .into_signing_key();
    let json = serde_json::json!({
        "checkpoint_id": "chk_ahead", "ledger_id": "org_ahead", "timestamp": "2025-01-15T23:59:59Z",
        "cumulative_hash": format!("sha256:{}", "a".repeat(64)), "entry_count": 1, "total_volume": 1,
        "organization_summaries": [],
    });
    let checkpoint = Checkpoint::from_json(json.to_string().as_bytes()).unwrap();
    let open = key.open_at(Utc::now() + AHEAD).unwrap();
    let jws = open.sign(checkpoint.payload()).unwrap();
    let signed = SignedCheckpoint { checkpoint, jws };
    let address: DatabaseAddress = installation.record_url().parse().unwrap();
    installation.runtime.block_on(async {
        let prod = Claim::Writes(Some(Environment::Prod));
        let record = PostgresRecord::open_as(&address, prod).await.unwrap();
        let answers = record.append(vec![signed.into()], MaxEntryJump::ANY).await;
        answers.into_iter().next().unwrap().unwrap();
    });
}
