//! A leak in each state of the secret, with the blocks of its section pasted into a terminal, where a line that is refused ends nothing.

use std::io::Write as _;
use std::process::Stdio;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::incidents::kid;
use crate::installation::{Installation, KEY, SECRET};
use crate::page::Page;

/// What stands in the secret beside the key in force.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    None,
    Promoted,
    Staged,
    /// By whoever could write the secret: promoted, it would sign at once.
    StagedFromToday,
}

fn with(next: Next) -> Installation {
    let installation = Installation::start();
    let stage = ["rollover", "stage", "--bits", "2048", "--without-asking"];
    let today = Utc::now().format("%Y-%m-%d").to_string();
    let until = (Utc::now() + TimeDelta::days(300))
        .format("%Y-%m-%d")
        .to_string();
    let window = ["--valid-from", &today, "--valid-until", &until];
    match next {
        Next::None => {}
        Next::Promoted => drop(installation.has_the_next_key()),
        Next::Staged => drop(installation.must_as_operator(&stage)),
        Next::StagedFromToday => {
            installation.must_as_operator(&[&stage[..], &window].concat());
        }
    }
    installation
}

/// The names of the keys in the secret.
fn names(installation: &mut Installation, label: &str) -> Option<String> {
    let listed = json!({ "SecretId": SECRET });
    let listed = installation
        .cloud
        .ask("secretsmanager.list_secret_version_ids", listed);
    let mut versions = listed["Versions"].as_array().unwrap().iter();
    let id = versions.find_map(|version| {
        let labels = version["VersionStages"].as_array()?;
        labels
            .iter()
            .any(|found| found == label)
            .then(|| version["VersionId"].clone())
    })?;
    let asked = json!({ "SecretId": SECRET, "VersionId": id });
    let found = installation
        .cloud
        .ask("secretsmanager.get_secret_value", asked);
    let document: Value = serde_json::from_str(found["SecretString"].as_str()?).ok()?;
    Some(document["key_id"].as_str()?.to_owned())
}

/// What is said when the blocks of a section, up to the one on what turned up elsewhere, are pasted.
fn pasted(installation: &Installation, section: &str, change: impl Fn(&str) -> String) -> String {
    let page = Page::read("incidents.md");
    let sections = page.sections.iter();
    let mut found = sections.filter(|found| found.title == section);
    let blocks = found.next().unwrap().commands.iter();
    let blocks = blocks.take_while(|block| !block.text.contains("found.json"));
    let blocks: Vec<String> = blocks.map(|block| change(&block.text)).collect();
    let mut shell = installation.command("bash");
    let mut shell = shell
        .args(["--noprofile", "--norc", "-i"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    let script = format!("exec 2>&1\n. ./site.sh\n{}\nexit 0\n", blocks.join("\n"));
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = shell.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const WHOLE: &str = "The whole secret has leaked";
const ONE: &str = "The key has leaked";

/// None of the keys that were in the secret signs afterwards, or has a label by which it would.
fn leaves_none_that_leaked(next: Next, section: &str) {
    let mut installation = with(next);
    let before: Vec<String> = ["AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"]
        .iter()
        .filter_map(|label| names(&mut installation, label))
        .collect();
    let said = pasted(&installation, section, str::to_owned);
    let signed = kid(&installation.ledger.signs("org_1", 4));
    // One that was promoted and did not leak takes over in its time, which comes soon.
    let good = |name: &String| section == ONE && next == Next::Promoted && name != KEY;
    let leaked = before.contains(&signed) && !good(&signed);
    assert!(!leaked, "{next:?}: {signed}: {said}");
    for label in ["AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"] {
        let name = names(&mut installation, label);
        let leaked = name.filter(|name| before.contains(name) && !good(name));
        assert_eq!(leaked, None, "{next:?}: {label}: {said}");
    }
    let keys = installation.must(&["keys", "list"]);
    let trusted = keys.lines().filter(|line| {
        let line = line.trim_start();
        line.starts_with("ACTIVE") || line.starts_with("SCHEDULED")
    });
    assert_eq!(
        trusted.count(),
        1 + usize::from(section == ONE && next == Next::Promoted),
        "{next:?}: {keys}"
    );
}

#[test]
fn after_a_leak_of_the_whole_secret_a_new_key_signs_where_one_was_in_force_alone() {
    leaves_none_that_leaked(Next::None, WHOLE);
}

#[test]
fn after_a_leak_of_the_whole_secret_a_new_key_signs_where_the_next_one_was_promoted() {
    leaves_none_that_leaked(Next::Promoted, WHOLE);
}

#[test]
fn after_a_leak_of_the_whole_secret_a_new_key_signs_where_the_next_one_was_staged() {
    leaves_none_that_leaked(Next::Staged, WHOLE);
}

#[test]
fn after_a_leak_of_the_whole_secret_a_new_key_signs_where_one_was_staged_from_today() {
    leaves_none_that_leaked(Next::StagedFromToday, WHOLE);
}

#[test]
fn after_a_leak_of_the_key_a_new_one_signs_in_each_state_of_the_secret() {
    for next in [
        Next::None,
        Next::Promoted,
        Next::Staged,
        Next::StagedFromToday,
    ] {
        leaves_none_that_leaked(next, ONE);
    }
}

#[test]
fn a_key_that_leaked_is_not_promoted_where_the_new_one_is_refused() {
    for section in [WHOLE, ONE] {
        let mut installation = with(Next::None);
        // Whoever wrote the secret stages one of his own in between, and ours is refused.
        let thief = "AWS_PROFILE=operator checkpoint-signer rollover stage --without-endorsement --key-id amply-checkpoint-key-1999 \
            --bits 2048 --valid-from \"$(date -u +%F)\" --valid-until 2100-01-01 || true\n";
        let change = |block: &str| match block.contains("rollover promote") {
            true => format!("{thief}{block}"),
            false => block.to_owned(),
        };
        let said = pasted(&installation, section, change);
        let theirs = names(&mut installation, "AWSPENDING");
        assert_eq!(
            theirs.as_deref(),
            Some("amply-checkpoint-key-1999"),
            "{said}"
        );
        let refused = installation.ledger.asks("org_1", 4, 400);
        assert!(refused.text.contains("KEY_REVOKED"), "{}", refused.text);
    }
}
