//! What the pages list is what there is, all of it and nothing else.

use std::collections::BTreeSet;

use crate::cloud::read;

/// The words in back quotes of a part of a page that are of some form.
fn quoted(text: &str, is_one: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| is_one(word)).map(Into::into).collect()
}

fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let heading = format!("\n## {title}\n");
    let (_, rest) = page.split_once(&heading).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// What follows this in each line that has it.
fn after(text: &str, mark: &str) -> BTreeSet<String> {
    let found = text.lines().filter_map(|line| line.split_once(mark));
    found.map(|(_, name)| name.trim().into()).collect()
}

#[test]
fn every_alarm_and_every_alert_has_its_place_on_the_page() {
    let page = read("docs/watch.md");
    let listed = section(&page, "What wakes somebody up");
    let alerts = quoted(listed, |word| word.starts_with("Checkpoint"));
    assert_eq!(
        alerts,
        after(&read("deploy/prometheus/alerts.yml"), "- alert: ")
    );
    let alarms = quoted(listed, |word| word.contains('-') && !word.contains(' '));
    let templates = ["deploy/alarms.yaml", "deploy/trail.yaml"]
        .map(read)
        .concat();
    let made = after(
        &templates,
        "AlarmName: !Sub checkpoint-signer-${Environment}-",
    );
    // One without a hyphen looks like any other word.
    let made: BTreeSet<String> = made.into_iter().filter(|name| name.contains('-')).collect();
    assert_eq!(alarms, made);
    assert!(listed.contains("`errors`"));
}

/// `metrics` is what a service shows.
pub fn every_metric_has_its_line(metrics: &str) {
    let page = read("docs/watch.md");
    let table = section(&page, "The metrics")
        .lines()
        .filter(|line| line.starts_with("| `"));
    let first: Vec<&str> = table.map(|line| line.split('|').nth(1).unwrap()).collect();
    let listed: BTreeSet<String> = quoted(&first.join(" "), |_| true)
        .iter()
        .map(|name| {
            name.split('{')
                .next()
                .unwrap()
                .trim_end_matches("_total")
                .into()
        })
        .collect();
    let shown = after(metrics, "# TYPE checkpoint_signer_");
    let shown: BTreeSet<String> = shown
        .iter()
        .map(|line| line.split(' ').next().unwrap().into())
        .collect();
    assert_eq!(listed, shown);
}
