//! The pages that are no incidents.

use serde_json::json;

use crate::installation::{KEY, SECRET};
use crate::page::Page;
use crate::story::Story;

#[test]
fn the_first_look() {
    Story::page("README.md").tell_the_rest();
}

#[test]
fn sizing() {
    Story::page("sizing.md").tell_the_rest();
}

#[test]
fn what_to_watch() {
    let mut story = Story::page("watch.md");
    story.up_to("site.sh");
    let head = story.installation.must(&["record", "head"]);
    std::fs::write(story.installation.desk.join("last-week.jws"), head).unwrap();
    story.up_to("status --check");
    for count in 4..=6 {
        story.installation.ledger.signs("org_1", count);
    }
    story.tell_the_rest();
    let metrics = std::fs::read_to_string(story.installation.desk.join("metrics.txt")).unwrap();
    crate::facts::every_metric_has_its_line(&metrics);
}

#[test]
fn backup_and_restore() {
    let mut story = Story::page("backup.md");
    story.up_to("sqlite:trial.sqlite");
    for count in 4..=6 {
        story.installation.ledger.signs("org_1", count);
    }
    story.tell_the_rest();
}

#[test]
fn upgrade_and_roll_back() {
    let mut story = Story::page("upgrade.md");
    story.installation.push_an_image();
    let before = story.installation.fargate.started();
    story.up_to("ImageDigest=\"$NEW_DIGEST\"");
    assert_eq!(
        story.installation.fargate.started(),
        before + 2,
        "both replicas were replaced"
    );
    story.up_to("ImageDigest=\"$OLD_DIGEST\"");
    assert_eq!(
        story.installation.fargate.started(),
        before + 4,
        "and again"
    );
    story.tell_the_rest();
    story.installation.ledger.signs("org_1", 4);
}

#[test]
fn the_secret_was_deleted() {
    let mut story = Story::section("disaster-recovery.md", "The secret was deleted");
    let delete = json!({ "SecretId": SECRET, "RecoveryWindowInDays": 30 });
    story
        .installation
        .cloud
        .ask("secretsmanager.delete_secret", delete);
    story.installation.has_its_keys_read();
    story.up_to("rollover status");
    story.installation.ledger.signs("org_1", 4);
    story.tell_the_rest();
    story.installation.has_its_keys_read();
    let listed = story.installation.must(&["keys", "list"]);
    assert!(
        listed.contains(KEY) && !listed.contains("fault"),
        "{listed}"
    );
}

#[test]
fn a_standby_was_promoted() {
    Story::section("disaster-recovery.md", "A standby was promoted").tell_the_rest();
}

#[test]
fn the_region_is_lost() {
    let mut story = Story::section(
        "disaster-recovery.md",
        "The region, or the account, is lost",
    );
    story.up_to("site.sh");
    story.aside("backup.md", "Every night");
    story.installation.goes_on_and_then_its_region_is_lost();
    story.tell_the_rest();
}

#[test]
fn everything_is_lost() {
    let mut story = Story::section(
        "disaster-recovery.md",
        "Everything is lost, and there is no backup",
    );
    story.up_to("site.sh");
    let keyring = story.installation.must(&["keys", "export"]);
    let desk = &story.installation.desk;
    std::fs::create_dir(desk.join("newest")).unwrap();
    let keys = checkpoint::keyring::Keyring::from_jwks(keyring.as_bytes()).unwrap();
    let entries = keys.entries();
    let prints = entries.iter().map(|entry| entry.version().fingerprint());
    let prints: String = prints.map(|print| format!("{print}\n")).collect();
    std::fs::write(desk.join("fingerprints.txt"), prints).unwrap();
    std::fs::write(desk.join("newest/keyring.json"), keyring).unwrap();
    std::fs::write(
        desk.join("published.ndjson"),
        story.installation.ledger.published(),
    )
    .unwrap();
    story.tell_the_rest();
}

#[test]
fn every_section_with_commands_has_its_story() {
    let stories = concat!(include_str!("pages.rs"), include_str!("incidents.rs"));
    let told = |text: &str| stories.contains(&format!("\"{text}\""));
    for page in Page::all() {
        let whole = stories.contains(&format!("Story::page(\"{}\")", page.name));
        for section in page
            .sections
            .iter()
            .filter(|section| !section.commands.is_empty())
        {
            let is_told = whole || section.title.is_empty() || told(&section.title);
            assert!(is_told, "{}: nobody tells {:?}", page.name, section.title);
        }
    }
}
