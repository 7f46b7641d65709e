//! More than the service can do at once.

use std::path::PathBuf;
use std::time::Duration;

use checkpoint::key::{Algorithm, ValidityWindow};
use checkpoint::signing::KeySecret;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::wire::proto::SignCheckpointRequest;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use futures_util::future::join_all;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::cluster::Replica;
use crate::scrape::Scrape;
use crate::support::{TestService, at, checkpoint, write_keys};

/// Calls that one connection carries at once.
const STREAMS: usize = 100;

/// The secret document of a key so large that its signatures take a while.
fn large_key() -> String {
    let window = ValidityWindow::new(at("2020-01-01"), at("2099-01-01")).unwrap();
    let key_id = "large".parse().unwrap();
    let generated = KeySecret::generate(key_id, window, Algorithm::Ps256, 4096, None);
    generated.unwrap().0.to_string()
}

async fn start() -> (TempDir, PathBuf, Replica) {
    let folder = tempfile::tempdir().unwrap();
    write_keys(folder.path(), &large_key());
    let path = folder.path().join("record.sqlite");
    SqliteRecord::init(&path).unwrap();
    let place = format!("sqlite:{}", path.display());
    let replica = Replica::start(folder.path(), &place).await;
    (folder, path, replica)
}

/// A connection whose calls wait as long as it takes: there are many, and one core or two.
fn patient(replica: &Replica) -> Channel {
    Endpoint::from_shared(replica.url()).unwrap().connect_lazy()
}

async fn sign(channel: Channel, ledger: String, timeout: Option<Duration>) -> Result<(), Status> {
    let mut checkpoint = checkpoint("chk_1", 1, "x");
    checkpoint.ledger_id = ledger;
    let mut request = Request::new(SignCheckpointRequest {
        checkpoint: Some(checkpoint),
    });
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let mut client = SigningServiceClient::new(channel);
    client.sign_checkpoint(request).await.map(|_| ())
}

/// Calls for one ledger each, all at once, over as many connections as they need.
fn calls(
    connect: &dyn Fn() -> Channel,
    name: &str,
    count: usize,
    timeout: Option<Duration>,
) -> Vec<impl Future<Output = Result<(), Status>> + use<>> {
    let channels: Vec<_> = (0..count.div_ceil(STREAMS)).map(|_| connect()).collect();
    let call = |n: usize| {
        let channel = channels[n / STREAMS].clone();
        sign(channel, format!("{name}_{n}"), timeout)
    };
    (0..count).map(call).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_and_may_be_retried() {
    let (_folder, path, replica) = start().await;
    let cores = std::thread::available_parallelism().unwrap().get();
    let (room, too_many) = (512 * cores, 150);
    // Nothing can be recorded while somebody else writes, so that what is accepted stays in the queue.
    let mut other = rusqlite::Connection::open(&path).unwrap();
    let lock = other
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    let calls = calls(&|| patient(&replica), "org", room + too_many, None);
    let calls: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    while calls.iter().filter(|call| call.is_finished()).count() < too_many {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(lock);
    let mut refused = Vec::new();
    for (n, call) in calls.into_iter().enumerate() {
        if let Err(status) = call.await.unwrap() {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
            let details = status.get_error_details();
            assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
            let delay = details.retry_info().unwrap().retry_delay;
            assert!(delay.is_some_and(|delay| delay > Duration::ZERO));
            refused.push(n);
        }
    }
    assert_eq!(refused.len(), too_many);
    for n in refused {
        let again = sign(replica.channel(), format!("org_{n}"), None).await;
        again.expect("there is room again");
    }
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_deadline_has_passed_costs_no_signature() {
    let service = TestService::with(&large_key(), "2025-06-01T12:00:00Z").await;
    let endpoint = Endpoint::from_shared(service.grpc()).unwrap();
    let connect = || endpoint.connect_lazy();
    // So many that even the last of them waits for longer than the hasty ones do.
    let number = 150 * std::thread::available_parallelism().unwrap().get();
    let patient = calls(&connect, "patient", number, None).into_iter();
    let patient: Vec<_> = patient.map(tokio::spawn).collect();
    // As many behind them do not wait until it is their turn.
    let hasty = calls(&connect, "hasty", number, Some(Duration::from_millis(20)));
    let hasty = join_all(hasty).await;
    let in_time = hasty.iter().filter(|answer| answer.is_ok()).count();
    for call in patient {
        call.await.unwrap().unwrap();
    }
    let made = Scrape::of(&service.http()).value("rsa_seconds_count");
    let recorded = crate::judgement::sqlite_rows(&service.record_path()).len();
    assert!(in_time < number / 3, "{in_time} were in time");
    assert!(recorded >= number + in_time, "{recorded} are on record");
    let at_most = f64::from(u32::try_from(number + number / 2).unwrap());
    assert!(made < at_most, "{made} signatures were made");
    service.stop().await;
}
