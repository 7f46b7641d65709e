//! The alert rules and the dashboard are made of metrics that the service has.

use std::collections::BTreeSet;

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
    Scrape::of(&service.http()).names()
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
