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
