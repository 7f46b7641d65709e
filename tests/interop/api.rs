//! The gRPC API as Python speaks it: the client of `examples/`, and `tests/python/service.py`.

use crate::python::python;
use crate::server::{Server, run, run_well};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python/client.py");
const CHECKPOINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/checkpoint.json");
const CHECKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/service.py");

/// Runs one check of the script against a service of its own.
fn holds(check: &str) {
    let server = Server::start();
    run_well(python().args([CHECKS, check, server.address()]));
}

#[test]
fn the_python_client_signs_verifies_and_reads_a_refusal() {
    let server = Server::start();
    let printed = run_well(python().args([CLIENT, CHECKPOINT, server.address()]));
    let lines: Vec<&str> = printed.lines().collect();
    let [published, verdict, refusal] = lines[..] else {
        panic!("expected three lines, found {printed}");
    };
    assert!(verdict.starts_with("VERDICT_KIND_VALID: "), "{verdict}");
    assert!(refusal.starts_with("refused: EQUIVOCATION: "), "{refusal}");
    // What it had signed is the file, and nothing else.
    let mut published: serde_json::Value = serde_json::from_str(published).unwrap();
    published
        .as_object_mut()
        .unwrap()
        .remove("signature")
        .unwrap();
    let example = std::fs::read(CHECKPOINT).unwrap();
    let example: serde_json::Value = serde_json::from_slice(&example).unwrap();
    assert_eq!(published, example);
}

#[test]
fn the_python_client_takes_the_server_from_the_environment_as_a_url() {
    let server = Server::start();
    let printed = run_well(
        python()
            .args([CLIENT, CHECKPOINT])
            .env("CHECKPOINT_SIGNER_SERVER", server.url()),
    );
    assert!(printed.contains("VERDICT_KIND_VALID"), "{printed}");
}

#[test]
fn the_python_client_and_the_command_line_get_the_same_bytes_for_a_checkpoint_with_more_members() {
    let server = Server::start();
    let more = server.path("more.json");
    let example = std::fs::read_to_string(CHECKPOINT).unwrap();
    let members =
        r#""previous": {"id": "chk_2025-01-14", "ratio": 0.25, "tags": ["ä", null, true, []]},"#;
    std::fs::write(&more, example.replacen('{', &format!("{{{members}"), 1)).unwrap();
    let printed = run_well(python().arg(CLIENT).arg(&more).arg(server.address()));
    let signed = server.ask(&["sign", more.to_str().unwrap()], "signed.json");
    let signed = std::fs::read_to_string(signed).unwrap();
    assert_eq!(printed.lines().next(), signed.lines().next());
    assert!(signed.contains(r#""ratio":0.25"#), "{signed}");
}

#[test]
fn the_python_client_names_a_server_that_is_not_there() {
    // A port that is taken, so that nobody else gets it, and does not listen.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let output = run(python().args([CLIENT, CHECKPOINT, &address]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("refused: UNAVAILABLE: "), "{said}");
}

#[test]
fn the_locked_requirements_of_the_tests_hold_those_of_the_client() {
    let locked = include_str!("../python/requirements.txt");
    for line in include_str!("../../examples/python/requirements.txt").lines() {
        let pinned = line.starts_with('#') || line.contains("==");
        assert!(pinned, "{line} is not pinned");
        assert!(
            line.starts_with('#') || locked.lines().any(|l| l == line),
            "{line}"
        );
    }
}

#[test]
fn every_wrong_field_of_a_checkpoint_is_named_in_a_bad_request() {
    holds("bad_fields_are_named");
}

#[test]
fn an_older_state_of_a_ledger_is_a_rollback() {
    holds("an_older_state_is_a_rollback");
}

#[test]
fn a_stream_to_sign_keeps_its_order_and_outlives_refusals() {
    holds("a_stream_to_sign_keeps_its_order_and_outlives_refusals");
}

#[test]
fn a_stream_to_sign_answers_each_item_before_the_next_is_sent() {
    holds("a_stream_to_sign_answers_before_the_next_item");
}

#[test]
fn a_stream_to_verify_keeps_its_order_and_outlives_bad_items() {
    holds("a_stream_to_verify_keeps_its_order");
}

#[test]
fn health_is_told_for_each_service() {
    holds("health_is_told_for_each_service");
}

#[test]
fn reflection_lists_every_service() {
    holds("reflection_lists_every_service");
}

#[test]
fn a_watch_of_the_keys_begins_with_a_snapshot_and_tells_a_revocation() {
    holds("a_watch_begins_with_a_snapshot");
}

#[test]
fn the_record_is_read_page_by_page() {
    holds("the_record_is_read_page_by_page");
}
