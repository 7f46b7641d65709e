//! A log that nobody reads: the service signs on, and what was logged comes when somebody does.

use std::time::Instant;

use checkpoint_signer::wire::proto::SignCheckpointRequest;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use serde_json::Value;
use testing::program::Serving;

use crate::scrape::Scrape;
use crate::starter::binary;
use crate::support::{checkpoint, key_with};
use crate::wait;

/// Their lines of the audit log are more than a pipe takes.
const CHECKPOINTS: u64 = 400;

async fn started(folder: &std::path::Path) -> Serving {
    let key = folder.join("key.json");
    std::fs::write(&key, key_with("key-1", "2020-01-01", "2099-01-01", 0)).unwrap();
    let record = format!("sqlite:{}", folder.join("record.sqlite").display());
    testing::program::must(binary().args(["record", "init", "--record", &record]));
    let source = format!("file:{}", key.display());
    let mut serve = binary();
    serve.args(["serve", "--source", &source, "--record", &record]);
    serve.args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    serve.args(["--metrics", "http"]);
    Serving::start_unread(&mut serve)
}

async fn sign_all(serving: &Serving) {
    let client = SigningServiceClient::connect(serving.grpc.clone()).await;
    let mut client = client.unwrap();
    for n in 1..=CHECKPOINTS {
        let request = SignCheckpointRequest {
            checkpoint: Some(checkpoint(&format!("chk_{n}"), n, "x")),
            omit_content: true,
        };
        let signed = wait::within("a signature", client.sign_checkpoint(request)).await;
        signed.unwrap();
    }
}

/// The lines of the audit log, in their order; each line of the log is whole.
fn audited(log: &str) -> Vec<u64> {
    let lines = log.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect(line);
        (line["logger"] == "audit" && line["act"] == "sign")
            .then(|| line["entry_count"].as_u64().unwrap())
    });
    lines.flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_no_signature_and_is_whole_when_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = started(folder.path()).await;
    sign_all(&serving).await;
    let http = serving.http.clone();
    let scraped = tokio::task::spawn_blocking(move || Scrape::of(&http));
    assert_eq!(scraped.await.unwrap().value("log_lines_lost_total"), 0.0);
    serving.read_log();
    let log = serving.terminated();
    assert!(audited(&log).into_iter().eq(1..=CHECKPOINTS), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_keeps_no_service_from_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = started(folder.path()).await;
    sign_all(&serving).await;
    let log = tokio::task::spawn_blocking(move || {
        let begun = Instant::now();
        (serving.terminated(), begun.elapsed())
    });
    let (log, took) = log.await.unwrap();
    // By itself: the watch would have ended it.
    assert!(took < wait::PATIENCE, "{took:?}");
    let audited = audited(log.rsplit_once('\n').unwrap().0);
    assert!(!audited.is_empty() && audited.len() < 400, "{audited:?}");
}
