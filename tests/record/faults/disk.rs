//! A disk that is full, or cannot be written.

use checkpoint_signer::wire::proto::{Checkpoint, SignedCheckpoint};
use tonic::{Code, Status};

use super::host::{DISK_BYTES, Host, Running, by_place};
use crate::support::{checkpoint, refusal};
use crate::wait;

/// Left on the small disk when the service begins to sign.
const ROOM: usize = 400 * 1024;

/// Rounds of signing after which a disk with that room is full for certain.
const ROUNDS: u64 = 100;

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    match Host::with_small_disk() {
        Some(host) => {
            init(&host);
            let service = host.serve().await;
            let used = 4 * 4096 + size(&host, "record.sqlite") + size(&host, "record.sqlite-wal");
            let filler = vec![0; DISK_BYTES - ROOM - used];
            std::fs::write(host.on_disk("filler"), filler).unwrap();
            let free = |_: &Running| std::fs::remove_file(host.on_disk("filler")).unwrap();
            fill_and_repair(&host, service, "full", free).await;
        }
        None => a_record_may_not_grow(ROOM).await,
    }
}

#[tokio::test]
async fn a_record_that_may_not_grow_refuses_and_loses_nothing() {
    a_record_may_not_grow(ROOM).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_written_any_more_refuses_and_loses_nothing() {
    a_record_may_not_grow(0).await;
}

async fn a_record_may_not_grow(room: usize) {
    let host = Host::plain();
    init(&host);
    let service = host.serve().await;
    for ledger in 0..2 {
        service.sign(large(0, ledger)).await.unwrap();
    }
    service.limit_files(Some(room as u64));
    let free = |service: &Running| service.limit_files(None);
    fill_and_repair(&host, service, "I/O", free).await;
}

fn init(host: &Host) {
    let (code, shown) = host.run(&["record", "init", "--record", &host.place()]);
    assert_eq!(code, 0, "{shown}");
}

fn size(host: &Host, name: &str) -> usize {
    let found = std::fs::metadata(host.on_disk(name));
    found.map_or(0, |found| found.len().try_into().unwrap())
}

/// The first of a round for each ledger.
fn large(round: u64, ledger: u64) -> Checkpoint {
    let mut large = checkpoint(&format!("chk_{round}"), round, &round.to_string());
    large.ledger_id = format!("org_{ledger}");
    let note = prost_types::Value::from("x".repeat(4000));
    large.additional_members = Some(prost_types::Struct {
        fields: [("note".to_owned(), note)].into(),
    });
    large
}

/// Four at the same time, so that some share a transaction.
async fn round(
    service: &Running,
    round: u64,
) -> Vec<(Checkpoint, Result<SignedCheckpoint, Status>)> {
    let signing = (0..4).map(async |ledger| {
        let checkpoint = large(round, ledger);
        (checkpoint.clone(), service.sign(checkpoint).await)
    });
    futures_util::future::join_all(signing).await
}

async fn fill_and_repair(host: &Host, service: Running, cause: &str, free: impl Fn(&Running)) {
    let (mut received, mut refused) = (service.all().await, Vec::new());
    for number in 1..ROUNDS {
        for (checkpoint, answer) in round(&service, number).await {
            match answer {
                Ok(signed) => received.push(signed),
                Err(status) => refused.push((checkpoint, status)),
            }
        }
        if !refused.is_empty() {
            break;
        }
    }
    assert!(!refused.is_empty(), "the disk is full by now");
    for (_, status) in &refused {
        let expected = (Code::Unavailable, "RECORD_STORE_UNAVAILABLE".into());
        assert!(status.message().contains(cause), "{status:?}");
        assert_eq!(refusal(status.clone()), expected);
    }
    received.sort_by_key(by_place);
    // What was recorded is answered as ever; what was not is not there.
    for signed in &received {
        let checkpoint = signed.checkpoint.clone().unwrap();
        let (id, ledger) = (&checkpoint.checkpoint_id, &checkpoint.ledger_id);
        assert_eq!(&service.get(id, ledger).await.unwrap(), signed);
        assert_eq!(&service.sign(checkpoint.clone()).await.unwrap(), signed);
    }
    assert_eq!(service.all().await, received);
    let (code, shown) = host.run(&["health", "--server", &service.server]);
    assert_eq!(code, 0, "{shown}");

    // Of a limit to the file alone, only who writes as much as was refused is told.
    let follows = cause == "full";
    if follows {
        health_says(host, &service, 1, "full").await;
    }
    free(&service);
    if follows {
        health_says(host, &service, 0, "SERVING").await;
    }
    for (checkpoint, _) in refused {
        received.push(service.sign(checkpoint).await.unwrap());
    }
    for (_, answer) in round(&service, ROUNDS).await {
        received.push(answer.unwrap());
    }
    service.end().await;
    let (code, shown) = host.run(&["record", "verify", "--record", &host.place()]);
    assert_eq!(code, 0, "{shown}");
    let again = host.serve().await;
    received.sort_by_key(by_place);
    assert_eq!(again.all().await, received);
    again.end().await;
}

async fn health_says(host: &Host, service: &Running, code: i32, expected: &str) {
    let signing = "amply.checkpoint.v1.SigningService";
    let health = ["health", "--server", &service.server, "--service", signing];
    wait::until(&format!("health to say {expected}"), async || {
        let (found, said) = host.run(&health);
        found == code && said.contains(expected)
    })
    .await;
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_refused_at_the_start() {
    let Some(host) = Host::with_small_disk() else {
        return refused_until_repaired(&Host::plain(), |_| {}, true, |_| {}).await;
    };
    let (spoil, repair) = (
        |host: &Host| host.remount("ro"),
        |host: &Host| host.remount("rw"),
    );
    refused_until_repaired(&host, spoil, false, repair).await;
}

#[tokio::test]
async fn a_record_that_may_not_grow_at_all_is_refused_at_the_start() {
    refused_until_repaired(&Host::plain(), |_| {}, true, |_| {}).await;
}

async fn refused_until_repaired(
    host: &Host,
    spoil: impl Fn(&Host),
    may_not_grow: bool,
    repair: impl Fn(&Host),
) {
    init(host);
    let service = host.serve().await;
    let signed = service.sign(large(1, 1)).await.unwrap();
    service.end().await;
    spoil(host);
    let (code, shown) = host.refused_start(may_not_grow);
    assert_eq!(code, 2, "{shown}");
    let file = host.record().display().to_string();
    assert!(
        shown.contains(&file) && !shown.contains("panicked"),
        "{shown}"
    );
    assert!(!shown.contains("not a record"), "{shown}");
    repair(host);
    let service = host.serve().await;
    assert_eq!(service.sign(large(1, 1)).await.unwrap(), signed);
    service.sign(large(2, 1)).await.unwrap();
    service.end().await;
}
