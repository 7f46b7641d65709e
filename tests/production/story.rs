//! What operators saw of the night: the metrics of each process and its audit log.
//!
//! Counters begin anew with each process, and what is counted between the last scrape and the end is seen by nobody; so
//! for the processes that were ended the audit log has at least what was scraped, and for those that run exactly that.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::batch::LEDGERS;
use crate::replica::{Log, Replica};
use crate::scrape::Scrape;
use crate::site::{NEW, OLD, Site};

const DAY: f64 = 86_400.0;

pub fn refused(scrape: &Scrape, reason: &str) -> f64 {
    let series = format!("refusals_total{{reason=\"{reason}\"}}");
    scrape.get(&series).unwrap_or(0.0)
}

fn signatures(scrape: &Scrape, key_id: &str) -> f64 {
    let series = format!("signatures_total{{key_id=\"{key_id}\",algorithm=\"PS256\"}}");
    scrape.get(&series).unwrap_or(0.0)
}

pub fn check(site: &Site, replicas: &[&Replica], signed_by: &BTreeMap<String, String>) {
    let past: Vec<(&Scrape, &Log)> = replicas
        .iter()
        .flat_map(|replica| replica.past.iter().map(|(scrape, log)| (scrape, log)))
        .collect();
    let now: Vec<(Scrape, &Log)> = replicas
        .iter()
        .map(|replica| (replica.scrape(), replica.log()))
        .collect();
    let now: Vec<(&Scrape, &Log)> = now.iter().map(|(scrape, log)| (scrape, *log)).collect();
    assert_eq!((past.len(), now.len()), (2, 2));

    for (scrape, log) in &past {
        check_ended(scrape, log);
    }
    for (scrape, log) in &now {
        check_running(scrape, log);
    }
    let sum = |lives: &[(&Scrape, &Log)], of: &dyn Fn(&Scrape) -> f64| -> f64 {
        lives.iter().map(|(scrape, _)| of(scrape)).sum()
    };
    let away = sum(&now, &|scrape| refused(scrape, "RECORD_STORE_UNAVAILABLE"));
    assert!(away >= 1.0, "the database was away");
    let on_record = |key_id| signed_by.values().filter(|kid| *kid == key_id).count() as f64;
    let by_new = sum(&now, &|scrape| signatures(scrape, NEW));
    assert_eq!(
        by_new,
        on_record(NEW),
        "no process has ended since the rollover"
    );
    let by_old = sum(&past, &|scrape| signatures(scrape, OLD));
    assert!(by_old > 0.0 && by_old < on_record(OLD), "{by_old}");
    check_signed(&[past, now].concat(), signed_by);
    let asked = site.service_aws.asked();
    assert!(
        asked.len() >= 12 && asked.iter().all(|call| call == "GetSecretValue"),
        "{asked:?}"
    );
}

/// A process that was ended before the rollover.
fn check_ended(scrape: &Scrape, log: &Log) {
    check_refusals(scrape, log, |counted, told| counted <= told);
    assert_eq!(signatures(scrape, NEW), 0.0);
    let covered = scrape.value("signing_coverage_remaining_seconds");
    assert!(covered <= 30.0 * DAY, "{covered}");
    assert_eq!(scrape.value("signing_coverage_warning{days=\"30\"}"), 1.0);
}

/// A process that has seen all the rest, and has nothing to do now.
fn check_running(scrape: &Scrape, log: &Log) {
    check_refusals(scrape, log, |counted, told| counted == told);
    let signed = signatures(scrape, OLD) + signatures(scrape, NEW);
    let answered = signed + scrape.value("repeated_answers_total");
    let told = told(log).remove(&None).unwrap_or(0.0);
    // A caller that gave up waiting may have had its checkpoint signed all the same.
    assert!(
        answered >= told,
        "{answered} counted, {told} told in {:?}",
        log.path()
    );
    let covered = scrape.value("signing_coverage_remaining_seconds");
    assert!(covered > 390.0 * DAY, "{covered}");
    assert_eq!(scrape.value("signing_coverage_warning{days=\"60\"}"), 0.0);
    assert_eq!(scrape.value("record_rows"), LEDGERS as f64);
    assert_eq!(scrape.value("queue_depth"), 0.0);
    assert_eq!(
        scrape.value("key_refreshes_total{outcome=\"failure\"}"),
        0.0
    );
    assert!(scrape.value("key_refreshes_total{outcome=\"success\"}") >= 2.0);
    check_operators_acts(log);
}

/// How often each outcome is in the audit log: the reason of a refusal, or none.
fn told(log: &Log) -> BTreeMap<Option<String>, f64> {
    let mut told = BTreeMap::new();
    for event in log.signing() {
        let reason = event["reason"].as_str().map(str::to_owned);
        *told.entry(reason).or_default() += 1.0;
    }
    told
}

/// What was counted of refusals, beside what the audit log says.
fn check_refusals(scrape: &Scrape, log: &Log, fits: impl Fn(f64, f64) -> bool) {
    for (reason, told) in told(log) {
        let Some(reason) = reason else { continue };
        let (counted, life) = (refused(scrape, &reason), log.path());
        assert!(
            fits(counted, told),
            "{reason}: {counted} counted, {told} told in {life:?}"
        );
    }
}

/// The rollover had the keys read, and the rotation the certificates.
fn check_operators_acts(log: &Log) {
    let events = log.events();
    let refreshed = |event: &Value| {
        event["act"] == "refresh"
            && event["who"] == "URI:spiffe://amply.example/operator"
            && event["outcome"] == "done"
    };
    assert!(events.iter().any(refreshed), "{:?}", log.path());
    let renewed = |event: &&Value| {
        event["message"]
            .as_str()
            .unwrap()
            .contains("have changed, and are in force")
    };
    assert!(
        events.iter().filter(renewed).count() >= 3,
        "{:?}",
        log.path()
    );
}

/// Every ledger's signature is in the audit log of some process, with the client's name and the key.
fn check_signed(lives: &[(&Scrape, &Log)], signed_by: &BTreeMap<String, String>) {
    let mut told = BTreeMap::new();
    for (_, log) in lives {
        for event in log.signing() {
            assert_eq!(event["who"], "URI:spiffe://amply.example/ledger");
            if event["outcome"] == "done" {
                let text = |name: &str| event[name].as_str().unwrap().to_owned();
                let before = told.insert(text("ledger_id"), text("key_id"));
                assert!(
                    before.is_none_or(|before| before == text("key_id")),
                    "{event}"
                );
            }
        }
    }
    assert!(told == *signed_by, "the audit log tells who signed what");
}
