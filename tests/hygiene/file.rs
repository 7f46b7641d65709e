//! Keys from a file: one in force, one whose window ends, one that is revoked, and updates that are broken.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use checkpoint_signer::wire::proto::KeyState;
use chrono::{SecondsFormat, TimeDelta, Utc};

use crate::image::{Image, counts};
use crate::needles::{self, Form};
use crate::rsa_library;
use crate::served::{Served, generate, program};
use crate::support::{versions, write_keys};
use crate::wait;

/// How long the key signs whose window ends.
const WINDOW: TimeDelta = TimeDelta::seconds(4);

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_and_the_log_hold_the_key_in_force_only_where_the_rsa_library_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let secrets = tempfile::tempdir().unwrap();
    let make = |key_id, from, until| generate(secrets.path(), key_id, from, until);
    let in_force = make("in-force", "2020-01-01", "2199-01-01").await;
    let ending = make("ending", "2020-01-02", "2199-01-01").await;
    let revoked = make("revoked", "2020-01-03", "2199-01-01").await;
    let mut needles = needles::of("in-force", &in_force);
    needles.extend(needles::of("ending", &ending));
    needles.extend(needles::of("revoked", &revoked));
    let check = |image: &Image| rsa_library::check(image, &needles, "in-force");

    let end = (Utc::now() + WINDOW).to_rfc3339_opts(SecondsFormat::Secs, true);
    let ending = ending.replace("2199-01-01T00:00:00Z", &end);
    write_private(path, &[(&ending, "AWSCURRENT"), (&in_force, "AWSPREVIOUS")]);
    let source = format!("file:{}", path.join("keys.json").display());
    let mut served = Served::start(program(), &source, path).await;
    let pid = served.pid();

    assert_eq!(served.sign().await, "ending");
    let before = Image::of_memory(pid).search(&needles);
    for key in ["ending", "in-force"] {
        let found = counts(&before, key);
        assert!(found.contains_key(&("p", Form::Limbs)), "{key}: {found:?}");
    }
    wait::until("a window to end", async || {
        served.state("ending").await == KeyState::Retired
    })
    .await;
    assert_eq!(served.sign().await, "in-force");

    write_private(
        path,
        &[(&revoked, "AWSCURRENT"), (&in_force, "AWSPREVIOUS")],
    );
    served.refresh().await.unwrap();
    assert_eq!(served.sign().await, "revoked");
    served.revoke("revoked").await;
    for broken in broken(&revoked, &in_force) {
        write_keys(path, &broken);
        served.refresh().await.unwrap_err();
    }
    assert_eq!(served.sign().await, "in-force");
    for odd in odd(&in_force) {
        write_keys(path, &odd);
        served.refresh().await.unwrap();
        assert_eq!(served.sign().await, "in-force");
    }
    write_private(path, &[(&in_force, "AWSCURRENT")]);
    served.refresh().await.unwrap();
    check(&Image::of_memory(pid));

    for _ in 0..100 {
        assert_eq!(served.sign().await, "in-force");
    }
    check(&Image::of_memory(pid));
    for _ in 0..10 {
        served.refresh().await.unwrap();
        served.sign().await;
    }
    assert!(
        served
            .http("/.well-known/jwks.json")
            .await
            .contains("in-force")
    );
    check(&Image::of_memory(pid));
    check(&Image::of_core(pid, path));

    let log = Image::of_bytes("log", served.log()).search(&needles);
    assert!(log.is_empty(), "{log:#?}");
}

fn write_private(folder: &Path, documents: &[(&str, &str)]) {
    write_keys(folder, &versions(documents));
}

/// The same key, not written as it should be: each is read by way of several texts.
fn odd(in_force: &str) -> [String; 6] {
    let pem = needles::pem(in_force);
    let with = |pem: String| {
        let mut document: serde_json::Value = serde_json::from_str(in_force).unwrap();
        document["private_key"] = pem.into();
        document.to_string()
    };
    [
        with(pem.replace('\n', "\\n")),
        with(pem.replace('+', "%2B").replace('\n', "%0A")),
        with(pem.trim().replace(['+', '\n'], " ")),
        with(STANDARD.encode(&pem)),
        STANDARD.encode(in_force),
        serde_json::json!({ "key": in_force }).to_string(),
    ]
}

/// Updates that are refused, each with a whole private key in it.
fn broken(revoked: &str, in_force: &str) -> [String; 4] {
    let mut misplaced: serde_json::Value = serde_json::from_str(revoked).unwrap();
    misplaced["key_id"] = misplaced["private_key"].clone();
    let half: String = revoked.chars().take(1500).collect();
    // Another key under a name that is taken.
    let stolen = revoked.replace("\"revoked\"", "\"in-force\"");
    let mut inconsistent: serde_json::Value = serde_json::from_str(in_force).unwrap();
    let pem = needles::pem(in_force);
    let middle = pem.len() / 2;
    let other = match &pem[middle..=middle] {
        "A" => "B",
        _ => "A",
    };
    inconsistent["private_key"] = format!("{}{other}{}", &pem[..middle], &pem[middle + 1..]).into();
    [
        misplaced.to_string(),
        half,
        stolen,
        inconsistent.to_string(),
    ]
}
