//! The keyring's history: rebuilt from what is there, and believed from one pinned key on.

use checkpoint::key::{Algorithm, ValidityWindow};
use checkpoint::keyring::Keyring;
use checkpoint::signing::KeySecret;
use checkpoint_signer::wire::proto::ListKeysRequest;

use crate::support::{TestService, at, checkpoint, versions};

/// Documents of the keys of 2024 to 2026, each endorsed by the one before.
fn documents() -> Vec<String> {
    let mut documents: Vec<String> = Vec::new();
    for year in 2024..=2026 {
        let window = |year| at(&format!("{year}-01-01"));
        let window = ValidityWindow::new(window(year), window(year + 1)).unwrap();
        let before = documents.last();
        let before = before.map(|text| KeySecret::parse(text, None).unwrap().into_signing_key());
        let december = at(&format!("{}-12-01", year - 1));
        let endorser = before.as_ref().map(|key| key.open_at(december).unwrap());
        let id = format!("key-{year}").parse().unwrap();
        let made =
            KeySecret::generate(id, window, Algorithm::Ps256, 2048, endorser.as_ref()).unwrap();
        documents.push(made.0.to_string());
    }
    documents
}

fn run(service: &TestService, arguments: &[&str]) -> (i32, String) {
    let output = crate::starter::binary()
        .args(arguments)
        .current_dir(service.folder.path())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

#[tokio::test]
async fn an_empty_record_takes_the_history_from_the_versions_of_the_secret() {
    let documents = documents();
    let keys = versions(&[
        (&documents[0], "year-2024"),
        (&documents[1], "AWSPREVIOUS"),
        (&documents[2], "AWSCURRENT"),
    ]);
    let service = TestService::with(&keys, "2025-06-01").await;
    // On record, endorsements as well: the file may forget the older ones.
    let current = versions(&[(&documents[1], "AWSCURRENT")]);
    crate::support::write_keys(service.folder.path(), &current);
    let mut service = service.restart().await;
    let keys = service
        .keys
        .list_keys(ListKeysRequest {})
        .await
        .unwrap()
        .into_inner()
        .keys;
    let found: Vec<_> = keys
        .iter()
        .map(|k| (k.key_id.as_str(), !k.endorsement.is_empty()))
        .collect();
    assert_eq!(
        found,
        [("key-2026", true), ("key-2025", true), ("key-2024", false)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_with_one_pinned_key_accepts_later_keys_by_their_chain() {
    let documents = documents();
    let keys = versions(&[
        (&documents[1], "AWSPREVIOUS"),
        (&documents[2], "AWSCURRENT"),
    ]);
    let mut service = TestService::with(&keys, "2026-06-01").await;
    let signed = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let folder = service.folder.path().to_owned();
    std::fs::write(folder.join("signed.json"), signed.published_json).unwrap();
    let keys = service
        .keys
        .list_keys(ListKeysRequest {})
        .await
        .unwrap()
        .into_inner()
        .keys;
    let jwks: Vec<_> = keys.iter().map(|key| key.jwk.as_str()).collect();
    let jwks = format!(r#"{{"keys":[{}]}}"#, jwks.join(","));
    std::fs::write(folder.join("keyring.json"), &jwks).unwrap();
    let verify = |keyring: &str, pin: &str| {
        run(
            &service,
            &["verify", "signed.json", "--keys", keyring, "--pin", pin],
        )
    };
    let pin = keys[1].fingerprint.as_str();
    let (code, shown) = verify("keyring.json", pin);
    let told = shown.contains(&format!("PINNED             key-2025, {pin}"));
    assert!(code == 0 && told, "{shown}");
    let hyphen = format!("-{}", &keys[1].thumbprint[1..]);
    for wrong in ["key-2025", &keys[1].thumbprint, &hyphen, "key-1999"] {
        let (code, shown) = verify("keyring.json", wrong);
        let told = shown.contains("--pin: is ") && shown.contains(&format!("key-2025 {pin}"));
        let warned = shown.contains("only after comparing it with the fingerprint that you noted");
        assert!(code == 2 && told && warned, "{shown}");
    }
    // Without the link, the key is unknown to this auditor.
    let mut without: serde_json::Value = serde_json::from_str(&jwks).unwrap();
    without["keys"][0]
        .as_object_mut()
        .unwrap()
        .remove("endorsement");
    std::fs::write(folder.join("without.json"), without.to_string()).unwrap();
    let (code, shown) = verify("without.json", pin);
    let said = shown.contains("UNKNOWN_KEY") && shown.contains("key-2026 has no endorsement");
    assert!(code == 1 && said, "{shown}");
    assert_eq!(run(&service, &["verify", "signed.json", "--pin", pin]).0, 2);
    let (code, shown) = run(&service, &["keys", "fingerprint", "keyring.json"]);
    assert!(
        code == 0 && shown.contains(&format!("{pin} key-2025\n")),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_brings_endorsements_and_revocations_along() {
    let documents = documents();
    let keys = versions(&[
        (&documents[1], "AWSPREVIOUS"),
        (&documents[2], "AWSCURRENT"),
    ]);
    let mut service = TestService::with(&keys, "2026-06-01").await;
    let request = checkpoint_signer::wire::proto::RevokeKeyRequest {
        key_id: "key-2025".into(),
        distrust_after: None,
        reason: "leaked".into(),
    };
    service.keys.revoke_key(request).await.unwrap();
    let keys = service
        .keys
        .list_keys(ListKeysRequest {})
        .await
        .unwrap()
        .into_inner()
        .keys;
    let jwks: Vec<_> = keys.iter().map(|key| key.jwk.clone()).collect();
    let other = TestService::with(&documents[2], "2026-06-01").await;
    let jwks = format!(r#"{{"keys":[{}]}}"#, jwks.join(","));
    let keyring = Keyring::from_jwks(jwks.as_bytes()).unwrap();
    std::fs::write(other.folder.path().join("keyring.json"), jwks).unwrap();
    let place = "sqlite:record.sqlite";
    let import = ["keys", "import", "keyring.json", "--record", place];
    let (code, shown) = run(&other, &import);
    assert!(code == 1 && shown.contains("--trust sha256:"), "{shown}");
    let entries = keyring.entries();
    let prints = entries
        .iter()
        .map(|entry| entry.version().fingerprint().to_string());
    let trust = prints.collect::<Vec<_>>().join(",");
    let (code, shown) = run(&other, &[&import[..], &["--trust", &trust]].concat());
    assert_eq!(code, 0, "{shown}");
    let mut other = other.restart().await;
    let keys = other
        .keys
        .list_keys(ListKeysRequest {})
        .await
        .unwrap()
        .into_inner()
        .keys;
    let imported = keys.iter().find(|key| key.key_id == "key-2025").unwrap();
    assert_eq!(imported.revocation.as_ref().unwrap().reason, "leaked");
    assert!(!keys[0].endorsement.is_empty());
}
