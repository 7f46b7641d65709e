//! Certificates that end are told of long before, by a clock that is moved, and shown.

use serde_json::Value;

use crate::authority::{Authority, replace};
use crate::guarded::Guarded;
use crate::log::Log;
use crate::support::at;

const ALARMS: &str = include_str!("../../deploy/alarms.yaml");

fn lines(log: &Log) -> Vec<Value> {
    let of_certificates =
        |line: &Value| line["logger"] == "checkpoint_signer::service::certificates";
    log.lines().into_iter().filter(of_certificates).collect()
}

/// The thresholds so far, in order; 0 for one that has ended.
fn told(log: &Log) -> Vec<i64> {
    let days = |line: &Value| line["within_days"].as_i64().unwrap_or_default();
    lines(log).iter().map(days).collect()
}

async fn expect(log: &Log, expected: &[i64]) {
    crate::wait::until("the certificate to be told of", async || {
        told(log).len() >= expected.len()
    })
    .await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(told(log), expected);
}

/// What the alarms look for.
fn looked_for(name: &str) -> &'static str {
    let rest = ALARMS.split(&format!("      {name}: ")).nth(1).unwrap();
    rest.lines().next().unwrap().strip_suffix('*').unwrap()
}

#[tokio::test]
async fn each_threshold_of_a_certificate_is_told_once_and_then_that_it_has_ended() {
    let (log, _guard) = Log::collect();
    let service = Guarded::start("2025-12-31").await;
    let story: [(&str, &[i64]); 9] = [
        ("2025-12-31", &[]),
        ("2026-01-01", &[30]),
        ("2026-01-02", &[30]),
        ("2026-01-17", &[30, 14]),
        ("2026-01-24", &[30, 14, 7]),
        ("2026-01-28", &[30, 14, 7, 3]),
        ("2026-01-30", &[30, 14, 7, 3, 1]),
        ("2026-01-31", &[30, 14, 7, 3, 1, 0]),
        ("2026-03-01", &[30, 14, 7, 3, 1, 0]),
    ];
    for (instant, expected) in story {
        service.clock.set(at(instant));
        expect(&log, expected).await;
    }
    let lines = lines(&log);
    let (first, last) = (&lines[0], lines.last().unwrap());
    for (line, level, event) in [
        (first, "WARN", "CertificateEnding"),
        (last, "ERROR", "CertificateEnded"),
    ] {
        assert_eq!(
            (&line["level"], &line["file"]),
            (&level.into(), &"tls-certificate".into()),
            "{line}"
        );
        assert_eq!(line["until"], "2026-01-31T00:00:00Z");
        assert_eq!(line["subject"], "CN=server", "{line}");
        assert!(
            line["path"].as_str().unwrap().ends_with("server.crt"),
            "{line}"
        );
        let message = line["message"].as_str().unwrap();
        assert!(message.starts_with(looked_for(event)), "{message}");
    }
    assert_eq!(first["seconds_left"], Value::from(30 * 86_400));
}

#[tokio::test]
async fn a_service_that_starts_near_the_end_tells_the_tightest_threshold_and_a_renewal_silences_it()
{
    let (log, _guard) = Log::collect();
    let service = Guarded::start("2026-01-20").await;
    expect(&log, &[14]).await;
    let ends = at("2026-01-31").timestamp() as f64;
    crate::wait::until("the end to be shown", async || {
        service.shown("tls-certificate").await == Some(ends)
    })
    .await;
    assert!(service.shown("tls-client-ca").await.unwrap() > ends);

    service
        .authority
        .issue(service.folder.path(), "server", "localhost");
    crate::wait::until("the renewed certificate", async || {
        service.shown("tls-certificate").await == Some(at("2099-01-31").timestamp() as f64)
    })
    .await;
    service.clock.set(at("2026-01-30"));
    expect(&log, &[14]).await;
}

#[tokio::test]
async fn an_authority_that_ends_is_told_of_as_well() {
    let (log, _guard) = Log::collect();
    let service = Guarded::start("2025-06-01").await;
    // A certificate that ends stands in for the authority's: what counts here is the file.
    let ending = std::fs::read_to_string(service.folder.path().join("server.crt")).unwrap();
    replace(
        &service.folder.path().join("ca.crt"),
        &format!("{}{ending}", service.authority.pem()),
    );
    let ends = at("2026-01-31").timestamp() as f64;
    crate::wait::until("the first end of the file", async || {
        service.shown("tls-client-ca").await == Some(ends)
    })
    .await;
    service.clock.set(at("2026-01-25"));
    expect(&log, &[7, 7]).await;
    let files: Vec<Value> = lines(&log)
        .iter()
        .map(|line| line["file"].clone())
        .collect();
    assert_eq!(files, ["tls-certificate", "tls-client-ca"]);
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_told_until_it_is() {
    let (log, _guard) = Log::collect();
    let service = Guarded::start("2025-06-01").await;
    let (folder, between) = (service.folder.path(), (2026, 2027));
    service
        .authority
        .issue_between(folder, "server", "localhost", between);
    let begins = at("2026-01-01").timestamp() as f64;
    crate::wait::until("its beginning to be shown", async || {
        service.begins("tls-certificate").await == Some(begins)
    })
    .await;
    expect(&log, &[0]).await;
    let line = &lines(&log)[0];
    assert_eq!(
        (&line["level"], &line["file"]),
        (&"ERROR".into(), &"tls-certificate".into())
    );
    assert_eq!(line["subject"], "CN=server");
    assert_eq!(line["from"], "2026-01-01T00:00:00Z", "{line}");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.starts_with("a certificate is not valid yet"),
        "{message}"
    );
    // Nothing more when it is, and its end as ever.
    for (instant, expected) in [("2026-01-02", &[0][..]), ("2027-01-20", &[0, 14])] {
        service.clock.set(at(instant));
        expect(&log, expected).await;
    }
}

#[tokio::test]
async fn an_authority_that_has_ended_beside_one_that_has_not_is_a_note() {
    let (log, _guard) = Log::collect();
    let service = Guarded::start("2025-06-01").await;
    let ca = service.folder.path().join("ca.crt");
    let (good, ended) = (service.authority.pem(), Authority::ended("of yore", 2024));
    let ends = service.shown("tls-client-ca").await.unwrap();
    replace(&ca, &format!("{ended}{good}"));
    crate::wait::until("the note", async || !lines(&log).is_empty()).await;
    let told = lines(&log);
    assert_eq!(
        (told.len(), &told[0]["level"]),
        (1, &"INFO".into()),
        "{told:?}"
    );
    let note = told[0]["note"].as_str().unwrap();
    assert_eq!(note, "CN=of yore has ended 2024-01-31T00:00:00Z");
    let message = told[0]["message"].as_str().unwrap();
    for event in ["CertificateEnding", "CertificateEnded"] {
        assert!(!message.starts_with(looked_for(event)), "{message}");
    }
    assert_eq!(
        service.shown("tls-client-ca").await,
        Some(ends),
        "of the other one"
    );
    // Alone, it is more than that.
    replace(&ca, &ended);
    crate::wait::until("its end", async || lines(&log).len() > 1).await;
    let last = lines(&log).pop().unwrap();
    assert_eq!(
        (&last["level"], &last["subject"]),
        (&"ERROR".into(), &"CN=of yore".into())
    );
    let message = last["message"].as_str().unwrap();
    assert!(
        message.starts_with(looked_for("CertificateEnded")),
        "{message}"
    );
    let ended_at = at("2024-01-31").timestamp() as f64;
    assert_eq!(service.shown("tls-client-ca").await, Some(ended_at));
}
