//! A replica on the same record whose clock is ahead.

use std::sync::Arc;
use std::time::Duration;

use checkpoint_signer::clock::Clock;
use checkpoint_signer::grpc::access::Access;
use checkpoint_signer::record::postgres::{DatabaseAddress, PostgresRecord};
use checkpoint_signer::service::{Parts, Service};
use checkpoint_signer::source::FileSource;
use chrono::{TimeDelta, Utc};

use crate::installation::Installation;

/// Far more than the tolerance, and not long to wait for.
const AHEAD: TimeDelta = TimeDelta::seconds(45);

pub fn a_replica_signs_with_a_clock_that_is_ahead(installation: &mut Installation, secret: &str) {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, crate::thief::first_value(installation, secret)).unwrap();
    let address: DatabaseAddress = installation.record_url().parse().unwrap();
    let replica = async {
        let record = PostgresRecord::open(&address).await.unwrap();
        let started = Service::start(Parts {
            clock: Clock::simulated(Utc::now() + AHEAD),
            source: Box::new(FileSource::new(&keys)),
            record: Arc::new(record),
            log: "amply-prod".parse().unwrap(),
            max_entry_jump: Default::default(),
            witnesses: Default::default(),
            grpc: ([127, 0, 0, 1], 0).into(),
            access: Access::Open,
            http: None,
            public_url: None,
            metrics: None,
        });
        started.await.map_err(|error| error.to_string()).unwrap()
    };
    let replica = installation.runtime.block_on(replica);
    installation
        .ledger
        .asks_plainly(&format!("http://{}", replica.grpc()), "org_2", 4);
    installation.runtime.block_on(async {
        let ended = tokio::time::timeout(Duration::from_secs(60), replica.drain());
        assert!(ended.await.unwrap());
    });
}
