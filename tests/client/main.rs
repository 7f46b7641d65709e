//! The Python client of `clients/python`: built as a wheel, installed with locked packages, and tested by its own tests
//! against the real program. Each file of them is one test here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod files;

use testing::{authority, environment, postgres};

use environment::{Environment, run};

/// Runs one file of the client's tests.
fn hold(file: &str) {
    let environment = Environment::get();
    let folder = tempfile::tempdir().unwrap();
    files::write(folder.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(postgres::Database::new());
    let root = env!("CARGO_MANIFEST_DIR");
    run(
        environment
            .python()
            .args(["-m", "pytest", "--basetemp"])
            .arg(folder.path().join("tests"))
            .arg(format!("{root}/clients/python/tests/{file}"))
            .env(
                "CLIENT_TEST_PROGRAM",
                env!("CARGO_BIN_EXE_checkpoint-signer"),
            )
            .env("CLIENT_TEST_FOLDER", folder.path())
            .env("CLIENT_TEST_DATABASE", database.url())
            .env("CLIENT_TEST_GOLDEN", format!("{root}/tests/golden"))
            .env("CLIENT_TEST_VECTORS", format!("{root}/vectors")),
        "the client's tests must hold",
    );
}

#[test]
fn a_wrong_field_is_refused_before_it_is_sent() {
    hold("test_fields.py");
}

#[test]
fn one_and_many_are_signed_through_refusals_and_crashes() {
    hold("test_signing.py");
}

#[test]
fn what_can_be_mended_by_waiting_is_retried_on_each_replica() {
    hold("test_retries.py");
}

#[test]
fn a_call_has_a_name_a_log_and_an_answer_without_the_content() {
    hold("test_calls.py");
}

#[test]
fn exceptions_are_pickled_and_nothing_shows_content() {
    hold("test_errors.py");
}

#[test]
fn a_value_of_a_wrong_kind_is_told_with_what_would_be_right() {
    hold("test_misuse.py");
}

#[test]
fn the_fake_for_the_tests_of_others_answers_as_the_service() {
    hold("test_fake.py");
}

#[test]
fn verdicts_offline_are_those_of_the_service() {
    hold("test_verifying.py");
}

#[test]
fn a_pin_is_a_fingerprint_and_believes_no_impostor() {
    hold("test_pins.py");
}

#[test]
fn keys_of_other_kinds_are_skipped_and_private_ones_refused() {
    hold("test_kinds.py");
}

#[test]
fn the_vectors_get_the_verdicts_and_findings_that_they_say() {
    hold("test_vectors.py");
}

#[test]
fn certificates_are_shown_and_taken_up_when_renewed() {
    hold("test_tls.py");
}

#[test]
fn the_package_is_typed_tidy_and_as_its_readme_says() {
    hold("test_package.py");
}
