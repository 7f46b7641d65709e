//! What the pages list is what there is, all of it and nothing else.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use crate::cloud::read;
use crate::page::{Page, folder};
use crate::python::python;

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

/// Those commands of the AWS CLI that come page by page apply `--query` to each page when they print text, and to all of it when they
/// print JSON.
const PAGED: &str = r#"
import re, sys, botocore.session
session = botocore.session.get_session()
for line in sys.stdin.read().replace("\\\n", " ").splitlines():
    for service, command, rest in re.findall(r"\baws ([a-z0-9]+) ([a-z][a-z-]+)([^|)]*)", line):
        if "--output text" not in rest or service in ("s3", "configure"):
            continue
        client = session.create_client({"s3api": "s3"}.get(service, service), region_name="eu-central-1")
        name = command.replace("-", "_")
        if name in client.meta.method_to_api_mapping and client.can_paginate(name):
            print(f"aws {service} {command}{rest}")
"#;

#[test]
fn no_query_is_applied_page_by_page() {
    let mut pages: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    pages.push("aws logs filter-log-events --query 'events[-1]' --output text".into());
    let mut child = python()
        .args(["-c", PAGED])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(pages.join("\n").as_bytes()).unwrap();
    drop(stdin);
    let found = child.wait_with_output().unwrap();
    assert!(found.status.success());
    let found = String::from_utf8(found.stdout).unwrap();
    // The last one is the test's own, so that it is known to find them.
    assert_eq!(
        found.lines().count(),
        1,
        "expected --output json, and jq:\n{found}"
    );
}

#[test]
fn no_deployment_takes_the_tags_of_a_stack_away() {
    for page in ["docs/upgrade.md", "deploy/README.md"] {
        let text = crate::cloud::read(page).replace("\\\n", " ");
        let deployments = text
            .lines()
            .filter(|line| line.contains("aws cloudformation deploy "));
        let deployments: Vec<&str> = deployments.collect();
        assert!(deployments.len() > 2, "{page}");
        for line in deployments {
            assert!(line.contains("--tags $TAGS "), "{page}: {line}");
        }
    }
}

/// What a section of the incidents is called in a link.
fn anchor(title: &str) -> String {
    title.to_lowercase().replace(' ', "-").replace('.', "")
}

#[test]
fn no_alarm_leads_to_a_revocation_before_anybody_has_looked() {
    let targets: String = [
        "deploy/alarms.yaml",
        "deploy/trail.yaml",
        "deploy/prometheus/alerts.yml",
    ]
    .map(read)
    .concat();
    let page = Page::read("incidents.md");
    let revokes = page.sections.iter().filter(|section| {
        let mut blocks = section.commands.iter();
        blocks.any(|block| block.text.contains("keys revoke"))
    });
    let revoking: Vec<String> = revokes.map(|section| anchor(&section.title)).collect();
    assert_eq!(revoking.len(), 2, "{revoking:?}");
    for section in revoking {
        let link = format!("docs/incidents.md#{section}\n");
        assert!(!targets.contains(&link), "{link}");
    }
    let unusual = read("deploy/prometheus/alerts.yml");
    let (_, unusual) = unusual.split_once("CheckpointUnusualSecretAccess").unwrap();
    let (_, runbook) = unusual.split_once("runbook: ").unwrap();
    assert!(runbook.starts_with("docs/incidents.md#somebody-is-at-the-secret\n"));
}

/// What is another one in another environment, or in another year.
const OF_ONE: [&str; 4] = [
    "amply-checkpoint-key-2",
    "amply-prod",
    "amply/prod",
    "--environment prod",
];

#[test]
fn no_command_is_of_one_environment_or_of_one_years_key() {
    let named = |text: &str| {
        let found = OF_ONE.into_iter().filter(|name| text.contains(name));
        found.collect::<Vec<_>>()
    };
    for page in Page::all() {
        let commands = page.sections.iter().flat_map(|section| &section.commands);
        for command in commands {
            let (name, line) = (&page.name, command.line);
            assert_eq!(named(&command.text), [""; 0], "{name}:{line}");
        }
    }
    // The guides are examples; what cannot be taken back is none.
    for entry in std::fs::read_dir(folder().join("guide")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let blocks = text.split("\n```sh\n").skip(1);
        let lines = blocks.flat_map(|rest| rest.split("\n```").next().unwrap().lines());
        let for_ever = [" keys revoke ", " record bind ", " record init "];
        for line in lines.filter(|line| for_ever.iter().any(|command| line.contains(command))) {
            assert_eq!(named(line), [""; 0], "{line}");
        }
    }
}

#[test]
fn what_a_load_balancer_takes_for_well_is_the_same_on_the_page_and_in_the_template() {
    let template = read("deploy/service.yaml");
    let codes = after(&template, "Matcher: { HttpCode: \"");
    assert_eq!(codes.len(), 1, "{codes:?}");
    let codes = codes.first().unwrap().trim_end_matches("\" }");
    assert!(read("docs/proxies.md").contains(&format!("`Matcher` {codes} if")));
}

#[test]
fn the_guides_public_url_is_of_its_environment() {
    let guide = read("deploy/README.md");
    let value = |name: &str| {
        let (_, rest) = guide.split_once(&format!("export {name}=")).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let environment = value("ENVIRONMENT");
    assert!(value("PUBLIC_URL").contains(&format!(".{environment}.")));
}
