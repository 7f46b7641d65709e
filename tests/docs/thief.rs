//! Somebody who has the private key, and a service of their own.

use std::io::BufReader;
use std::process::Stdio;

use serde_json::json;

use crate::faketime::same_day;
use crate::installation::Installation;
use crate::program::must;
use crate::{starter, wait};

/// The secret's value that was AWSCURRENT first.
pub fn first_value(installation: &mut Installation, secret: &str) -> String {
    let listed = json!({ "SecretId": secret, "IncludeDeprecated": true });
    let listed = installation
        .cloud
        .ask("secretsmanager.list_secret_version_ids", listed);
    let versions = listed["Versions"].as_array().unwrap().iter();
    let values = versions.map(|version| {
        let one = json!({ "SecretId": secret, "VersionId": version["VersionId"] });
        let value = installation
            .cloud
            .ask("secretsmanager.get_secret_value", one);
        value["SecretString"].as_str().unwrap().to_owned()
    });
    let found: Vec<String> = values
        .filter(|value| value.contains(crate::installation::KEY))
        .collect();
    found.into_iter().next().unwrap()
}

/// A published checkpoint that was never on record here.
pub fn signs_with_what_it_stole(installation: &mut Installation, secret: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let stolen = first_value(installation, secret);
    std::fs::write(folder.path().join("key.json"), stolen).unwrap();
    let program = |arguments: &[&str]| {
        let mut command = starter::binary();
        command
            .args(arguments)
            .env_clear()
            .envs(same_day())
            .current_dir(folder.path());
        command
    };
    let record = ["--record", "sqlite:record.sqlite"];
    must(&mut program(&[&["record", "init"], &record[..]].concat()));
    let serve = [
        "serve",
        "--source",
        "file:key.json",
        "--grpc",
        "127.0.0.1:0",
    ];
    let mut service = program(&[&serve[..], &record].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(service.stdout.take().unwrap());
    let line = wait::line(
        service.id(),
        &mut stdout,
        "a service to say where it listens",
    );
    let server = line.trim().rsplit(' ').next().unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/checkpoint.json");
    let signed = must(&mut program(&["sign", example, "--server", server]));
    service.kill().unwrap();
    service.wait().unwrap();
    signed
}
