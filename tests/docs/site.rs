//! `site.sh`: what it says of an environment is that environment's.

use std::process::Command;

use crate::page::folder;

/// What a shell says that begins with nothing.
fn shell(script: &str) -> (bool, String) {
    let mut command = Command::new("bash");
    let output = command
        .args(["-c", script])
        .current_dir(folder())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(told).unwrap())
}

const OF_AN_ENVIRONMENT: [&str; 13] = [
    "CHECKPOINT_SIGNER_RECORD",
    "DATABASE_SECRET",
    "CHECKPOINT_SIGNER_SERVER",
    "PUBLIC_URL",
    "CLUSTER",
    "STACK",
    "KEY_STACK",
    "LOG_GROUP",
    "PGHOST",
    "PGUSER",
    "PGDATABASE",
    "SCRATCH_RECORD",
    "BACKUP_BUCKET",
];

#[test]
fn every_name_of_an_environment_follows_it() {
    let names = OF_AN_ENVIRONMENT.map(|name| format!("${name}")).join("\n");
    let script = format!(". ./site.sh\necho \"{names}\"");
    let (_, prod) = shell(&script);
    let (done, staging) = shell(&format!("CHECKPOINT_SIGNER_ENVIRONMENT=staging\n{script}"));
    assert!(done, "{staging}");
    let pairs = prod.lines().zip(staging.lines());
    for ((of_prod, of_staging), name) in pairs.zip(OF_AN_ENVIRONMENT) {
        assert!(of_staging.contains("staging"), "{name}: {of_staging}");
        assert_ne!(of_prod, of_staging, "{name}");
    }
    assert!(!staging.contains("prod"), "{staging}");
}

#[test]
fn another_shell_than_bash_is_refused() {
    // As all of them know it: no version of bash.
    let other = "unset BASH_VERSION; . ./site.sh || exit 1; echo \"$CLUSTER\"";
    let (done, told) = shell(other);
    assert!(!done && told.contains("this shell is not bash"), "{told}");
}

#[test]
fn a_shell_of_one_environment_is_not_taken_for_another() {
    let twice = ". ./site.sh && . ./site.sh && echo \"$CLUSTER\"";
    assert_eq!(shell(twice), (true, "checkpoint-signer-prod\n".into()));
    let other = ". ./site.sh; CHECKPOINT_SIGNER_ENVIRONMENT=staging; . ./site.sh || exit 1; echo \"$CLUSTER\"";
    let (done, told) = shell(other);
    assert!(!done && told.contains("this shell is of prod"), "{told}");
}

#[test]
fn the_environment_of_the_guide_to_deploy_is_taken_and_another_one_beside_it_is_refused() {
    let show = ". ./site.sh || exit 1; echo \"$CLUSTER $ENVIRONMENT\"";
    let staging = shell(&format!("export ENVIRONMENT=staging\n{show}"));
    assert_eq!(
        staging,
        (true, "checkpoint-signer-staging staging\n".into())
    );
    let both = "export ENVIRONMENT=staging CHECKPOINT_SIGNER_ENVIRONMENT=prod";
    let (done, told) = shell(&format!("{both}\n{show}"));
    let named = told.contains("ENVIRONMENT is staging, and CHECKPOINT_SIGNER_ENVIRONMENT is prod");
    assert!(!done && named, "{told}");
}

/// The lines of the blocks of all pages, of the guides and of `deploy/`, with where each stands.
fn lines_of_blocks() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for place in [folder(), folder().join("guide"), folder().join("../deploy")] {
        let files = std::fs::read_dir(place).unwrap();
        let files = files.map(|file| file.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    let mut lines = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let mut inside = false;
        for (number, line) in (1..).zip(text.lines()) {
            match line.strip_prefix("```") {
                Some(info) => inside = info.starts_with("sh"),
                None if inside => lines.push((format!("{}:{number}", page.display()), line.into())),
                None => {}
            }
        }
    }
    lines
}

#[test]
fn no_block_needs_what_gnu_tools_alone_have() {
    let only = [
        "grep -P",
        "grep -oP",
        "sed -i",
        "date -d",
        "date -u -d",
        "date --date",
        "readlink -f",
        "stat -c",
        "base64 -w",
        "mv -T",
        "sort -V",
        "xargs -r",
    ];
    let lines = lines_of_blocks();
    assert!(lines.len() > 300, "{}", lines.len());
    for (place, line) in lines {
        let found = only.iter().find(|tool| line.contains(*tool));
        assert_eq!(found, None, "{place}: {line}");
    }
}

#[test]
fn no_key_is_promoted_without_an_endorsement_but_after_a_step_that_was_not_refused() {
    let lines = lines_of_blocks();
    let mut promoted = 0;
    for pair in lines.windows(2) {
        let [(_, before), (place, line)] = pair else {
            panic!("windows of two");
        };
        if line.contains("rollover promote") && line.contains("--without-endorsement") {
            promoted += 1;
            let before = before.split("   #").next().unwrap().trim_end();
            assert!(before.ends_with("&&"), "{place}: {before}");
        }
    }
    assert_eq!(promoted, 4);
}
