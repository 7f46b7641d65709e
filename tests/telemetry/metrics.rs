//! The numbers move with what happens.

use std::io::Read as _;
use std::sync::Arc;

use checkpoint_signer::clock::Clock;
use checkpoint_signer::grpc::access::Access;
use checkpoint_signer::http::MetricsPlace;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::service::{Parts, Service};
use checkpoint_signer::source::FileSource;

use crate::client::{get, post_json};
use crate::scrape::Scrape;
use crate::support::{TestService, at, checkpoint, key_of, key_with, versions, write_keys};

const DAY: f64 = 86_400.0;

#[tokio::test(flavor = "multi_thread")]
async fn signatures_repeats_and_refusals_are_counted() {
    let mut service = TestService::new().await;
    let before = Scrape::of(&service.http());
    assert_eq!(before.value("refusals_total{reason=\"EQUIVOCATION\"}"), 0.0);
    assert_eq!(before.value("record_rows"), 0.0);
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    service.sign(checkpoint("chk_2", 2, "b")).await.unwrap();
    service.sign(checkpoint("chk_2", 2, "b")).await.unwrap();
    service.refusal(checkpoint("chk_3", 2, "c")).await;
    service.refusal(checkpoint("chk_4", 1, "a2")).await;
    service.refusal(checkpoint("", 5, "d")).await;
    let after = Scrape::of(&service.http());
    let expected = [
        (
            "signatures_total{key_id=\"key-2025\",algorithm=\"PS256\"}",
            2.0,
        ),
        ("repeated_answers_total", 1.0),
        ("refusals_total{reason=\"EQUIVOCATION\"}", 2.0),
        ("refusals_total{reason=\"INVALID_CHECKPOINT\"}", 1.0),
        ("record_rows", 2.0),
        ("queue_depth", 0.0),
        ("queue_seconds_count", 2.0),
        ("rsa_seconds_count", 2.0),
        ("record_seconds_count", 2.0),
        ("sign_seconds_count", 6.0),
        ("sign_seconds_bucket{le=\"+Inf\"}", 6.0),
        ("signing_possible", 1.0),
    ];
    for (series, value) in expected {
        assert_eq!(after.value(series), value, "{series}");
    }
    assert!(after.value("rsa_seconds_sum") > 0.0);
    assert!(after.value("queue_capacity") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_counted_by_kind_on_both_edges() {
    let mut service = TestService::new().await;
    let http = service.http();
    assert_eq!(
        Scrape::of(&http).value("verdicts_total{kind=\"MALFORMED\"}"),
        0.0
    );
    service.verify("{}").await;
    post_json(&http, "/v1/verify", "[]");
    let after = Scrape::of(&http);
    assert_eq!(after.value("verdicts_total{kind=\"MALFORMED\"}"), 2.0);
    assert_eq!(after.value("verdicts_total{kind=\"VALID\"}"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_to_the_end_of_each_window_and_of_signing_is_shown() {
    let gap = key_with("key-late", "2026-03-01", "2027-03-01", 0);
    let keys = versions(&[(&key_of(2025), "AWSPREVIOUS"), (&gap, "AWSCURRENT")]);
    let service = TestService::with(&keys, "2025-12-02").await;
    let found = Scrape::of(&service.http());
    let active = "key_window_remaining_seconds{key_id=\"key-2025\",state=\"ACTIVE\"}";
    let scheduled = "key_window_remaining_seconds{key_id=\"key-late\",state=\"SCHEDULED\"}";
    assert_eq!(found.value(active), 30.0 * DAY);
    assert_eq!(found.value(scheduled), (30.0 + 59.0 + 365.0) * DAY);
    assert_eq!(
        found.value("signing_coverage_remaining_seconds"),
        30.0 * DAY
    );
    assert_eq!(
        found.value("last_key_window_remaining_seconds"),
        454.0 * DAY
    );
    for (days, value) in [(60, 1.0), (30, 1.0), (14, 0.0), (1, 0.0)] {
        let series = format!("signing_coverage_warning{{days=\"{days}\"}}");
        assert_eq!(found.value(&series), value, "{days}");
    }
    service.clock.set(at("2026-01-01"));
    let after = Scrape::of(&service.http());
    assert_eq!(after.value("signing_possible"), 0.0);
    assert_eq!(after.value("signing_coverage_remaining_seconds"), 0.0);
    assert_eq!(after.value("signing_coverage_warning{days=\"1\"}"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_their_failures_and_conflicts_are_counted() {
    let mut service = TestService::new().await;
    let before = Scrape::of(&service.http());
    assert_eq!(
        before.value("key_refreshes_total{outcome=\"failure\"}"),
        0.0
    );
    assert_eq!(before.value("key_conflicts_total"), 0.0);
    assert!(before.value("key_refreshes_total{outcome=\"success\"}") >= 1.0);
    let other = key_with("key-2025", "2025-01-01", "2026-01-01", 7);
    service.use_keys(&other).await.unwrap_err();
    let after = Scrape::of(&service.http());
    assert!(after.value("key_refreshes_total{outcome=\"failure\"}") >= 1.0);
    assert!(after.value("key_conflicts_total") >= 1.0);
    assert_eq!(after.value("key_source_faults"), 1.0);
    assert_eq!(after.value("signing_possible"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_signed_on_a_record_that_went_back() {
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let (record, away) = (service.record_path(), service.folder.path().join("away"));
    std::fs::rename(&record, &away).unwrap();
    let refused = service.refusal(checkpoint("chk_2", 2, "b")).await;
    assert_eq!(refused.1, "RECORD_STORE_UNAVAILABLE");
    assert_eq!(Scrape::of(&service.http()).value("signing_possible"), 0.0);
    std::fs::rename(&away, &record).unwrap();
    service.sign(checkpoint("chk_2", 2, "b")).await.unwrap();
    assert_eq!(Scrape::of(&service.http()).value("signing_possible"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_writes_is_in_no_label() {
    let mut service = TestService::new().await;
    let mut named = checkpoint("chk_marker7", 1, "a");
    named.ledger_id = "org_marker7".into();
    service.sign(named).await.unwrap();
    service.verify("{\"marker7\": 1}").await;
    get(&service.http(), "/marker7");
    let text = Scrape::of(&service.http()).text;
    assert!(!text.contains("marker7"), "{text}");
    assert!(!text.contains("PRIVATE"));
}

/// A service whose metrics are where the test says.
async fn with_metrics(metrics: Option<MetricsPlace>) -> (tempfile::TempDir, Service) {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.sqlite");
    SqliteRecord::init(&record).unwrap();
    write_keys(folder.path(), &key_of(2025));
    let service = Service::start(Parts {
        clock: Clock::simulated(at("2025-06-01")),
        source: Box::new(FileSource::new(&folder.path().join("keys.json"))),
        record: Arc::new(SqliteRecord::open(&record).unwrap()),
        witnesses: Default::default(),
        log: "test-record".parse().unwrap(),
        max_entry_jump: Default::default(),
        grpc: ([127, 0, 0, 1], 0).into(),
        access: Access::Open,
        http: Some(([127, 0, 0, 1], 0).into()),
        public_url: None,
        metrics,
    });
    (folder, service.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_port_has_no_metrics_unless_it_is_told_to() {
    let (_folder, service) = with_metrics(None).await;
    let public = format!("http://{}", service.http().unwrap());
    let said = get(&public, "/metrics").problem(404, "NOT_FOUND");
    assert!(said.contains("--metrics"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_its_own_has_metrics_and_health_and_nothing_else() {
    let own = MetricsPlace::Own(([127, 0, 0, 1], 0).into());
    let (_folder, service) = with_metrics(Some(own)).await;
    let own = format!("http://{}", service.metrics().unwrap());
    assert_eq!(Scrape::of(&own).value("signing_possible"), 1.0);
    assert_eq!(get(&own, "/health").json()["key_id"], "key-2025");
    get(&own, "/v1/keys").problem(404, "NOT_FOUND");
    let public = format!("http://{}", service.http().unwrap());
    get(&public, "/metrics").problem(404, "NOT_FOUND");
}

#[test]
fn metrics_on_a_port_that_is_not_served_are_refused() {
    let mut command = crate::starter::binary();
    let folder = tempfile::tempdir().unwrap();
    command
        .current_dir(&folder)
        .args(["serve", "--metrics", "http"]);
    command.args(["--source", "file:none", "--record", "sqlite:none"]);
    let child = command.stderr(std::process::Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(
        said.contains("--metrics: is http, but --http is missing"),
        "{said}"
    );
}
