//! Warnings before there is no key, by a clock that is moved.

use std::time::Duration;

use serde_json::Value;

use crate::log::Log;
use crate::support::{TestService, at, key_of, versions};

/// The thresholds of the warnings so far, in order; 0 for "no key can sign".
fn told(log: &Log) -> Vec<i64> {
    let lines = log.lines();
    let about = lines
        .iter()
        .filter(|line| line["logger"] == "checkpoint_signer::signer::coverage");
    about
        .map(|line| line["within_days"].as_i64().unwrap_or_default())
        .collect()
}

/// Waits until so many were told, and checks which. All tasks of the service run on this thread, so that what one
/// setting of the clock wakes is done before the next wait ends.
async fn expect(log: &Log, expected: &[i64]) {
    let enough = async {
        while told(log).len() < expected.len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    let _ = tokio::time::timeout(crate::wait::PATIENCE, enough).await;
    assert_eq!(told(log), expected);
}

#[tokio::test]
async fn each_threshold_is_told_once_and_then_that_no_key_is_left() {
    let (log, _guard) = Log::collect();
    let service = TestService::with(&key_of(2025), "2025-06-01").await;
    let story: [(&str, &[i64]); 12] = [
        ("2025-11-01", &[]),
        ("2025-11-02", &[60]),
        ("2025-11-03", &[60]),
        ("2025-11-20", &[60]),
        ("2025-12-02", &[60, 30]),
        ("2025-12-18", &[60, 30, 14]),
        ("2025-12-25", &[60, 30, 14, 7]),
        ("2025-12-29", &[60, 30, 14, 7, 3]),
        ("2025-12-30", &[60, 30, 14, 7, 3]),
        ("2025-12-31", &[60, 30, 14, 7, 3, 1]),
        ("2026-01-01", &[60, 30, 14, 7, 3, 1, 0]),
        ("2026-02-01", &[60, 30, 14, 7, 3, 1, 0]),
    ];
    for (instant, expected) in story {
        service.clock.set(at(instant));
        expect(&log, expected).await;
    }
    let lines = log.lines();
    let first = lines.iter().find(|line| line["within_days"] == 60).unwrap();
    assert_eq!(first["level"], "WARN");
    assert_eq!(first["until"], "2026-01-01T00:00:00Z");
    assert_eq!(first["seconds_left"], Value::from(60 * 86_400));
}

#[tokio::test]
async fn a_service_that_starts_near_the_end_tells_the_tightest_threshold_alone() {
    let (log, _guard) = Log::collect();
    let _service = TestService::with(&key_of(2025), "2025-12-20").await;
    expect(&log, &[14]).await;
}

#[tokio::test]
async fn a_promoted_successor_silences_the_warning_until_its_own_end() {
    let (log, _guard) = Log::collect();
    let mut service = TestService::with(&key_of(2025), "2025-12-20").await;
    expect(&log, &[14]).await;
    let keys = versions(&[
        (&key_of(2025), "AWSPREVIOUS"),
        (&key_of(2026), "AWSCURRENT"),
    ]);
    service.use_keys(&keys).await.unwrap();
    for instant in ["2025-12-29", "2026-01-01", "2026-06-01"] {
        service.clock.set(at(instant));
        expect(&log, &[14]).await;
    }
    service.clock.set(at("2026-11-15"));
    expect(&log, &[14, 60]).await;
}
