//! The audit log of the real binary: each privileged act leaves one event, whatever else is logged.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{
    RefreshKeysRequest, RevokeKeyRequest, SignCheckpointRequest, SignCheckpointsRequest,
};
use serde_json::{Value, json};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

use crate::guarded::{Running, prepare};
use crate::python::python;
use crate::support::checkpoint;
use crate::wait::until;

/// The events, each without its time and what the log adds.
fn events(folder: &Path) -> Vec<Value> {
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let events = lines
        .filter(|line| line["logger"] == "audit")
        .map(|mut event| {
            let members = event.as_object_mut().unwrap();
            for name in ["timestamp", "level", "logger", "message"] {
                assert!(members.remove(name).is_some(), "{name}");
            }
            event
        });
    events.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_privileged_act_leaves_one_event_and_no_control_character() {
    let (folder, authority) = prepare();
    let folder = folder.path();
    let running = Running::start(folder);
    let client = |file| running.client(folder, &authority, file);
    let mut signing = SigningServiceClient::new(client("ledger"));
    let sign = |count, history: &str| SignCheckpointRequest {
        checkpoint: Some(checkpoint("chk_1", count, history)),
        ..Default::default()
    };
    let mut named = Request::new(sign(1, "a"));
    named
        .metadata_mut()
        .insert("x-request-id", MetadataValue::from_static("night-7"));
    let answer = signing.sign_checkpoint(named).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "night-7");
    let refused = signing.sign_checkpoint(sign(2, "b")).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let invalid = SignCheckpointRequest {
        checkpoint: None,
        ..Default::default()
    };
    signing.sign_checkpoint(invalid).await.unwrap_err();
    let item = SignCheckpointsRequest {
        request_id: "item\n{\"target\":\"audit\"}\u{1b}[2J".into(),
        checkpoint: Some(checkpoint("chk_1", 1, "a")),
        ..Default::default()
    };
    let answers = signing
        .sign_checkpoints(tokio_stream::once(item))
        .await
        .unwrap();
    assert!(answers.into_inner().message().await.unwrap().is_some());
    let mut operator = KeyServiceClient::new(client("operator"));
    operator.refresh_keys(RefreshKeysRequest {}).await.unwrap();
    let revoke = |key_id: &str| RevokeKeyRequest {
        key_id: key_id.into(),
        reason: "leaked".into(),
        distrust_after: None,
    };
    operator.revoke_key(revoke("key\n\u{7}")).await.unwrap_err();
    operator.revoke_key(revoke("key-now")).await.unwrap();
    // Again, by a later instant, which changes nothing.
    operator.revoke_key(revoke("key-now")).await.unwrap();
    let mut auditor = KeyServiceClient::new(client("auditor"));
    let turned_away = auditor.revoke_key(revoke("key-now")).await.unwrap_err();
    let turned_away = turned_away.metadata().get("x-request-id").unwrap().clone();

    let mut large = sign(2, "a");
    let content = large.checkpoint.as_mut().unwrap();
    content.organization_summaries = vec![prost_types::Struct::default(); 70_000];
    signing.sign_checkpoint(large).await.unwrap_err();

    let found = events(folder);
    let ledger = "URI:spiffe://amply.example/ledger";
    let operator = "URI:spiffe://amply.example/operator";
    let signed = |request_id: &str, outcome: &str| {
        json!({ "act": "sign", "who": ledger, "request_id": request_id, "ledger_id": "org_1",
            "checkpoint_id": "chk_1", "entry_count": 1, "key_id": "key-now", "outcome": outcome })
    };
    let expected = [
        signed("night-7", "done"),
        json!({ "act": "sign", "who": ledger, "ledger_id": "org_1", "checkpoint_id": "chk_1",
            "entry_count": 2, "key_id": "", "outcome": "refused", "reason": "EQUIVOCATION" }),
        json!({ "act": "sign", "who": ledger, "ledger_id": "", "checkpoint_id": "", "entry_count": 0,
            "key_id": "", "outcome": "refused", "reason": "INVALID_CHECKPOINT" }),
        signed("item\n{\"target\":\"audit\"}\u{1b}[2J", "recorded"),
        json!({ "act": "refresh", "who": operator, "key_id": "", "outcome": "done" }),
        json!({ "act": "revoke", "who": operator, "key_id": "key\n\u{7}", "outcome": "refused",
            "reason": "INVALID_REQUEST" }),
        json!({ "act": "revoke", "who": operator, "key_id": "key-now", "outcome": "done" }),
        json!({ "act": "revoke", "who": operator, "key_id": "key-now", "outcome": "recorded" }),
        json!({ "act": "call", "who": "DNS:auditor.amply.example", "outcome": "refused",
            "rpc": "/amply.checkpoint.v1.KeyService/RevokeKey", "reason": "ROLE_REQUIRED" }),
        json!({ "act": "call", "who": ledger, "outcome": "refused",
            "rpc": "/amply.checkpoint.v1.SigningService/SignCheckpoint", "reason": "INVALID_REQUEST" }),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    let refused = &found[found.len() - 2];
    let last = refused["request_id"].as_str().unwrap();
    assert_eq!(last, turned_away.to_str().unwrap());
    for (mut found, expected) in found.into_iter().zip(expected) {
        if expected.get("request_id").is_none() {
            let made_up = found.as_object_mut().unwrap().remove("request_id").unwrap();
            assert_eq!(made_up.as_str().unwrap().len(), 32);
        }
        assert_eq!(found, expected);
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(log.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(!log.contains("PRIVATE KEY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_record_is_in_the_log_though_its_caller_hung_up() {
    const CALLS: u64 = 300;
    let (folder, authority) = prepare();
    let folder = folder.path();
    let running = Running::start(folder);
    let channel = running.client(folder, &authority, "ledger");
    let mut answered = 0;
    for n in 0..CALLS {
        let mut checkpoint = checkpoint("chk_1", 1, "a");
        checkpoint.ledger_id = format!("org_{n}");
        let mut client = SigningServiceClient::new(channel.clone());
        let call = client.sign_checkpoint(SignCheckpointRequest {
            checkpoint: Some(checkpoint),
            ..Default::default()
        });
        // Before, while and after it is signed and recorded.
        let patience = Duration::from_micros(100 * (n % 50));
        answered += u64::from(tokio::time::timeout(patience, call).await.is_ok());
    }
    let logged = || -> BTreeSet<String> {
        let events = events(folder);
        let signed = events.iter().filter(|event| event["act"] == "sign");
        let ledgers = signed.map(|event| event["ledger_id"].as_str().unwrap().into());
        ledgers.collect()
    };
    // What was called off is so within moments; what was not comes to its end.
    let recorded = || -> BTreeSet<String> {
        let path = folder.join("record.sqlite");
        let connection = rusqlite::Connection::open(path).unwrap();
        let mut rows = connection
            .prepare("SELECT ledger_id FROM signed_checkpoint")
            .unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut before = BTreeSet::new();
    until("the record to be at rest", async || {
        before = recorded();
        tokio::time::sleep(Duration::from_secs(1)).await;
        !before.is_empty() && before == recorded()
    })
    .await;
    assert!(answered < CALLS, "nobody hung up");
    assert!(u64::try_from(before.len()).unwrap() >= answered);
    assert_eq!(logged(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn python_clients_are_let_in_by_their_certificates() {
    let (folder, _authority) = prepare();
    let running = Running::start(folder.path());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/certificates.py");
    let output = python()
        .args([script, &format!("localhost:{}", running.port)])
        .arg(folder.path())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_its_certificate() {
    let (folder, _authority) = prepare();
    let folder = folder.path();
    let running = Running::start(folder);
    let ask = |file: &str| {
        let mut command = crate::starter::binary();
        command
            .current_dir(folder)
            .args(["keys", "list", "--server"]);
        command.arg(format!("https://localhost:{}", running.port));
        command.args(["--server-ca", "ca.crt"]);
        if !file.is_empty() {
            command.args(["--client-certificate", &format!("{file}.crt")]);
            command.args(["--client-key", &format!("{file}.key")]);
        }
        command.output().unwrap()
    };
    let listed = ask("auditor");
    assert!(listed.status.success(), "{listed:?}");
    assert!(String::from_utf8_lossy(&listed.stdout).contains("key-now"));
    for file in ["", "nobody", "stranger", "missing"] {
        let output = ask(file);
        assert_ne!(output.status.code(), Some(0), "{file}: {output:?}");
        assert!(!output.stderr.is_empty(), "{file}");
    }
    let said = String::from_utf8_lossy(&ask("missing").stderr).into_owned();
    assert!(
        said.contains("--client-certificate: missing.crt: No such file"),
        "{said}"
    );
}
