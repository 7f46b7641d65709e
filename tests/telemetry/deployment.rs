//! The alert rules and the dashboard are made of metrics that the service has.

use std::collections::BTreeSet;

use crate::guarded::Guarded;
use crate::promtool::promtool;
use crate::scrape::Scrape;
use crate::support::{TestService, checkpoint};

const ALERTS: &str = include_str!("../../deploy/prometheus/alerts.yml");
const ALERT_TESTS: &str = include_str!("../../deploy/prometheus/alerts_test.yml");
const DASHBOARD: &str = include_str!("../../deploy/grafana/dashboard.json");
const PREFIX: &str = "checkpoint_signer_";

/// The metrics that a text speaks of.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c));
    words
        .filter(|word| word.starts_with(PREFIX))
        .map(str::to_owned)
        .collect()
}

async fn exported() -> BTreeSet<String> {
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let mut names = Scrape::of(&service.http()).names();
    // What a service shows that has certificates.
    let guarded = Guarded::start("2025-06-01").await;
    crate::wait::until("the certificates to be shown", async || {
        guarded.shown("tls-certificate").await.is_some()
    })
    .await;
    names.extend(guarded.scrape().await.names());
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_dashboard_and_the_alerts_is_exported() {
    let exported = exported().await;
    for text in [ALERTS, ALERT_TESTS, DASHBOARD] {
        let named = named(text);
        assert!(named.len() > 5, "{named:?}");
        let missing: Vec<_> = named.difference(&exported).collect();
        assert!(missing.is_empty(), "{missing:?} of {exported:?}");
    }
}

#[test]
fn the_panels_of_the_dashboard_are_told_apart_and_none_covers_another() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(!panel["description"].as_str().unwrap().is_empty());
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(side("x") + side("w") <= 24, "{panel}");
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(cells.insert((x, y)), "{panel}");
            }
        }
        for target in panel["targets"].as_array().unwrap() {
            assert!(target["expr"].as_str().unwrap().contains(PREFIX));
        }
    }
}

#[test]
fn the_alert_rules_are_well_formed() {
    let said = promtool(&["check", "rules", "alerts.yml"]);
    assert!(said.contains("SUCCESS"), "{said}");
}

#[test]
fn the_alerts_fire_when_they_should_and_only_then() {
    let said = promtool(&["test", "rules", "alerts_test.yml"]);
    assert!(said.contains("SUCCESS"), "{said}");
}

/// The blocks of a text that begin with a mark and the name of an alert, and the names.
fn by_alert<'a>(text: &'a str, mark: &str) -> Vec<(&'a str, &'a str)> {
    let blocks = text.split(mark).skip(1);
    let name = |block: &'a str| block.split(|c: char| !c.is_alphanumeric()).next().unwrap();
    blocks.map(|block| (name(block), block)).collect()
}

#[test]
fn every_alert_is_tried_where_it_fires_and_where_it_does_not() {
    let tried = by_alert(ALERT_TESTS, "alertname: ");
    let fires = |block: &str| {
        block
            .lines()
            .nth(1)
            .is_some_and(|line| line.contains("exp_alerts:"))
    };
    let names = |firing: bool| -> BTreeSet<&str> {
        let found = tried.iter().filter(|(_, block)| fires(block) == firing);
        found.map(|(name, _)| *name).collect()
    };
    let alerts: BTreeSet<&str> = by_alert(ALERTS, "- alert: ")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(alerts.len() > 15, "{alerts:?}");
    assert_eq!(names(true), alerts);
    assert_eq!(names(false), alerts);
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().trim().replace(' ', "-")
}

#[test]
fn every_alert_says_where_more_is() {
    for (name, block) in by_alert(ALERTS, "- alert: ") {
        let (page, place) = block
            .split("runbook: ")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .split_once('#')
            .unwrap();
        let page =
            std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page))
                .unwrap();
        let mut headings = page.lines().filter(|line| line.starts_with('#'));
        let is_place = |line: &str| anchor(line.trim_start_matches('#').trim()) == place;
        assert!(headings.any(is_place), "{name}: {place}");
    }
}
