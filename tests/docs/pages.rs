//! The pages that are no incidents.

use std::time::Duration;

use serde_json::json;

use crate::cloud::SIGNING_PROFILE;
use crate::installation::{BUCKET, Installation, KEY, OWNER, SECRET};
use crate::page::Page;
use crate::program::{must, run};
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
    story.up_to("policies kept");
    let stolen = crate::policies::opens_everything(&mut story.installation);
    let shown = story.up_to("policies now");
    for changed in [
        "Who",
        "eve",
        "inline,checkpoint-signer-operator-prod-eu-central-1,mine",
        "AdministratorAccess",
        "grants",
    ] {
        assert!(shown.contains(changed), "{changed}: {shown}");
    }
    story.up_to("revoke-grant");
    crate::policies::finds_all_closed(&mut story.installation, &stolen);
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
fn a_backup_never_replaces_a_better_one() {
    const NIGHT: &str = "Every night";
    let mut story = Story::page("backup.md");
    story.up_to("pg_dump");
    let aws = |story: &Story, arguments: &[&str]| {
        let mut aws = story.installation.command("aws");
        must(aws.args(arguments).env("AWS_PROFILE", "administrator"))
    };
    let newest = |name: &str| format!("s3://{BUCKET}/newest/{name}");
    let kept = |story: &Story| {
        aws(
            story,
            &["s3", "cp", "--quiet", &newest("record.ndjson"), "-"],
        )
    };
    let put_head = |story: &Story, head: &str| {
        std::fs::write(story.installation.desk.join("put.jws"), head).unwrap();
        aws(
            story,
            &["s3", "cp", "--quiet", "put.jws", &newest("head.jws")],
        );
    };
    let best = kept(&story);
    let today = story
        .installation
        .desk
        .join("backup")
        .read_dir()
        .unwrap()
        .next();
    let today = today.unwrap().unwrap().path();
    assert_eq!(
        std::fs::read_to_string(today.join("record.ndjson")).unwrap(),
        best
    );
    // On the next day; it is the same one here.
    let yesterday = today.with_file_name("yesterday");
    std::fs::rename(&today, &yesterday).unwrap();

    // The export was cut off.
    let broken = story.installation.desk.join("broken");
    std::fs::create_dir(&broken).unwrap();
    for name in ["head.jws", "keyring.json"] {
        std::fs::copy(yesterday.join(name), broken.join(name)).unwrap();
    }
    let lines: Vec<&str> = best.lines().collect();
    let fewer = lines[..lines.len() - 1].join("\n") + "\n";
    std::fs::write(broken.join("record.ndjson"), fewer).unwrap();
    story.installation.gives(&broken);
    let cut_off = story.tries("backup.md", NIGHT, "pg_dump", 1);
    assert!(cut_off.contains("NOT_WHOLE"), "{cut_off}");
    assert_eq!(kept(&story), best);

    // The service is on a record of the day before, which is whole in itself.
    story.installation.ledger.signs("org_1", 4);
    std::thread::sleep(Duration::from_secs(2));
    let newer = story.installation.must(&["record", "head"]);
    put_head(&story, &newer);
    story.installation.gives(&yesterday);
    let older = story.tries("backup.md", NIGHT, "pg_dump", 1);
    assert!(
        older.contains("COVERED") && older.contains("NOT_COVERED"),
        "{older}"
    );
    assert_eq!(kept(&story), best);

    // It is on another record, with as many rows, all of them signed by the key.
    let other = crate::thief::a_second_record(&mut story.installation, SECRET);
    story.installation.gives(other.path());
    let forked = story.tries("backup.md", NIGHT, "pg_dump", 1);
    assert!(forked.contains("NOT_COVERED"), "{forked}");
    assert_eq!(kept(&story), best);
    assert!(!today.exists(), "none got the day's name");
}

#[test]
fn the_databases_password() {
    let installation = Installation::with_a_database_as_it_is_made();
    let mut story = Story::section_on(installation, "database-password.md", "Once: two users");
    story.tell_the_rest();
    story.aside("database-password.md", "Each time");
    let first = story.installation.address_on_record();
    assert!(first.contains("://checkpoint_signer_prod_b:"), "{first}");
    story.installation.ledger.signs("org_1", 4);
    // Somebody has it, and leaves a session open.
    let thief = story.installation.session(&first);
    story.aside("database-password.md", "Each time");
    assert!(
        story.installation.is_cut_off(&thief),
        "nobody holds the turn up"
    );
    let second = story.installation.address_on_record();
    assert!(second.contains("://checkpoint_signer_prod_a:"), "{second}");
    story.installation.ledger.signs("org_1", 5);
    let old = run(story
        .installation
        .command("psql")
        .args([first.as_str(), "-c", "SELECT 1"]));
    assert!(
        old.code != 0 && old.text.contains("checkpoint_signer_prod_b"),
        "{}",
        old.text
    );
}

#[test]
fn an_address_that_somebody_has_seen_opens_nothing_from_the_first_block_on() {
    const PAGE: &str = "database-password.md";
    let installation = Installation::with_a_database_as_it_is_made();
    let mut story = Story::section_on(installation, PAGE, "Once: two users");
    story.tell_the_rest();
    // First it is the owner's, then that of a user who takes turns.
    for (count, name) in (4..).zip([OWNER.to_owned(), format!("{OWNER}_b")]) {
        let seen = story.installation.address_on_record();
        assert!(seen.contains(&format!("://{name}:")), "{seen}");
        let thief = story.installation.session(&seen);
        story.aside(PAGE, "Somebody has seen the address");
        assert!(story.installation.is_cut_off(&thief), "{name}");
        let mut again = story.installation.command("psql");
        let again = run(again.args([seen.as_str(), "-c", "SELECT 1"]));
        assert!(
            again.code != 0 && again.text.contains(&name),
            "{}",
            again.text
        );
        story.aside(PAGE, "Each time");
        story.installation.ledger.signs("org_1", count);
    }
}

#[test]
fn in_the_middle_of_a_turn_no_address_in_the_secret_opens_anything_afterwards() {
    const PAGE: &str = "database-password.md";
    let installation = Installation::with_a_database_as_it_is_made();
    let mut story = Story::section_on(installation, PAGE, "Once: two users");
    story.tell_the_rest();
    story.aside(PAGE, "Each time");
    let first = story.installation.address_on_record();
    // Steps 1 to 4 of a second turn; the first address is AWSPREVIOUS now, and its user may still log in.
    story.aside_up_to(PAGE, "Each time", "wait services-stable");
    let second = story.installation.address_on_record();
    assert_ne!(first, second);
    let sessions = [&first, &second].map(|address| story.installation.session(address));
    story.aside(PAGE, "Somebody has seen the address");
    for (address, session) in [&first, &second].iter().zip(&sessions) {
        assert!(story.installation.is_cut_off(session), "{address}");
        let mut again = story.installation.command("psql");
        let again = run(again.args([address.as_str(), "-c", "SELECT 1"]));
        assert!(
            again.code != 0 && again.text.contains(&format!("\"{OWNER}_")),
            "{}",
            again.text
        );
    }
}

#[test]
fn an_owners_new_password_is_kept_until_it_stands_in_the_operators_address() {
    const PAGE: &str = "database-password.md";
    const SECTION: &str = "Somebody has seen the address";
    let mut story = Story::section(PAGE, "Each time");
    story.up_to("site.sh");
    let desk = story.installation.desk.clone();
    let record = json!({ "SecretId": "amply/prod/checkpoint-record" });
    let address = |story: &mut Story| {
        let cloud = &mut story.installation.cloud;
        cloud.ask("secretsmanager.get_secret_value", record.clone())["SecretString"].clone()
    };
    let before = address(&mut story);
    std::fs::write(desk.join("owner-password"), "the only copy\n").unwrap();
    // A new shell, and one in which it is another user.
    for (line, told) in [
        ("unset seen", "seen: is empty"),
        ("seen=a_user PGUSER=other", "is not of the user other"),
    ] {
        story.types(line);
        let said = story.tries(PAGE, SECTION, "owner-password ]; then", 1);
        assert!(said.contains(told), "{said}");
        assert_eq!(address(&mut story), before);
        let kept = std::fs::read_to_string(desk.join("owner-password")).unwrap();
        assert_eq!(kept, "the only copy\n");
    }
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
    let new = crate::policies::names_roles_as_before(&mut story.installation);
    // As the blocks on the image and the function leave them.
    let code = story.installation.cloud.put_code(Some(SIGNING_PROFILE));
    story.types(&format!(
        "CODE_KEY=checkpoint-signer/lambda.zip CODE_VERSION={code}"
    ));
    story.tell_the_rest();
    crate::policies::finds_policies(&mut story.installation, &new);
    let stack = json!({ "StackName": "key" });
    let stack = story
        .installation
        .cloud
        .ask("cloudformation.describe_stacks", stack);
    let parameters = stack["Stacks"][0]["Parameters"].to_string();
    assert!(parameters.contains(&code), "{parameters}");
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
    story.up_to("create-bucket");
    story.installation.makes_its_stacks_in("eu-west-1");
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
